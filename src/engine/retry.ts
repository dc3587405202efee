/**
 * When a failed try may be followed by another, and how long to wait: Airflow's `TaskInstance.is_eligible_to_retry` and
 * `next_retry_datetime`, to the second.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** How a task spaces its tries. */
export interface RetryPolicy {
  /** Seconds. */
  retryDelayS: number;
  /** Multiplier per try; 0 and 1 mean none. */
  backoff: number;
  /** Seconds; null or 0 for no cap of the task's own. Caps the backoff only, as in Airflow. */
  maxRetryDelayS: number | null;
}

/** What the jitter of a try is derived from, so that the same try always waits equally long. */
export interface RetryKey {
  dagId: string;
  taskId: string;
  /** Epoch milliseconds. */
  logicalDate: number | null;
  tryNumber: number;
}

/** Seconds that no backoff exceeds (Airflow's `core.max_task_retry_delay`). */
export const MAX_RETRY_DELAY_S = 86_400;

/**
 * Says whether a try that failed may be followed by another. `tryNumber` counts from 1; `maxTries` is Airflow's: how
 * many tries there may be after the first one.
 */
export function isEligibleToRetry(tryNumber: number, maxTries: number): boolean {
  return maxTries !== 0 && tryNumber <= maxTries;
}

/**
 * Milliseconds from the end of a failed try to the next one. Without a multiplier it is the delay itself; with one, it
 * lies in [b, 2b) for b = delay x multiplier^(try - 1), before the caps. Deterministic: the jitter is a hash of the key.
 */
export function retryDelayMs(policy: RetryPolicy, key: RetryKey): number {
  const { retryDelayS, backoff, maxRetryDelayS } = policy;
  if (backoff <= 0 || backoff === 1) {
    return Math.round(retryDelayS * 1000);
  }
  const delayS = backoffS(retryDelayS, backoff, key);
  const cappedS = maxRetryDelayS !== null && maxRetryDelayS > 0 ? Math.min(maxRetryDelayS, delayS) : delayS;
  return Math.round(cappedS * 1000);
}

function backoffS(retryDelayS: number, backoff: number, key: RetryKey): number {
  const factor = backoff ** (key.tryNumber - 1);
  const base = Number.isFinite(factor) ? Math.max(1, Math.ceil(retryDelayS * factor)) : MAX_RETRY_DELAY_S;
  if (base >= MAX_RETRY_DELAY_S) {
    return MAX_RETRY_DELAY_S;
  }
  return Math.min(base + Number(jitterHash(key) % BigInt(base)), MAX_RETRY_DELAY_S);
}

function jitterHash(key: RetryKey): bigint {
  const text = `${key.dagId}#${key.taskId}#${pythonDate(key.logicalDate)}#${key.tryNumber}`;
  return BigInt(`0x${createHash("sha1").update(text).digest("hex")}`);
}

/** A date as Python prints it, because it is part of what is hashed. */
function pythonDate(epochMs: number | null): string {
  if (epochMs === null) {
    return "None";
  }
  const [date = "", time = ""] = new Date(epochMs).toISOString().split("T");
  const [seconds = "", millis = "000Z"] = time.split(".");
  const fraction = millis === "000Z" ? "" : `.${millis.slice(0, 3)}000`;
  return `${date} ${seconds}${fraction}+00:00`;
}
