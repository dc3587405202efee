/**
 * How the minute's sweeps stand, as far as one isolate knows. The embedded runtime has one isolate, which `npm start` sweeps every
 * minute. On Cloudflare a sweep comes to any isolate: one that has seen none knows nothing, and a failure that is old says nothing.
 *
 * @module
 */

/** Milliseconds without a sweep, where one is due every minute, after which sweeps are missing: two, and time to run. */
export const SWEEP_MISSING_MS = 150_000;

/** The sweeps of one isolate. Times are epoch milliseconds. */
export class Sweeps {
  #doneAt: number | null = null;
  #failedAt: number | null = null;
  #dueSince: number | null = null;

  /** When a sweep last went through here; null if none has. */
  get doneAt(): number | null {
    return this.#doneAt;
  }

  /** Notes the end of a sweep. */
  note(outcome: "done" | "failed", at: number): void {
    if (outcome === "done") {
      this.#doneAt = at;
      this.#failedAt = null;
    } else {
      this.#failedAt = at;
    }
  }

  /**
   * Whether sweeps fail, or do not come where they are due.
   *
   * @param areDueHere This isolate is swept every minute, and no other is.
   */
  areUnwell(now: number, areDueHere: boolean): boolean {
    const isFailureRecent = this.#failedAt !== null && now - this.#failedAt < SWEEP_MISSING_MS;
    if (!areDueHere) {
      return isFailureRecent;
    }
    // An isolate does not know when it began: it counts from the first question.
    this.#dueSince ??= now;
    const isMissing = now - Math.max(this.#doneAt ?? 0, this.#dueSince) >= SWEEP_MISSING_MS;
    return this.#failedAt !== null || isMissing;
  }
}
