/**
 * Chance that can be repeated.
 *
 * @module
 */

/** Gives a number from 0 up to 1. */
export type Dice = () => number;

/** Numbers that are the same for every run of a seed. */
export function dice(seed: number): Dice {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
