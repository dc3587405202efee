/**
 * Airflow's `LatestOnlyOperator`: work that only makes sense for the newest run is skipped in older ones.
 *
 * @module
 */
import type { DataInterval, Timetable } from "./timetable/timetable.ts";

/** What the decision needs; times in epoch milliseconds. */
export interface LatestOnlyQuestion {
  /** `manual`, `scheduled`, `backfill`, `asset_triggered` … */
  runType: string;
  now: number;
  /** The run's own data interval; one that has none has its date at both ends. */
  interval: DataInterval;
  timetable: Timetable;
}

/**
 * Says whether what is directly downstream goes on. Manual runs and the last run of a schedule always do; any other one
 * only from the start of its own data interval until the next one ends. The schedule alone
 * says which is the next: neither the DAG's `end_date` nor whether it was missed counts.
 */
export function latestOnlyProceeds({ runType, now, interval, timetable }: LatestOnlyQuestion): boolean {
  if (runType === "manual") {
    return true;
  }
  // This clock shows whole milliseconds: what happens in one happens after its beginning.
  const next = timetable.next(interval, { earliest: interval.end, latest: null, catchup: true }, now + 1);
  if (next === null) {
    return true;
  }
  // An interval that is none of the schedule's may hold the end of one that is: then that begins what is latest.
  const inside = timetable.next(interval, { earliest: null, latest: interval.end - 1, catchup: true }, now);
  return (inside?.data_interval.end ?? interval.start) <= now && now < next.data_interval.end;
}
