/**
 * `dag()`: from an author's code to a spec.
 *
 * @module
 */
import type { DagSpec, DagSpecInput } from "../engine/spec.ts";
import type { ScheduleInput } from "../engine/timetable/schedule-spec.ts";
import { validateDagSpec } from "../engine/validate-spec.ts";
import type { SpecError } from "../engine/validate-spec.ts";
import { DagBuilder } from "./builder.ts";
import type { Problem } from "./builder.ts";
import type { Duration } from "./duration.ts";
import { compileParams } from "./params.ts";
import type { NoParams, ParamShape } from "./params.ts";
import { Scope } from "./scope.ts";
import { isBuiltIn, readDuration } from "./task-fields.ts";
import type { AnyTaskDefinition } from "./task.ts";
import type { ToConf, WebhookOptions } from "./webhook.ts";

/** What `dag()` gives. */
export interface DagDefinition {
  /** Validated and canonical, with every default filled in. */
  readonly spec: DagSpec;
  /** The tasks with a handler that it uses, each once. */
  readonly tasks: readonly AnyTaskDefinition[];
  /** Maps a verified webhook event to conf; null = ignore. */
  readonly toConf?: ToConf;
}

/** Options of a DAG. */
export interface DagOptions<P extends ParamShape> {
  id: string;
  description?: string;
  /** Markdown shown with the DAG. */
  docMd?: string;
  tags?: readonly string[];
  owner?: string;
  /** False unless given: the DAG can run as soon as it is known. */
  isPausedUponCreation?: boolean;
  /** The first failure stops everything but teardowns. */
  failFast?: boolean;
  /** How long a run may take from its start; null, the default, for no limit. */
  dagrunTimeout?: Duration | null;
  /** Elements one expansion may have; 1024 unless given. */
  maxMapLength?: number;
  /** When runs are made by themselves: a cron expression, a preset, `@once`, `@continuous` or an object; see `docs/timetables.md`. */
  schedule?: ScheduleInput;
  /** IANA name of the zone that cron expressions are read in; UTC unless given. */
  timezone?: string;
  /** No scheduled run before and after these: ISO 8601 with a zone, or a Date. */
  startDate?: string | Date;
  endDate?: string | Date;
  /** Makes up for runs that were missed. False unless given: only the latest is made. */
  catchup?: boolean;
  /** Runs that may be running at a time, 16 unless given; further ones are queued. */
  maxActiveRuns?: number;
  /** Task instances of one run that may be queued or running at a time; null, the default, for no limit. */
  maxActiveTasks?: number | null;
  /** After so many failed runs in a row the DAG is paused; 0, the default, for never. */
  maxConsecutiveFailedDagRuns?: number;
  /** What a run is started with; a plain value is the default. */
  params?: P;
  webhook?: WebhookOptions;
}

/** A DAG cannot be used. The message lists every problem with its place. */
export class DagDefinitionError extends Error {
  override readonly name = "DagDefinitionError";
  readonly problems: readonly Problem[];

  constructor(dagId: string, problems: readonly Problem[]) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    const lines = problems.map(({ where, message }) => `  ${where}: ${message}`);
    super([`DAG "${dagId}" cannot be used: ${count}`, ...lines].join("\n"));
    this.problems = problems;
  }
}

/**
 * Defines a DAG. The function is called once, at once; it wires tasks and runs none of them.
 *
 * @throws DagDefinitionError that lists every problem: unknown or duplicate ids, cycles with their path, rules that do
 *   not go together, durations that cannot be read …
 *
 * @example
 * export default dag({ id: "etl", params: { url: "https://example.com/rows.json" } }, (d) => {
 *   const rows = d.run(extract, { url: d.params.url });
 *   d.run(load, { rows: d.expand(clean, { row: rows }) });
 * });
 */
export function dag<const P extends ParamShape = NoParams>(
  options: DagOptions<P>,
  build: (d: Scope<P>) => void,
): DagDefinition {
  const builder = new DagBuilder();
  const shape = options.params ?? ({} as P);
  const built: unknown = build(new Scope(builder, shape, null, null));
  if (built instanceof Promise) {
    builder.report("the function", "expected it to wire tasks at once, got an async function");
  }
  const input = compileOptions(options, shape, builder);
  const validation = validateDagSpec(input);
  const errors = validation.ok ? [] : validation.errors.map((error) => asProblem(error, input));
  const problems = [...builder.problems, ...errors];
  if (!validation.ok || problems.length > 0) {
    throw new DagDefinitionError(options.id, problems);
  }
  const used = [...builder.nodes.values()].map((node) => node.definition);
  const tasks = [...new Set(used.filter((definition) => !isBuiltIn(definition)))];
  const toConf = options.webhook?.toConf;
  return toConf === undefined ? { spec: validation.spec, tasks } : { spec: validation.spec, tasks, toConf };
}

function compileOptions<P extends ParamShape>(options: DagOptions<P>, shape: P, builder: DagBuilder): DagSpecInput {
  const report = (option: string, message: string): void => builder.report(option, message);
  return {
    dag_id: options.id,
    description: options.description,
    doc_md: options.docMd,
    tags: options.tags === undefined ? undefined : [...options.tags],
    owner: options.owner,
    is_paused_upon_creation: options.isPausedUponCreation,
    fail_fast: options.failFast,
    dagrun_timeout: readDuration("dagrunTimeout", options.dagrunTimeout ?? undefined, report),
    max_map_length: options.maxMapLength,
    schedule: options.schedule,
    timezone: options.timezone,
    start_date: isoOf(options.startDate),
    end_date: isoOf(options.endDate),
    catchup: options.catchup,
    max_active_runs: options.maxActiveRuns,
    max_active_tasks: options.maxActiveTasks,
    max_consecutive_failed_dag_runs: options.maxConsecutiveFailedDagRuns,
    params: compileParams(shape),
    webhook: options.webhook === undefined ? undefined : compileWebhook(options.webhook, report),
    ...builder.compile(),
  };
}

function isoOf(date: string | Date | undefined): string | undefined {
  return date instanceof Date ? date.toISOString() : date;
}

function compileWebhook(
  webhook: WebhookOptions,
  report: (option: string, message: string) => void,
): DagSpecInput["webhook"] {
  return {
    provider: webhook.provider,
    secret: webhook.secret,
    signature_header: webhook.signatureHeader,
    timestamp_header: webhook.timestampHeader,
    delivery_header: webhook.deliveryHeader,
    tolerance: readDuration("webhook.tolerance", webhook.tolerance, report),
  };
}

/** Names the task or group an error is about, instead of its position in the spec. */
export function asProblem({ path, message }: SpecError, input: DagSpecInput): Problem {
  const [list, position, ...rest] = path;
  const inside = (name: string): string => [name, showPath(rest)].filter((part) => part !== "").join(", ");
  if (list === "tasks" && typeof position === "number") {
    return { where: inside(`task "${input.tasks[position]?.task_id ?? position}"`), message };
  }
  if (list === "task_groups" && typeof position === "number") {
    return { where: inside(`group "${input.task_groups?.[position]?.group_id ?? position}"`), message };
  }
  return { where: showPath(path) || "the DAG", message };
}

function showPath(path: readonly (string | number)[]): string {
  return path.map((part, depth) => (typeof part === "number" ? `[${part}]` : depth === 0 ? part : `.${part}`)).join("");
}
