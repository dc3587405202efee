/**
 * A timetable of listed dates.
 *
 * @module
 */
import { isoFormat } from "../iso-date.ts";
import { runOver } from "./timetable.ts";
import type { Timetable } from "./timetable.ts";

/**
 * Runs at the dates of a list. Without catchup, dates before now are left out.
 *
 * @param dates Epoch milliseconds, ascending.
 * @param restrictToEvents Whether a run made by hand is about the latest event, or the first one if none has been yet.
 */
export function eventsTimetable(
  dates: readonly number[],
  restrictToEvents: boolean,
  description: string | null,
): Timetable {
  return {
    summary: description ?? `${dates.length} events`,
    description: description ?? describeEvents(dates),
    isPeriodic: true,
    canBackfill: true,
    activeRunsLimit: null,
    next(last, { earliest, latest, catchup }, now) {
      const from = Math.max(earliest ?? -Infinity, catchup ? -Infinity : now);
      const at = dates[firstAtOrAfter(dates, Math.max(from, last === null ? -Infinity : last.end + 1))];
      return at === undefined || (latest !== null && at > latest) ? null : runOver(at, at);
    },
    manualInterval(runAfter) {
      const past = dates[Math.max(0, firstAtOrAfter(dates, runAfter + 1) - 1)];
      const at = restrictToEvents ? (past ?? runAfter) : runAfter;
      return { start: at, end: at };
    },
  };
}

/** Index of the first date that is not before `at`; the length of the list if there is none. */
function firstAtOrAfter(dates: readonly number[], at: number): number {
  let low = 0;
  let high = dates.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((dates[middle] ?? Infinity) < at) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

function describeEvents(dates: readonly number[]): string {
  const [first] = dates;
  const last = dates.at(-1);
  return first === undefined || last === undefined
    ? "No events"
    : `${dates.length} events between ${isoFormat(first)} and ${isoFormat(last)}`;
}
