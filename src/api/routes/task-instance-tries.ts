/**
 * The tries of a task instance: those that are over, and the present one.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { TaskInstanceView } from "../../engine/work.ts";
import type { ApiDeps, ApiEnv, AppEnv } from "../env.ts";
import { unwrap } from "../errors.ts";
import { knownDag } from "../known-dag.ts";
import { json, refusals } from "../responses.ts";
import {
  taskInstanceTriesSchema,
  taskInstanceTryJson,
  taskInstanceTrySchema,
} from "../schemas/task-instance-history.ts";
import { instanceNotFound, mapIndexQuery, mappedParams, targetOf, taskParams } from "../task-instance-address.ts";

const INSTANCE = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}";

const tryNumber = {
  task_try_number: z
    .string()
    .regex(/^\d{1,9}$/, "expected a try number: a whole number")
    .transform(Number)
    .openapi({ type: "integer", minimum: 0 }),
};

const tries = { 200: json(taskInstanceTriesSchema, "The tries, oldest first"), ...refusals(401, 404, 422) };
const oneTry = { 200: json(taskInstanceTrySchema, "The try"), ...refusals(401, 404, 422) };

const triesRoute = createRoute({
  method: "get",
  path: `${INSTANCE}/tries` as const,
  tags: ["TaskInstance"],
  summary: "List the tries of a task instance",
  request: { params: taskParams, query: mapIndexQuery },
  responses: tries,
});

const mappedTriesRoute = createRoute({
  method: "get",
  path: `${INSTANCE}/{map_index}/tries` as const,
  tags: ["TaskInstance"],
  summary: "List the tries of one task instance of a mapped task",
  request: { params: mappedParams },
  responses: tries,
});

const tryRoute = createRoute({
  method: "get",
  path: `${INSTANCE}/tries/{task_try_number}` as const,
  tags: ["TaskInstance"],
  summary: "Get one try of a task instance",
  request: { params: taskParams.extend(tryNumber), query: mapIndexQuery },
  responses: oneTry,
});

const mappedTryRoute = createRoute({
  method: "get",
  path: `${INSTANCE}/{map_index}/tries/{task_try_number}` as const,
  tags: ["TaskInstance"],
  summary: "Get one try of one task instance of a mapped task",
  request: { params: mappedParams.extend(tryNumber) },
  responses: oneTry,
});

/** Routes of the tries of task instances. */
export function taskInstanceTriesRoutes({ registry }: ApiDeps) {
  const listTries = async (env: ApiEnv, key: Key): Promise<TaskInstanceView[]> => {
    const dag = await knownDag(registry, env, key.dag_id);
    const answer = await dag.listTries({ run_id: key.dag_run_id, task_id: key.task_id, map_index: key.map_index });
    if (!answer.ok && answer.refusal.code === "not_found") {
      throw await instanceNotFound(dag, targetOf(key));
    }
    return unwrap(answer);
  };
  const triesJson = async (env: ApiEnv, key: Key) => {
    const views = await listTries(env, key);
    return { task_instances: views.map((view) => taskInstanceTryJson(view)), total_entries: views.length };
  };
  const tryJson = async (env: ApiEnv, { task_try_number: number, ...key }: Key & { task_try_number: number }) => {
    // After a clear the present try may still have the number of the last one that is over; Airflow shows the present one.
    const view = (await listTries(env, key)).findLast((each) => each.try_number === number);
    if (view === undefined) {
      throw await instanceNotFound(await knownDag(registry, env, key.dag_id), targetOf(key), "Task Instance", number);
    }
    return taskInstanceTryJson(view);
  };
  return new OpenAPIHono<AppEnv>()
    .openapi(triesRoute, async (c) =>
      c.json(await triesJson(c.env, { ...c.req.valid("param"), ...c.req.valid("query") }), 200),
    )
    .openapi(tryRoute, async (c) =>
      c.json(await tryJson(c.env, { ...c.req.valid("param"), ...c.req.valid("query") }), 200),
    )
    .openapi(mappedTriesRoute, async (c) => c.json(await triesJson(c.env, c.req.valid("param")), 200))
    .openapi(mappedTryRoute, async (c) => c.json(await tryJson(c.env, c.req.valid("param")), 200));
}

type Key = z.output<typeof mappedParams>;
