/**
 * Filters by bounds.
 *
 * @module
 */
import type { Range } from "./objects.ts";

/** Says whether a value lies in a range; everything lies in none given, and what is not there in none at all. */
export function isInRange(value: number | null, range: Range | undefined): boolean {
  if (range === undefined) {
    return true;
  }
  const { gte = -Infinity, gt = -Infinity, lte = Infinity, lt = Infinity } = range;
  return value !== null && value >= gte && value > gt && value <= lte && value < lt;
}
