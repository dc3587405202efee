/**
 * How many requests may wait for an answer at once, so that each is answered within a stated time. By Little's law as many as are
 * answered in that time; how many that is, is measured while requests queue up.
 *
 * @module
 */

/** Milliseconds that an answer may take on average under load; the slowest one in a hundred takes about twice as long. */
const TARGET_MS = 400;
/** Requests that may always wait: below it a measured rate says what was asked for, not what can be carried. */
const ALWAYS_ADMITTED = 64;
/** Requests answered in a second, until it was measured. */
const ASSUMED_PER_SECOND = 1000;
const WINDOW_MS = 500;
/** How long a measured rate holds once requests do not queue up any more. */
const FORGET_AFTER_MS = 5000;

/** Admits requests, and measures how fast they are answered. Times are epoch milliseconds. */
export class AdmissionControl {
  #waiting = 0;
  #perSecond = ASSUMED_PER_SECOND;
  #measuredAt = 0;
  /** Begin of the present window, or null while requests do not queue up. */
  #windowStart: number | null = null;
  #answered = 0;

  /** Requests that wait for their answer now. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Takes a request in. False if it must be refused; only one that was taken in may `leave`. */
  enter(now: number): boolean {
    if (now - this.#measuredAt > FORGET_AFTER_MS || now < this.#measuredAt) {
      this.#perSecond = ASSUMED_PER_SECOND;
    }
    if (!this.#hasRoom()) {
      return false;
    }
    this.#waiting += 1;
    if (this.#waiting >= ALWAYS_ADMITTED / 2 && this.#windowStart === null) {
      this.#windowStart = now;
      this.#answered = 0;
    }
    return true;
  }

  /** One that was taken in waits for its sender, and for nothing here: it has no place until it steps back. */
  stepAside(): void {
    this.#waiting -= 1;
  }

  /** It goes on. False if it must be refused, because others took its place; it `leave`s in either case. */
  stepBack(): boolean {
    const mayGoOn = this.#hasRoom();
    this.#waiting += 1;
    return mayGoOn;
  }

  /** A request was answered. */
  leave(now: number): void {
    this.#waiting -= 1;
    if (this.#windowStart === null) {
      return;
    }
    this.#answered += 1;
    if (this.#waiting < ALWAYS_ADMITTED / 2 || now < this.#windowStart) {
      this.#windowStart = null;
    } else if (now - this.#windowStart >= WINDOW_MS) {
      this.#perSecond = (this.#answered * 1000) / (now - this.#windowStart);
      this.#measuredAt = now;
      this.#windowStart = now;
      this.#answered = 0;
    }
  }

  #hasRoom(): boolean {
    return this.#waiting < Math.max(ALWAYS_ADMITTED, (this.#perSecond * TARGET_MS) / 1000);
  }
}
