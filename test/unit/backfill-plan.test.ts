import fc from "fast-check";
import { describe, it } from "vitest";
import type { BackfillRequest } from "../../src/engine/backfill-objects.ts";
import {
  BACKFILL_LIMITS,
  backfillDates,
  canaryUntil,
  planDates,
  refuseBackfill,
  type ExistingRun,
} from "../../src/engine/backfill-plan.ts";
import { nextStep, startsUntil, type BackfillStanding } from "../../src/engine/backfill-progress.ts";
import { dagScheduleOf } from "../../src/engine/dag-schedule.ts";
import { dagSpecSchema, type DagSpecInput } from "../../src/engine/spec.ts";
import type { DagRunState } from "../../src/engine/states.ts";
import { at, DAY, text } from "./timetable-support.ts";

const NOW = at("2026-03-10T12:00");

function ask(from: string, to: string, fields: Partial<BackfillRequest> = {}): BackfillRequest {
  return {
    from_date: at(from),
    to_date: at(to),
    run_backwards: false,
    dag_run_conf: null,
    reprocess_behavior: "none",
    max_active_runs: 10,
    run_on_latest_version: true,
    stop_on_first_failure: false,
    canary: null,
    triggering_user_name: null,
    ...fields,
  };
}

function specOf(fields: Partial<DagSpecInput> = {}) {
  return dagSpecSchema.parse({ dag_id: "d", schedule: "@daily", tasks: [], ...fields });
}

const daily = dagScheduleOf(specOf()).timetable;

function existing(state: DagRunState, id = 1): ExistingRun {
  return { id, run_id: `r${id}`, state, version_number: 1 };
}

describe("a backfill is refused", () => {
  const chained = specOf({ tasks: [{ task_id: "a", handler: "a", depends_on_past: true }] });
  const waiting = specOf({ tasks: [{ task_id: "a", handler: "a", wait_for_downstream: true }] });

  it.for<[string, ReturnType<typeof specOf>, BackfillRequest, RegExp, string]>([
    [
      "without a schedule",
      specOf({ schedule: null }),
      ask("2026-03-01", "2026-03-02"),
      /^d has no schedule$/,
      "dag_id",
    ],
    ["that ends before it begins", specOf(), ask("2026-03-02", "2026-03-01"), /must not be after to_date/, "from_date"],
    ["of the future", specOf(), ask("2026-03-11", "2026-03-12"), /for future dates/, "from_date"],
    [
      "backwards against the past",
      chained,
      ask("2026-03-01", "2026-03-02", { run_backwards: true, reprocess_behavior: "failed" }),
      /cannot be run in reverse/,
      "run_backwards",
    ],
    ["that leaves what failed", chained, ask("2026-03-01", "2026-03-02"), /must set reprocess/, "reprocess_behavior"],
    ["the same", waiting, ask("2026-03-01", "2026-03-02"), /must set reprocess/, "reprocess_behavior"],
    [
      "of more tasks at a time than fit into memory",
      specOf({ tasks: Array.from({ length: 500 }, (_, index) => ({ task_id: `t${index}`, handler: "h" })) }),
      ask("2026-03-01", "2026-03-02", { max_active_runs: 101 }),
      /expected at most 100 of a DAG of 500 tasks, got 101/,
      "max_active_runs",
    ],
  ])("%s", ([, spec, request, message, field], { expect }) => {
    const refusal = refuseBackfill(spec, dagScheduleOf(spec).timetable, request, NOW);
    expect(refusal).toMatchObject({ code: "invalid", loc: ["body", field] });
    expect(refusal?.message).toMatch(message);
  });

  it.for<[string, ReturnType<typeof specOf>, BackfillRequest]>([
    ["that begins in the past and ends in the future", specOf(), ask("2026-03-09", "2027-01-01")],
    ["of one date", specOf(), ask("2026-03-09", "2026-03-09")],
    ["backwards", specOf(), ask("2026-03-01", "2026-03-02", { run_backwards: true })],
    ["that makes again what failed", chained, ask("2026-03-01", "2026-03-02", { reprocess_behavior: "failed" })],
  ])("not: %s", ([, spec, request], { expect }) => {
    expect(refuseBackfill(spec, dagScheduleOf(spec).timetable, request, NOW)).toBeNull();
  });
});

describe("the dates of a backfill", () => {
  const textsOf = (request: BackfillRequest, schedule: DagSpecInput["schedule"] = "@daily") =>
    backfillDates(dagScheduleOf(specOf({ schedule })).timetable, request, NOW)?.map((run) => text(run.logical_date));

  it("lie between both ends, and are over", ({ expect }) => {
    expect(textsOf(ask("2026-03-08", "2026-03-20"))).toEqual(["2026-03-08", "2026-03-09", "2026-03-10"]);
    const interval: DagSpecInput["schedule"] = { type: "cron_data_interval", expression: "@daily" };
    expect(textsOf(ask("2026-03-08", "2026-03-20"), interval)).toEqual(["2026-03-08", "2026-03-09"]);
    expect(textsOf(ask("2026-03-08T01:00", "2026-03-08T02:00"))).toEqual([]);
    expect(textsOf(ask("2026-01-01", "2026-03-08"), "@once")).toEqual(["2026-01-01"]);
  });

  it("come latest first if it goes backwards", ({ expect }) => {
    expect(textsOf(ask("2026-03-08", "2026-03-10", { run_backwards: true }))).toEqual([
      "2026-03-10",
      "2026-03-09",
      "2026-03-08",
    ]);
  });

  it("are at most ten thousand, and more are not looked at", ({ expect }) => {
    const minutes = dagScheduleOf(specOf({ schedule: "* * * * *" })).timetable;
    const from = NOW - BACKFILL_LIMITS.dates * 60_000;
    const request = { ...ask("2026-01-01", "2026-03-10"), from_date: from, to_date: NOW - 1 };
    expect(backfillDates(minutes, request, NOW)?.length).toBe(BACKFILL_LIMITS.dates);
    expect(backfillDates(minutes, { ...request, from_date: from - 60_000 }, NOW)).toBeNull();
    expect(backfillDates(minutes, { ...request, from_date: at("1000-01-01") }, NOW)).toBeNull();
  });
});

describe("what becomes of a date", () => {
  it.for([
    [null, "none", "create", null],
    [null, "completed", "create", null],
    ["queued", "completed", "skip", "in flight"],
    ["running", "failed", "skip", "in flight"],
    ["running", "none", "skip", "in flight"],
    ["success", "none", "skip", "already exists"],
    ["failed", "none", "skip", "already exists"],
    ["success", "failed", "skip", "already exists"],
    ["failed", "failed", "reprocess", null],
    ["success", "completed", "reprocess", null],
    ["failed", "completed", "reprocess", null],
  ] as const)("with a run that is %s, and %s: %s (%s)", ([state, behavior, action, reason], { expect }) => {
    const [date] = backfillDates(daily, ask("2026-03-09", "2026-03-09"), NOW) ?? [];
    const runs = new Map(state === null ? [] : [[date?.logical_date ?? 0, existing(state)]]);
    expect(planDates(date === undefined ? [] : [date], runs, behavior)).toMatchObject([
      { action, reason, sort_ordinal: 1 },
    ]);
  });

  it("leaves out no date, and numbers them in their order", ({ expect }) => {
    const states = fc.constantFrom<DagRunState | null>("queued", "running", "success", "failed", null);
    const behaviors = fc.constantFrom("none", "failed", "completed");
    fc.assert(
      fc.property(fc.array(states, { maxLength: 60 }), behaviors, fc.boolean(), (found, behavior, backwards) => {
        const request = ask("2026-03-09", "2026-03-09", { run_backwards: backwards });
        const dates = backfillDates(daily, { ...request, from_date: at("2026-03-10") - found.length * DAY }, NOW) ?? [];
        const runs = new Map(
          found.flatMap((state, index) =>
            state === null ? [] : [[at("2026-03-09") - index * DAY, existing(state, index)] as const],
          ),
        );
        const plan = planDates(dates, runs, behavior);
        expect(plan.map(({ sort_ordinal }) => sort_ordinal)).toEqual(dates.map((_, index) => index + 1));
        expect(plan.length).toBe(found.length);
        for (const { action, existing: run, reason } of plan) {
          expect(action === "skip").toBe(reason !== null);
          expect(action === "create").toBe(run === null);
        }
      }),
    );
  });

  it("counts for a canary if it gets a run", ({ expect }) => {
    const dates = backfillDates(daily, ask("2026-03-01", "2026-03-06"), NOW) ?? [];
    const runs = new Map([["2026-03-01"], ["2026-03-03"]].map(([date = ""]) => [at(date), existing("success")]));
    const plan = planDates(dates, runs, "none");
    expect([null, 1, 2, 4, 9].map((canary) => canaryUntil(plan, canary))).toEqual([null, 2, 4, 6, 6]);
    expect(canaryUntil(planDates(dates.slice(0, 1), runs, "none"), 3)).toBe(0);
  });
});

describe("the next step of a backfill", () => {
  const standing: BackfillStanding = {
    completed_at: null,
    stop_on_first_failure: false,
    canary_state: null,
    canary_until: null,
  };
  const canary: BackfillStanding = { ...standing, canary_state: "running", canary_until: 2 };
  const stops: BackfillStanding = { ...standing, stop_on_first_failure: true };
  /** The places of what is queued or running. */
  const unfinished =
    (...places: number[]) =>
    (until: number | null) =>
      places.some((place) => place <= (until ?? Infinity));

  it.for([
    ["there is more", standing, false, unfinished(3), "go_on"],
    ["a failure is only one", standing, true, unfinished(3), "go_on"],
    ["nothing is left", standing, true, unfinished(), "complete"],
    ["a failure stops it", stops, true, unfinished(3), "stop"],
    ["so does the last one", stops, true, unfinished(), "stop"],
    ["no failure does not", stops, false, unfinished(3), "go_on"],
    ["the canary goes on", canary, false, unfinished(2, 3), "go_on"],
    ["the canary is over", canary, true, unfinished(3), "wait_for_canary"],
    ["and nothing else is left", canary, false, unfinished(), "complete"],
    ["it waits already", { ...canary, canary_state: "waiting" }, false, unfinished(3), "go_on"],
    ["somebody has looked", { ...canary, canary_state: "released" }, false, unfinished(3), "go_on"],
    ["it is over", { ...stops, completed_at: 1 }, true, unfinished(), "go_on"],
  ] as const)("when %s", ([, backfill, hasFailed, isUnfinished, step], { expect }) => {
    expect(nextStep(backfill, hasFailed, isUnfinished)).toBe(step);
  });

  it("lets queued runs start up to the last of the canary", ({ expect }) => {
    expect(startsUntil(canary)).toBe(2);
    expect(startsUntil({ ...canary, canary_state: "released" })).toBeNull();
    expect(startsUntil({ ...canary, completed_at: 1 })).toBeNull();
    expect(startsUntil(standing)).toBeNull();
  });
});
