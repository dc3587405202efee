/**
 * All there is to know of one DAG as JSON, in Airflow's fields. What Airflow has and a Worker has not stands as null, or as
 * the value that says "none".
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { DagStatsView, DagView } from "../../engine/objects.ts";
import { dateTime, iso } from "../time.ts";
import { dagJson, dagSchema } from "./dag.ts";
import { dagVersionJson, dagVersionSchema } from "./dag-version.ts";
import { isoDuration } from "./duration.ts";
import { paramsJson, paramsSchema } from "./param.ts";

export const dagDetailsSchema = dagSchema
  .extend({
    catchup: z.boolean(),
    dag_run_timeout: z.string().nullable().openapi({ description: "An ISO 8601 duration" }),
    asset_expression: z.null(),
    doc_md: z.string().nullable(),
    start_date: dateTime.nullable(),
    end_date: dateTime.nullable(),
    is_paused_upon_creation: z.boolean().nullable(),
    params: paramsSchema,
    render_template_as_native_obj: z.boolean(),
    template_search_path: z.null(),
    timezone: z.string().nullable(),
    last_parsed: dateTime.nullable(),
    default_args: z.record(z.string(), z.unknown()),
    owner_links: z.record(z.string(), z.string()),
    is_favorite: z.boolean(),
    active_runs_count: z.number().int().openapi({ description: "Runs that are queued or running" }),
    latest_dag_version: dagVersionSchema,
    concurrency: z.number().int(),
    rerun_with_latest_version: z.boolean().nullable(),
  })
  .openapi("DAGDetails");
export type DagDetailsJson = z.infer<typeof dagDetailsSchema>;

/** A DAG's details as the API answers them. */
export function dagDetailsJson(view: DagView, { runs }: DagStatsView): DagDetailsJson {
  const dag = dagJson(view);
  const { spec } = view;
  return {
    ...dag,
    catchup: spec.catchup,
    dag_run_timeout: spec.dagrun_timeout === null ? null : isoDuration(spec.dagrun_timeout),
    asset_expression: null,
    doc_md: spec.doc_md,
    start_date: spec.start_date,
    end_date: spec.end_date,
    is_paused_upon_creation: spec.is_paused_upon_creation,
    params: paramsJson(spec.params),
    render_template_as_native_obj: false,
    template_search_path: null,
    timezone: spec.timezone,
    last_parsed: iso(view.version_created_at),
    default_args: {},
    owner_links: {},
    is_favorite: false,
    active_runs_count: runs.queued + runs.running,
    latest_dag_version: dagVersionJson(view.dag_id, view.version, view.version_created_at),
    concurrency: dag.max_active_tasks,
    rerun_with_latest_version: null,
  };
}
