/**
 * One timer for the beats of all attempts of a session: a hundred that begin together need one, not a hundred.
 *
 * @module
 */
import { TimerHeap } from "../engine/timers.ts";
import type { Attempt } from "./attempt.ts";

/** Those that are due within this part of a heartrate travel along: a call costs more than an attempt in it. */
const NEARLY = 0.25;

/** Gives attempts when their beats are due, those together that are due together. */
export class BeatClock {
  readonly #now: () => number;
  readonly #onDue: (attempts: Attempt[]) => void;
  readonly #heap = new TimerHeap<Attempt>((attempt) => attempt.beatAt);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  /** @param onDue Is given attempts whose `beatAt` has come; it is null then, until it is set anew. */
  constructor(now: () => number, onDue: (attempts: Attempt[]) => void) {
    this.#now = now;
    this.#onDue = onDue;
  }

  /** Sets when an attempt beats next, epoch milliseconds; null for never. */
  set(attempt: Attempt, at: number | null): void {
    attempt.beatAt = at;
    if (at === null) {
      return;
    }
    this.#heap.add(at, attempt);
    if (at < this.#timerAt) {
      this.#arm(at);
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
    const due = this.#takeDue(now);
    if (due.length > 0) {
      const heartrateMs = Math.min(...due.map(({ task }) => task.heartrateMs));
      due.push(...this.#takeDue(now + heartrateMs * NEARLY));
      this.#onDue(due);
    }
    const next = this.#heap.next();
    if (next !== null && next < this.#timerAt) {
      this.#arm(next);
    }
  }

  #takeDue(now: number): Attempt[] {
    const due: Attempt[] = [];
    for (let attempt = this.#heap.takeDue(now); attempt !== undefined; attempt = this.#heap.takeDue(now)) {
      attempt.beatAt = null;
      due.push(attempt);
    }
    return due;
  }
}
