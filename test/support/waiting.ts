/**
 * Waiting for something to become so, for what no event tells.
 *
 * @module
 */

const POLL_MS = 20;

/** Looks until `look` gives something other than null. Throws, saying what was waited for, after `timeoutMs`. */
export async function eventually<T>(what: string, timeoutMs: number, look: () => Promise<T | null>): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== null) {
      return found;
    }
    if (Date.now() > deadline) {
      throw new Error(`expected ${what} within ${timeoutMs} ms, it did not come`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Lets time pass for what is about a moment: when a process is killed. Waiting for something to become so is `eventually`. */
export async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
