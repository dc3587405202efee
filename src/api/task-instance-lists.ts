/**
 * Lists of task instances of one DAG or of many, of one run or of all: one page of them, in order.
 *
 * @module
 */
import type { DagObject, Page, RunFilter, TaskInstanceFilter } from "../engine/objects.ts";
import type { TaskInstanceView } from "../engine/work.ts";
import type { ApiEnv } from "./env.ts";
import { notFound, unwrap } from "./errors.ts";
import { compareBy, gather, type SortValue } from "./gather.ts";
import { dagObject } from "./objects.ts";
import { hasDescendingTies } from "./query.ts";
import { instanceNotFound, type Target } from "./task-instance-address.ts";
import { durationSeconds } from "./time.ts";
import type { Unavailable } from "./unavailable.ts";

/** What Airflow sorts task instances by. */
export const SORT_KEYS = [
  "id",
  "state",
  "duration",
  "start_date",
  "end_date",
  "map_index",
  "try_number",
  "logical_date",
  "run_after",
  "data_interval_start",
  "data_interval_end",
  "operator",
] as const;

/** Names that mean one of them. A rendered map index is the number, and sorts as one. */
export const SORT_ALIASES = { rendered_map_index: "map_index" };

/** Task instances of one task that one answer may hold; no call changes more at once. */
const MAX_OF_TASK = 20_000;

/** One page of a list of task instances. */
export interface InstanceListRequest {
  filter: TaskInstanceFilter;
  /** Keys of `SORT_KEYS`, `-` before one for descending. */
  orderBy: string[];
  limit: number;
  offset: number;
}

/**
 * One page of the task instances of these DAGs together, of one run or with null of all; without those DAGs that cannot
 * answer if `unavailable` is there to name them.
 *
 * @throws ApiError 404 if none of the DAGs has that run.
 */
export async function listInstances(
  env: ApiEnv,
  dagIds: readonly string[],
  runId: string | null,
  { filter, orderBy, limit, offset }: InstanceListRequest,
  unavailable?: Unavailable,
): Promise<Page<TaskInstanceView>> {
  let isRunKnown = false;
  const inOrder = hasDescendingTies(orderBy) ? dagIds.toSorted().toReversed() : dagIds.toSorted();
  const parts = inOrder.map((dagId) => ({
    dagId,
    read: async (count: number, from: number) => {
      const query = { ...filter, limit: count, offset: from, order_by: orderBy };
      const answer = await dagObject(env, dagId).listTaskInstances(runId, query);
      isRunKnown ||= answer.ok;
      return answer;
    },
  }));
  const page = await gather(parts, compareBy(orderBy, sortValue), { limit, offset }, unavailable);
  if (runId !== null && !isRunKnown && parts.length > 0 && unavailable?.isEmpty !== false) {
    throw notFound(`DagRun with run_id: \`${runId.slice(0, 250)}\` was not found`);
  }
  return page;
}

/** What a target names, in order of map indexes. @throws ApiError 404 if there is nothing. */
export async function instancesOf(dag: DagObject, target: Target): Promise<Page<TaskInstanceView>> {
  const answer = await dag.listTaskInstances(target.runId, {
    limit: MAX_OF_TASK,
    offset: 0,
    order_by: ["map_index"],
    task_ids: [target.taskId],
    ...(target.mapIndex === null ? {} : { map_index: [target.mapIndex] }),
  });
  const isMissing = answer.ok ? answer.value.total === 0 : answer.refusal.code === "not_found";
  if (isMissing) {
    throw await instanceNotFound(dag, target);
  }
  return unwrap(answer);
}

/** A filter without what names no value: an empty list filters nothing. */
export function withoutEmpty<F extends RunFilter | TaskInstanceFilter>(filter: {
  [K in keyof F]: F[K] | undefined;
}): F {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => !isEmpty(value))) as F;
}

function isEmpty(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) && value.length === 0);
}

/** What a task instance is sorted by, as its object does it; by id those of one DAG stand together. */
function sortValue(instance: TaskInstanceView, field: string): SortValue {
  switch (field as (typeof SORT_KEYS)[number]) {
    case "id":
      return instance.dag_id;
    case "state":
      return instance.state;
    case "duration":
      return durationSeconds(instance.start_date, instance.end_date);
    case "start_date":
      return instance.start_date;
    case "end_date":
      return instance.end_date;
    case "map_index":
      return instance.map_index;
    case "try_number":
      return instance.try_number;
    case "logical_date":
      return instance.logical_date;
    case "run_after":
      return instance.run_after;
    case "data_interval_start":
      return instance.data_interval_start ?? null;
    case "data_interval_end":
      return instance.data_interval_end ?? null;
    case "operator":
      return instance.operator;
  }
}
