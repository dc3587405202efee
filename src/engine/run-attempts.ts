/**
 * The end of a try: what an outcome makes of a task instance and of what follows it.
 *
 * @module
 */
import { decideAttempt, retryPolicy, type AttemptResult } from "./attempt.ts";
import { FREE_WORKER_LOSSES, postMortem } from "./liveness.ts";
import { leaseRateMs } from "./object-runs.ts";
import { parseLedgerName } from "./permits/names.ts";
import { isEligibleToRetry } from "./retry.ts";
import { failFast } from "./run-end.ts";
import { skipDownstream, skipsOf } from "./run-skips.ts";
import type { RunState } from "./run-state.ts";
import { validChoices } from "./skips.ts";
import { isFinished } from "./states.ts";
import type { NodeInstance } from "./task-node.ts";
import type { Outcome, StoredValue } from "./work.ts";

/** Ends a try by its outcome: value, skips, retry, reschedule or failure. */
export function endAttempt(state: RunState, instance: NodeInstance, reported: Outcome, now: number): void {
  const outcome = checked(state, instance, reported);
  const result = decide(state, instance, outcome, now);
  instance.error = "error" in result ? result.error : null;
  slowDown(state, instance, outcome, now);
  if (result.state === "up_for_retry") {
    remember(state, instance, now);
    state.set(instance, "up_for_retry", now);
    instance.jobId = null;
    state.setTimer(instance, result.nextAt);
    return;
  }
  if (result.state === "up_for_reschedule") {
    state.set(instance, "up_for_reschedule", now);
    state.setTimer(instance, result.nextAt);
    return;
  }
  if (result.state === "success" && outcome.state === "success") {
    const value = leftValue(outcome);
    instance.hasValue = value !== null;
    instance.mapLength = outcome.mapLength ?? null;
    if (value !== null) {
      state.changes.values.set(instance, value);
    }
    skipDownstream(state, instance, skipsOf(state, instance, outcome), now);
  }
  state.set(instance, result.state, now);
  if (result.state === "failed") {
    failFast(state, instance, now);
  }
}

/** What a success leaves for others. A task that returns null leaves nothing, and is no element of any list (Airflow's None). */
function leftValue({ value }: Outcome & { state: "success" }): StoredValue | null {
  return value === undefined || ("json" in value && value.json === "null") ? null : value;
}

function decide(state: RunState, instance: NodeInstance, outcome: Outcome, now: number): AttemptResult {
  const spec = instance.node.task.spec;
  const facts = {
    dagId: state.graph.spec.dag_id,
    taskId: spec.task_id,
    logicalDate: state.info.logical_date,
    tryNumber: instance.tryNumber,
    maxTries: instance.maxTries,
    policy: retryPolicy(spec),
  };
  return decideAttempt(facts, outcome, now);
}

/**
 * Turns a success that breaks a promise (nothing to map over, too long, unknown branch) into a failure of the try, and has each
 * error about a branch's answer say which ids would do.
 */
function checked(state: RunState, instance: NodeInstance, outcome: Outcome): Outcome {
  const task = instance.node.task;
  if (outcome.state === "failed" && outcome.isBranchAnswer === true) {
    const choices = validChoices(task.downstream.map((index) => state.graph.tasks[index]?.id ?? ""));
    return { ...outcome, error: { ...outcome.error, message: `${outcome.error.message}; ${choices}` } };
  }
  if (outcome.state !== "success") {
    return outcome;
  }
  const max = state.graph.spec.max_map_length;
  if (task.feeds.length > 0 && task.expand === null) {
    const consumer = state.nodes[task.feeds[0] ?? -1]?.task.id ?? "";
    if (outcome.mapLength === undefined) {
      return failure(
        "UnmappableValue",
        `expected "${task.id}" to return a list or an object, because "${consumer}" is mapped over it`,
      );
    }
    if (outcome.mapLength > max) {
      return failure(
        "MapTooLong",
        `expected at most ${max} elements from "${task.id}" (max_map_length), got ${outcome.mapLength}`,
      );
    }
  }
  try {
    skipsOf(state, instance, outcome);
  } catch (error) {
    return failure("BranchError", error instanceof Error ? error.message : String(error));
  }
  return outcome;
}

/** A handler that was told to come back later says so for all who share its key. */
function slowDown(state: RunState, { wish }: NodeInstance, outcome: Outcome, now: number): void {
  if (outcome.state !== "failed" || outcome.retryAfterMs === undefined) {
    return;
  }
  for (const { limiter } of wish?.rates ?? []) {
    if (parseLedgerName(limiter).kind === "key") {
      state.changes.slowDowns.push({ limiter, until: now + outcome.retryAfterMs });
    }
  }
}

/** Puts the present try into the history; one that is not over counts as failed, as in Airflow. */
export function remember(state: RunState, instance: NodeInstance, now: number): void {
  const row = { ...instance.toRow(), wish: null };
  const over = isFinished(row.state);
  state.changes.history.push({ row: { ...row, state: over ? row.state : "failed", end_date: row.end_date ?? now } });
}

/**
 * What becomes of a try whose worker is lost: it has failed, and the next one follows. As often in a row as that costs nothing, it
 * follows at once, and there is one try more. `found` is what was found out, in sentences.
 */
export function workerLost(instance: NodeInstance, found: string): { message: string; outcome: Outcome } {
  const isFree = instance.workerLosses < FREE_WORKER_LOSSES;
  if (isFree) {
    instance.workerLosses += 1;
    instance.maxTries += 1;
  }
  const { tryNumber, maxTries } = instance;
  const retried = isEligibleToRetry(tryNumber, maxTries)
    ? `try ${tryNumber + 1} of ${maxTries + 1} follows${isFree ? " at once" : ""}`
    : "no try is left";
  const message = `${found} Next: ${retried}.`;
  const outcome: Outcome = { state: "failed", error: { type: "Zombie", message }, retryable: true };
  return { message, outcome: isFree ? { ...outcome, isAtOnce: true } : outcome };
}

/** What was found out about a try whose worker is not heard any more. */
export function lastWords(instance: NodeInstance, now: number): string {
  const { hostname, latestHeartbeat, progress } = instance;
  if (latestHeartbeat === null) {
    return `No result and no heartbeat from ${hostname ?? "its worker"} within the grace period of its first heartbeat.`;
  }
  return postMortem({ lastBeat: latestHeartbeat, heartrateMs: leaseRateMs(instance), now, progress });
}

function failure(type: string, message: string): Outcome {
  return { state: "failed", error: { type, message }, retryable: true };
}
