/**
 * A DAG's schedule as its spec gives it: the timetable, between which dates it counts, and how many runs may be active.
 *
 * @module
 */
import type { DagSpec } from "./spec.ts";
import { compileTimetable } from "./timetable/compile.ts";
import type { TimeRestriction, Timetable } from "./timetable/timetable.ts";

/** What a spec says of time. */
export interface DagSchedule {
  readonly timetable: Timetable;
  readonly restriction: TimeRestriction;
  /** Runs that may be running at a time. */
  readonly maxActiveRuns: number;
  /** Changes with whatever changes the dates of runs. */
  readonly key: string;
}

/** Reads the schedule of a valid spec. */
export function dagScheduleOf(spec: DagSpec): DagSchedule {
  const { schedule, timezone, start_date: start, end_date: end, catchup } = spec;
  const timetable = compileTimetable(schedule, timezone);
  return {
    timetable,
    restriction: {
      earliest: start === null ? null : Date.parse(start),
      latest: end === null ? null : Date.parse(end),
      catchup,
    },
    maxActiveRuns: Math.min(spec.max_active_runs, timetable.activeRunsLimit ?? Infinity),
    key: JSON.stringify([schedule, timezone, start, end, catchup]),
  };
}
