/**
 * Marks, notes and deletions of many task instances in one request.
 *
 * @module
 */
import { createRoute, OpenAPIHono } from "@hono/zod-openapi";
import { bulkBody, bulkResponseSchema, runBulk } from "../bulk.ts";
import type { ApiDeps, AppEnv } from "../env.ts";
import { ApiError, unwrap } from "../errors.ts";
import { ALL, knownDag } from "../known-dag.ts";
import { body, json, refusals } from "../responses.ts";
import { bulkTaskInstanceBody, type BulkTaskInstance } from "../schemas/task-instance-bodies.ts";
import { runParams, type Target } from "../task-instance-address.ts";
import { instancesOf } from "../task-instance-lists.ts";
import { patchInstances, patchOf } from "../task-instance-patch.ts";

/** Task instances that one request may delete: each costs a call. */
const MAX_DELETED = 1000;

const bulkRoute = createRoute({
  method: "patch",
  path: "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances",
  tags: ["TaskInstance"],
  summary: "Mark, note or delete many task instances",
  description:
    "One that cannot be changed stops no other; with ~ as the path's DAG or run each entity names its own. An entity without a map index is every instance of its task.",
  request: { params: runParams, body: body(bulkBody(bulkTaskInstanceBody, "BulkTaskInstanceBody"), "The actions") },
  responses: { 200: json(bulkResponseSchema, "What succeeded and what did not"), ...refusals(400, 401, 413, 415, 422) },
});

/** The route of bulk changes of task instances. */
export function taskInstanceBulkRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>().openapi(bulkRoute, async (c) => {
    const path = c.req.valid("param");
    let toDelete = MAX_DELETED;
    const response = await runBulk<BulkTaskInstance>(c.req.valid("json").actions, {
      createRefusal: "Task instances bulk create is not supported",
      update: async (entity, mask) => {
        const target = named(path, entity);
        const dag = await knownDag(registry, c.env, target.dagId);
        // In a bulk request a note of null leaves the note as it is, mask or not.
        const { note, ...fields } = entity;
        const given = note === null || note === undefined ? fields : { ...fields, note };
        const instances = await patchInstances(dag, target, patchOf(given, mask));
        return instances.map(({ map_index: mapIndex }) => keyOf(target, mapIndex));
      },
      delete: async (entity) => {
        const target = named(path, entity);
        const dag = await knownDag(registry, c.env, target.dagId);
        const { items, total } = await instancesOf(dag, target);
        toDelete -= total;
        if (toDelete < 0) {
          throw new ApiError(413, `expected at most ${MAX_DELETED} task instances to delete in one request, got more`);
        }
        for (const { map_index: mapIndex } of items) {
          const key = { run_id: target.runId, task_id: target.taskId, map_index: mapIndex };
          unwrap(await dag.deleteTaskInstance(key));
        }
        return items.map(({ map_index: mapIndex }) => keyOf(target, mapIndex));
      },
    });
    return c.json(response, 200);
  });
}

/** What an entity names. @throws ApiError 400 if its DAG or run is left open. */
function named(path: { dag_id: string; dag_run_id: string }, entity: string | BulkTaskInstance): Target {
  const own: Partial<BulkTaskInstance> & { task_id: string } =
    typeof entity === "string" ? { task_id: entity } : entity;
  // As in Airflow, an empty text names nothing either.
  const dagId = [own.dag_id, path.dag_id].find(Boolean) ?? path.dag_id;
  const runId = [own.dag_run_id, path.dag_run_id].find(Boolean) ?? path.dag_run_id;
  if (dagId === ALL || runId === ALL) {
    const place =
      typeof entity === "string" ? "in BulkTaskInstanceBody object, not as string for" : "in request body for";
    throw new ApiError(
      400,
      `When using wildcard in path, dag_id and dag_run_id must be specified ${place} task_id: ${own.task_id.slice(0, 250)}`,
    );
  }
  return { dagId, runId, taskId: own.task_id, mapIndex: own.map_index ?? null };
}

/** How Airflow names a task instance in the answer. */
function keyOf({ dagId, runId, taskId }: Target, mapIndex: number): string {
  return `${dagId}.${runId}.${taskId}[${mapIndex}]`;
}
