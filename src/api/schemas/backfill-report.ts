/**
 * What became of a backfill, as JSON.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { BackfillReportView, ReportedInstance, ReportedRun } from "../../engine/backfill-objects.ts";
import { dateTime, iso } from "../time.ts";
import { backfillJson, backfillSchema } from "./backfill.ts";

const count = z.number().int();

const runFields = {
  dag_run_id: z.string(),
  logical_date: dateTime,
};

const instanceFields = {
  ...runFields,
  task_id: z.string(),
  map_index: count,
  state: z.string().nullable(),
  try_number: count,
};

const reportedRuns = z.array(z.object({ ...runFields, state: z.string(), reason: z.string().nullable() }));

export const backfillReportSchema = z
  .object({
    backfill: backfillSchema,
    dates: count.openapi({ description: "Dates it is about" }),
    runs: z.object({ queued: count, running: count, success: count, failed: count }),
    never_started: count.openapi({ description: "Of the failed runs, those that were still queued when it was ended" }),
    skipped: z.object({ "in flight": count, "already exists": count }),
    deleted: count.openapi({ description: "Dates whose run was deleted since" }),
    failed_runs: reportedRuns.openapi({ description: "The first 100 that began and failed" }),
    failed_runs_total: count,
    failed_task_instances: z
      .array(z.object({ ...instanceFields, error: z.string().nullable() }))
      .openapi({ description: "The first 100 of such runs; those first that failed by themselves" }),
    failed_task_instances_total: count,
    deadlocked_runs: reportedRuns.openapi({ description: "The first 100 in which nothing can move any more" }),
    deadlocked_runs_total: count,
    deadlocked_task_instances: z
      .array(z.object({ ...instanceFields, passes_if_past_is_ignored: z.boolean() }))
      .openapi({ description: "The first 100 of the runs listed that were never able to run" }),
    deadlocked_task_instances_total: count,
  })
  .openapi("BackfillReport");

/** Characters of an error that a report shows. */
const LONGEST_ERROR = 1000;

/** A report as the API answers it. */
export function backfillReportJson(report: BackfillReportView): z.infer<typeof backfillReportSchema> {
  const { backfill, failed_runs: failed, failed_task_instances: failures, ...rest } = report;
  const { deadlocked_runs: deadlocked, deadlocked_task_instances: stuck, ...counts } = rest;
  return {
    backfill: backfillJson(backfill),
    ...counts,
    failed_runs: failed.items.map(runJson),
    failed_runs_total: failed.total,
    failed_task_instances: failures.items.map(({ error, ...instance }) => ({
      ...instanceJson(instance),
      error: error === null ? null : `${error.type}: ${error.message}`.slice(0, LONGEST_ERROR),
    })),
    failed_task_instances_total: failures.total,
    deadlocked_runs: deadlocked.items.map(runJson),
    deadlocked_runs_total: deadlocked.total,
    deadlocked_task_instances: stuck.items.map(({ passes_if_past_is_ignored: passes, ...instance }) => ({
      ...instanceJson(instance),
      passes_if_past_is_ignored: passes,
    })),
    deadlocked_task_instances_total: stuck.total,
  };
}

function runJson({ run_id: runId, logical_date: date, state, reason }: ReportedRun) {
  return { dag_run_id: runId, logical_date: iso(date), state, reason };
}

function instanceJson({ run_id: runId, logical_date: date, task_id, map_index, state, try_number }: ReportedInstance) {
  return { dag_run_id: runId, logical_date: iso(date), task_id, map_index, state, try_number };
}
