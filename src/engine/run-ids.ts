/**
 * Airflow's ids of runs that nobody named: the type, two underscores, and the date after which the run may start.
 *
 * @module
 */
import { isoFormat } from "./iso-date.ts";

/** Types of runs whose id says no more than when. */
export type DatedRunType = "scheduled" | "backfill" | "manual";

/**
 * The id of a run.
 *
 * @param runAfter Epoch milliseconds.
 * @param micros Microseconds beyond them, to tell apart runs of the same millisecond.
 *
 * @example
 * runIdOf("scheduled", Date.UTC(2026, 0, 1)); // "scheduled__2026-01-01T00:00:00+00:00"
 */
export function runIdOf(type: DatedRunType, runAfter: number, micros = 0): string {
  return `${type}__${isoFormat(runAfter, micros)}`;
}
