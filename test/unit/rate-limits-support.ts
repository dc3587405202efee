/**
 * What tests of rate limits look at.
 *
 * @module
 */

/** The most that any window of `perMs` holds; times in order. */
export function mostInWindow(times: readonly number[], perMs: number): number {
  let most = 0;
  let first = 0;
  for (const [last, time] of times.entries()) {
    while ((times[first] ?? time) <= time - perMs) {
      first += 1;
    }
    most = Math.max(most, last - first + 1);
  }
  return most;
}
