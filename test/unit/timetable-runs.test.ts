/** Runs in a row: backfills, previews, and what a scheduler makes of a timetable as time goes by. */
import fc from "fast-check";
import { describe, test } from "vitest";
import { iterateRuns, previewRuns } from "../../src/engine/timetable/iterate.ts";
import type { ScheduleInput } from "../../src/engine/timetable/schedule-spec.ts";
import type { DagRunInfo, DataInterval, TimeRestriction, Timetable } from "../../src/engine/timetable/timetable.ts";
import {
  at,
  DAY,
  HOUR,
  interval,
  MINUTE,
  NO_RESTRICTION,
  runText,
  SECOND,
  text,
  ticks,
  ticksBetween,
  timetable,
} from "./timetable-support.ts";

describe("a backfill has the runs of its dates", () => {
  const rows: [string, ScheduleInput, string, string, string, string[]][] = [
    [
      "both ends inclusive",
      "@daily",
      "2026-03-01",
      "2026-03-03",
      "2026-03-10",
      ["2026-03-01..2026-03-01", "2026-03-02..2026-03-02", "2026-03-03..2026-03-03"],
    ],
    ["from between two", "@daily", "2026-03-01T00:01", "2026-03-02T23:59", "2026-03-10", ["2026-03-02..2026-03-02"]],
    ["ended strictly before now", "@daily", "2026-03-01", "2026-03-09", "2026-03-02", ["2026-03-01..2026-03-01"]],
    [
      "intervals by where they begin",
      { type: "cron_data_interval", expression: "@daily" },
      "2026-03-01",
      "2026-03-02",
      "2026-03-10",
      ["2026-03-01..2026-03-02", "2026-03-02..2026-03-03"],
    ],
    [
      "intervals that have ended",
      { type: "cron_data_interval", expression: "@daily" },
      "2026-03-01",
      "2026-03-09",
      "2026-03-03",
      ["2026-03-01..2026-03-02"],
    ],
    [
      "triggers by their logical date",
      { type: "cron_trigger", expressions: ["0 6 * * *"], interval_seconds: 86_400 },
      "2026-03-01",
      "2026-03-02T06:00",
      "2026-03-10",
      ["2026-03-01T06:00..2026-03-02T06:00", "2026-03-02T06:00..2026-03-03T06:00"],
    ],
    [
      "a delta counts from where the backfill begins",
      { type: "delta_data_interval", seconds: 7200 },
      "2026-03-01T00:10",
      "2026-03-01T03:00",
      "2026-03-10",
      ["2026-03-01T00:10..2026-03-01T02:10", "2026-03-01T02:10..2026-03-01T04:10"],
    ],
    [
      "several expressions",
      { type: "cron_trigger", expressions: ["0 6 * * *", "0 9 * * 1"] },
      "2026-03-02",
      "2026-03-03",
      "2026-03-10",
      ["2026-03-02T06:00..2026-03-02T06:00", "2026-03-02T09:00..2026-03-02T09:00"],
    ],
    [
      "listed dates",
      { type: "events", dates: ["2026-03-01T00:00:00Z", "2026-03-05T00:00:00Z", "2026-03-09T00:00:00Z"] },
      "2026-03-01",
      "2026-03-08",
      "2026-03-10",
      ["2026-03-01..2026-03-01", "2026-03-05..2026-03-05"],
    ],
    ["once", "@once", "2026-03-01", "2026-03-08", "2026-03-10", ["2026-03-01..2026-03-01"]],
    ["continuous: none, its first one ends now", "@continuous", "2026-03-01", "2026-03-08", "2026-03-10", []],
    ["no schedule", null, "2026-03-01", "2026-03-08", "2026-03-10", []],
    ["to before from", "@daily", "2026-03-05", "2026-03-01", "2026-03-10", []],
    ["in the future", "@daily", "2026-03-11", "2026-03-20", "2026-03-10", []],
  ];
  for (const [name, schedule, from, to, now, expected] of rows) {
    test(name, ({ expect }) => {
      const runs = iterateRuns(timetable(schedule), { from: at(from), to: at(to), now: at(now) });
      expect([...runs].map(runText)).toEqual(expected);
    });
  }

  test("366 dates are 366 runs, and they are made one at a time", ({ expect }) => {
    const range = { from: at("2024-01-01"), to: at("2024-12-31"), now: at("2026-03-10") };
    expect([...iterateRuns(timetable("@daily"), range)]).toHaveLength(366);
    const centuries = iterateRuns(timetable("* * * * * *"), { ...range, from: at("1900-01-01") });
    expect(text(centuries.next().value?.run_after ?? 0)).toBe("1900-01-01");
  });

  test("a data interval reaches back far beyond the ticks between", ({ expect }) => {
    const schedule: ScheduleInput = {
      type: "cron_trigger",
      expressions: ["* * * * *"],
      interval_seconds: 86_400 * 365,
    };
    const runs = iterateRuns(timetable(schedule), {
      from: at("2020-01-01"),
      to: at("2020-01-01T00:01"),
      now: at("2026-03-10"),
    });
    expect([...runs].map((run) => text(run.logical_date))).toEqual(["2020-01-01", "2020-01-01T00:01"]);
  });
});

describe("a preview has the runs to come", () => {
  const NOW = at("2026-03-10T10:20");

  function preview(schedule: ScheduleInput, last: string | null, restriction: Partial<TimeRestriction>, count = 3) {
    const previous = last === null ? null : interval(last);
    return previewRuns(timetable(schedule), previous, { ...NO_RESTRICTION, ...restriction }, NOW, count).map(runText);
  }

  test("first what is due, of which there is one without catchup", ({ expect }) => {
    expect(preview("@daily", "2026-03-01", {})).toEqual([
      "2026-03-10..2026-03-10",
      "2026-03-11..2026-03-11",
      "2026-03-12..2026-03-12",
    ]);
  });

  test("with catchup all that was missed", ({ expect }) => {
    expect(preview("@daily", "2026-03-01", { catchup: true })).toEqual([
      "2026-03-02..2026-03-02",
      "2026-03-03..2026-03-03",
      "2026-03-04..2026-03-04",
    ]);
  });

  test("up to the end date", ({ expect }) => {
    expect(preview("@daily", null, { earliest: NOW, latest: at("2026-03-12") })).toEqual([
      "2026-03-11..2026-03-11",
      "2026-03-12..2026-03-12",
    ]);
  });

  test("of a delta, from now on", ({ expect }) => {
    expect(preview({ type: "delta_trigger", seconds: 3600 }, null, {}, 2)).toEqual([
      "2026-03-10T10:20..2026-03-10T10:20",
      "2026-03-10T11:20..2026-03-10T11:20",
    ]);
  });

  test("of listed dates, until the list ends", ({ expect }) => {
    const dates = ["2026-03-01T00:00:00Z", "2026-03-11T00:00:00Z", "2026-03-12T00:00:00Z"];
    expect(preview({ type: "events", dates }, null, {})).toEqual(["2026-03-11..2026-03-11", "2026-03-12..2026-03-12"]);
  });

  test("once is one, and continuous too, since the second depends on how long the first takes", ({ expect }) => {
    expect(preview("@once", null, {})).toEqual(["2026-03-10T10:20..2026-03-10T10:20"]);
    expect(preview("@continuous", null, { earliest: at("2026-03-10") })).toEqual(["2026-03-10..2026-03-10T10:20"]);
  });

  test("none", ({ expect }) => {
    expect(preview(null, null, {})).toEqual([]);
    expect(preview("@once", "2026-03-01", {})).toEqual([]);
    expect(preview("@daily", null, {}, 0)).toEqual([]);
  });
});

const expression = fc.constantFrom(
  "* * * * *",
  "*/20 * * * *",
  "@hourly",
  "@daily",
  "30 2 * * *",
  "15,40 1-3 * * *",
  "0 0 L * *",
  "0 9 * * 5#2",
  "0 0 13 * 5",
  "0 */6 * * * 30",
  "0 0 29 2 *",
);
const seconds = fc.constantFrom(60, 3600, 5400, 86_400, 100_000.5);
const ticking: fc.Arbitrary<ScheduleInput> = fc.oneof(
  expression,
  fc.record({
    type: fc.constant("cron_trigger" as const),
    expressions: fc.array(expression, { minLength: 1, maxLength: 3 }),
    run_immediately: fc.constantFrom(true, false, null, 600),
  }),
  fc.record({
    type: fc.constant("cron_trigger" as const),
    expressions: fc.array(expression, { minLength: 1, maxLength: 3 }),
    interval_seconds: seconds,
  }),
  fc.record({ type: fc.constant("cron_data_interval" as const), expression }),
  fc.record({ type: fc.constant("delta_trigger" as const), seconds, interval_seconds: fc.constantFrom(0, 600) }),
  fc.record({ type: fc.constant("delta_data_interval" as const), seconds }),
);
const moment = fc
  .integer({ min: at("2025-01-01") / SECOND, max: at("2027-01-01") / SECOND })
  .map((time) => time * SECOND);
const events: fc.Arbitrary<ScheduleInput> = fc
  .array(moment, { maxLength: 20 })
  .map((times) => ({ type: "events", dates: times.map((time) => new Date(time).toISOString()) }));
const anySchedule = fc.oneof({ arbitrary: ticking, weight: 5 }, events, fc.constantFrom("@once", null));
const zone = fc.constantFrom("UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe");
const restrictions = fc.record({
  earliest: fc.option(moment),
  latest: fc.option(moment),
  catchup: fc.boolean(),
});

/** Makes what is due at `now`, as the scheduler does, until nothing is or there is enough. */
function makeDue(
  source: Timetable,
  last: DataInterval | null,
  restriction: TimeRestriction,
  now: number,
  most: number,
): DagRunInfo[] {
  const made: DagRunInfo[] = [];
  while (made.length < most) {
    const run = source.next(made.at(-1)?.data_interval ?? last, restriction, now);
    if (run === null || run.run_after > now) {
      break;
    }
    made.push(run);
  }
  return made;
}

test("whatever the schedule, restriction and clock: runs only go forward, none is early, none is out of its dates", ({
  expect,
}) => {
  let made = 0;
  fc.assert(
    fc.property(
      anySchedule,
      zone,
      restrictions,
      moment,
      fc.array(fc.integer({ min: 1, max: 40 * DAY }), { maxLength: 6 }),
      (schedule, name, restriction, start, naps) => {
        const source = timetable(schedule, name);
        const reach = intervalOf(schedule);
        let now = start;
        let last: DataInterval | null = null;
        for (const nap of naps) {
          now += nap;
          const due = makeDue(source, last, restriction, now, 50);
          for (const run of due) {
            expect(run.run_after).toBeGreaterThan(last?.end ?? -Infinity);
            expect(run.logical_date).toBeGreaterThan(last?.start ?? -Infinity);
            expect(run.run_after).toBeLessThanOrEqual(now);
            expect(run.logical_date + reach).toBeGreaterThanOrEqual(restriction.earliest ?? -Infinity);
            expect(run.logical_date).toBeLessThanOrEqual(restriction.latest ?? Infinity);
            last = run.data_interval;
          }
          made += due.length;
          expect(due.length).toBeLessThanOrEqual(restriction.catchup ? 50 : mostDue(schedule, restriction));
        }
      },
    ),
    { numRuns: 400 },
  );
  expect(made).toBeGreaterThan(1000);
});

test("without catchup the one run that is due is the latest of those catchup would have made", ({ expect }) => {
  let compared = 0;
  fc.assert(
    fc.property(ticking, zone, moment, fc.integer({ min: HOUR, max: 3 * DAY }), (schedule, name, earliest, later) => {
      fc.pre(!isDelta(schedule));
      const source = timetable(schedule, name);
      const restriction = { earliest, latest: null };
      const all = makeDue(source, null, { ...restriction, catchup: true }, earliest + later, 10_000);
      const [only] = makeDue(source, null, { ...restriction, catchup: false }, earliest + later, 1);
      expect(only).toEqual(all.at(-1));
      compared += all.length;
    }),
    { numRuns: 200 },
  );
  expect(compared).toBeGreaterThan(500);
});

test("who asks in time is given every tick of every expression, whatever the data interval, with catchup and without", ({
  expect,
}) => {
  fc.assert(
    fc.property(
      fc.array(expression, { minLength: 1, maxLength: 4 }),
      fc.oneof(fc.constant(0), seconds),
      zone,
      moment,
      fc.boolean(),
      (expressions, intervalSeconds, name, earliest, catchup) => {
        const schedule: ScheduleInput = { type: "cron_trigger", expressions, interval_seconds: intervalSeconds };
        const runs = previewRuns(timetable(schedule, name), null, { earliest, latest: null, catchup }, earliest, 20);
        const last = runs.at(-1)?.run_after ?? earliest;
        const each = expressions.map((one) => ticksBetween(ticks(one, name), earliest, last));
        const all = [...new Set(each.flat())].toSorted((a, b) => a - b);
        expect(runs.map((run) => run.run_after)).toEqual(all);
      },
    ),
    { numRuns: 200 },
  );
});

test("a preview is what stepping through time makes", ({ expect }) => {
  fc.assert(
    fc.property(anySchedule, zone, restrictions, moment, (schedule, name, restriction, now) => {
      const source = timetable(schedule, name);
      const preview = previewRuns(source, null, restriction, now, 8);
      const stepped: DagRunInfo[] = [];
      let clock = now;
      while (stepped.length < 8) {
        const run = source.next(stepped.at(-1)?.data_interval ?? null, restriction, clock);
        if (run === null) {
          break;
        }
        stepped.push(run);
        clock = Math.max(clock, run.run_after);
      }
      expect(preview).toEqual(stepped);
    }),
    { numRuns: 200 },
  );
});

test("a backfill is what catchup makes between its dates", ({ expect }) => {
  fc.assert(
    fc.property(ticking, zone, moment, fc.integer({ min: 0, max: 2 * DAY }), (schedule, name, from, length) => {
      const range = { from, to: from + length, now: from + length + 10 * MINUTE };
      const runs = [...iterateRuns(timetable(schedule, name), range)];
      expect(runs.every((run) => run.logical_date >= range.from && run.logical_date <= range.to)).toBe(true);
      expect(runs.every((run) => run.data_interval.end < range.now)).toBe(true);
      const restriction = { earliest: from + intervalOf(schedule), latest: null, catchup: true };
      const made = makeDue(timetable(schedule, name), null, restriction, range.now - 1, 10_000);
      expect(runs).toEqual(made.filter((run) => run.logical_date <= range.to));
    }),
    { numRuns: 150 },
  );
});

/** Milliseconds between a trigger's logical date and its tick. */
function intervalOf(schedule: ScheduleInput): number {
  return typeof schedule === "object" && schedule !== null && "interval_seconds" in schedule
    ? (schedule.interval_seconds ?? 0) * SECOND
    : 0;
}

function isDelta(schedule: ScheduleInput): boolean {
  return typeof schedule === "object" && schedule !== null && schedule.type.startsWith("delta");
}

/**
 * Without catchup the latest run alone is due. Only where there is neither a start date nor a run does each of several
 * expressions choose its first run by itself.
 */
function mostDue(schedule: ScheduleInput, { earliest }: TimeRestriction): number {
  const isList = typeof schedule === "object" && schedule !== null && schedule.type === "cron_trigger";
  return isList && earliest === null ? schedule.expressions.length : 1;
}
