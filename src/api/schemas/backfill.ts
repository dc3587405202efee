/**
 * Backfills as JSON, in Airflow's fields and some of our own.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { BackfillView } from "../../engine/backfill-objects.ts";
import { dateTime, iso } from "../time.ts";
import { reprocessBehavior } from "./backfill-bodies.ts";

export const backfillSchema = z
  .object({
    id: z.number().int(),
    dag_id: z.string(),
    dag_display_name: z.string(),
    from_date: dateTime,
    to_date: dateTime,
    dag_run_conf: z.record(z.string(), z.unknown()),
    is_paused: z.boolean(),
    reprocess_behavior: reprocessBehavior,
    max_active_runs: z.number().int(),
    created_at: dateTime,
    completed_at: dateTime.nullable(),
    updated_at: dateTime,
    run_backwards: z.boolean(),
    run_on_latest_version: z.boolean(),
    stop_on_first_failure: z.boolean(),
    canary: z.number().int().nullable(),
    is_waiting_for_canary: z.boolean().openapi({ description: "Its first runs are over; unpause it to go on" }),
    end_reason: z
      .enum(["completed", "cancelled", "first_failure"])
      .nullable()
      .openapi({ description: "Why it is over: its runs are, somebody cancelled it, or a run failed" }),
    first_failed_dag_run_id: z
      .string()
      .nullable()
      .openapi({ description: "The run that ended it, with first_failure" }),
    triggering_user_name: z.string().nullable(),
  })
  .openapi("Backfill");
export type BackfillJson = z.infer<typeof backfillSchema>;

export const backfillCollectionSchema = z
  .object({ backfills: z.array(backfillSchema), total_entries: z.number().int() })
  .openapi("BackfillCollection");

/** A backfill as the API answers it. */
export function backfillJson(view: BackfillView): BackfillJson {
  const { first_failed_run_id: firstFailed, dag_run_conf: conf, ...rest } = view;
  return {
    ...rest,
    dag_display_name: view.dag_id,
    dag_run_conf: conf ?? {},
    from_date: iso(view.from_date),
    to_date: iso(view.to_date),
    created_at: iso(view.created_at),
    completed_at: iso(view.completed_at),
    updated_at: iso(view.updated_at),
    first_failed_dag_run_id: firstFailed,
  };
}
