/**
 * DAG runs as JSON: Airflow's fields, then two of ours: why the run ended, and its task instances by state.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { DAG_RUN_STATES } from "../../engine/states.ts";
import type { DagRunView } from "../../engine/work.ts";
import { dateTime, durationSeconds, iso } from "../time.ts";
import { runTypeSchema } from "./dag.ts";
import { dagVersionJson, dagVersionSchema } from "./dag-version.ts";
import { unavailableField } from "../unavailable.ts";

const TRIGGERED_BY = ["cli", "operator", "rest_api", "ui", "test", "timetable", "asset", "backfill"] as const;

export const dagRunSchema = z
  .object({
    dag_run_id: z.string(),
    dag_id: z.string(),
    dag_display_name: z.string(),
    logical_date: dateTime.nullable(),
    queued_at: dateTime.nullable(),
    start_date: dateTime.nullable(),
    end_date: dateTime.nullable(),
    duration: z.number().nullable().openapi({ description: "Seconds" }),
    data_interval_start: dateTime.nullable(),
    data_interval_end: dateTime.nullable(),
    run_after: dateTime,
    last_scheduling_decision: dateTime.nullable(),
    run_type: runTypeSchema,
    state: z.enum(DAG_RUN_STATES),
    triggered_by: z.enum(TRIGGERED_BY).nullable(),
    triggering_user_name: z.string().nullable(),
    conf: z.record(z.string(), z.unknown()).nullable(),
    note: z.string().nullable(),
    dag_versions: z.array(dagVersionSchema),
    bundle_version: z.string().nullable(),
    partition_key: z.string().nullable(),
    partition_date: dateTime.nullable(),
    reason: z.string().nullable().openapi({ description: "Why the run ended, null while it goes on" }),
    task_instance_counts: z.record(z.string(), z.number().int()).openapi({ description: "Task instances by state" }),
    warnings: z.array(z.string()).optional().openapi({
      description: "In the answer to a trigger: keys of its conf that are no params of the DAG, if it has any",
    }),
  })
  .openapi("DAGRun");
export type DagRunJson = z.infer<typeof dagRunSchema>;

export const dagRunCollectionSchema = z
  .object({ dag_runs: z.array(dagRunSchema), total_entries: z.number().int(), ...unavailableField })
  .openapi("DAGRunCollection");

/** A DAG run as the API answers it. */
export function dagRunJson(run: DagRunView): DagRunJson {
  const version = dagVersionJson(run.dag_id, run.dag_version, run.dag_version_created_at);
  return {
    dag_run_id: run.run_id,
    dag_id: run.dag_id,
    dag_display_name: run.dag_id,
    logical_date: iso(run.logical_date),
    queued_at: iso(run.queued_at),
    start_date: iso(run.start_date),
    end_date: iso(run.end_date),
    duration: durationSeconds(run.start_date, run.end_date),
    data_interval_start: iso(run.data_interval_start),
    data_interval_end: iso(run.data_interval_end),
    run_after: iso(run.run_after),
    last_scheduling_decision: null,
    run_type: runTypeSchema.catch("manual").parse(run.run_type),
    state: run.state,
    ...triggeredBy(run),
    conf: run.conf,
    note: run.note === "" ? null : run.note,
    dag_versions: version === null ? [] : [version],
    bundle_version: null,
    partition_key: null,
    partition_date: null,
    reason: run.reason,
    task_instance_counts: run.counts,
  };
}

/** One page of runs as the API answers it. */
export function dagRunCollectionJson(
  runs: readonly DagRunView[],
  total: number,
): z.infer<typeof dagRunCollectionSchema> {
  return { dag_runs: runs.map((run) => dagRunJson(run)), total_entries: total };
}

/** Airflow's clients know a closed list of triggers; a webhook is for them a caller of the REST API, by that name. */
function triggeredBy({
  triggered_by: trigger,
  triggering_user_name: user,
}: DagRunView): Pick<DagRunJson, "triggered_by" | "triggering_user_name"> {
  const known = TRIGGERED_BY.find((name) => name === trigger);
  return known === undefined
    ? { triggered_by: "rest_api", triggering_user_name: user ?? trigger }
    : { triggered_by: known, triggering_user_name: user };
}
