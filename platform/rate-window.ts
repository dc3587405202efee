/**
 * Counts what came within the last second.
 *
 * @module
 */

const SECOND_MS = 1000;

/** At most so much in any second. */
export class RateWindow {
  #taken: { at: number; count: number }[] = [];
  #sum = 0;

  /** Takes so much at a time, if that leaves no second with more than `most`. @param now Epoch milliseconds. */
  take(count: number, most: number, now: number): boolean {
    this.#forget(now);
    if (this.#sum + count > most) {
      return false;
    }
    this.#sum += count;
    const last = this.#taken.at(-1);
    if (last?.at === now) {
      last.count += count;
    } else {
      this.#taken.push({ at: now, count });
    }
    return true;
  }

  #forget(now: number): void {
    // Also what lies ahead: the clock stepped back.
    const kept = this.#taken.filter(({ at }) => at <= now && now - at < SECOND_MS);
    if (kept.length < this.#taken.length) {
      this.#taken = kept;
      this.#sum = kept.reduce((sum, { count }) => sum + count, 0);
    }
  }
}
