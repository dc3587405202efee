/**
 * Timetables without ticks: no schedule, once, and as often as possible.
 *
 * @module
 */
import { runOver } from "./timetable.ts";
import type { DagRunInfo, DataInterval, TimeRestriction, Timetable } from "./timetable.ts";

function exactly(at: number): DataInterval {
  return { start: at, end: at };
}

/** A DAG without a schedule: somebody or something else starts its runs. */
export const NULL_TIMETABLE: Timetable = {
  summary: null,
  description: "Never, external triggers only",
  isPeriodic: false,
  canBackfill: false,
  activeRunsLimit: null,
  next: () => null,
  manualInterval: exactly,
};

/** `@once`: one run at the start date, or now; with or without catchup. */
export const ONCE_TIMETABLE: Timetable = {
  summary: "@once",
  description: "Once, as soon as possible",
  isPeriodic: false,
  canBackfill: true,
  activeRunsLimit: null,
  next(last, { earliest, latest }, now) {
    const at = earliest ?? now;
    return last !== null || (latest !== null && at > latest) ? null : runOver(at, at);
  },
  manualInterval: exactly,
};

/**
 * `@continuous`: a new run when the one before has ended, about the time since that one. Without a start date there is
 * none.
 */
export const CONTINUOUS_TIMETABLE: Timetable = {
  summary: "@continuous",
  description: "As frequently as possible, but only one run at a time.",
  isPeriodic: false,
  canBackfill: true,
  activeRunsLimit: 1,
  next: nextContinuous,
  manualInterval: exactly,
};

function nextContinuous(
  last: DataInterval | null,
  { earliest, latest }: TimeRestriction,
  now: number,
): DagRunInfo | null {
  if (earliest === null) {
    return null;
  }
  const { start, end } = continuousInterval(last, earliest, now);
  return latest !== null && end > latest ? null : runOver(start, end);
}

function continuousInterval(last: DataInterval | null, earliest: number, now: number): DataInterval {
  if (last === null) {
    return { start: earliest, end: Math.max(earliest, now) };
  }
  if (last.end > now) {
    return { start: earliest, end: earliest + (last.end - last.start) };
  }
  return { start: last.end, end: now };
}
