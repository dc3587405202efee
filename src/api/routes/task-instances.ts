/**
 * Task instances of a run, in Airflow's paths and fields.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { DagObject } from "../../engine/objects.ts";
import { TASK_INSTANCE_STATES } from "../../engine/states.ts";
import type { ApiDeps, AppEnv } from "../env.ts";
import { notFound, unwrap } from "../errors.ts";
import { knownDag } from "../known-dag.ts";
import { pageQuery, refuseUnservedFilters, repeated, repeatedOf, sortKeys } from "../query.ts";
import { json, refusals } from "../responses.ts";
import { taskInstanceCollectionSchema, taskInstanceJson, taskInstanceSchema } from "../schemas/task-instance.ts";

const runParams = z.object({ dag_id: z.string(), dag_run_id: z.string() });
const taskParams = runParams.extend({ task_id: z.string() });
const mappedParams = taskParams.extend({
  map_index: z
    .string()
    .regex(/^(?:-1|\d{1,9})$/, "expected a map index: -1, or a whole number")
    .transform(Number)
    .openapi({ type: "integer", minimum: -1 }),
});

const SORTABLE = [
  "id",
  "task_id",
  "map_index",
  "state",
  "start_date",
  "end_date",
  "duration",
  "try_number",
  "operator",
];
/** Airflow sorts by these too; within one run they are all alike. */
const ALIKE = ["logical_date", "run_after", "data_interval_start", "data_interval_end", "dag_id", "run_id"];

const UNSERVED: ReadonlySet<string> = new Set([
  "task_display_name_pattern",
  "task_group_id",
  "dag_id_pattern",
  "run_id_pattern",
  "pool",
  "pool_name_pattern",
  "queue",
  "queue_name_pattern",
  "executor",
  "version_number",
  "try_number",
  "operator",
  "operator_name_pattern",
  "map_index",
]);

const listQuery = z.object({
  ...pageQuery,
  order_by: repeated.openapi({ description: `One of ${SORTABLE.join(", ")}; \`-\` before it for descending` }),
  state: repeatedOf([...TASK_INSTANCE_STATES, "none"]).openapi({ description: "`none` for those with no state yet" }),
});

const collection = json(taskInstanceCollectionSchema, "A page of task instances");
const TASK_INSTANCES = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances";

const listRoute = createRoute({
  method: "get",
  path: TASK_INSTANCES,
  tags: ["TaskInstance"],
  summary: "List the task instances of a run",
  request: { params: runParams, query: listQuery.extend({ task_id: z.string().optional() }) },
  responses: { 200: collection, ...refusals(400, 401, 404, 422) },
});

const getRoute = createRoute({
  method: "get",
  path: `${TASK_INSTANCES}/{task_id}` as const,
  tags: ["TaskInstance"],
  summary: "Get the task instance of a task that is not mapped",
  request: { params: taskParams },
  responses: { 200: json(taskInstanceSchema, "The task instance"), ...refusals(401, 404) },
});

const listMappedRoute = createRoute({
  method: "get",
  path: `${TASK_INSTANCES}/{task_id}/listMapped` as const,
  tags: ["TaskInstance"],
  summary: "List the task instances of a mapped task",
  request: { params: taskParams, query: listQuery },
  responses: { 200: collection, ...refusals(400, 401, 404, 422) },
});

const getMappedRoute = createRoute({
  method: "get",
  path: `${TASK_INSTANCES}/{task_id}/{map_index}` as const,
  tags: ["TaskInstance"],
  summary: "Get one task instance of a mapped task",
  request: { params: mappedParams },
  responses: { 200: json(taskInstanceSchema, "The task instance"), ...refusals(401, 404, 422) },
});

/** Routes of task instances. */
export function taskInstanceRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(listRoute, async (c) => {
      const { dag_id: dagId, dag_run_id: runId } = c.req.valid("param");
      const dag = await knownDag(registry, c.env, dagId);
      refuseUnservedFilters(c, UNSERVED);
      const { task_id: taskId, ...query } = c.req.valid("query");
      return c.json(await list(dag, runId, taskId, query), 200);
    })
    .openapi(getRoute, async (c) => {
      const { dag_id: dagId, dag_run_id: runId, task_id: taskId } = c.req.valid("param");
      const dag = await knownDag(registry, c.env, dagId);
      const answer = await dag.getTaskInstance({ run_id: runId, task_id: taskId, map_index: -1 });
      if (!answer.ok && answer.refusal.code === "not_found" && (await hasInstances(dag, runId, taskId))) {
        throw notFound("Task instance is mapped, add the map_index value to the URL");
      }
      return c.json(taskInstanceJson(unwrap(answer)), 200);
    })
    .openapi(listMappedRoute, async (c) => {
      const { dag_id: dagId, dag_run_id: runId, task_id: taskId } = c.req.valid("param");
      const dag = await knownDag(registry, c.env, dagId);
      refuseUnservedFilters(c, UNSERVED);
      const page = await list(dag, runId, taskId, c.req.valid("query"));
      // A task has instances by index, or one without: of a task that is not mapped, or before it is expanded.
      const isExpanded = page.task_instances.every(({ map_index: mapIndex }) => mapIndex >= 0);
      if (isExpanded && page.total_entries > 0) {
        return c.json(page, 200);
      }
      await requireMapped(dag, taskId);
      return c.json(isExpanded ? page : { task_instances: [], total_entries: 0 }, 200);
    })
    .openapi(getMappedRoute, async (c) => {
      const { dag_id: dagId, dag_run_id: runId, task_id: taskId, map_index: mapIndex } = c.req.valid("param");
      const dag = await knownDag(registry, c.env, dagId);
      const key = { run_id: runId, task_id: taskId, map_index: mapIndex };
      return c.json(taskInstanceJson(unwrap(await dag.getTaskInstance(key))), 200);
    });
}

type ListQuery = z.output<typeof listQuery>;

async function list(dag: DagObject, runId: string, taskId: string | undefined, query: ListQuery) {
  const { limit, offset, order_by: orderBy, state } = query;
  const keys = sortKeys(orderBy, [...SORTABLE, ...ALIKE], { rendered_map_index: "map_index" });
  const telling = keys.filter((key) => !ALIKE.includes(key.replace(/^-/, "")));
  const answer = await dag.listTaskInstances(runId, {
    limit,
    offset,
    order_by: telling.length === 0 ? ["map_index"] : telling,
    ...(taskId === undefined ? {} : { task_ids: [taskId] }),
    ...(state.length === 0 ? {} : { state }),
  });
  const { items, total } = unwrap(answer);
  return { task_instances: items.map((instance) => taskInstanceJson(instance)), total_entries: total };
}

async function hasInstances(dag: DagObject, runId: string, taskId: string): Promise<boolean> {
  const answer = await dag.listTaskInstances(runId, { limit: 1, offset: 0, order_by: [], task_ids: [taskId] });
  return answer.ok && answer.value.total > 0;
}

/** Airflow's two ways to have nothing to list. A mapped task that expanded to nothing has an empty list instead. */
async function requireMapped(dag: DagObject, taskId: string): Promise<void> {
  const { spec } = unwrap(await dag.describe());
  const task = spec.tasks.find(({ task_id: id }) => id === taskId);
  if (task === undefined) {
    throw notFound(`Task id ${taskId} not found`);
  }
  const groups = new Map(spec.task_groups.map((group) => [group.group_id, group]));
  let isMapped = task.expand !== undefined;
  for (
    let group = groups.get(task.task_group_id ?? "");
    group !== undefined;
    group = groups.get(group.parent_group_id ?? "")
  ) {
    isMapped ||= group.expand !== undefined;
  }
  if (!isMapped) {
    throw notFound(`Task id ${taskId} is not mapped`);
  }
}
