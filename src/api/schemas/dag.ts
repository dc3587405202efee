/**
 * DAGs as JSON, in Airflow's fields. What Airflow has and a Worker has not (files, bundles, parsing, a timetable before
 * there are schedules) stands as null, or as the value that says "none" where Airflow's clients take no null.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { DagView } from "../../engine/objects.ts";
import { LIMITS } from "../../engine/spec.ts";
import { compileTimetable } from "../../engine/timetable/compile.ts";
import { dateTime, iso } from "../time.ts";
import { unavailableField } from "../unavailable.ts";

export const RUN_TYPES = [
  "backfill",
  "scheduled",
  "manual",
  "operator_triggered",
  "asset_triggered",
  "asset_materialization",
] as const;
export const runTypeSchema = z.enum(RUN_TYPES).openapi("DagRunType");

const tagSchema = z.object({ name: z.string(), dag_id: z.string(), dag_display_name: z.string() }).openapi("DagTag");

export const dagSchema = z
  .object({
    dag_id: z.string(),
    dag_display_name: z.string(),
    is_paused: z.boolean(),
    is_stale: z.boolean(),
    last_parsed_time: dateTime.nullable(),
    last_parse_duration: z.number().nullable(),
    last_expired: dateTime.nullable(),
    bundle_name: z.string().nullable(),
    bundle_version: z.string().nullable(),
    relative_fileloc: z.string().nullable(),
    fileloc: z.string(),
    description: z.string().nullable(),
    timetable_summary: z.string().nullable(),
    timetable_description: z.string().nullable(),
    timetable_partitioned: z.boolean(),
    timetable_periodic: z.boolean(),
    tags: z.array(tagSchema),
    max_active_tasks: z.number().int(),
    max_active_runs: z.number().int().nullable(),
    max_consecutive_failed_dag_runs: z.number().int(),
    has_task_concurrency_limits: z.boolean(),
    has_import_errors: z.boolean(),
    next_dagrun_logical_date: dateTime.nullable(),
    next_dagrun_data_interval_start: dateTime.nullable(),
    next_dagrun_data_interval_end: dateTime.nullable(),
    next_dagrun_run_after: dateTime.nullable(),
    allowed_run_types: z.array(runTypeSchema).nullable(),
    owners: z.array(z.string()),
    file_token: z.string(),
    is_backfillable: z.boolean(),
    is_registered: z
      .boolean()
      .openapi({ description: "It came by PUT, and not with the deployed code. Not a field of Airflow's" }),
  })
  .openapi("DAG");
export type DagJson = z.infer<typeof dagSchema>;

export const dagCollectionSchema = z
  .object({ dags: z.array(dagSchema), total_entries: z.number().int(), ...unavailableField })
  .openapi("DAGCollection");

/** A DAG as the API answers it. */
export function dagJson(view: DagView): DagJson {
  const { dag_id: dagId, is_paused, is_registered, version_created_at, next_dagrun: next, spec } = view;
  const timetable = compileTimetable(spec.schedule, spec.timezone);
  return {
    dag_id: dagId,
    dag_display_name: dagId,
    is_paused,
    is_stale: false,
    last_parsed_time: iso(version_created_at),
    last_parse_duration: null,
    last_expired: null,
    bundle_name: null,
    bundle_version: null,
    relative_fileloc: null,
    fileloc: "",
    description: spec.description,
    timetable_summary: timetable.summary,
    timetable_description: timetable.description,
    timetable_partitioned: false,
    timetable_periodic: timetable.isPeriodic,
    tags: spec.tags.map((name) => ({ name, dag_id: dagId, dag_display_name: dagId })),
    max_active_tasks: spec.max_active_tasks ?? LIMITS.taskInstancesPerRun,
    max_active_runs: spec.max_active_runs,
    max_consecutive_failed_dag_runs: spec.max_consecutive_failed_dag_runs,
    has_task_concurrency_limits: spec.tasks.some(
      (task) => task.max_active_tis_per_dag !== null || task.max_active_tis_per_dagrun !== null,
    ),
    has_import_errors: false,
    next_dagrun_logical_date: iso(next?.logical_date ?? null),
    next_dagrun_data_interval_start: iso(next?.data_interval.start ?? null),
    next_dagrun_data_interval_end: iso(next?.data_interval.end ?? null),
    next_dagrun_run_after: iso(next?.run_after ?? null),
    allowed_run_types: null,
    owners: [spec.owner],
    file_token: "",
    is_backfillable: timetable.canBackfill,
    is_registered,
  };
}
