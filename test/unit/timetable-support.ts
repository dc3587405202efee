/** What the tests of timetables share: dates as text, and timetables from schedules in short. */
import { compileTimetable } from "../../src/engine/timetable/compile.ts";
import { cronTicks } from "../../src/engine/timetable/cron-ticks.ts";
import { scheduleSchema } from "../../src/engine/timetable/schedule-spec.ts";
import type { ScheduleInput } from "../../src/engine/timetable/schedule-spec.ts";
import type { Ticks } from "../../src/engine/timetable/ticks.ts";
import type { DagRunInfo, DataInterval, TimeRestriction, Timetable } from "../../src/engine/timetable/timetable.ts";
import { Zone } from "../../src/engine/timetable/zone.ts";

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Epoch milliseconds of a date: `at("2026-03-01")` is midnight UTC, `at("2026-03-01T10:00")` UTC too. */
export function at(date: string): number {
  const time = Date.parse(/[Zz]$/.test(date) || !date.includes("T") ? date : `${date}Z`);
  if (Number.isNaN(time)) {
    throw new TypeError(`expected a date, got ${date}`);
  }
  return time;
}

/** A time as the tables write it: as short as it can be, in UTC. */
export function text(time: number): string {
  return new Date(time)
    .toISOString()
    .replace(/\.000Z$/, "")
    .replace(/Z$/, "")
    .replace(/(T\d\d:\d\d):00$/, "$1")
    .replace(/T00:00$/, "");
}

/** A run as `start..end`; its other fields follow from these, which is checked here. */
export function runText(run: DagRunInfo | null): string | null {
  if (run === null) {
    return null;
  }
  const { start, end } = run.data_interval;
  if (run.logical_date !== start || run.run_after !== end) {
    throw new Error(
      `expected the logical date to be the interval's start and run_after its end, got ${JSON.stringify(run)}`,
    );
  }
  return `${text(start)}..${text(end)}`;
}

export function interval(range: string): DataInterval {
  const [start = "", end = start] = range.split("..");
  return { start: at(start), end: at(end) };
}

export function timetable(schedule: ScheduleInput, timezone = "UTC"): Timetable {
  return compileTimetable(scheduleSchema.parse(schedule), timezone);
}

export function ticks(expression: string, timezone = "UTC"): Ticks {
  return cronTicks(expression, new Zone(timezone));
}

export const NO_RESTRICTION: TimeRestriction = { earliest: null, latest: null, catchup: false };

/** The ticks from one time to another, both inclusive, walked forward. */
export function ticksBetween(source: Ticks, from: number, to: number): number[] {
  const found: number[] = [];
  for (let time = source.alignNext(from); time <= to; time = source.next(time)) {
    found.push(time);
  }
  return found;
}
