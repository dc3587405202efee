/**
 * Tasks: a handler with a name and the options it runs by.
 *
 * @module
 */
import type { TaskSpec, TriggerRule } from "../engine/spec.ts";
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
}

/** Options of a task with the name it is registered and submitted under. */
export interface NamedTaskOptions extends TaskOptions {
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
  options: NamedTaskOptions,
  handler: TaskHandler<In, Out, Env>,
): TaskDefinition<In, Out> {
  return define("task", options, handler);
}

/** What a branch answers: the ids of the tasks or groups directly downstream that are to run; null for none. */
export type BranchAnswer = string | readonly string[] | null;

/** Defines a task that chooses which of the tasks directly downstream run; the others are skipped. */
export function branch<In, Out extends BranchAnswer, Env = unknown>(
  options: NamedTaskOptions,
  handler: TaskHandler<In, Out, Env>,
): TaskDefinition<In, Out> {
  return define("branch", options, handler);
}

/** Options of a short circuit. */
export interface ShortCircuitOptions extends NamedTaskOptions {
  /**
   * True, the default: a false answer skips everything downstream but teardowns. False: it skips what follows directly,
   * and the trigger rules decide about the rest.
   */
  ignoreDownstreamTriggerRules?: boolean;
}

/** Defines a task that lets what is downstream run if it answers true, and skips it if it answers false. */
export function shortCircuit<In, Env = unknown>(
  options: ShortCircuitOptions,
  handler: TaskHandler<In, boolean, Env>,
): TaskDefinition<In, boolean> {
  const { ignoreDownstreamTriggerRules = true, ...rest } = options;
  return { ...define("short_circuit", rest, handler), ignoreDownstreamTriggerRules };
}

/** Defines a task that skips what is directly downstream unless the run is the latest of its schedule, or made by hand. */
export function latestOnly(options: NamedTaskOptions): TaskDefinition<unknown, null> {
  return define("latest_only", options, () => null);
}

/** Defines a task that does nothing and is never executed: a place for edges to meet. */
export function empty(options: NamedTaskOptions): TaskDefinition<unknown, null> {
  return define("empty", options, () => null);
}

function define<In, Out, Env>(
  operator: TaskSpec["operator"],
  { id, ...options }: NamedTaskOptions,
  run: TaskHandler<In, Out, Env>,
): TaskDefinition<In, Out> {
  return { id, operator, options, run };
}
