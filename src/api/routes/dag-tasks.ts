/**
 * The tasks of a DAG's newest version, in Airflow's paths and fields.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { ApiDeps, ApiEnv, AppEnv } from "../env.ts";
import { notFound, unwrap } from "../errors.ts";
import { compareBy } from "../gather.ts";
import { knownDag } from "../known-dag.ts";
import { repeated, sortKeys } from "../query.ts";
import { json, refusals } from "../responses.ts";
import { taskCollectionSchema, tasksJson, taskSchema, type TaskJson } from "../schemas/task.ts";

/** What tasks may be ordered by. */
const SORT_KEYS = [
  "task_id",
  "task_display_name",
  "owner",
  "trigger_rule",
  "retries",
  "retry_exponential_backoff",
  "priority_weight",
  "weight_rule",
  "pool",
  "pool_slots",
  "queue",
  "operator_name",
  "start_date",
  "end_date",
] as const satisfies readonly (keyof TaskJson)[];

const listRoute = createRoute({
  method: "get",
  path: "/dags/{dag_id}/tasks",
  tags: ["Task"],
  summary: "List the tasks of a DAG, all of them",
  request: {
    params: z.object({ dag_id: z.string() }),
    query: z.object({
      order_by: repeated.openapi({
        description: `One of ${SORT_KEYS.join(", ")}; \`-\` before it for descending. task_id unless given`,
      }),
    }),
  },
  responses: { 200: json(taskCollectionSchema, "The tasks"), ...refusals(400, 401, 404) },
});

const getRoute = createRoute({
  method: "get",
  path: "/dags/{dag_id}/tasks/{task_id}",
  tags: ["Task"],
  summary: "Get a task of a DAG",
  request: { params: z.object({ dag_id: z.string(), task_id: z.string() }) },
  responses: { 200: json(taskSchema, "The task"), ...refusals(401, 404) },
});

/** Routes of tasks as a DAG has them. */
export function dagTaskRoutes({ registry }: ApiDeps) {
  const tasksOf = async (env: ApiEnv, dagId: string): Promise<TaskJson[]> =>
    tasksJson(unwrap(await (await knownDag(registry, env, dagId)).describe()).spec);
  return new OpenAPIHono<AppEnv>()
    .openapi(listRoute, async (c) => {
      const keys = sortKeys(c.req.valid("query").order_by, SORT_KEYS);
      const tasks = await tasksOf(c.env, c.req.valid("param").dag_id);
      tasks.sort(compareBy(keys.length === 0 ? ["task_id"] : keys, (task, field) => sortValue(task, field)));
      return c.json({ tasks, total_entries: tasks.length }, 200);
    })
    .openapi(getRoute, async (c) => {
      const { dag_id: dagId, task_id: taskId } = c.req.valid("param");
      const task = (await tasksOf(c.env, dagId)).find((one) => one.task_id === taskId);
      if (task === undefined) {
        throw notFound(`Task with id ${taskId.slice(0, 250)} was not found`);
      }
      return c.json(task, 200);
    });
}

function sortValue(task: TaskJson, field: string): string | number | null {
  const key = SORT_KEYS.find((known) => known === field);
  return key === undefined ? null : task[key];
}
