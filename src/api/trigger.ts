/**
 * The body that triggers a run, by Airflow's rules.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { TriggerRequest } from "../engine/objects.ts";
import type { Json } from "../engine/spec.ts";
import { dateTimeInput } from "./time.ts";
import { WEBHOOK_RUN_PREFIX } from "./webhooks/run-id.ts";

const RUN_ID = /^[A-Za-z0-9_.~:+-]+$/;

/** What starts the run ids of other types of runs. */
const RESERVED = [
  "scheduled__",
  "backfill__",
  "asset_triggered__",
  "asset_materialization__",
  "operator_triggered__",
  WEBHOOK_RUN_PREFIX,
];

const runId = z
  .string()
  .min(1, "expected at least one character")
  .max(250, "expected at most 250 characters")
  .regex(RUN_ID, `expected a run id of the characters ${RUN_ID.source}`)
  .refine((id) => !RESERVED.some((prefix) => id.startsWith(prefix)), {
    error: `expected a run id that does not start like those of other types (${RESERVED.join(", ")})`,
  });

const conf = z
  .custom<Record<string, Json>>((value) => typeof value === "object" && value !== null && !Array.isArray(value), {
    error: "expected an object",
  })
  .nullish()
  .openapi({ type: ["object", "null"], additionalProperties: true });

/** Body of `POST /dags/{dag_id}/dagRuns`; times in epoch milliseconds once read. */
export const triggerBody = z
  .strictObject({
    logical_date: dateTimeInput.nullable().openapi({ description: "Required, may be null" }),
    dag_run_id: runId.nullish(),
    data_interval_start: dateTimeInput.nullish(),
    data_interval_end: dateTimeInput.nullish(),
    run_after: dateTimeInput.nullish(),
    conf,
    note: z.string().max(1000, "expected at most 1000 characters").nullish(),
    partition_key: z.null({ error: "expected null: runs are not partitioned" }).optional(),
  })
  .refine((run) => isGiven(run.data_interval_start) === isGiven(run.data_interval_end), {
    path: ["data_interval_start"],
    error: "expected both data_interval_start and data_interval_end, or neither",
  })
  .refine((run) => (run.data_interval_start ?? 0) <= (run.data_interval_end ?? Infinity), {
    path: ["data_interval_end"],
    error: "expected an end that is not before the start",
  })
  .openapi("TriggerDAGRunPostBody");

/** What the DAG's object is asked, from a body. Without a logical date there is no data interval either. */
export function triggerRequest(run: z.output<typeof triggerBody>): TriggerRequest {
  const hasDate = run.logical_date !== null;
  return {
    run_id: run.dag_run_id ?? null,
    logical_date: run.logical_date,
    data_interval_start: hasDate ? (run.data_interval_start ?? null) : null,
    data_interval_end: hasDate ? (run.data_interval_end ?? null) : null,
    run_after: run.run_after ?? null,
    conf: run.conf ?? {},
    note: run.note ?? null,
    triggered_by: "rest_api",
  };
}

function isGiven(value: number | null | undefined): boolean {
  return value !== undefined && value !== null;
}
