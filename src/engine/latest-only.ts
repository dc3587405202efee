/**
 * Airflow's `LatestOnlyOperator`: work that only makes sense for the newest run is skipped in older ones.
 *
 * @module
 */

/** What the decision needs; times in epoch milliseconds. */
export interface LatestOnlyQuestion {
  /** `manual`, `scheduled`, `backfill`, `asset_triggered` … */
  runType: string;
  now: number;
  /** From the right edge of this run's data interval to the end of the next one; null if there is no next. */
  nextInterval: { start: number; end: number } | null;
}

/**
 * Says whether what is directly downstream goes on. Manual runs and the last run of a schedule always do; any other one
 * only while `now` lies after the start of the next interval and not after its end.
 */
export function latestOnlyProceeds({ runType, now, nextInterval }: LatestOnlyQuestion): boolean {
  if (runType === "manual" || nextInterval === null) {
    return true;
  }
  return nextInterval.start < now && now <= nextInterval.end;
}
