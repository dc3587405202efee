/**
 * The body that triggers a run, by Airflow's rules.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { Result, TriggerRequest } from "../engine/objects.ts";
import type { Json } from "../engine/spec.ts";
import type { DagRunView } from "../engine/work.ts";
import { ApiError, unwrap } from "./errors.ts";
import { exceedsBytes, PAYLOAD_BYTES } from "./limits.ts";
import { suggestion } from "./nearest.ts";
import { show } from "./show.ts";
import { dateTimeInput } from "./time.ts";
import { WEBHOOK_RUN_PREFIX } from "./webhooks/run-id.ts";

const RUN_ID = /^[A-Za-z0-9_.~:+-]+$/;

/** Names that mean something else where a run id stands in a path. */
const NO_RUN_IDS = [".", "..", "~"];

/** What starts the run ids of other types of runs. */
const RESERVED: Record<string, string> = {
  scheduled__: "scheduled",
  backfill__: "backfill",
  asset_triggered__: "asset_triggered",
  asset_materialization__: "asset_materialization",
  operator_triggered__: "operator_triggered",
  [WEBHOOK_RUN_PREFIX]: "webhook",
};

const runId = z
  .string()
  .min(1, "expected at least one character")
  .max(250, "expected at most 250 characters")
  .refine((id) => !NO_RUN_IDS.includes(id), { error: `expected a run id other than ${NO_RUN_IDS.join(", ")}` })
  .openapi({ pattern: RUN_ID.source });

/** Conf of a run in a body. */
export const conf = z
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

/**
 * What the DAG's object is asked, from a body. Without a logical date there is no data interval either.
 *
 * @throws ApiError 400, as Airflow answers it, for a run id of characters or a type that manual runs have not; 413 for conf
 * that is too large.
 */
export function triggerRequest(run: z.output<typeof triggerBody>, user: string | null): TriggerRequest {
  const hasDate = run.logical_date !== null;
  return {
    run_id: manualRunId(run.dag_run_id ?? null),
    logical_date: run.logical_date,
    data_interval_start: hasDate ? (run.data_interval_start ?? null) : null,
    data_interval_end: hasDate ? (run.data_interval_end ?? null) : null,
    run_after: run.run_after ?? null,
    conf: boundedConf(run.conf ?? {}),
    note: run.note === "" ? null : (run.note ?? null),
    triggered_by: "rest_api",
    triggering_user_name: user,
  };
}

/** The conf, if a run may have it. @throws ApiError 413 if it is too large. */
export function boundedConf(given: Record<string, Json>): Record<string, Json> {
  if (exceedsBytes(JSON.stringify(given), PAYLOAD_BYTES)) {
    throw new ApiError(413, `expected a conf of at most ${PAYLOAD_BYTES} bytes of JSON, got more`);
  }
  return given;
}

/**
 * The run that a trigger made.
 *
 * @throws ApiError 400, as Airflow answers it, for conf that violates the DAG's params; else as the refusal says.
 */
export function triggered(answer: Result<DagRunView>): DagRunView {
  if (!answer.ok && answer.refusal.code === "invalid") {
    const { message, loc = [] } = answer.refusal;
    const [place, field, param] = loc;
    if (place === "body" && field === "conf" && param !== undefined) {
      throw new ApiError(400, `Invalid input for param ${String(param).slice(0, 250)}: ${message}`);
    }
  }
  return unwrap(answer);
}

/** What may be wrong with a run that was made: in words, for who triggered it; left out if nothing is. */
export function triggerWarnings({ dag_id, run_id, unknown_conf: unknown }: DagRunView): {
  warnings?: string[];
} {
  if (unknown === undefined) {
    return {};
  }
  const params = new Map(unknown.params.map((name) => [name, null]));
  const warnings = unknown.keys.map(
    (key) => `expected the params of the DAG as keys of conf, got ${show(key)}${suggestion(key, params)}`,
  );
  console.warn({
    event: "unknown_conf_keys",
    dag_id,
    run_id,
    keys: unknown.keys.map((key) => show(key)),
  });
  return { warnings };
}

function manualRunId(id: string | null): string | null {
  if (id === null) {
    return null;
  }
  if (!RUN_ID.test(id)) {
    throw new ApiError(400, `The run_id provided ${show(id)} does not match regex pattern '${RUN_ID.source}'`);
  }
  const prefix = Object.keys(RESERVED).find((start) => id.startsWith(start));
  if (prefix !== undefined) {
    throw new ApiError(
      400,
      `A manual DAG run cannot use ID ${show(id)} since it is reserved for ${RESERVED[prefix] ?? prefix} runs`,
    );
  }
  return id;
}

function isGiven(value: number | null | undefined): boolean {
  return value !== undefined && value !== null;
}
