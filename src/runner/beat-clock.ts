/**
 * One timer for the beats of all tasks of a session: a hundred tasks that begin together need one, not a hundred.
 *
 * @module
 */
import { TimerHeap } from "../engine/timers.ts";

/** Something to be called at a time; null cancels it. */
export interface Beat {
  /** Epoch milliseconds. */
  at: number | null;
  run: () => void;
}

/** Calls beats when they are due. */
export class BeatClock {
  readonly #now: () => number;
  readonly #heap = new TimerHeap<Beat>((beat) => beat.at);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Adds a beat, or its next time after it ran. */
  add(beat: Beat): void {
    if (beat.at === null) {
      return;
    }
    this.#heap.add(beat.at, beat);
    if (beat.at < this.#timerAt) {
      this.#arm(beat.at);
    }
  }

  /** Stops the timer: nothing is left to beat for. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  #arm(at: number): void {
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => this.#fire(), Math.max(0, at - this.#now()));
  }

  #fire(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#now();
    for (let beat = this.#heap.takeDue(now); beat !== undefined; beat = this.#heap.takeDue(now)) {
      beat.at = null;
      beat.run();
    }
    const next = this.#heap.next();
    if (next !== null) {
      this.#arm(next);
    }
  }
}
