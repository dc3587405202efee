/**
 * From the schedule of a DAG's spec to a timetable.
 *
 * @module
 */
import { cronTicks } from "./cron-ticks.ts";
import { cronIntervals, deltaIntervals, intervalTimetable } from "./data-interval.ts";
import { describeCron } from "./describe-cron.ts";
import { eventsTimetable } from "./events.ts";
import type { ScheduleSpec } from "./schedule-spec.ts";
import { CONTINUOUS_TIMETABLE, NULL_TIMETABLE, ONCE_TIMETABLE } from "./simple.ts";
import { deltaTicks } from "./ticks.ts";
import { formatDelta } from "./time-delta.ts";
import type { Timetable, TimetableWords } from "./timetable.ts";
import { cronFirstRun, triggerTimetable } from "./trigger.ts";
import { Zone } from "./zone.ts";

/**
 * The timetable of a schedule.
 *
 * @param schedule Null for none. What `scheduleSchema` let through compiles.
 * @param timezone IANA name; cron expressions are read on its clocks.
 * @throws TypeError if the zone is unknown or an expression is none.
 */
export function compileTimetable(schedule: ScheduleSpec | null, timezone: string): Timetable {
  switch (schedule?.type) {
    case undefined:
      return NULL_TIMETABLE;
    case "once":
      return ONCE_TIMETABLE;
    case "continuous":
      return CONTINUOUS_TIMETABLE;
    case "cron_trigger":
      return compileCronTrigger(schedule, new Zone(timezone));
    case "cron_data_interval": {
      const ticks = cronTicks(schedule.expression, new Zone(timezone));
      return intervalTimetable(cronIntervals(ticks), cronWords([schedule.expression]));
    }
    case "delta_trigger": {
      const ticks = deltaTicks(toMs(schedule.seconds));
      const trigger = { ticks, firstRun: (now: number) => now };
      return triggerTimetable([trigger], toMs(schedule.interval_seconds), deltaWords(schedule.seconds));
    }
    case "delta_data_interval": {
      const deltaMs = toMs(schedule.seconds);
      return intervalTimetable(deltaIntervals(deltaTicks(deltaMs), deltaMs), deltaWords(schedule.seconds));
    }
    case "events": {
      const dates = schedule.dates.map((date) => Date.parse(date));
      return eventsTimetable(dates, schedule.restrict_to_events, schedule.description ?? null);
    }
  }
}

function compileCronTrigger(schedule: Extract<ScheduleSpec, { type: "cron_trigger" }>, zone: Zone): Timetable {
  const { expressions, interval_seconds: intervalSeconds, run_immediately: given } = schedule;
  const runImmediately = typeof given === "number" ? toMs(given) : given;
  const triggers = expressions.map((expression) => {
    const ticks = cronTicks(expression, zone);
    return { ticks, firstRun: (now: number) => cronFirstRun(ticks, runImmediately, now) };
  });
  return triggerTimetable(triggers, toMs(intervalSeconds), cronWords(expressions));
}

function cronWords(expressions: readonly string[]): TimetableWords {
  return { summary: expressions.join(", "), description: expressions.map(describeCron).join(", ") };
}

function deltaWords(seconds: number): TimetableWords {
  const delta = formatDelta(toMs(seconds));
  return { summary: delta, description: `Every ${delta}` };
}

function toMs(seconds: number): number {
  return Math.round(seconds * 1000);
}
