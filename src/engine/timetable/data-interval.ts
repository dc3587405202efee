/**
 * Timetables whose runs cover the time between two ticks, and come at its end.
 *
 * @module
 */
import type { Ticks } from "./ticks.ts";
import { manualOver, PERIODIC, runOver } from "./timetable.ts";
import type { DagRunInfo, DataInterval, TimeRestriction, Timetable, TimetableWords } from "./timetable.ts";

/** Ticks, and where the newest interval begins that has ended. */
export interface Intervals {
  ticks: Ticks;
  newestStart: (now: number) => number;
}

/** A timetable of intervals. A run made by hand is about the newest interval that had ended. */
export function intervalTimetable(intervals: Intervals, words: TimetableWords): Timetable {
  const { ticks } = intervals;
  return {
    ...words,
    ...PERIODIC,
    next: (last, restriction, now) => nextInterval(intervals, last, restriction, now),
    manualInterval(runAfter) {
      const end = ticks.alignPrev(runAfter);
      return manualOver(ticks.prev(end), end, runAfter);
    },
  };
}

/** Airflow's algorithm for the next run of a data interval timetable. */
function nextInterval(
  { ticks, newestStart }: Intervals,
  last: DataInterval | null,
  { earliest, latest, catchup }: TimeRestriction,
  now: number,
): DagRunInfo | null {
  const bounds = [
    ...(earliest === null ? [] : [ticks.alignNext(earliest)]),
    ...(catchup ? [] : [newestStart(now)]),
    // Aligned, because the schedule may have changed since.
    ...(last === null ? [] : [ticks.alignPrev(last.end)]),
  ];
  if (bounds.length === 0) {
    return null;
  }
  const start = Math.max(...bounds);
  return latest !== null && start > latest ? null : runOver(start, ticks.next(start));
}

/** Intervals of a cron expression. An interval that ends right now is the newest one. */
export function cronIntervals(ticks: Ticks): Intervals {
  return { ticks, newestStart: (now) => ticks.prev(ticks.alignPrev(now)) };
}

/** Intervals of a length, counted from 1970 where nothing else says where they begin. */
export function deltaIntervals(ticks: Ticks, deltaMs: number): Intervals {
  return { ticks, newestStart: (now) => ticks.prev(Math.floor(now / deltaMs) * deltaMs) };
}
