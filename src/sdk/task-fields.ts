/**
 * From an author's options to the fields of a task's spec.
 *
 * @module
 */
import type { DagSpecInput } from "../engine/spec.ts";
import { durationSeconds } from "./duration.ts";
import type { Duration } from "./duration.ts";
import type { AnyTaskDefinition, TaskOptions } from "./task.ts";

/** A task as it stands in a spec before defaults are filled in. */
export type TaskSpecInput = DagSpecInput["tasks"][number];

/** Takes an option's name and what is wrong with it. */
export type ReportOption = (option: string, message: string) => void;

/** The fields that options come to. What is not given stays undefined; a duration that cannot be read is reported. */
export function taskFields(options: TaskOptions, report: ReportOption): Partial<TaskSpecInput> {
  const seconds = (option: string, duration: Duration | null | undefined): number | null | undefined =>
    duration === null ? null : readDuration(option, duration, report);
  const backoff = options.retryExponentialBackoff;
  return {
    doc_md: options.docMd,
    retries: options.retries,
    retry_delay: readDuration("retryDelay", options.retryDelay, report),
    retry_exponential_backoff: typeof backoff === "boolean" ? (backoff ? 2 : 0) : backoff,
    max_retry_delay: seconds("maxRetryDelay", options.maxRetryDelay),
    execution_timeout: seconds("executionTimeout", options.executionTimeout),
    heartrate: readDuration("heartrate", options.heartrate, report),
    trigger_rule: options.triggerRule,
    pool: options.pool,
    pool_slots: options.poolSlots,
    priority_weight: options.priorityWeight,
    weight_rule: options.weightRule,
    queue: queueField(options.queue),
    run_in: options.runIn,
    max_active_tis_per_dag: options.maxActiveTisPerDag,
    max_active_tis_per_dagrun: options.maxActiveTisPerDagrun,
    depends_on_past: options.dependsOnPast,
    wait_for_downstream: options.waitForDownstream,
    ignore_first_depends_on_past: options.ignoreFirstDependsOnPast,
  };
}

function queueField(queue: TaskOptions["queue"]): TaskSpecInput["queue"] {
  if (queue === undefined || typeof queue === "string") {
    return queue;
  }
  const { spread, by, key } = queue;
  return { spread: [...spread], by, key: key === undefined ? undefined : [...key] };
}

/** Seconds of an optional duration; one that cannot be read is reported, and undefined. */
export function readDuration(option: string, duration: Duration | undefined, report: ReportOption): number | undefined {
  if (duration === undefined) {
    return undefined;
  }
  try {
    return durationSeconds(duration);
  } catch (error) {
    report(option, error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

/** Name under which a task's handler is found; built-in operators have none of their own. */
export function handlerName(definition: AnyTaskDefinition): string {
  return isBuiltIn(definition) ? definition.operator : definition.id;
}

/** Says whether a task is executed without a handler of the author's. */
export function isBuiltIn(definition: AnyTaskDefinition): boolean {
  return definition.operator === "empty" || definition.operator === "latest_only";
}
