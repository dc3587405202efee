/** Airflow's algorithms, row by row: what is the next run? Runs are written as `start..end` of their data interval. */
import { describe, test } from "vitest";
import type { ScheduleInput } from "../../src/engine/timetable/schedule-spec.ts";
import { at, interval, runText, text, timetable } from "./timetable-support.ts";

interface Asked {
  catchup?: boolean;
  earliest?: string;
  latest?: string;
  last?: string;
  now?: string;
}

const NOW = "2026-03-10T10:20";

function next(schedule: ScheduleInput, asked: Asked, timezone = "UTC"): string | null {
  const { catchup = false, earliest, latest, last, now = NOW } = asked;
  const restriction = {
    catchup,
    earliest: earliest === undefined ? null : at(earliest),
    latest: latest === undefined ? null : at(latest),
  };
  return runText(timetable(schedule, timezone).next(last === undefined ? null : interval(last), restriction, at(now)));
}

type Row = [Asked, string | null];

function rowsOf(schedule: ScheduleInput, rows: readonly Row[]): void {
  for (const [asked, expected] of rows) {
    const given = Object.entries(asked).map(([name, value]) => `${name} ${value}`);
    test(given.length === 0 ? "nothing given" : given.join(", "), ({ expect }) => {
      expect(next(schedule, asked)).toBe(expected);
    });
  }
}

describe("cron as data interval, 0 6 * * *", () => {
  rowsOf({ type: "cron_data_interval", expression: "0 6 * * *" }, [
    [{ catchup: true }, null],
    [{ catchup: true, earliest: "2026-03-01" }, "2026-03-01T06:00..2026-03-02T06:00"],
    [{ catchup: true, earliest: "2026-03-01T06:00" }, "2026-03-01T06:00..2026-03-02T06:00"],
    [{ catchup: true, earliest: "2026-03-01T06:00:00.001" }, "2026-03-02T06:00..2026-03-03T06:00"],
    [{ catchup: true, earliest: "2026-03-20" }, "2026-03-20T06:00..2026-03-21T06:00"],
    [{ catchup: true, last: "2026-03-04T06:00..2026-03-05T06:00" }, "2026-03-05T06:00..2026-03-06T06:00"],
    [{ catchup: true, last: "2026-03-04T09:00..2026-03-05T09:00" }, "2026-03-05T06:00..2026-03-06T06:00"],
    [
      { catchup: true, last: "2026-03-04T06:00..2026-03-05T06:00", earliest: "2026-03-01" },
      "2026-03-05T06:00..2026-03-06T06:00",
    ],
    [
      { catchup: true, last: "2026-03-04T06:00..2026-03-05T06:00", earliest: "2026-03-08" },
      "2026-03-08T06:00..2026-03-09T06:00",
    ],
    [{ catchup: true, earliest: "2026-03-01", latest: "2026-03-01T06:00" }, "2026-03-01T06:00..2026-03-02T06:00"],
    [{ catchup: true, earliest: "2026-03-01", latest: "2026-03-01T05:59" }, null],
    [{}, "2026-03-09T06:00..2026-03-10T06:00"],
    [{ now: "2026-03-10T06:00" }, "2026-03-09T06:00..2026-03-10T06:00"],
    [{ now: "2026-03-10T05:59" }, "2026-03-08T06:00..2026-03-09T06:00"],
    [{ earliest: "2026-03-01" }, "2026-03-09T06:00..2026-03-10T06:00"],
    [{ earliest: "2026-03-10T07:00" }, "2026-03-11T06:00..2026-03-12T06:00"],
    [{ last: "2026-03-01T06:00..2026-03-02T06:00" }, "2026-03-09T06:00..2026-03-10T06:00"],
    [{ last: "2026-03-09T06:00..2026-03-10T06:00" }, "2026-03-10T06:00..2026-03-11T06:00"],
    [{ last: "2026-03-09T06:00..2026-03-10T06:00", earliest: "2026-03-15" }, "2026-03-15T06:00..2026-03-16T06:00"],
    [{ latest: "2026-03-09T06:00" }, "2026-03-09T06:00..2026-03-10T06:00"],
    [{ latest: "2026-03-09T05:59" }, null],
  ]);
});

describe("delta as data interval, two hours", () => {
  rowsOf({ type: "delta_data_interval", seconds: 7200 }, [
    [{ catchup: true }, null],
    [{ catchup: true, earliest: "2026-03-01T01:30" }, "2026-03-01T01:30..2026-03-01T03:30"],
    [{ catchup: true, last: "2026-03-01T01:30..2026-03-01T03:30" }, "2026-03-01T03:30..2026-03-01T05:30"],
    [
      { catchup: true, last: "2026-03-01T01:30..2026-03-01T03:30", earliest: "2026-03-01T04:00" },
      "2026-03-01T04:00..2026-03-01T06:00",
    ],
    [{ catchup: true, earliest: "2026-03-01T01:30", latest: "2026-03-01T01:30" }, "2026-03-01T01:30..2026-03-01T03:30"],
    [{ catchup: true, earliest: "2026-03-01T01:30", latest: "2026-03-01T01:29" }, null],
    // Counted from 1970 where nothing says otherwise.
    [{}, "2026-03-10T08:00..2026-03-10T10:00"],
    [{ now: "2026-03-10T10:00" }, "2026-03-10T08:00..2026-03-10T10:00"],
    [{ now: "2026-03-10T09:59:59.999" }, "2026-03-10T06:00..2026-03-10T08:00"],
    [{ earliest: "2026-03-10T09:30" }, "2026-03-10T09:30..2026-03-10T11:30"],
    [{ earliest: "2026-03-01" }, "2026-03-10T08:00..2026-03-10T10:00"],
    [{ last: "2026-03-10T07:10..2026-03-10T09:10" }, "2026-03-10T09:10..2026-03-10T11:10"],
    [{ last: "2026-03-01T07:10..2026-03-01T09:10" }, "2026-03-10T08:00..2026-03-10T10:00"],
    [{ latest: "2026-03-10T07:59" }, null],
  ]);
});

describe("cron as trigger, 0 6 * * *", () => {
  rowsOf("0 6 * * *", [
    [{ catchup: true }, "2026-03-11T06:00..2026-03-11T06:00"],
    [{ catchup: true, now: "2026-03-10T08:24" }, "2026-03-10T06:00..2026-03-10T06:00"],
    [{ catchup: true, now: "2026-03-10T08:25" }, "2026-03-11T06:00..2026-03-11T06:00"],
    [{ catchup: true, earliest: "2026-03-01" }, "2026-03-01T06:00..2026-03-01T06:00"],
    [{ catchup: true, earliest: "2026-03-01T06:00" }, "2026-03-01T06:00..2026-03-01T06:00"],
    [{ catchup: true, last: "2026-03-05T06:00" }, "2026-03-06T06:00..2026-03-06T06:00"],
    // With catchup the last run counts and nothing else, as in Airflow.
    [{ catchup: true, last: "2026-03-05T06:00", earliest: "2026-03-08" }, "2026-03-06T06:00..2026-03-06T06:00"],
    [{ catchup: true, last: "2026-03-05T06:00", latest: "2026-03-06T06:00" }, "2026-03-06T06:00..2026-03-06T06:00"],
    [{ catchup: true, last: "2026-03-05T06:00", latest: "2026-03-06T05:59" }, null],
    [{}, "2026-03-11T06:00..2026-03-11T06:00"],
    [{ now: "2026-03-10T08:00" }, "2026-03-10T06:00..2026-03-10T06:00"],
    [{ now: "2026-03-10T06:00" }, "2026-03-10T06:00..2026-03-10T06:00"],
    [{ earliest: "2026-03-01" }, "2026-03-10T06:00..2026-03-10T06:00"],
    [{ earliest: "2026-03-10T07:00" }, "2026-03-11T06:00..2026-03-11T06:00"],
    [{ last: "2026-03-05T06:00" }, "2026-03-10T06:00..2026-03-10T06:00"],
    [{ last: "2026-03-10T06:00" }, "2026-03-11T06:00..2026-03-11T06:00"],
    [{ last: "2026-03-05T06:00", earliest: "2026-03-20" }, "2026-03-20T06:00..2026-03-20T06:00"],
    [{ earliest: "2026-03-01", latest: "2026-03-10T06:00" }, "2026-03-10T06:00..2026-03-10T06:00"],
    [{ earliest: "2026-03-01", latest: "2026-03-10T05:59" }, null],
  ]);
});

describe("cron as trigger, with a data interval of a day", () => {
  rowsOf({ type: "cron_trigger", expressions: ["0 6 * * *"], interval_seconds: 86_400 }, [
    [{ catchup: true, earliest: "2026-03-01" }, "2026-02-28T06:00..2026-03-01T06:00"],
    [{ catchup: true, last: "2026-03-04T06:00..2026-03-05T06:00" }, "2026-03-05T06:00..2026-03-06T06:00"],
    [{ earliest: "2026-03-01" }, "2026-03-09T06:00..2026-03-10T06:00"],
    [{ earliest: "2026-03-01", latest: "2026-03-10T05:59" }, null],
  ]);
});

describe("the first run of a new DAG without a start date", () => {
  const rows: [string, boolean | number | null, string, string][] = [
    ["0 * * * *", null, "2026-03-10T10:06", "2026-03-10T10:00"],
    ["0 * * * *", null, "2026-03-10T10:06:00.001", "2026-03-10T11:00"],
    ["*/10 * * * *", null, "2026-03-10T10:25", "2026-03-10T10:20"],
    ["*/10 * * * *", null, "2026-03-10T10:25:00.001", "2026-03-10T10:30"],
    ["0 * * * *", false, "2026-03-10T10:06", "2026-03-10T10:00"],
    ["0 * * * *", false, "2026-03-10T10:07", "2026-03-10T11:00"],
    ["0 * * * *", true, "2026-03-10T10:59", "2026-03-10T10:00"],
    ["0 * * * *", 1800, "2026-03-10T10:30", "2026-03-10T10:00"],
    ["0 * * * *", 1800, "2026-03-10T10:31", "2026-03-10T11:00"],
    ["0 * * * *", 0, "2026-03-10T10:00", "2026-03-10T10:00"],
    ["0 * * * *", 0, "2026-03-10T10:00:00.001", "2026-03-10T11:00"],
  ];
  for (const [expression, runImmediately, now, expected] of rows) {
    test(`${expression}, run_immediately ${runImmediately}, at ${now}`, ({ expect }) => {
      const schedule = { type: "cron_trigger" as const, expressions: [expression], run_immediately: runImmediately };
      const run = `${expected}..${expected}`;
      expect([next(schedule, { now }), next(schedule, { now, catchup: true })]).toEqual([run, run]);
    });
  }

  test("run_immediately has no say if there is a start date", ({ expect }) => {
    const schedule: ScheduleInput = { type: "cron_trigger", expressions: ["0 6 * * *"], run_immediately: true };
    expect(next(schedule, { earliest: "2026-03-10T07:00" })).toBe("2026-03-11T06:00..2026-03-11T06:00");
  });
});

describe("delta as trigger, one hour", () => {
  rowsOf({ type: "delta_trigger", seconds: 3600 }, [
    [{ catchup: true }, "2026-03-10T10:20..2026-03-10T10:20"],
    [{ catchup: true, earliest: "2026-03-01T00:10" }, "2026-03-01T00:10..2026-03-01T00:10"],
    [{ catchup: true, last: "2026-03-01T00:10" }, "2026-03-01T01:10..2026-03-01T01:10"],
    [{ catchup: true, last: "2026-03-01T00:10", latest: "2026-03-01T01:00" }, null],
    [{}, "2026-03-10T10:20..2026-03-10T10:20"],
    [{ earliest: "2026-03-01T00:10" }, "2026-03-10T10:20..2026-03-10T10:20"],
    [{ earliest: "2026-03-11T00:10" }, "2026-03-11T00:10..2026-03-11T00:10"],
    [{ last: "2026-03-10T10:10" }, "2026-03-10T11:10..2026-03-10T11:10"],
    [{ last: "2026-03-01T10:10" }, "2026-03-10T10:20..2026-03-10T10:20"],
    [{ last: "2026-03-10T10:10", earliest: "2026-03-10T12:00" }, "2026-03-10T12:00..2026-03-10T12:00"],
    [{ latest: "2026-03-10T10:19" }, null],
  ]);

  test("its data interval reaches back as far as it is told to", ({ expect }) => {
    const schedule: ScheduleInput = { type: "delta_trigger", seconds: 3600, interval_seconds: 600 };
    expect(next(schedule, { last: "2026-03-10T10:00..2026-03-10T10:10" })).toBe("2026-03-10T11:00..2026-03-10T11:10");
  });
});

describe("several cron expressions, 0 6 * * * and 30 9 * * 1 (Mondays)", () => {
  rowsOf({ type: "cron_trigger", expressions: ["0 6 * * *", "30 9 * * 1"] }, [
    [{ catchup: true, earliest: "2026-03-01" }, "2026-03-01T06:00..2026-03-01T06:00"],
    [{ catchup: true, last: "2026-03-02T06:00" }, "2026-03-02T09:30..2026-03-02T09:30"],
    [{ catchup: true, last: "2026-03-02T09:30" }, "2026-03-03T06:00..2026-03-03T06:00"],
    [{ catchup: true, last: "2026-03-02T06:00", latest: "2026-03-02T09:00" }, null],
    // The tenth is a Tuesday.
    [{ earliest: "2026-03-01" }, "2026-03-10T06:00..2026-03-10T06:00"],
    [{ earliest: "2026-03-01", now: "2026-03-09T10:00" }, "2026-03-09T09:30..2026-03-09T09:30"],
    [{ last: "2026-03-09T06:00", now: "2026-03-09T10:00" }, "2026-03-09T09:30..2026-03-09T09:30"],
    [{ last: "2026-03-10T06:00" }, "2026-03-11T06:00..2026-03-11T06:00"],
    [{ earliest: "2026-03-15T12:00" }, "2026-03-16T06:00..2026-03-16T06:00"],
    [{ last: "2026-03-15T06:00", now: "2026-03-16T05:00" }, "2026-03-16T06:00..2026-03-16T06:00"],
  ]);

  test("a time that two of them mark is one run", ({ expect }) => {
    const schedule: ScheduleInput = { type: "cron_trigger", expressions: ["0 6 * * *", "0 6 * * 1"] };
    expect(next(schedule, { catchup: true, last: "2026-03-01T06:00" })).toBe("2026-03-02T06:00..2026-03-02T06:00");
    expect(next(schedule, { catchup: true, last: "2026-03-02T06:00" })).toBe("2026-03-03T06:00..2026-03-03T06:00");
  });
});

describe("several cron expressions with data intervals of a day, 0 6 * * * and 0 18 * * *", () => {
  // Of a tick to come the logical date lies a day before it, and so often before now.
  rowsOf({ type: "cron_trigger", expressions: ["0 6 * * *", "0 18 * * *"], interval_seconds: 86_400 }, [
    [{ last: "2026-03-08T18:00..2026-03-09T18:00" }, "2026-03-09T06:00..2026-03-10T06:00"],
    [{ last: "2026-03-09T06:00..2026-03-10T06:00" }, "2026-03-09T18:00..2026-03-10T18:00"],
    [{ last: "2026-03-01T06:00..2026-03-02T06:00" }, "2026-03-09T06:00..2026-03-10T06:00"],
    [{ earliest: "2026-03-01" }, "2026-03-09T06:00..2026-03-10T06:00"],
    [{ earliest: "2026-03-10T12:00" }, "2026-03-09T18:00..2026-03-10T18:00"],
    [{ last: "2026-03-08T18:00..2026-03-09T18:00", latest: "2026-03-10T07:00" }, "2026-03-09T06:00..2026-03-10T06:00"],
    [{ catchup: true, last: "2026-03-08T18:00..2026-03-09T18:00" }, "2026-03-09T06:00..2026-03-10T06:00"],
  ]);
});

describe("once", () => {
  rowsOf("@once", [
    [{}, "2026-03-10T10:20..2026-03-10T10:20"],
    [{ catchup: true }, "2026-03-10T10:20..2026-03-10T10:20"],
    [{ earliest: "2026-03-01" }, "2026-03-01..2026-03-01"],
    [{ catchup: true, earliest: "2026-03-20" }, "2026-03-20..2026-03-20"],
    [{ last: "2026-03-01" }, null],
    [{ catchup: true, last: "2026-03-01", earliest: "2026-03-05" }, null],
    [{ latest: "2026-03-10T10:20" }, "2026-03-10T10:20..2026-03-10T10:20"],
    [{ latest: "2026-03-10" }, null],
    [{ earliest: "2026-03-01", latest: "2026-03-02" }, "2026-03-01..2026-03-01"],
  ]);
});

describe("continuous", () => {
  rowsOf("@continuous", [
    [{}, null],
    [{ catchup: true, last: "2026-03-09..2026-03-10" }, null],
    [{ earliest: "2026-03-01" }, "2026-03-01..2026-03-10T10:20"],
    [{ catchup: true, earliest: "2026-03-01" }, "2026-03-01..2026-03-10T10:20"],
    [{ earliest: "2026-03-20" }, "2026-03-20..2026-03-20"],
    [{ earliest: "2026-03-01", last: "2026-03-09..2026-03-10" }, "2026-03-10..2026-03-10T10:20"],
    [{ earliest: "2026-03-01", last: "2026-03-09..2026-03-11" }, "2026-03-01..2026-03-03"],
    [
      { earliest: "2026-03-01", last: "2026-03-09..2026-03-10", latest: "2026-03-10T10:20" },
      "2026-03-10..2026-03-10T10:20",
    ],
    [{ earliest: "2026-03-01", last: "2026-03-09..2026-03-10", latest: "2026-03-10T10:19" }, null],
  ]);
});

describe("listed dates", () => {
  const dates = ["2026-03-20T00:00:00Z", "2026-03-01T00:00:00Z", "2026-03-10T10:20:00Z", "2026-03-01T01:00:00+01:00"];
  rowsOf({ type: "events", dates }, [
    [{ catchup: true }, "2026-03-01..2026-03-01"],
    [{ catchup: true, earliest: "2026-03-01" }, "2026-03-01..2026-03-01"],
    [{ catchup: true, earliest: "2026-03-02" }, "2026-03-10T10:20..2026-03-10T10:20"],
    [{ catchup: true, last: "2026-03-01" }, "2026-03-10T10:20..2026-03-10T10:20"],
    [{ catchup: true, last: "2026-03-20" }, null],
    [{ catchup: true, earliest: "2026-03-21" }, null],
    [{ catchup: true, earliest: "2026-03-02", latest: "2026-03-10" }, null],
    [{}, "2026-03-10T10:20..2026-03-10T10:20"],
    [{ now: "2026-03-10T10:20:00.001" }, "2026-03-20..2026-03-20"],
    [{ last: "2026-03-10T10:20" }, "2026-03-20..2026-03-20"],
    [{ earliest: "2026-03-01" }, "2026-03-10T10:20..2026-03-10T10:20"],
    [{ earliest: "2026-03-11" }, "2026-03-20..2026-03-20"],
    [{ latest: "2026-03-10" }, null],
    [{ now: "2026-03-21" }, null],
  ]);

  test("a list of none never runs", ({ expect }) => {
    expect(next({ type: "events", dates: [] }, { catchup: true })).toBe(null);
  });
});

describe("no schedule", () => {
  rowsOf(null, [
    [{}, null],
    [{ catchup: true, earliest: "2026-03-01", last: "2026-03-02" }, null],
  ]);
});

describe("the data interval of a run made by hand", () => {
  const events = ["2026-03-01T00:00:00Z", "2026-03-05T00:00:00Z"];
  const rows: [string, ScheduleInput, string, string][] = [
    ["no schedule", null, "2026-03-10T10:20", "2026-03-10T10:20..2026-03-10T10:20"],
    ["once", "@once", "2026-03-10T10:20", "2026-03-10T10:20..2026-03-10T10:20"],
    ["continuous", "@continuous", "2026-03-10T10:20", "2026-03-10T10:20..2026-03-10T10:20"],
    ["cron trigger", "0 6 * * *", "2026-03-10T10:20", "2026-03-10T10:20..2026-03-10T10:20"],
    [
      "cron trigger, interval",
      { type: "cron_trigger", expressions: ["0 6 * * *", "@daily"], interval_seconds: 3600 },
      "2026-03-10T10:20",
      "2026-03-10T09:20..2026-03-10T10:20",
    ],
    ["delta trigger", { type: "delta_trigger", seconds: 60 }, "2026-03-10T10:20", "2026-03-10T10:20..2026-03-10T10:20"],
    [
      "delta trigger, interval",
      { type: "delta_trigger", seconds: 60, interval_seconds: 1200 },
      "2026-03-10T10:20",
      "2026-03-10T10:00..2026-03-10T10:20",
    ],
    [
      "cron interval",
      { type: "cron_data_interval", expression: "0 6 * * *" },
      "2026-03-10T10:20",
      "2026-03-09T06:00..2026-03-10T06:00",
    ],
    [
      "cron interval, on time",
      { type: "cron_data_interval", expression: "0 6 * * *" },
      "2026-03-10T06:00",
      "2026-03-09T06:00..2026-03-10T06:00",
    ],
    [
      "cron interval, before the calendar",
      { type: "cron_data_interval", expression: "0 6 * * *" },
      "0001-01-01",
      "0001-01-01..0001-01-01",
    ],
    [
      "delta interval",
      { type: "delta_data_interval", seconds: 7200 },
      "2026-03-10T10:20",
      "2026-03-10T08:20..2026-03-10T10:20",
    ],
    ["events", { type: "events", dates: events }, "2026-03-10T10:20", "2026-03-10T10:20..2026-03-10T10:20"],
    [
      "only events, after all",
      { type: "events", dates: events, restrict_to_events: true },
      "2026-03-10T10:20",
      "2026-03-05..2026-03-05",
    ],
    [
      "only events, at one",
      { type: "events", dates: events, restrict_to_events: true },
      "2026-03-01",
      "2026-03-01..2026-03-01",
    ],
    [
      "only events, before all",
      { type: "events", dates: events, restrict_to_events: true },
      "2026-02-01",
      "2026-03-01..2026-03-01",
    ],
    [
      "only events, of none",
      { type: "events", dates: [], restrict_to_events: true },
      "2026-02-01",
      "2026-02-01..2026-02-01",
    ],
  ];
  for (const [name, schedule, runAfter, expected] of rows) {
    test(name, ({ expect }) => {
      const { start, end } = timetable(schedule).manualInterval(at(runAfter));
      expect(`${text(start)}..${text(end)}`).toBe(expected);
    });
  }
});

describe("data intervals over changes of clocks are as long as the clocks make them", () => {
  const rows: [string, string, string][] = [
    ["Europe/Paris", "2026-03-28T12:00", "2026-03-28T23:00..2026-03-29T22:00"],
    ["Europe/Paris", "2026-10-24T12:00", "2026-10-24T22:00..2026-10-25T23:00"],
    ["America/New_York", "2026-03-08T04:00", "2026-03-08T05:00..2026-03-09T04:00"],
    ["Australia/Lord_Howe", "2026-04-04T12:00", "2026-04-04T13:00..2026-04-05T13:30"],
  ];
  for (const [zone, earliest, expected] of rows) {
    test(`@daily in ${zone} from ${earliest}`, ({ expect }) => {
      const schedule: ScheduleInput = { type: "cron_data_interval", expression: "@daily" };
      expect(next(schedule, { catchup: true, earliest }, zone)).toBe(expected);
    });
  }
});

describe("what people are told", () => {
  const rows: [ScheduleInput, string | null, string][] = [
    [null, null, "Never, external triggers only"],
    ["@once", "@once", "Once, as soon as possible"],
    ["@continuous", "@continuous", "As frequently as possible, but only one run at a time."],
    ["@daily", "0 0 * * *", "At 00:00"],
    [
      { type: "cron_trigger", expressions: ["0 6 * * *", "30 9 * * 1"] },
      "0 6 * * *, 30 9 * * 1",
      "At 06:00, At 09:30, only on Monday",
    ],
    [{ type: "cron_data_interval", expression: "@hourly" }, "0 * * * *", "Every hour"],
    [{ type: "delta_trigger", seconds: 3600 }, "1:00:00", "Every 1:00:00"],
    [{ type: "delta_data_interval", seconds: 90_000 }, "1 day, 1:00:00", "Every 1 day, 1:00:00"],
    [{ type: "delta_trigger", seconds: 172_801.5 }, "2 days, 0:00:01.500000", "Every 2 days, 0:00:01.500000"],
    [{ type: "events", dates: [] }, "0 events", "No events"],
    [
      { type: "events", dates: ["2026-03-05T00:00:00Z", "2026-03-01T00:00:00.5Z"] },
      "2 events",
      "2 events between 2026-03-01T00:00:00.500000+00:00 and 2026-03-05T00:00:00+00:00",
    ],
    [{ type: "events", dates: [], description: "Matches" }, "Matches", "Matches"],
  ];
  for (const [schedule, summary, description] of rows) {
    test(`${summary}`, ({ expect }) => {
      expect(timetable(schedule)).toMatchObject({ summary, description });
    });
  }

  test("which come again by a rule, can be backfilled, and how many runs may be active", ({ expect }) => {
    const traits = (
      [
        null,
        "@once",
        "@continuous",
        "@daily",
        { type: "delta_trigger", seconds: 1 },
        { type: "events", dates: [] },
      ] as ScheduleInput[]
    )
      .map((schedule) => timetable(schedule))
      .map(({ isPeriodic, canBackfill, activeRunsLimit }) => [isPeriodic, canBackfill, activeRunsLimit]);
    expect(traits).toEqual([
      [false, false, null],
      [false, true, null],
      [false, true, 1],
      [true, true, null],
      [true, true, null],
      [true, true, null],
    ]);
  });
});
