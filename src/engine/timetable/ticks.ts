/**
 * The times a schedule marks, as a set that can be walked both ways.
 *
 * @module
 */

/**
 * Times in epoch milliseconds. `next` and `prev` are inverse to each other on the times of the set, and strict. Past the
 * calendar's ends they answer `Infinity` and `-Infinity`.
 */
export interface Ticks {
  /** The first time after `at`. */
  next(at: number): number;
  /** The last time before `at`. */
  prev(at: number): number;
  /** `at` if it is a time of the set, else the next one. */
  alignNext(at: number): number;
  /** `at` if it is a time of the set, else the one before. */
  alignPrev(at: number): number;
}

/** Times so many milliseconds apart, from wherever one starts: every time is one of the set. */
export function deltaTicks(deltaMs: number): Ticks {
  return {
    next: (at) => at + deltaMs,
    prev: (at) => at - deltaMs,
    alignNext: (at) => at,
    alignPrev: (at) => at,
  };
}
