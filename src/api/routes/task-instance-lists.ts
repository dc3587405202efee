/**
 * Lists of task instances: of a run, of all runs, of all DAGs, of one mapped task, by query or by body.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { DagObject, RunFilter, TaskInstanceFilter } from "../../engine/objects.ts";
import { boundsOf } from "../batch-body.ts";
import type { ApiDeps, AppEnv } from "../env.ts";
import { ApiError, notFound, unwrap } from "../errors.ts";
import { ALL, knownDag, knownDagIds } from "../known-dag.ts";
import {
  MAX_LIMIT,
  pageQuery,
  patternQuery,
  rangeQuery,
  rangesOf,
  refuseUnservedFilters,
  repeated,
  repeatedIntegers,
  repeatedOf,
  sortKeys,
} from "../query.ts";
import { body, json, refusals } from "../responses.ts";
import { dagIdsOf } from "../run-lists.ts";
import { taskInstanceCollectionJson, taskInstanceCollectionSchema } from "../schemas/task-instance.ts";
import {
  BATCH_RANGES,
  BATCH_SORT_KEYS,
  FILTER_STATES,
  taskInstancesBatchBody,
} from "../schemas/task-instance-bodies.ts";
import { runParams, taskParams } from "../task-instance-address.ts";
import { listInstances, SORT_ALIASES, SORT_KEYS, withoutEmpty } from "../task-instance-lists.ts";
import { Unavailable } from "../unavailable.ts";

const INSTANCES = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances";

const RANGES = ["run_after", "logical_date", "start_date", "end_date", "duration"] as const;

/** When a task instance last changed is not kept: ranges of `updated_at` are refused too. */
const UNSERVED: ReadonlySet<string> = new Set([
  "cursor",
  "task_display_name_prefix_pattern",
  "dag_id_prefix_pattern",
  "run_id_prefix_pattern",
  "pool_name_prefix_pattern",
  "queue_name_prefix_pattern",
  "operator_name_prefix_pattern",
  "rendered_map_index_pattern",
  "rendered_map_index_prefix_pattern",
]);

/** Filters of a list of one task's instances; a longer one has these too. */
const mappedQuery = z.object({
  ...pageQuery,
  order_by: repeated.openapi({
    description: `One of ${[...SORT_KEYS, ...Object.keys(SORT_ALIASES)].join(", ")}; \`-\` before it for descending. map_index if not given`,
  }),
  state: repeatedOf([...FILTER_STATES, "none", "no_status"]).openapi({
    description: "`none` for those with no state yet",
  }),
  pool: repeated,
  pool_name_pattern: patternQuery,
  queue: repeated,
  queue_name_pattern: patternQuery,
  executor: repeated,
  version_number: repeatedIntegers,
  try_number: repeatedIntegers,
  operator: repeated,
  operator_name_pattern: patternQuery,
  map_index: repeatedIntegers,
  ...rangeQuery(...RANGES),
});
type MappedQuery = z.output<typeof mappedQuery>;

const listQuery = mappedQuery.extend({
  task_id: z.string().optional(),
  task_display_name_pattern: patternQuery,
  task_group_id: z
    .string()
    .optional()
    .openapi({ description: "Tasks of this group, those of its sub-groups included" }),
  dag_id_pattern: patternQuery,
  run_id_pattern: patternQuery,
});
type ListQuery = z.output<typeof listQuery>;

const collection = json(taskInstanceCollectionSchema, "A page of task instances");

const listRoute = createRoute({
  method: "get",
  path: INSTANCES,
  tags: ["TaskInstance"],
  summary: "List the task instances of a run, or with ~ of all runs, or of all DAGs",
  request: { params: runParams, query: listQuery },
  responses: { 200: collection, ...refusals(400, 401, 404, 422) },
});

const listMappedRoute = createRoute({
  method: "get",
  path: `${INSTANCES}/{task_id}/listMapped` as const,
  tags: ["TaskInstance"],
  summary: "List the task instances of a mapped task",
  request: { params: taskParams, query: mappedQuery },
  responses: { 200: collection, ...refusals(400, 401, 404, 422) },
});

const all = z.literal(ALL, { error: 'expected "~": the body names DAGs and runs' });

const batchRoute = createRoute({
  method: "post",
  path: `${INSTANCES}/list` as const,
  tags: ["TaskInstance"],
  summary: "List task instances of many DAGs and runs",
  request: {
    params: z.object({ dag_id: all, dag_run_id: all }),
    body: body(taskInstancesBatchBody, "Which task instances, and which page of them"),
  },
  responses: { 200: collection, ...refusals(400, 401, 413, 415, 422) },
});

/** Routes of lists of task instances. */
export function taskInstanceListRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(listRoute, async (c) => {
      const { dag_id: dagId, dag_run_id: runId } = c.req.valid("param");
      const query = c.req.valid("query");
      refuseUnservedFilters(c, UNSERVED, RANGES);
      if (dagId === ALL && runId !== ALL) {
        throw new ApiError(400, "dag_id is required when dag_run_id is specified");
      }
      const orderBy = orderOf(query.order_by);
      const dagIds = await dagIdsOf(registry, c.env, dagId, query.dag_id_pattern);
      const { limit, offset } = query;
      const run = runId === ALL ? null : runId;
      const request = { filter: filterOf(query), orderBy, limit, offset };
      const unavailable = dagId === ALL ? new Unavailable() : undefined;
      const page = await listInstances(c.env, dagIds, run, request, unavailable);
      return c.json({ ...taskInstanceCollectionJson(page.items, page.total), ...unavailable?.field() }, 200);
    })
    .openapi(listMappedRoute, async (c) => {
      const { dag_id: dagId, dag_run_id: runId, task_id: taskId } = c.req.valid("param");
      const query = c.req.valid("query");
      refuseUnservedFilters(c, UNSERVED, RANGES);
      const orderBy = orderOf(query.order_by);
      const dag = await knownDag(registry, c.env, dagId);
      const { limit, offset } = query;
      const filter = { ...filterOf(query), task_ids: [taskId] };
      const { items, total } = await listInstances(c.env, [dagId], runId, { filter, orderBy, limit, offset });
      const isExpanded = items.length > 0 ? items.every(hasIndex) : await hasExpanded(dag, runId, taskId);
      if (isExpanded) {
        return c.json(taskInstanceCollectionJson(items, total), 200);
      }
      await requireMapped(dag, taskId);
      return c.json(taskInstanceCollectionJson([]), 200);
    })
    .openapi(batchRoute, async (c) => {
      const wanted = c.req.valid("json");
      const { page_limit: limit, page_offset: offset, order_by: key } = wanted;
      const given = key === undefined || key === null || key === "" ? [] : [key];
      const orderBy = sortKeys(given, BATCH_SORT_KEYS);
      const ranges = rangesOf(boundsOf(wanted, ...BATCH_RANGES), ...BATCH_RANGES);
      const filter = withoutEmpty<TaskInstanceFilter>({
        runs: runsOf({ ...ranges, run_ids: wanted.dag_run_ids ?? [] }),
        task_ids: wanted.task_ids ?? [],
        state: (wanted.state ?? []).map((state) => state ?? "none"),
        pool: wanted.pool ?? [],
        queue: wanted.queue ?? [],
        executor: wanted.executor ?? [],
        start_date: ranges.start_date,
        end_date: ranges.end_date,
        duration: ranges.duration,
      });
      const named = new Set(wanted.dag_ids ?? []);
      const dagIds = (await knownDagIds(registry, c.env)).filter((id) => named.size === 0 || named.has(id));
      const order = orderBy.length === 0 ? ["id"] : orderBy;
      const request = { filter, orderBy: order, offset, limit: Math.min(limit, MAX_LIMIT) };
      const unavailable = new Unavailable();
      const page = await listInstances(c.env, dagIds, null, request, unavailable);
      return c.json({ ...taskInstanceCollectionJson(page.items, page.total), ...unavailable.field() }, 200);
    });
}

function orderOf(orderBy: string[]): string[] {
  const keys = sortKeys(orderBy, SORT_KEYS, SORT_ALIASES);
  return keys.length === 0 ? ["map_index"] : keys;
}

function filterOf(query: MappedQuery & Partial<ListQuery>): TaskInstanceFilter {
  const ranges = rangesOf(query, ...RANGES);
  return withoutEmpty<TaskInstanceFilter>({
    runs: runsOf({ ...ranges, run_id_pattern: query.run_id_pattern }),
    task_ids: query.task_id === undefined ? [] : [query.task_id],
    task_group_id: query.task_group_id,
    state: query.state.map((state) => (state === "no_status" ? "none" : state)),
    map_index: query.map_index,
    try_number: query.try_number,
    operator: query.operator,
    pool: query.pool,
    queue: query.queue,
    executor: query.executor,
    dag_version: query.version_number,
    task_display_name_pattern: query.task_display_name_pattern,
    operator_name_pattern: query.operator_name_pattern,
    pool_name_pattern: query.pool_name_pattern,
    queue_name_pattern: query.queue_name_pattern,
    start_date: ranges.start_date,
    end_date: ranges.end_date,
    duration: ranges.duration,
  });
}

/** What filters of task instances say of their runs, or undefined if nothing. */
function runsOf({
  run_ids,
  run_id_pattern,
  run_after,
  logical_date,
}: { [K in keyof RunFilter]: RunFilter[K] | undefined }) {
  const runs = withoutEmpty<RunFilter>({ run_ids, run_id_pattern, run_after, logical_date });
  return Object.keys(runs).length === 0 ? undefined : runs;
}

function hasIndex({ map_index: mapIndex }: { map_index: number }): boolean {
  return mapIndex >= 0;
}

/** A task has instances by index, or one without: of a task that is not mapped, or before it is expanded. */
async function hasExpanded(dag: DagObject, runId: string, taskId: string): Promise<boolean> {
  const query = { limit: 1, offset: 0, order_by: ["-map_index"], task_ids: [taskId] };
  return unwrap(await dag.listTaskInstances(runId, query)).items.some(hasIndex);
}

/** Airflow's two ways to have nothing to list. A mapped task that expanded to nothing has an empty list instead. */
async function requireMapped(dag: DagObject, taskId: string): Promise<void> {
  const { spec } = unwrap(await dag.describe());
  const task = spec.tasks.find(({ task_id: id }) => id === taskId);
  if (task === undefined) {
    throw notFound(`Task id ${taskId.slice(0, 250)} not found`);
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
    throw notFound(`Task id ${taskId.slice(0, 250)} is not mapped`);
  }
}
