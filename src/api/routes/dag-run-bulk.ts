/**
 * Marks, notes and deletions of many runs in one request.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { bulkBody, bulkResponseSchema, runBulk } from "../bulk.ts";
import type { ApiDeps, AppEnv } from "../env.ts";
import { ApiError, unwrap } from "../errors.ts";
import { ALL, knownDag } from "../known-dag.ts";
import { body, json, refusals } from "../responses.ts";
import { bulkDagRunBody, runPatch, type BulkDagRun } from "../schemas/dag-run-bodies.ts";

const bulkRoute = createRoute({
  method: "patch",
  path: "/dags/{dag_id}/dagRuns",
  tags: ["DagRun"],
  summary: "Mark, note or delete many runs",
  description: "One run that cannot be changed stops no other; with ~ as the path's DAG each entity names its own.",
  request: {
    params: z.object({ dag_id: z.string() }),
    body: body(bulkBody(bulkDagRunBody, "BulkDAGRunBody"), "The actions"),
  },
  responses: { 200: json(bulkResponseSchema, "What succeeded and what did not"), ...refusals(400, 401, 413, 415, 422) },
});

/** The route of bulk changes of DAG runs. */
export function dagRunBulkRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>().openapi(bulkRoute, async (c) => {
    const { dag_id: pathId } = c.req.valid("param");
    const open = async ({ dagId }: Key) => knownDag(registry, c.env, dagId);
    const response = await runBulk<BulkDagRun>(c.req.valid("json").actions, {
      createRefusal: "Dag Runs bulk create is not supported. Use the trigger Dag Run endpoint instead.",
      update: async (entity, mask) => {
        const key = keyOf(pathId, entity);
        const dag = await open(key);
        const patch = runPatch(withoutNullNote(entity), mask);
        unwrap(await (Object.keys(patch).length === 0 ? dag.getRun(key.runId, 0) : dag.patchRun(key.runId, patch)));
        return [`${key.dagId}.${key.runId}`];
      },
      delete: async (entity) => {
        const key = keyOf(pathId, entity);
        unwrap(await (await open(key)).deleteRun(key.runId));
        return [`${key.dagId}.${key.runId}`];
      },
    });
    return c.json(response, 200);
  });
}

interface Key {
  dagId: string;
  runId: string;
}

/** Which run an entity names. @throws ApiError 400 if its DAG is left open. */
function keyOf(pathId: string, entity: string | BulkDagRun): Key {
  const runId = typeof entity === "string" ? entity : entity.dag_run_id;
  const dagId = typeof entity === "string" ? pathId : (entity.dag_id ?? pathId);
  if (dagId === ALL || runId === ALL) {
    const where = typeof entity === "string" ? "in BulkDAGRunBody object, not as string for" : "in request body for";
    throw new ApiError(
      400,
      `When using wildcard in path, dag_id must be specified ${where} dag_run_id: ${runId.slice(0, 250)}`,
    );
  }
  return { dagId, runId };
}

/** In a bulk request a note of null leaves the note as it is, as Airflow has it. */
function withoutNullNote({ note, ...entity }: BulkDagRun): BulkDagRun {
  return note === null || note === undefined ? entity : { ...entity, note };
}
