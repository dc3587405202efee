/**
 * What a timetable is: it says which run a DAG gets next. Times are epoch milliseconds throughout.
 *
 * @module
 */

/** The data a run is about. `start` equals `end` where a schedule only says when. */
export interface DataInterval {
  start: number;
  end: number;
}

/** A run that a timetable asks for. Its logical date is the start of its data interval. */
export interface DagRunInfo {
  /** Before this the run must not start. */
  run_after: number;
  logical_date: number;
  data_interval: DataInterval;
}

/** Between which times a DAG may get runs, both inclusive, and whether what was missed is made up for. */
export interface TimeRestriction {
  /** The earliest start date of the DAG and its tasks. */
  earliest: number | null;
  /** The end date. */
  latest: number | null;
  /** Without it, of several runs that are due only the latest is made. */
  catchup: boolean;
}

/** A schedule that can be asked. It holds no state: the same questions always have the same answers. */
export interface Timetable {
  /** Airflow's `timetable_summary`, e.g. the cron expression; null for a DAG without a schedule. */
  readonly summary: string | null;
  /** For people. */
  readonly description: string;
  /** False where runs do not come again and again by a rule: no schedule, `@once`, `@continuous`. */
  readonly isPeriodic: boolean;
  /** Whether a backfill can be asked for: there is a schedule. */
  readonly canBackfill: boolean;
  /** The most runs of the DAG that may be active at a time; null for no limit of the timetable's own. */
  readonly activeRunsLimit: number | null;
  /**
   * The run after `last`, which may be due already or not for years; null if there is none now.
   *
   * @param last The data interval of the newest scheduled or backfilled run; null if there was none.
   */
  next(last: DataInterval | null, restriction: TimeRestriction, now: number): DagRunInfo | null;
  /** The data interval of a run made by hand that may start at `runAfter`. */
  manualInterval(runAfter: number): DataInterval;
}

/** What people are told about a timetable. */
export type TimetableWords = Pick<Timetable, "summary" | "description">;

/** What timetables with a rule have in common. */
export const PERIODIC = { isPeriodic: true, canBackfill: true, activeRunsLimit: null } as const;

/** The times before and after which nothing is scheduled. The cron library looks no further than the year 3000. */
export const CALENDAR = { first: Date.UTC(1000, 0, 1), last: Date.UTC(2999, 11, 31) } as const;

/** The run at the end of a data interval; null if the interval runs out of the calendar. */
export function runOver(start: number, end: number): DagRunInfo | null {
  if (start < CALENDAR.first || end > CALENDAR.last) {
    return null;
  }
  return { run_after: end, logical_date: start, data_interval: { start, end } };
}

/** The data interval of a run made by hand; of no length at `runAfter` if the interval runs out of the calendar. */
export function manualOver(start: number, end: number, runAfter: number): DataInterval {
  return start < CALENDAR.first ? { start: runAfter, end: runAfter } : { start, end };
}
