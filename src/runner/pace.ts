/**
 * The pace at which jobs are made: each is a database of its own, and a disk that is busy with a thousand of them at once
 * has no time for anything else.
 *
 * @module
 */

/** Milliseconds between two; as long as one takes, within these bounds. */
const LEAST_MS = 20;
const MOST_MS = 2000;
/** Part that the last one has in what one is taken to last. */
const WEIGHT = 0.25;

/** Gives moments to start at. It holds nothing: whoever takes one and never comes leaves no gap behind. */
export class Pace {
  readonly #now: () => number;
  #next = 0;
  #lastsMs = LEAST_MS;

  /** @param now Gives milliseconds since any moment, and never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Takes the next moment; gives the milliseconds until then. */
  take(): number {
    const now = this.#now();
    const at = Math.max(now, this.#next);
    this.#next = at + Math.min(MOST_MS, Math.max(LEAST_MS, this.#lastsMs));
    return at - now;
  }

  /** Notes how long one lasted, in milliseconds. */
  lasted(ms: number): void {
    this.#lastsMs += (ms - this.#lastsMs) * WEIGHT;
  }
}
