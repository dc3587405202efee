/**
 * Bodies of requests that change runs, by Airflow's rules.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { ApiError } from "../errors.ts";

/** Runs that one clear may name: each costs several calls of its DAG's object. */
export const MAX_CLEARED_RUNS = 250;

const note = z
  .string()
  .max(1000, "expected at most 1000 characters")
  .nullish()
  .openapi({ description: "Empty text removes the note" });

/** States that users may give a run. */
const state = z.enum(["queued", "success", "failed"]).openapi("DagRunMutableStates");

export const dagRunPatchBody = z.strictObject({ state: state.nullish(), note }).openapi("DAGRunPatchBody");

export const bulkDagRunBody = z
  .strictObject({ dag_run_id: z.string(), dag_id: z.string().nullish(), state: state.nullish(), note })
  .openapi("BulkDAGRunBody");

/** A run that a bulk request names, and what it gets. */
export type BulkDagRun = z.output<typeof bulkDagRunBody>;

/** Fields of a run that a request may set. */
export interface RunPatch {
  state?: "queued" | "success" | "failed";
  note?: string | null;
}

/** What a body sets: only what it gives, and of that only what the mask names. A state of null sets none. */
export function runPatch(
  body: { state?: z.output<typeof state> | null | undefined; note?: string | null | undefined },
  mask: readonly string[] | null,
): RunPatch {
  const counts = (field: string) => mask === null || mask.length === 0 || mask.includes(field);
  const patch: RunPatch = {};
  if (body.state !== undefined && body.state !== null && counts("state")) {
    patch.state = body.state;
  }
  if (body.note !== undefined && counts("note")) {
    patch.note = body.note === "" ? null : body.note;
  }
  return patch;
}

const clearFields = {
  dry_run: z
    .boolean()
    .default(true)
    .openapi({ description: "Changes nothing, lists the task instances it would clear" }),
  only_failed: z.boolean().default(false).openapi({ description: "Only those that failed or whose upstream failed" }),
  only_new: z.boolean().default(false).openapi({ description: "Not served" }),
  run_on_latest_version: z
    .boolean()
    .nullish()
    .openapi({ description: "Run again on the newest version of the DAG instead of the run's own" }),
  note,
};

const EXCLUSIVE = { path: ["only_new"], error: "expected only one of only_new and only_failed" };

export const dagRunClearBody = z
  .strictObject(clearFields)
  .refine((body) => !(body.only_new && body.only_failed), EXCLUSIVE)
  .openapi("DAGRunClearBody");

const partition = z.string().nullish().openapi({ description: "Not served: runs are not partitioned" });

export const bulkDagRunClearBody = z
  .strictObject({
    ...clearFields,
    dag_runs: z.array(bulkDagRunBody).max(MAX_CLEARED_RUNS).default([]),
    partition_key: partition,
    partition_date_start: partition,
    partition_date_end: partition,
  })
  .refine((body) => !(body.only_new && body.only_failed), EXCLUSIVE)
  .refine((body) => (body.dag_runs.length > 0 ? 1 : 0) + (isPartitioned(body) ? 1 : 0) === 1, {
    path: ["dag_runs"],
    error:
      "expected exactly one of dag_runs (non-empty), partition_key, or a partition date window (partition_date_start / partition_date_end)",
  })
  .openapi("BulkDAGRunClearBody");

/** What a clear of runs asks of each run. */
export interface ClearOptions {
  only_failed: boolean;
  run_on_latest_version: boolean;
  note?: string;
  dry_run: boolean;
}

/**
 * How each run is cleared, from a body.
 *
 * @throws ApiError 400 for what Airflow clears by and Jobbers does not.
 */
export function clearOptions(body: z.output<typeof dagRunClearBody> & PartitionSelectors): ClearOptions {
  if (body.only_new) {
    throw new ApiError(400, "expected a clear that is served, got only_new; run_on_latest_version runs new tasks too");
  }
  if (isPartitioned(body)) {
    throw new ApiError(400, "expected dag_runs, got a partition selector: runs are not partitioned");
  }
  return {
    only_failed: body.only_failed,
    run_on_latest_version: body.run_on_latest_version ?? false,
    dry_run: body.dry_run,
    ...(body.note === undefined || body.note === null || body.dry_run ? {} : { note: body.note }),
  };
}

interface PartitionSelectors {
  partition_key?: string | null | undefined;
  partition_date_start?: string | null | undefined;
  partition_date_end?: string | null | undefined;
}

function isPartitioned(body: PartitionSelectors): boolean {
  return [body.partition_key, body.partition_date_start, body.partition_date_end].some(
    (value) => value !== undefined && value !== null,
  );
}
