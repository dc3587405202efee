/**
 * The clock that limits go by. Tests have one that they move.
 *
 * @module
 */

/** A clock. */
export interface PlatformClock {
  /** Epoch milliseconds. */
  now(): number;
  /** Calls back after some milliseconds. Gives what takes that back. */
  after(ms: number, callback: () => void): () => void;
  /** Says whether timers of Workers go by this clock too, instead of by the machine's. */
  readonly isMoved: boolean;
}

// As they were before they were wrapped.
const startTimer = globalThis.setTimeout;
const stopTimer = globalThis.clearTimeout;

/** The machine's clock. */
export const machineClock: PlatformClock = {
  now: () => Date.now(),
  after(ms, callback) {
    const timer = startTimer(callback, ms);
    return () => stopTimer(timer);
  },
  isMoved: false,
};
