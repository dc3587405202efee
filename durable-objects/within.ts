/**
 * Waiting for other objects, but not for ever.
 *
 * @module
 */

/** How long an answer that is given to a user waits for other objects. */
export const ANSWER_WITHIN_MS = 3000;

/**
 * The value of a promise, if it comes in time. No timer is left behind, which would keep the object awake.
 *
 * @throws Error if it does not.
 */
export async function within<T>(promise: Promise<T>, ms = ANSWER_WITHIN_MS): Promise<T> {
  const stop = new AbortController();
  const late = async (): Promise<never> => {
    await scheduler.wait(ms, { signal: stop.signal });
    throw new Error(`expected an answer within ${ms} ms`);
  };
  try {
    return await Promise.race([promise, late()]);
  } finally {
    stop.abort();
  }
}
