/**
 * How long a queued task instance waits for a worker: when its message is sent again, and when it counts as stuck.
 *
 * @module
 */
import { failFast } from "./run-end.ts";
import type { RunState } from "./run-state.ts";
import type { NodeInstance } from "./task-node.ts";

/** How long the machine waits for the queue, in milliseconds. */
export interface QueueTiming {
  /** A message not claimed in this time is sent again, then after twice that, and so on up to two minutes. */
  resendAfterMs: number;
  /** Airflow's `task_queued_timeout`: after three of them without a claim the task instance fails. */
  queuedTimeoutMs: number;
}

/** Airflow's default for `task_queued_timeout`, and a first re-send that a lost message does not make anybody wait for. */
export const DEFAULT_QUEUE_TIMING: QueueTiming = { resendAfterMs: 10_000, queuedTimeoutMs: 600_000 };

const MAX_RESEND_MS = 120_000;
/** Airflow's `num_stuck_in_queued_retries`, and the first time. */
const QUEUED_TIMEOUTS = 3;

/** How long a task instance may be queued before it fails as stuck, in milliseconds. */
export function stuckAfterMs({ queuedTimeoutMs }: QueueTiming): number {
  return QUEUED_TIMEOUTS * queuedTimeoutMs;
}

/** Has the instance's message sent, and again if nobody claims it in time. */
export function sendMessage(state: RunState, instance: NodeInstance, timing: QueueTiming, now: number): void {
  const waitMs = Math.min(timing.resendAfterMs * 2 ** instance.sends, MAX_RESEND_MS);
  instance.sends += 1;
  state.setTimer(instance, now + waitMs);
  state.changes.send.push(instance);
}

/** Says whether workers take messages of the queue that an instance waits in. */
export type IsMoving = (instance: NodeInstance) => boolean;

/**
 * Nobody claimed the instance in time: its message is sent again, or, after three queued timeouts, it fails. While its queue
 * moves, the message most likely stands in line: it is sent again every two minutes only, nothing is stored until then, and it does not
 * fail however long the line is.
 */
export function resendOrFail(
  state: RunState,
  instance: NodeInstance,
  timing: QueueTiming,
  now: number,
  isMoving: IsMoving,
): void {
  const queuedAt = instance.queuedWhen ?? now;
  if (now - queuedAt < stuckAfterMs(timing) || isMoving(instance)) {
    const patience = queuedAt + MAX_RESEND_MS * instance.sends;
    if (now < patience && isMoving(instance)) {
      state.renew(instance, Math.min(now + timing.resendAfterMs, patience));
    } else {
      sendMessage(state, instance, timing, now);
    }
    return;
  }
  const limit = `${QUEUED_TIMEOUTS} x ${timing.queuedTimeoutMs / 1000} s`;
  instance.fence += 1;
  instance.error = { type: "StuckInQueued", message: `no worker claimed it in ${limit}; sent ${instance.sends} times` };
  state.set(instance, "failed", now);
  failFast(state, instance, now);
}
