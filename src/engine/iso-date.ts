/**
 * Dates as Python's `isoformat()` writes them, which is how Airflow builds ids and descriptions.
 *
 * @module
 */

/**
 * ISO 8601 in UTC with `+00:00`; a fraction, to the microsecond, only if it is not zero.
 *
 * @param epochMs Whole milliseconds.
 * @param micros Microseconds beyond them, 0 to 999.
 *
 * @example
 * isoFormat(Date.UTC(2026, 0, 1)); // "2026-01-01T00:00:00+00:00"
 */
export function isoFormat(epochMs: number, micros = 0): string {
  const iso = new Date(epochMs).toISOString();
  const fraction = `${iso.slice(-4, -1)}${String(micros).padStart(3, "0")}`;
  return `${iso.slice(0, -5)}${fraction === "000000" ? "" : `.${fraction}`}+00:00`;
}
