/**
 * What a backfill would do, as JSON: Airflow's dry run, and the plan.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { BackfillPlanView } from "../../engine/backfill-objects.ts";
import { dateTime, iso } from "../time.ts";

export const dryRunSchema = z
  .object({
    backfills: z.array(
      z.object({ logical_date: dateTime, partition_key: z.string().nullable(), partition_date: dateTime.nullable() }),
    ),
    total_entries: z.number().int(),
  })
  .openapi("DryRunBackfillCollection");

/** The dates that would get a run, new or again. */
export function dryRunJson({ dates }: BackfillPlanView): z.infer<typeof dryRunSchema> {
  const backfills = dates
    .filter(({ action }) => action !== "skip")
    .map(({ logical_date: date }) => ({ logical_date: iso(date), partition_key: null, partition_date: null }));
  return { backfills, total_entries: backfills.length };
}

export const backfillPlanSchema = z
  .object({
    dates: z.array(
      z.object({
        sort_ordinal: z.number().int().openapi({ description: "Place in the order of the backfill, from 1" }),
        logical_date: dateTime,
        data_interval_start: dateTime,
        data_interval_end: dateTime,
        run_after: dateTime,
        action: z.enum(["create", "reprocess", "skip"]),
        reason: z.enum(["in flight", "already exists"]).nullable().openapi({ description: "Why it is left out" }),
        dag_run_id: z.string().nullable().openapi({ description: "The run that is there" }),
        dag_run_state: z.string().nullable(),
      }),
    ),
    total_entries: z.number().int(),
    created: z.number().int(),
    reprocessed: z.number().int(),
    skipped: z.number().int(),
    estimated_task_instances: z.number().int().openapi({
      description: "Of all runs; a mapped task whose length is only known when it runs counts as one",
    }),
    active_backfill_id: z
      .number()
      .int()
      .nullable()
      .openapi({ description: "The backfill that must be over before this one can be made" }),
  })
  .openapi("BackfillPlan");

/** A plan as the API answers it. */
export function backfillPlanJson({ dates, ...plan }: BackfillPlanView): z.infer<typeof backfillPlanSchema> {
  const count = (wanted: string) => dates.filter(({ action }) => action === wanted).length;
  return {
    dates: dates.map(({ run_id: runId, state, ...date }) => ({
      ...date,
      logical_date: iso(date.logical_date),
      data_interval_start: iso(date.data_interval_start),
      data_interval_end: iso(date.data_interval_end),
      run_after: iso(date.run_after),
      dag_run_id: runId,
      dag_run_state: state,
    })),
    total_entries: dates.length,
    created: count("create"),
    reprocessed: count("reprocess"),
    skipped: count("skip"),
    ...plan,
  };
}
