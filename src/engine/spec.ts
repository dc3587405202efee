/**
 * The JSON spec of a DAG: what `dag()` compiles to, what a `Dag` object stores as a version, and what a run stays on
 * for its whole life. Field names are Airflow's. Durations are seconds. See `docs/dag-spec.md`.
 *
 * @module
 */
import { z } from "zod";
import { WEIGHT_RULES } from "./weight-rules.ts";
import { scheduleSchema } from "./timetable/schedule-spec.ts";
import { timezoneSchema } from "./timetable/timezone.ts";

/** Limits of one DAG; each is refused with an error that names the limit and what came. */
export const LIMITS = {
  /** Tasks in one DAG. */
  tasksPerDag: 5000,
  /** Task instances in one run, expanded ones included. */
  taskInstancesPerRun: 20_000,
  /** Elements one expansion may have, unless the DAG sets its own `max_map_length`. */
  mapLength: 1024,
  /** Bytes of an XCom value kept beside its task instance; larger ones go to R2. */
  inlineValueBytes: 128 * 1024,
  /** Bytes of an XCom value that are accepted at all. */
  valueBytes: 10 * 1024 * 1024,
  /** Levels of lists and objects that a value may nest, as a body over HTTP. */
  valueDepth: 100,
  /** Bytes of the resolved input of one task instance. */
  inputBytes: 10 * 1024 * 1024,
} as const;

/** The thirteen trigger rules, in the order of Airflow's documentation. */
export const TRIGGER_RULES = [
  "all_success",
  "all_failed",
  "all_done",
  "all_done_min_one_success",
  "all_done_setup_success",
  "one_success",
  "one_failed",
  "one_done",
  "none_failed",
  "none_failed_min_one_success",
  "none_skipped",
  "all_skipped",
  "always",
] as const;
export type TriggerRule = (typeof TRIGGER_RULES)[number];

const identifier = z
  .string()
  .min(1)
  .max(250)
  .regex(/^[\p{L}\p{N}_.-]+$/u, "expected letters, digits, '_', '-' or '.'")
  // Programs that read URLs take these for directories, so that nothing of that name could be asked for.
  .regex(/^(?!\.{1,2}$)/, "expected an id other than '.' and '..'");

/** A value of any JSON type. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * A reference inside an input template. `xcom`: a value an upstream task gave (of a mapped upstream: the list of all
 * its values, or, inside one mapped group, the value of the same element). `params`: the run's params. `map`: this
 * element of the task's or its group's expansion. `run`: a field of the run.
 */
export const inputRefSchema = z.discriminatedUnion("$ref", [
  z.strictObject({
    $ref: z.literal("xcom"),
    task_id: identifier,
    key: z.string().min(1).max(512).optional(),
    path: z.array(z.union([z.string(), z.number().int()])).optional(),
  }),
  z.strictObject({ $ref: z.literal("params"), path: z.array(z.union([z.string(), z.number().int()])).optional() }),
  z.strictObject({ $ref: z.literal("map"), path: z.array(z.union([z.string(), z.number().int()])).optional() }),
  z.strictObject({
    $ref: z.literal("run"),
    field: z.enum(["run_id", "dag_id", "logical_date", "data_interval_start", "data_interval_end", "conf"]),
  }),
]);
export type InputRef = z.infer<typeof inputRefSchema>;

/** Where the elements of an expansion come from. */
export type ExpandSource =
  | { literal: Json[] | Record<string, Json> }
  | { $ref: "xcom"; task_id: string }
  | { $ref: "params"; path?: (string | number)[] | undefined }
  | { zip: ExpandSource[]; fillvalue?: Json | undefined }
  | { concat: ExpandSource[] };

export const expandSourceSchema: z.ZodType<ExpandSource> = z.lazy(() =>
  z.union([
    z.strictObject({ literal: z.union([z.array(z.json()), z.record(z.string(), z.json())]) }),
    z.strictObject({ $ref: z.literal("xcom"), task_id: identifier }),
    z.strictObject({ $ref: z.literal("params"), path: z.array(z.union([z.string(), z.number().int()])).optional() }),
    z.strictObject({ zip: z.array(expandSourceSchema).min(1), fillvalue: z.json().optional() }),
    z.strictObject({ concat: z.array(expandSourceSchema).min(1) }),
  ]),
) as z.ZodType<ExpandSource>;

/**
 * How a task or a group is mapped. `expand`: the cross product of its keyword lists, the last keyword varying fastest.
 * `expand_kwargs`: one element per object of one list.
 */
export const expandSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("expand"),
    kwargs: z.record(z.string().min(1), expandSourceSchema).refine((k) => Object.keys(k).length > 0, {
      message: "expected at least one keyword to expand over",
    }),
  }),
  z.strictObject({ type: z.literal("expand_kwargs"), source: expandSourceSchema }),
]);
export type ExpandSpec = z.infer<typeof expandSchema>;

/** Name of a queue, or of a role that stands for one; see `docs/queues.md`. */
export const queueName = z
  .string()
  .min(1)
  .max(250)
  .regex(/^[\p{L}\p{N}_.-]+$/u, "expected letters, digits, '_', '-' or '.'");

/** Name of a pool. */
export const poolName = z
  .string()
  .min(1, "expected a name, got an empty text")
  .max(256, "expected at most 256 characters")
  // What turns the direction of text or breaks its line shows another name than the one that counts.
  .regex(
    /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]*$/u,
    "expected a name without control characters, marks of direction, line separators and halves of surrogate pairs",
  )
  // Programs that read URLs take these for directories, so that nobody could ask for a pool of that name.
  .regex(/^(?!\.{1,2}$)/, "expected a name other than '.' and '..'");

/**
 * Which queue a task's messages go to. `spread` deals the instances of a mapped task over several: in turn, at random, or by the
 * hash of the value that stands at `key` in the input, so that equal values share a queue.
 */
export const queueSchema = z.union([
  queueName,
  z.strictObject({
    spread: z.array(queueName).min(2).max(16),
    by: z.enum(["round_robin", "random", "hash"]).default("round_robin"),
    key: z
      .array(z.union([z.string(), z.number().int()]))
      .max(32)
      .optional(),
  }),
]);
export type QueueSpec = z.infer<typeof queueSchema>;

const dateTime = z.iso.datetime({ offset: true, error: "expected an ISO 8601 date-time with a zone" });

const seconds = z.number().min(0).max(31_536_000);

export const taskSpecSchema = z.strictObject({
  task_id: identifier,
  /** Name of the registered handler; ignored for `empty` and `latest_only`. */
  handler: z.string().min(1).max(250),
  /** What the task's answer means: a value, ids to follow, a boolean; `empty` is never executed. */
  operator: z.enum(["task", "branch", "short_circuit", "latest_only", "empty"]).default("task"),
  /** Input template: JSON in which an object with `$ref` stands for a value known at run time. */
  input: z.json().default(null),
  expand: expandSchema.optional(),
  upstream_task_ids: z.array(identifier).default([]),
  task_group_id: identifier.optional(),
  trigger_rule: z.enum(TRIGGER_RULES).default("all_success"),
  retries: z.number().int().min(0).max(1000).default(0),
  /** Seconds between tries. */
  retry_delay: seconds.default(300),
  /** Multiplier per try; 0 or 1 means none, 2 is Airflow's `true`. */
  retry_exponential_backoff: z.number().min(0).max(100).default(0),
  max_retry_delay: seconds.nullable().default(null),
  /** Seconds one execution may take; null for no limit. */
  execution_timeout: z.number().positive().max(31_536_000).nullable().default(null),
  /** Seconds between heartbeats; also the time after which a task instance gets a job of its own. */
  heartrate: z.number().min(0.05).max(3600).default(5),
  is_setup: z.boolean().default(false),
  is_teardown: z.boolean().default(false),
  on_failure_fail_dagrun: z.boolean().default(false),
  /** For `short_circuit`: skip everything downstream (true) or only what is directly downstream (false). */
  ignore_downstream_trigger_rules: z.boolean().default(true),
  doc_md: z.string().max(100_000).optional(),
  /** Name of the pool it takes slots of; a task that names none takes none. See `docs/limits.md`. */
  pool: poolName.optional(),
  pool_slots: z.number().int().min(1).max(1_000_000).default(1),
  /** Higher goes first where task instances wait for a slot. */
  priority_weight: z.number().int().min(-1_000_000).max(1_000_000).default(1),
  weight_rule: z.enum(WEIGHT_RULES).default("downstream"),
  queue: queueSchema.default("default"),
  /** Where the handler runs: in the consumer that took its message, or in the `Job` object of the attempt, which holds no consumer. */
  run_in: z.enum(["consumer", "object"]).default("consumer"),
  /** Task instances of this task that may be queued or running at a time, over all runs of the DAG; null for no limit. */
  max_active_tis_per_dag: z.number().int().min(1).max(1_000_000).nullable().default(null),
  /** The same in one run. */
  max_active_tis_per_dagrun: z.number().int().min(1).max(1_000_000).nullable().default(null),
  /** Runs only if its instances in the run before succeeded or were skipped. */
  depends_on_past: z.boolean().default(false),
  /** And if those of the tasks directly downstream did; implies `depends_on_past`. */
  wait_for_downstream: z.boolean().default(false),
  /** A task that has no instance in any earlier run does not wait for one. */
  ignore_first_depends_on_past: z.boolean().default(true),
});
export type TaskSpec = z.infer<typeof taskSpecSchema>;

export const taskGroupSpecSchema = z.strictObject({
  group_id: identifier,
  parent_group_id: identifier.optional(),
  tooltip: z.string().max(1000).optional(),
  expand: expandSchema.optional(),
});
export type TaskGroupSpec = z.infer<typeof taskGroupSpecSchema>;

/** One param: a JSON Schema (draft 2020-12) and, unless runs must supply it, a default. */
export const paramSpecSchema = z.strictObject({
  default: z.json().optional(),
  description: z.string().max(10_000).optional(),
  schema: z.record(z.string(), z.json()).default({}),
});
export type ParamSpec = z.infer<typeof paramSpecSchema>;

/** A header's name, as HTTP has it (RFC 9110: a token). */
const headerName = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, "expected the name of a header: letters, digits and !#$%&'*+-.^_`|~");

/** A variable that may be the secret of a webhook. Those of the service itself are known, or guarded otherwise. */
const SECRET_NAME = /^(?!JOBBERS_|TASK_CONSUMER$|QUEUES$)[A-Za-z_][A-Za-z0-9_]*$/;

/** Says whether a variable may be the secret of a webhook. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** How deliveries to `POST /webhooks/{dag_id}` are verified. The secret itself never stands in a spec. */
export const webhookSpecSchema = z.strictObject({
  provider: z.enum(["github", "stripe", "standard", "hmac"]),
  /** Name of the environment variable (a Worker secret) that holds the signing secret; none of the service's own. */
  secret: z
    .string()
    .min(1)
    .max(250)
    .regex(
      SECRET_NAME,
      "expected the name of an environment variable (letters, digits and '_') that is none of the service's own (JOBBERS_*, TASK_CONSUMER, QUEUES)",
    ),
  /** For `hmac`: the headers that carry signature, time of sending and delivery id. */
  signature_header: headerName.optional(),
  timestamp_header: headerName.optional(),
  delivery_header: headerName.optional(),
  /** Seconds a signed time may differ from now. */
  tolerance: z.number().int().min(1).max(86_400).default(300),
});
export type WebhookSpec = z.infer<typeof webhookSpecSchema>;

export const dagSpecSchema = z.strictObject({
  dag_id: identifier,
  description: z.string().max(10_000).nullable().default(null),
  doc_md: z.string().max(100_000).nullable().default(null),
  tags: z.array(z.string().min(1).max(100)).max(100).default([]),
  owner: z.string().min(1).max(500).default("jobbers"),
  is_paused_upon_creation: z.boolean().default(false),
  fail_fast: z.boolean().default(false),
  /** Seconds a run may take from its start; null for no limit. */
  dagrun_timeout: z.number().positive().max(31_536_000).nullable().default(null),
  max_map_length: z.number().int().min(1).max(LIMITS.taskInstancesPerRun).default(LIMITS.mapLength),
  /** When runs are made by themselves; null for never. See `docs/timetables.md`. */
  schedule: scheduleSchema.default(null),
  /** IANA name of the zone that cron expressions are read in. */
  timezone: timezoneSchema.default("UTC"),
  /** No scheduled run before and after these, both inclusive. */
  start_date: dateTime.nullable().default(null),
  end_date: dateTime.nullable().default(null),
  /** Makes up for runs that were missed; without it only the latest is made. */
  catchup: z.boolean().default(false),
  /** Runs that may be running at a time; further ones are queued. */
  max_active_runs: z.number().int().min(1).max(100_000).default(16),
  /** Task instances of one run that may be queued or running at a time; null for no limit. */
  max_active_tasks: z.number().int().min(1).max(1_000_000).nullable().default(null),
  /** After so many failed runs in a row the DAG is paused; 0 for never. */
  max_consecutive_failed_dag_runs: z.number().int().min(0).max(1000).default(0),
  params: z.record(z.string().min(1).max(250), paramSpecSchema).default({}),
  webhook: webhookSpecSchema.optional(),
  task_groups: z.array(taskGroupSpecSchema).default([]),
  tasks: z.array(taskSpecSchema).max(LIMITS.tasksPerDag),
});
/** A spec with every default filled in. */
export type DagSpec = z.infer<typeof dagSpecSchema>;
/** A spec as a person may write it. */
export type DagSpecInput = z.input<typeof dagSpecSchema>;
