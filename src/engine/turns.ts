/**
 * Turns at something that costs memory while it lasts: only so many at a time.
 *
 * @module
 */

/** A turn that was taken. */
export type Turn = symbol;

/** Gives turns. Times are epoch milliseconds. */
export class Turns {
  readonly #atOnce: number;
  readonly #longestMs: number;
  /** Turns that have not ended, by when they count no more. */
  readonly #taken = new Map<Turn, number>();

  /** @param longestMs How long a turn counts at most: whose request was cut off never says that it ended. */
  constructor(atOnce: number, longestMs: number) {
    this.#atOnce = atOnce;
    this.#longestMs = longestMs;
  }

  /** A turn, or null while as many as may be are taken. */
  take(now: number): Turn | null {
    for (const [turn, until] of this.#taken) {
      if (until <= now || until > now + this.#longestMs) {
        this.#taken.delete(turn);
      }
    }
    if (this.#taken.size >= this.#atOnce) {
      return null;
    }
    const turn = Symbol("turn");
    this.#taken.set(turn, now + this.#longestMs);
    return turn;
  }

  /** Says that a turn ended. */
  end(turn: Turn): void {
    this.#taken.delete(turn);
  }
}
