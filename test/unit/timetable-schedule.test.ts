/** The schedule of a spec: what may be written, the one form it is kept in, and what is refused with which words. */
import { describe, test } from "vitest";
import { z } from "zod";
import { compileTimetable } from "../../src/engine/timetable/compile.ts";
import { SCHEDULE_LIMITS, scheduleSchema } from "../../src/engine/timetable/schedule-spec.ts";
import { timezoneSchema } from "../../src/engine/timetable/timezone.ts";
import { describeIssue } from "../../src/engine/validate-spec/issues.ts";

const specSchema = z.strictObject({ schedule: scheduleSchema.default(null) });

function cronTrigger(...expressions: string[]): unknown {
  return { type: "cron_trigger", expressions, interval_seconds: 0, run_immediately: null };
}

describe("a schedule has one form, whatever way it was written", () => {
  const forms: [unknown, unknown][] = [
    [null, null],
    ["@once", { type: "once" }],
    ["@continuous", { type: "continuous" }],
    ["@hourly", cronTrigger("0 * * * *")],
    ["@quarterly", cronTrigger("0 0 1 */3 *")],
    [" 0  5\t* * mon-fri ", cronTrigger("0 5 * * mon-fri")],
    ["0 5 * * * 30", cronTrigger("0 5 * * * 30")],
    [{ type: "cron_trigger", expressions: ["@daily", "0 5 * * *"] }, cronTrigger("0 0 * * *", "0 5 * * *")],
    [
      { type: "cron_trigger", expressions: ["@daily"], interval_seconds: 60, run_immediately: true },
      { type: "cron_trigger", expressions: ["0 0 * * *"], interval_seconds: 60, run_immediately: true },
    ],
    [
      { type: "cron_data_interval", expression: "@daily" },
      { type: "cron_data_interval", expression: "0 0 * * *" },
    ],
    [
      { type: "delta_trigger", seconds: 90 },
      { type: "delta_trigger", seconds: 90, interval_seconds: 0 },
    ],
    [
      { type: "delta_data_interval", seconds: 1.5 },
      { type: "delta_data_interval", seconds: 1.5 },
    ],
    [
      { type: "events", dates: ["2026-01-02T00:00:00+01:00", "2026-01-01T00:00:00Z", "2026-01-01T23:00:00Z"] },
      { type: "events", dates: ["2026-01-01T00:00:00.000Z", "2026-01-01T23:00:00.000Z"], restrict_to_events: false },
    ],
    [
      { type: "events", dates: [], restrict_to_events: true, description: "Matches" },
      { type: "events", dates: [], restrict_to_events: true, description: "Matches" },
    ],
  ];
  for (const [input, form] of forms) {
    test(JSON.stringify(input), ({ expect }) => {
      const schedule = scheduleSchema.parse(input);
      expect(schedule).toEqual(form);
      expect(scheduleSchema.parse(schedule)).toEqual(form);
      expect(() => compileTimetable(schedule, "Europe/Paris")).not.toThrow();
    });
  }

  test("a spec that says nothing has no schedule", ({ expect }) => {
    expect(specSchema.parse({})).toEqual({ schedule: null });
  });
});

describe("a bad schedule is refused with place, expectation and value", () => {
  const refused: [unknown, string, string][] = [
    [
      5,
      "schedule",
      'expected null, a cron expression, one of @once, @continuous, @hourly, @daily, @weekly, @monthly, @quarterly, @yearly, or an object with a "type", got 5',
    ],
    [true, "schedule", "or an object"],
    [["@daily"], "schedule", "or an object"],
    ["", "schedule", "expected a cron expression of 5 or 6 fields"],
    ["@reboot", "schedule", '@yearly, got "@reboot"'],
    ["* * *", "schedule", 'at the end), got "* * *"'],
    [
      "0 25 * * *",
      "schedule",
      'expected a cron expression whose hour is made of 0-23, *, lists, ranges and steps, not "25", got "0 25 * * *"',
    ],
    ["0 0 30 2 *", "schedule", 'expected a cron expression that comes true some day, got "0 0 30 2 *"'],
    [
      {},
      "schedule.type",
      "expected one of once, continuous, cron_trigger, cron_data_interval, delta_trigger, delta_data_interval, events, got nothing",
    ],
    [{ type: "cron" }, "schedule.type", 'got "cron"'],
    [{ type: "once", when: 1 }, "schedule.when", "expected no field of this name here, got 1"],
    [{ type: "cron_trigger" }, "schedule.expressions", "expected an array, got nothing"],
    [{ type: "cron_trigger", expressions: [] }, "schedule.expressions", "expected at least 1 elements, got []"],
    [
      { type: "cron_trigger", expressions: Array(33).fill("@daily") },
      "schedule.expressions",
      "expected at most 32 elements, got 33",
    ],
    [
      { type: "cron_trigger", expressions: ["@daily", "61 * * * *"] },
      "schedule.expressions.1",
      'not "61", got "61 * * * *"',
    ],
    [{ type: "cron_trigger", expressions: ["@once"] }, "schedule.expressions.0", 'got "@once"'],
    [{ type: "cron_trigger", expressions: [7] }, "schedule.expressions.0", "expected a string, got 7"],
    [
      { type: "cron_trigger", expressions: ["@daily"], interval_seconds: -1 },
      "schedule.interval_seconds",
      "expected at least 0, got -1",
    ],
    [
      { type: "cron_trigger", expressions: ["@daily"], run_immediately: "yes" },
      "schedule.run_immediately",
      "expected true, false, null or seconds up to 316224000",
    ],
    [{ type: "cron_trigger", expressions: ["@daily"], run_immediately: -1 }, "schedule.run_immediately", "got -1"],
    [{ type: "cron_data_interval", expression: "0 0 31 4 *" }, "schedule.expression", "comes true some day"],
    [{ type: "delta_trigger", seconds: 0 }, "schedule.seconds", "expected at least 1, got 0"],
    [{ type: "delta_data_interval", seconds: -60 }, "schedule.seconds", "expected at least 1, got -60"],
    [{ type: "delta_trigger", seconds: 1e12 }, "schedule.seconds", "expected at most 316224000"],
    [{ type: "delta_trigger", seconds: "60" }, "schedule.seconds", "expected a number"],
    [{ type: "events", dates: "2026-01-01" }, "schedule.dates", "expected an array"],
    [
      { type: "events", dates: ["2026-01-01"] },
      "schedule.dates.0",
      'with a zone, such as 2026-01-31T06:00:00Z, got "2026-01-01"',
    ],
    [{ type: "events", dates: ["2026-01-01T00:00:00"] }, "schedule.dates.0", "with a zone"],
    [{ type: "events", dates: ["0900-01-01T00:00:00Z"] }, "schedule.dates.0", "of the years 1000 to 2999"],
    [
      { type: "events", dates: Array(10_001).fill("2026-01-01T00:00:00Z") },
      "schedule.dates",
      "expected at most 10000 elements, got 10001",
    ],
  ];
  for (const [schedule, place, message] of refused) {
    test(JSON.stringify(schedule).slice(0, 80), ({ expect }) => {
      const input = { schedule };
      const parsed = specSchema.safeParse(input);
      const errors = (parsed.error?.issues ?? []).flatMap((issue) => describeIssue(issue, input));
      expect(errors.map(({ path }) => path.join("."))).toEqual([place]);
      expect(errors[0]?.message).toContain(message);
    });
  }

  test("the largest schedule there may be is still a schedule", ({ expect }) => {
    const dates = Array.from({ length: SCHEDULE_LIMITS.events }, (_, at) => new Date(at * 60_000).toISOString());
    expect(scheduleSchema.parse({ type: "events", dates })).toMatchObject({ dates });
  });
});

describe("a time zone is a name of the IANA database", () => {
  for (const zone of ["UTC", "Europe/Paris", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "Australia/Lord_Howe"]) {
    test(zone, ({ expect }) => {
      expect(timezoneSchema.parse(zone)).toBe(zone);
    });
  }

  for (const zone of ["", "Mars/Olympus", "+01:00", "Europe/Paris ", "Europe/../UTC", "\0", "UTC\n", "x".repeat(65)]) {
    test(`${JSON.stringify(zone)} is none`, ({ expect }) => {
      const message = timezoneSchema.safeParse(zone).error?.issues.map((issue) => issue.message);
      expect(message).toContain("expected an IANA time zone, such as UTC or Europe/Paris");
      expect(() => compileTimetable(scheduleSchema.parse("@daily"), zone)).toThrow("expected an IANA time zone");
    });
  }
});

test("the JSON Schema tells what may be written", ({ expect }) => {
  const { properties } = z.toJSONSchema(specSchema, { io: "input" });
  const schedule = properties?.schedule as { anyOf: { type?: string; oneOf?: unknown[] }[]; default: null };
  expect(schedule.anyOf.map(({ type, oneOf }) => type ?? oneOf?.length)).toEqual(["null", "string", 7]);
  expect(JSON.stringify(schedule)).not.toContain("$schema");
});
