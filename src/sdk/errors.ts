/**
 * What a handler may throw to say more than "it went wrong". Anything else that is thrown is an ordinary failure, which
 * is retried as long as tries are left.
 *
 * The runner knows these by their `name`, so that an error made by another copy of this module means the same.
 *
 * @module
 */
import { durationSeconds } from "./duration.ts";
import type { Duration } from "./duration.ts";

/** Fails the task for good, however many tries are left (Airflow's `AirflowFailException`). */
export class NonRetryableError extends Error {
  override readonly name = "NonRetryableError";
}

/** Fails the try. Needed only to say when the next try makes sense at the earliest. */
export class RetryableError extends Error {
  override readonly name = "RetryableError";
  /** Seconds to wait at least; null leaves it to the task's own delay. */
  readonly retryAfterSeconds: number | null;

  /**
   * @param options.retryAfter Earliest next try from now, e.g. from a `Retry-After` header. The task's own delay still
   *   applies if it is longer.
   * @throws TypeError if `retryAfter` is no duration.
   */
  constructor(message?: string, options: ErrorOptions & { retryAfter?: Duration } = {}) {
    super(message, options);
    this.retryAfterSeconds = options.retryAfter === undefined ? null : durationSeconds(options.retryAfter);
  }
}

/** Ends the task as skipped (Airflow's `AirflowSkipException`). */
export class SkipError extends Error {
  override readonly name = "SkipError";
}

/** When a rescheduled task goes on: an instant, or a time from now. */
export type RescheduleTime = Date | { epochMs: number } | { fromNow: Duration };

/**
 * Ends the execution without a verdict; the task runs again at the given time, as the same try (Airflow's
 * `AirflowRescheduleException`). What it had in memory is gone by then.
 */
export class RescheduleError extends Error {
  override readonly name = "RescheduleError";
  /** Epoch milliseconds. */
  readonly atMs: number;

  /**
   * @throws TypeError if `when` is no valid time.
   *
   * @example
   * throw new RescheduleError({ fromNow: "10m" }, "the export is not there yet");
   */
  constructor(when: RescheduleTime, message = "rescheduled") {
    super(message);
    this.atMs = instant(when);
  }
}

function instant(when: RescheduleTime): number {
  const ms =
    when instanceof Date
      ? when.getTime()
      : "epochMs" in when
        ? when.epochMs
        : Date.now() + durationSeconds(when.fromNow) * 1000;
  if (!Number.isFinite(ms)) {
    throw new TypeError(`expected a time to be rescheduled at, got ${String(ms)}`);
  }
  return ms;
}

/** What a thrown value means for the task. */
export type ThrownKind =
  | { kind: "non_retryable" }
  | { kind: "retryable"; /** Milliseconds from now; null if the error does not say. */ retryAfterMs: number | null }
  | { kind: "skip" }
  | { kind: "reschedule"; /** Epoch milliseconds. */ at: number };

/**
 * Reads what a thrown value asks for. Everything that is none of this module's errors is retryable, a
 * `RescheduleError` without a usable time too.
 */
export function classifyThrown(thrown: unknown): ThrownKind {
  const error = typeof thrown === "object" && thrown !== null ? thrown : {};
  switch (Reflect.get(error, "name")) {
    case "NonRetryableError":
      return { kind: "non_retryable" };
    case "SkipError":
      return { kind: "skip" };
    case "RescheduleError": {
      const at: unknown = Reflect.get(error, "atMs");
      return typeof at === "number" && Number.isFinite(at)
        ? { kind: "reschedule", at }
        : { kind: "retryable", retryAfterMs: null };
    }
    case "RetryableError": {
      const seconds: unknown = Reflect.get(error, "retryAfterSeconds");
      const known = typeof seconds === "number" && Number.isFinite(seconds) && seconds >= 0;
      return { kind: "retryable", retryAfterMs: known ? seconds * 1000 : null };
    }
    default:
      return { kind: "retryable", retryAfterMs: null };
  }
}
