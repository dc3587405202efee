import { describe, test } from "vitest";
import { latestOnlyProceeds } from "../../src/engine/latest-only.ts";
import { compileTimetable } from "../../src/engine/timetable/compile.ts";
import { scheduleSchema, type ScheduleSpec } from "../../src/engine/timetable/schedule-spec.ts";
import { Run, START, task } from "./run-machine-support.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const FIRST = Date.UTC(2026, 0, 5);
const MIDNIGHT = "0 0 * * *";

function scheduleOf(json: unknown): ScheduleSpec | null {
  return scheduleSchema.parse(json);
}

describe("what is behind a latest-only task", () => {
  // Schedule, hours from the first midnight to the ends of the run's interval, and from there of the window.
  test.for<[unknown, [number, number], [number, number]]>([
    [{ type: "cron_data_interval", expression: MIDNIGHT }, [0, 24], [0, 48]],
    [{ type: "cron_data_interval", expression: MIDNIGHT }, [-3, 5], [24, 48]],
    [{ type: "delta_data_interval", seconds: 86_400 }, [0, 24], [0, 48]],
    [{ type: "cron_trigger", expressions: [MIDNIGHT] }, [0, 0], [0, 24]],
    [{ type: "cron_trigger", expressions: [MIDNIGHT], interval_seconds: 172_800 }, [-48, 0], [-48, 24]],
    [{ type: "cron_trigger", expressions: [MIDNIGHT, "0 12 * * *"] }, [0, 0], [0, 12]],
    [{ type: "delta_trigger", seconds: 86_400 }, [0, 0], [0, 24]],
    [{ type: "events", dates: ["2026-01-05T00:00:00Z", "2026-01-08T00:00:00Z"] }, [0, 0], [0, 72]],
  ])("of %j goes on in the run of the hours %j in those of %j", ([json, run, window], { expect }) => {
    const timetable = compileTimetable(scheduleOf(json), "UTC");
    const interval = { start: FIRST + run[0] * HOUR, end: FIRST + run[1] * HOUR };
    const [after, until] = [FIRST + window[0] * HOUR, FIRST + window[1] * HOUR];
    for (const runType of ["scheduled", "backfill", "asset_triggered"]) {
      const proceeds = (now: number) => latestOnlyProceeds({ runType, now, interval, timetable });
      expect([after - 1, after, until - 1, until].map(proceeds)).toEqual([false, true, true, false]);
    }
    const byHand = (now: number) => latestOnlyProceeds({ runType: "manual", now, interval, timetable });
    expect([after - 1, after, until - 1, until].map(byHand)).toEqual([true, true, true, true]);
  });

  test.for<[string, unknown]>([
    ["that has no schedule", null],
    ["whose schedule is once", { type: "once" }],
    ["whose schedule has no run after it", { type: "events", dates: ["2026-01-05T00:00:00Z"] }],
    ["whose schedule is continuous", { type: "continuous" }],
  ])("goes on in a run %s, at any time", ([, json], { expect }) => {
    const timetable = compileTimetable(json === null ? null : scheduleOf(json), "UTC");
    const interval = { start: FIRST, end: FIRST };
    for (const now of [FIRST, FIRST + HOUR, FIRST + 400 * DAY]) {
      expect(latestOnlyProceeds({ runType: "scheduled", now, interval, timetable })).toBe(true);
    }
  });
});

describe("a latest-only task in a run", () => {
  const tasks = [
    task("latest", [], { operator: "latest_only" }),
    task("only", ["latest"]),
    task("after", ["only"]),
    task("anyway", ["only"], { trigger_rule: "all_done" }),
  ];
  const dag = { schedule: scheduleOf({ type: "cron_data_interval", expression: MIDNIGHT }) };

  function runOf(date: number, runType = "scheduled", ofTasks = tasks): Run {
    const info = {
      run_type: runType,
      logical_date: date,
      data_interval_start: date,
      data_interval_end: date + DAY,
    };
    return new Run(ofTasks, dag, { info });
  }

  test("skips what is right behind it in all runs but the latest, and the rest goes by its rules", ({ expect }) => {
    expect(runOf(START - 2 * DAY).states).toEqual({
      latest: "success",
      only: "skipped",
      after: "skipped",
      anyway: "queued",
    });
    expect(runOf(START - DAY).states).toMatchObject({ latest: "success", only: "queued", after: null });
    expect(runOf(START - 9 * DAY, "manual").states).toMatchObject({ only: "queued" });
    expect(runOf(START - 9 * DAY, "backfill").states).toMatchObject({ only: "skipped" });
  });

  test("keeps its skip over a clear of what it skipped, and decides again when it is cleared itself", ({ expect }) => {
    const run = runOf(START - DAY);
    run.succeed("only", "after", "anyway");
    run.clear("only");
    run.begin();
    expect(run.states).toMatchObject({ only: "queued" });
    run.now += 2 * DAY;
    run.clear("latest");
    expect(run.states).toMatchObject({ latest: "success", only: "skipped" });
    run.clear("only");
    run.begin();
    expect(run.states).toMatchObject({ only: "skipped" });
  });

  test("skips what could go on at the same time before it takes a try, wherever it stands in the spec", ({
    expect,
  }) => {
    const first = task("first", [], { operator: "latest_only" });
    const second = task("second", ["first"], { operator: "latest_only", trigger_rule: "always" });
    const always = task("always", ["first"], { trigger_rule: "always" });
    for (const ofTasks of [
      [first, second, always],
      [always, second, first],
    ]) {
      const run = runOf(START - 2 * DAY, "scheduled", ofTasks);
      expect(run.states).toMatchObject({ first: "success", second: "success", always: "skipped" });
      expect(["first", "second", "always"].map((name) => run.find(name).tryNumber)).toEqual([1, 1, 0]);
    }
  });
});
