/**
 * Whether an answer about task instances fits what the platform carries between an object and its caller: 32 MiB.
 *
 * @module
 */

const MAX_BYTES = 24 * 1024 * 1024;
/** Of one task instance, without what people and errors wrote. */
const VIEW_BYTES = 1200;

/** @param words For each task instance, how many characters people and errors wrote: two bytes each at most. */
export function fitsAnswer(words: readonly number[]): boolean {
  let bytes = 0;
  for (const characters of words) {
    bytes += VIEW_BYTES + 2 * characters;
  }
  return bytes < MAX_BYTES;
}

/** What a caller is told instead. */
export function tooLargeAnswer(count: number): string {
  return `expected fewer task instances in one call: the answer about ${count} would be too large`;
}
