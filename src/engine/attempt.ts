/**
 * What a try's outcome means, for task instances and standalone jobs alike: the one place where an answer of a handler
 * becomes a state.
 *
 * @module
 */
import { isEligibleToRetry, retryDelayMs, type RetryPolicy } from "./retry.ts";
import type { TaskSpec } from "./spec.ts";
import type { Outcome, TaskError } from "./work.ts";

/** The state a try ends in, and when it goes on if it does. */
export type AttemptResult =
  | { state: "success" }
  | { state: "skipped" }
  | { state: "failed"; error: TaskError }
  | { state: "up_for_retry"; error: TaskError; /** Epoch ms; ready strictly after it. */ nextAt: number }
  | { state: "up_for_reschedule"; /** Epoch ms. */ nextAt: number };

/** What the decision needs to know of the try. */
export interface AttemptFacts {
  dagId: string;
  taskId: string;
  logicalDate: number | null;
  tryNumber: number;
  maxTries: number;
  policy: RetryPolicy;
}

/** The retry policy a task spec states. */
export function retryPolicy(spec: TaskSpec): RetryPolicy {
  return {
    retryDelayS: spec.retry_delay,
    backoff: spec.retry_exponential_backoff,
    maxRetryDelayS: spec.max_retry_delay,
  };
}

/** The longest that a handler can have its task wait: a year. What is far beyond it is no time that could be stored. */
export const MAX_WAIT_MS = 31_536_000_000;

/** A wait that a handler asked for, in whole milliseconds. */
function waitOf(ms: number): number {
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(0, Math.ceil(ms)), MAX_WAIT_MS);
}

/**
 * Decides what becomes of a try. A retryable failure waits for the policy's delay, or longer if the handler asked for
 * it (`retryAfterMs`), or not at all (`isAtOnce`); a failure that is not retryable or has no try left is final.
 */
export function decideAttempt(facts: AttemptFacts, outcome: Outcome, now: number): AttemptResult {
  switch (outcome.state) {
    case "success":
      return { state: "success" };
    case "skipped":
      return { state: "skipped" };
    case "up_for_reschedule":
      return { state: "up_for_reschedule", nextAt: now + waitOf(outcome.at - now) };
    case "failed": {
      if (!outcome.retryable || !isEligibleToRetry(facts.tryNumber, facts.maxTries)) {
        return { state: "failed", error: outcome.error };
      }
      if (outcome.isAtOnce === true) {
        // Ready strictly after that time, which is now.
        return { state: "up_for_retry", error: outcome.error, nextAt: now - 1 };
      }
      const delayMs = Math.max(retryDelayMs(facts.policy, facts), waitOf(outcome.retryAfterMs ?? 0));
      return { state: "up_for_retry", error: outcome.error, nextAt: now + delayMs };
    }
  }
}
