/**
 * The body that asks for a backfill: Airflow's fields, and two of our own.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { BackfillRequest } from "../../engine/backfill-objects.ts";
import { BACKFILL_LIMITS } from "../../engine/backfill-plan.ts";
import { dateTimeInput } from "../time.ts";
import { boundedConf, conf } from "../trigger.ts";

export const REPROCESS_BEHAVIORS = ["failed", "completed", "none"] as const;
export const reprocessBehavior = z.enum(REPROCESS_BEHAVIORS).openapi("ReprocessBehavior");

/** Body of `POST /backfills`, of its dry run and of its plan; times in epoch milliseconds once read. */
export const backfillBody = z
  .strictObject({
    dag_id: z.string(),
    from_date: dateTimeInput.openapi({ description: "The first logical date, inclusive" }),
    to_date: dateTimeInput.openapi({ description: "The last logical date, inclusive" }),
    run_backwards: z.boolean().default(false).openapi({ description: "Latest date first" }),
    dag_run_conf: conf.openapi({
      description: "Conf of every run; if it is left out, runs that are made again keep theirs",
    }),
    reprocess_behavior: reprocessBehavior.default("none").openapi({
      description: "Runs that are there: leave them, run those again that failed, or all that are over",
    }),
    max_active_runs: z
      .int(wholeUpTo(BACKFILL_LIMITS.maxActiveRuns))
      .min(1)
      .max(BACKFILL_LIMITS.maxActiveRuns)
      .default(10)
      .openapi({ description: "Runs of the backfill that may be running at a time, whatever the DAG's own limit" }),
    run_on_latest_version: z
      .boolean()
      .nullish()
      .openapi({ default: true, description: "Runs that are made again take the newest version of the DAG" }),
    stop_on_first_failure: z
      .boolean()
      .default(false)
      .openapi({ description: "The first run that fails ends the backfill. Not a field of Airflow's" }),
    canary: z
      .int(wholeUpTo(BACKFILL_LIMITS.dates))
      .min(1)
      .max(BACKFILL_LIMITS.dates)
      .nullish()
      .openapi({ description: "Run so many, then wait to be unpaused. Not a field of Airflow's" }),
  })
  .openapi("BackfillPostBody");

/** What the DAG's object is asked, from a body. @throws ApiError 413 for conf that is too large. */
export function backfillRequest(body: z.output<typeof backfillBody>, user: string | null): BackfillRequest {
  const { dag_id: _dagId, dag_run_conf: given, run_on_latest_version: onLatest, canary, ...rest } = body;
  return {
    ...rest,
    dag_run_conf: given === undefined || given === null ? null : boundedConf(given),
    run_on_latest_version: onLatest ?? true,
    canary: canary ?? null,
    triggering_user_name: user,
  };
}

function wholeUpTo(most: number): string {
  return `expected a whole number from 1 to ${most}`;
}
