/**
 * Tasks: a handler with a name and the options it runs by.
 *
 * @module
 */
import type { TaskSpec, TriggerRule } from "../engine/spec.ts";
import type { WeightRule } from "../engine/weight-rules.ts";
import type { TaskContext } from "./context.ts";
import type { Duration } from "./duration.ts";

/** How a task runs. Every field may be overridden where the task is used in a DAG. */
export interface TaskOptions {
  /** Markdown shown with the task. */
  docMd?: string;
  /** Further tries after the first; 0 unless given. */
  retries?: number;
  /** Between two tries; 5 minutes unless given. */
  retryDelay?: Duration;
  /** Multiplies the delay with every try; `true` is 2. */
  retryExponentialBackoff?: number | boolean;
  /** The longest delay between two tries; null for the general one of a day. */
  maxRetryDelay?: Duration | null;
  /** How long one execution may take; null, the default, for no limit. */
  executionTimeout?: Duration | null;
  /** Between two heartbeats; 5 seconds unless given. A task that is silent for 2.1 times as long counts as dead. */
  heartrate?: Duration;
  /** What must be true of the tasks directly upstream; `all_success` unless given. */
  triggerRule?: TriggerRule;
  /** The pool it takes slots of; a task that names none takes none. */
  pool?: string;
  /** Slots it takes; 1 unless given. */
  poolSlots?: number;
  /** Higher goes first where tasks wait for a slot; 1 unless given. */
  priorityWeight?: number;
  /** How weights add up along a DAG; `downstream` unless given. */
  weightRule?: WeightRule;
  /** The queue its messages go to, a role that stands for one, or several to spread instances over; `default` unless given. */
  queue?: QueueOption;
  /**
   * Where its handler runs. `consumer`, the default: in the invocation that took its message, which it keeps open. `object`: in an
   * object of its own, for tasks that are long; see `docs/queues.md`.
   */
  runIn?: "consumer" | "object";
  /** Instances of this task that may be queued or running at a time over all runs of its DAG. */
  maxActiveTisPerDag?: number | null;
  /** The same in one run. */
  maxActiveTisPerDagrun?: number | null;
  /** Runs only if its instances in the run before succeeded or were skipped. */
  dependsOnPast?: boolean;
  /** And if those of the tasks directly downstream did. */
  waitForDownstream?: boolean;
  /** True unless given: a task without an instance in any earlier run does not wait for one. */
  ignoreFirstDependsOnPast?: boolean;
}

/** One queue or role, or several: `by` says how instances are dealt (`round_robin` unless given), `key` where the hashed value stands in the input. */
export type QueueOption =
  | string
  | { spread: readonly string[]; by?: "round_robin" | "random" | "hash"; key?: readonly (string | number)[] };

/**
 * How many of a task may run at a time, wherever it is used: in DAGs, bulk submissions and by itself. Counted by `key`, so that each
 * key has its own `limit`; without one, all of the task together.
 */
export interface ConcurrencyLimit<In> {
  limit: number;
  /** From the input; what it throws fails the try. Values over 128 KB that lie in the bucket are null in it. */
  key?(input: In): string;
  /** Tasks with the same scope share their keys; the task's own id unless given. */
  scope?: string;
}

/**
 * How many of a task may start in a time, wherever it is used. Whoever exceeds it is told when it may start, and waits. Counted by
 * `key` as concurrency is. A handler that throws with `retryAfter` slows its whole key down.
 */
export interface RateLimit<In> {
  limit: number;
  per: Duration;
  /** How many may start at once after idleness; 1 unless given: starts are spaced evenly. */
  burst?: number;
  key?(input: In): string;
  scope?: string;
}

/** Limits that belong to a task and not to its place in a DAG. */
export interface TaskLimits<In> {
  concurrency?: ConcurrencyLimit<In>;
  rateLimit?: RateLimit<In>;
}

/** Options of a task with the name it is registered and submitted under. */
export interface NamedTaskOptions<In = never> extends TaskOptions, TaskLimits<In> {
  id: string;
}

/**
 * A task, apart from any DAG. `In` is its input, `Out` what it returns, which must be JSON.
 *
 * Methods are compared bivariantly, which is what lets tasks of all kinds stand in one registry as
 * {@link AnyTaskDefinition}: the input is JSON from outside there, and no type can vouch for it.
 */
export interface TaskDefinition<In = never, Out = unknown> {
  /** Name of the handler, and the task's id in a DAG unless another one is given there. */
  readonly id: string;
  readonly operator: TaskSpec["operator"];
  readonly options: TaskOptions;
  readonly limits?: TaskLimits<In>;
  /** For `short_circuit`: whether everything downstream is skipped, or only what follows directly. */
  readonly ignoreDownstreamTriggerRules?: boolean;
  run(ctx: TaskContext, input: In): Promise<Out> | Out;
}

/** A task whose types are not known. */
export type AnyTaskDefinition = TaskDefinition<unknown>;

/** What a handler is: it gets the context and its input, and returns what the next tasks may use. */
export type TaskHandler<In, Out, Env = unknown> = (ctx: TaskContext<Env>, input: In) => Promise<Out> | Out;

/**
 * Defines a task.
 *
 * @example
 * const greet = task({ id: "greet", retries: 2, retryDelay: "10s" }, (ctx, { name }: { name: string }) => `Hello, ${name}`);
 */
export function task<In, Out, Env = unknown>(
  options: NamedTaskOptions<In>,
  handler: TaskHandler<In, Out, Env>,
): TaskDefinition<In, Out> {
  return define("task", options, handler);
}

/** What a branch answers: the ids of the tasks or groups directly downstream that are to run; null for none. */
export type BranchAnswer = string | readonly string[] | null;

/** Defines a task that chooses which of the tasks directly downstream run; the others are skipped. */
export function branch<In, Out extends BranchAnswer, Env = unknown>(
  options: NamedTaskOptions<In>,
  handler: TaskHandler<In, Out, Env>,
): TaskDefinition<In, Out> {
  return define("branch", options, handler);
}

/** Options of a short circuit. */
export interface ShortCircuitOptions<In = never> extends NamedTaskOptions<In> {
  /**
   * True, the default: a false answer skips everything downstream but teardowns. False: it skips what follows directly,
   * and the trigger rules decide about the rest.
   */
  ignoreDownstreamTriggerRules?: boolean;
}

/** Defines a task that lets what is downstream run if it answers true, and skips it if it answers false. */
export function shortCircuit<In, Env = unknown>(
  options: ShortCircuitOptions<In>,
  handler: TaskHandler<In, boolean, Env>,
): TaskDefinition<In, boolean> {
  const { ignoreDownstreamTriggerRules = true, ...rest } = options;
  return { ...define("short_circuit", rest, handler), ignoreDownstreamTriggerRules };
}

/** Options of a task that has no handler. */
export interface BuiltInOptions extends TaskOptions {
  id: string;
}

/** Defines a task that skips what is directly downstream unless the run is the latest of its schedule, or made by hand. */
export function latestOnly(options: BuiltInOptions): TaskDefinition<unknown, null> {
  return define("latest_only", options, () => null);
}

/** Defines a task that does nothing and is never executed: a place for edges to meet. */
export function empty(options: BuiltInOptions): TaskDefinition<unknown, null> {
  return define("empty", options, () => null);
}

function define<In, Out, Env>(
  operator: TaskSpec["operator"],
  { id, concurrency, rateLimit, ...options }: NamedTaskOptions<In>,
  run: TaskHandler<In, Out, Env>,
): TaskDefinition<In, Out> {
  const limits: TaskLimits<In> = {
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(rateLimit === undefined ? {} : { rateLimit }),
  };
  return { id, operator, options, ...(Object.keys(limits).length === 0 ? {} : { limits }), run };
}
