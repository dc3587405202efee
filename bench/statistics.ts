/**
 * The few numbers a series of measurements comes to.
 *
 * @module
 */

/** The value below which `share` (0 to 1) of the values lie, nearest rank. Throws for an empty series. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
  if (value === undefined) {
    throw new Error("expected at least one measurement, got none");
  }
  return value;
}

/** The middle value, or the mean of the two middle ones. Throws for an empty series. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  if (upper === undefined || lower === undefined) {
    throw new Error("expected at least one measurement, got none");
  }
  return (lower + upper) / 2;
}

/** Rounds to three significant digits, or to whole numbers from 1,000 on. */
export function rounded(value: number): number {
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3));
}
