/**
 * Task instances, in Airflow's paths and fields: one of them here, the rest in files of their own.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { ApiDeps, AppEnv } from "../env.ts";
import { notFound, unwrap } from "../errors.ts";
import { knownDag } from "../known-dag.ts";
import { json, refusals } from "../responses.ts";
import { taskInstanceJson, taskInstanceSchema } from "../schemas/task-instance.ts";
import { instanceNotFound, mapIndexQuery, mappedParams, targetOf, taskParams } from "../task-instance-address.ts";
import { clearTaskInstancesRoutes } from "./clear-task-instances.ts";
import { taskGroupInstanceRoutes } from "./task-group-instances.ts";
import { taskInstanceBulkRoutes } from "./task-instance-bulk.ts";
import { taskInstanceDetailRoutes } from "./task-instance-details.ts";
import { taskInstanceListRoutes } from "./task-instance-lists.ts";
import { taskInstancePatchRoutes } from "./task-instance-patch.ts";
import { taskInstanceTriesRoutes } from "./task-instance-tries.ts";

const INSTANCE = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}";

const getRoute = createRoute({
  method: "get",
  path: INSTANCE,
  tags: ["TaskInstance"],
  summary: "Get a task instance of a task that is not mapped",
  request: { params: taskParams },
  responses: { 200: json(taskInstanceSchema, "The task instance"), ...refusals(401, 404, 422) },
});

const getMappedRoute = createRoute({
  method: "get",
  path: `${INSTANCE}/{map_index}` as const,
  tags: ["TaskInstance"],
  summary: "Get one task instance of a mapped task",
  request: { params: mappedParams },
  responses: { 200: json(taskInstanceSchema, "The task instance"), ...refusals(401, 404, 422) },
});

const deleteRoute = createRoute({
  method: "delete",
  path: INSTANCE,
  tags: ["TaskInstance"],
  summary: "Delete a task instance, with its tries and values; one that runs is stopped",
  request: { params: taskParams, query: mapIndexQuery },
  responses: { 200: json(z.null(), "It is gone"), ...refusals(401, 404, 422) },
});

/**
 * All routes of task instances. What has a word where others have a map index stands before them, here and in the app:
 * `{task_id}/listMapped`, `{task_id}/xcomEntries` and the like.
 */
export function taskInstanceRoutes(deps: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .route("/", taskInstanceListRoutes(deps))
    .route("/", taskInstanceTriesRoutes(deps))
    .route("/", taskInstanceDetailRoutes(deps))
    .route("/", taskInstancePatchRoutes(deps))
    .route("/", taskInstanceBulkRoutes(deps))
    .route("/", taskGroupInstanceRoutes(deps))
    .route("/", clearTaskInstancesRoutes(deps))
    .route("/", oneTaskInstanceRoutes(deps));
}

function oneTaskInstanceRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(getRoute, async (c) => {
      const target = targetOf({ ...c.req.valid("param"), map_index: null });
      const { dagId, runId, taskId } = target;
      const dag = await knownDag(registry, c.env, dagId);
      const answer = await dag.getTaskInstance({ run_id: runId, task_id: taskId, map_index: -1 });
      if (!answer.ok && answer.refusal.code === "not_found") {
        const any = await dag.listTaskInstances(runId, { limit: 1, offset: 0, order_by: [], task_ids: [taskId] });
        if (any.ok && any.value.total > 0) {
          throw notFound("Task instance is mapped, add the map_index value to the URL");
        }
        throw await instanceNotFound(dag, target);
      }
      return c.json(taskInstanceJson(unwrap(answer)), 200);
    })
    .openapi(getMappedRoute, async (c) => {
      const target = targetOf(c.req.valid("param"));
      const { dag_id: dagId, dag_run_id: runId, task_id: taskId, map_index: mapIndex } = c.req.valid("param");
      const dag = await knownDag(registry, c.env, dagId);
      const answer = await dag.getTaskInstance({ run_id: runId, task_id: taskId, map_index: mapIndex });
      if (!answer.ok && answer.refusal.code === "not_found") {
        throw await instanceNotFound(dag, target, "Mapped Task Instance");
      }
      return c.json(taskInstanceJson(unwrap(answer)), 200);
    })
    .openapi(deleteRoute, async (c) => {
      const key = { ...c.req.valid("param"), ...c.req.valid("query") };
      const { dag_id: dagId, dag_run_id: runId, task_id: taskId, map_index: mapIndex } = key;
      const dag = await knownDag(registry, c.env, dagId);
      const answer = await dag.deleteTaskInstance({ run_id: runId, task_id: taskId, map_index: mapIndex });
      if (!answer.ok && answer.refusal.code === "not_found") {
        throw await instanceNotFound(dag, targetOf(key));
      }
      return c.json(unwrap(answer), 200);
    });
}
