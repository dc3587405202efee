/**
 * Lists of runs of one DAG or of many: which DAGs, in which order, and one page of them.
 *
 * @module
 */
import { matchesPattern } from "../engine/like.ts";
import type { Page, RunFilter } from "../engine/objects.ts";
import type { DagRunView } from "../engine/work.ts";
import type { ApiEnv, ApiRegistry } from "./env.ts";
import { compareBy, gather, type SortValue } from "./gather.ts";
import { ALL, knownDagIds, requireDag } from "./known-dag.ts";
import { dagObject } from "./objects.ts";
import { hasDescendingTies, sortKeys } from "./query.ts";
import { durationSeconds } from "./time.ts";
import type { Unavailable } from "./unavailable.ts";

/** Fields that runs may be sorted by. */
export const RUN_SORT_KEYS = [
  "id",
  "state",
  "dag_id",
  "run_id",
  "logical_date",
  "run_after",
  "start_date",
  "end_date",
  "updated_at",
  "conf",
  "duration",
] as const;

/** One page of a list of runs. */
export interface RunListRequest {
  filter: RunFilter;
  /** As the request gave it. */
  orderBy: string[];
  limit: number;
  offset: number;
}

/** The sort keys of a list of runs; by id, which is the order of creation, if nothing is said. @throws ApiError 400 */
export function runOrder(orderBy: string[]): string[] {
  const keys = sortKeys(orderBy, RUN_SORT_KEYS, { dag_run_id: "run_id" });
  return keys.length === 0 ? ["id"] : keys;
}

/**
 * Ids of the DAGs that a list is about: the one of the path if it fits the pattern, or of all of them those that fit.
 *
 * @throws ApiError 404 if the path names a DAG that is not.
 */
export async function dagIdsOf(
  registry: ApiRegistry,
  env: ApiEnv,
  dagId: string,
  pattern: string | undefined,
): Promise<string[]> {
  if (dagId !== ALL) {
    await requireDag(registry, env, dagId);
  }
  const ids = dagId === ALL ? await knownDagIds(registry, env) : [dagId];
  return pattern === undefined ? ids : ids.filter((id) => matchesPattern(id, pattern));
}

/** One page of the runs of these DAGs together, without those that cannot answer if `unavailable` is there to name them. */
export async function listRuns(
  env: ApiEnv,
  dagIds: readonly string[],
  request: RunListRequest,
  unavailable?: Unavailable,
): Promise<Page<DagRunView>> {
  const order = runOrder(request.orderBy);
  const inOrder = hasDescendingTies(order) ? dagIds.toSorted().toReversed() : dagIds.toSorted();
  const parts = inOrder.map((dagId) => ({
    dagId,
    read: (limit: number, offset: number) =>
      dagObject(env, dagId).listRuns({ ...request.filter, limit, offset, order_by: order }),
  }));
  return gather(parts, compareBy(order, sortValue), request, unavailable);
}

/** What a run is sorted by, as its object does it. Across DAGs the order of creation is that of the times. */
function sortValue(run: DagRunView, field: string): SortValue {
  switch (field as (typeof RUN_SORT_KEYS)[number]) {
    case "id":
      return run.created_at;
    case "state":
      return run.state;
    case "dag_id":
      return run.dag_id;
    case "run_id":
      return run.run_id;
    case "logical_date":
      return run.logical_date;
    case "run_after":
      return run.run_after;
    case "start_date":
      return run.start_date;
    case "end_date":
      return run.end_date;
    case "updated_at":
      return run.updated_at;
    case "conf":
      return JSON.stringify(run.conf);
    case "duration":
      return durationSeconds(run.start_date, run.end_date);
  }
}
