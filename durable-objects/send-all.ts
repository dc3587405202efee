/**
 * Sending many messages through a queue of the platform, within its limits: https://developers.cloudflare.com/queues/platform/limits/
 *
 * @module
 */
import { backoffMs } from "../src/engine/backoff.ts";
import { isPlatformError } from "../src/engine/platform-errors.ts";
import type { WorkMessage } from "../src/engine/work.ts";

/** Messages that one call takes. */
const MESSAGES_PER_CALL = 100;
/** Calls at a time: an invocation has six connections that wait for an answer, and one stays for others. */
const CALLS_AT_ONCE = 5;
/** Tries of a call that the queue has no room for: some 6 seconds, before their owner sends messages again. */
const TRIES = 7;

/** A queue, as far as it is used here. */
interface Sending {
  sendBatch(messages: readonly { body: WorkMessage }[]): Promise<unknown>;
}

/**
 * Sends messages, a few calls at a time. A call that comes when the queue takes no more (5,000 messages a second) is made again after a
 * while; one that fails otherwise does not keep the others from being sent.
 *
 * @param waitMs Waits for some milliseconds.
 * @throws Error that says how many were not sent, and why.
 */
export async function sendAll(
  queue: Sending,
  messages: readonly { body: WorkMessage }[],
  waitMs: (ms: number) => Promise<unknown> = (ms) => scheduler.wait(ms),
): Promise<void> {
  let next = 0;
  let unsent = 0;
  let reason: unknown;
  const sendSome = async (): Promise<void> => {
    while (next < messages.length) {
      const call = messages.slice(next, next + MESSAGES_PER_CALL);
      next += call.length;
      try {
        // One call after the other: how many there are at a time is said above.
        // oxlint-disable-next-line no-await-in-loop
        await sendOnce(queue, call, waitMs);
      } catch (error) {
        unsent += call.length;
        reason ??= error;
      }
    }
  };
  await Promise.all(Array.from({ length: CALLS_AT_ONCE }, sendSome));
  if (unsent > 0) {
    throw new Error(`${unsent} of ${messages.length} messages were not sent: ${String(reason)}`, { cause: reason });
  }
}

async function sendOnce(
  queue: Sending,
  call: readonly { body: WorkMessage }[],
  waitMs: (ms: number) => Promise<unknown>,
): Promise<void> {
  for (let failures = 1; ; failures += 1) {
    try {
      // oxlint-disable-next-line no-await-in-loop
      await queue.sendBatch(call);
      return;
    } catch (error) {
      if (failures >= TRIES || !(isPlatformError(error) || isTooMany(error))) {
        throw error;
      }
      // oxlint-disable-next-line no-await-in-loop
      await waitMs(backoffMs(failures, error));
    }
  }
}

/** What a queue says that takes no more. */
function isTooMany(error: unknown): boolean {
  return error instanceof Error && /too many requests/i.test(error.message);
}
