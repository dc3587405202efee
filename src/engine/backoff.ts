/**
 * Waits between the tries of a call that failed.
 *
 * @module
 */
import { isOverloaded } from "./platform-errors.ts";

const FIRST_MS = 100;
/** An object that has too much to do is left alone for longer. */
const FIRST_OVERLOADED_MS = 500;
const MOST_MS = 5000;

/**
 * Milliseconds to wait after a call failed for the `failures`-th time in a row, from 1: twice as long each time, to 5 s,
 * and between half and all of it, so that those who failed together do not come again together.
 */
export function backoffMs(failures: number, error: unknown, random: () => number = Math.random): number {
  const first = isOverloaded(error) ? FIRST_OVERLOADED_MS : FIRST_MS;
  const ceiling = Math.min(MOST_MS, first * 2 ** Math.min(failures - 1, 10));
  return ceiling * (0.5 + random() / 2);
}
