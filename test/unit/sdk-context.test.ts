import { describe, test } from "vitest";
import type { Json } from "../../src/engine/spec.ts";
import type { ClaimedTask, RunContext } from "../../src/engine/work.ts";
import { createTaskContext } from "../../src/sdk/index.ts";
import type { TaskContext, TaskContextParts } from "../../src/sdk/index.ts";

const RUN: RunContext = {
  dag_id: "etl",
  run_id: "manual__1",
  run_type: "manual",
  logical_date: Date.UTC(2026, 0, 31, 6, 0, 0),
  data_interval_start: Date.UTC(2026, 0, 30, 6),
  data_interval_end: Date.UTC(2026, 0, 31, 6),
  run_after: Date.UTC(2026, 0, 31, 6),
  start_date: null,
  conf: { year: 2026 },
  params: { year: 2026, dry: false },
};

const CLAIMED: ClaimedTask = {
  run: RUN,
  job_id: null,
  task_id: "clean",
  map_index: 3,
  try_number: 2,
  max_tries: 4,
  token: 7,
  handler: "scrub",
  operator: "task",
  input: null,
  heartrateMs: 5000,
  executionTimeoutMs: null,
};

/** A context, and what it passed on. */
function contextOf(
  claimed: Partial<ClaimedTask> = {},
  parts: Partial<TaskContextParts<{ KEY: string }>> = {},
): { ctx: TaskContext<{ KEY: string }>; calls: unknown[][] } {
  const calls: unknown[][] = [];
  const ctx = createTaskContext({
    claimed: { ...CLAIMED, ...claimed },
    jobId: () => null,
    signal: () => new AbortController().signal,
    heartbeat: (progress) => calls.push(["heartbeat", progress]),
    log: (level, event, data) => calls.push([level, event, data]),
    xcomPush: (key, value) => calls.push(["push", key, value]),
    xcomPull: (request) => {
      calls.push(["pull", request]);
      return Promise.resolve<Json>("pulled");
    },
    env: { KEY: "k" },
    ...parts,
  });
  return { ctx, calls };
}

function withLogicalDate(epochMs: number | null): TaskContext {
  return contextOf({ run: { ...RUN, logical_date: epochMs } }).ctx;
}

describe("the context of a task instance", () => {
  test("names the DAG, the task, the try and the run", ({ expect }) => {
    const { ctx } = contextOf();
    expect(ctx.dag).toEqual({ dagId: "etl" });
    expect(ctx.task).toEqual({ taskId: "clean", handler: "scrub", operator: "task" });
    expect(ctx.ti).toEqual({ taskId: "clean", mapIndex: 3, tryNumber: 2, maxTries: 4 });
    expect(ctx.runId).toBe("manual__1");
    expect(ctx.params).toEqual({ year: 2026, dry: false });
    expect(ctx.conf).toEqual({ year: 2026 });
    expect(ctx.env.KEY).toBe("k");
    expect(ctx.dagRun).toEqual({
      runId: "manual__1",
      runType: "manual",
      conf: { year: 2026 },
      logicalDate: new Date("2026-01-31T06:00:00Z"),
      runAfter: new Date("2026-01-31T06:00:00Z"),
      dataIntervalStart: new Date("2026-01-30T06:00:00Z"),
      dataIntervalEnd: new Date("2026-01-31T06:00:00Z"),
      startDate: null,
    });
  });

  test("writes the logical date as Airflow's templates do", ({ expect }) => {
    const ctx = withLogicalDate(Date.UTC(2026, 0, 31, 6, 5, 4));
    expect([ctx.ds, ctx.dsNodash, ctx.ts, ctx.tsNodash]).toEqual([
      "2026-01-31",
      "20260131",
      "2026-01-31T06:05:04+00:00",
      "20260131T060504",
    ]);
    expect(ctx.logicalDate).toEqual(new Date("2026-01-31T06:05:04Z"));
  });

  test("writes a fraction of a second with six digits, and none if it is zero", ({ expect }) => {
    expect(withLogicalDate(Date.UTC(2026, 0, 31) + 120).ts).toBe("2026-01-31T00:00:00.120000+00:00");
    expect(withLogicalDate(Date.UTC(2026, 0, 31)).ts).toBe("2026-01-31T00:00:00+00:00");
  });

  test.for(["logicalDate", "ds", "dsNodash", "ts", "tsNodash"] as const)(
    "throws for %s where the run has no logical date",
    (name, { expect }) => {
      expect(() => withLogicalDate(null)[name]).toThrow(
        'expected a logical date, got none in run "manual__1": give one when you trigger, or use dagRun.runAfter',
      );
    },
  );

  test("knows its job as soon as there is one", ({ expect }) => {
    let job: string | null = null;
    const { ctx } = contextOf({}, { jobId: () => job });
    expect(ctx.jobId).toBeNull();
    job = "01J";
    expect(ctx.jobId).toBe("01J");
  });

  test("passes heartbeats, log lines and values on", async ({ expect }) => {
    const { ctx, calls } = contextOf();
    ctx.heartbeat();
    ctx.heartbeat({ step: "half", fraction: 0.5 });
    ctx.log.debug("d");
    ctx.log.info("i", { a: 1 });
    ctx.log.warning("w");
    ctx.log.error("e");
    ctx.xcomPush("rows", [1]);
    expect(await ctx.xcomPull({ taskId: "extract", mapIndex: 0 })).toBe("pulled");
    expect(calls).toEqual([
      ["heartbeat", undefined],
      ["heartbeat", { step: "half", fraction: 0.5 }],
      ["debug", "d", undefined],
      ["info", "i", { a: 1 }],
      ["warning", "w", undefined],
      ["error", "e", undefined],
      ["push", "rows", [1]],
      ["pull", { taskId: "extract", mapIndex: 0 }],
    ]);
  });

  test.for(["", "return_value", ".", "..", "x".repeat(513)])("refuses to push under the key %j", (key, { expect }) => {
    const { ctx, calls } = contextOf();
    expect(() => ctx.xcomPush(key, 1)).toThrow('expected a key of 1 to 512 characters other than "return_value"');
    expect(calls).toEqual([]);
  });
});

describe("the context of a task that was submitted by itself", () => {
  test("has no run, and says so where one is needed", async ({ expect }) => {
    const { ctx, calls } = contextOf({ run: null, task_id: "hello", map_index: -1 });
    expect([ctx.dag, ctx.dagRun, ctx.runId, ctx.params, ctx.conf]).toEqual([null, null, null, {}, {}]);
    expect(() => ctx.ds).toThrow('expected a logical date, got none in task "hello", which belongs to no run');
    expect(() => ctx.xcomPush("a", 1)).toThrow('got task "hello", which was submitted by itself: it has no XCom');
    await expect(ctx.xcomPull({ taskId: "a" })).rejects.toThrow("it has no XCom");
    expect(calls).toEqual([]);
  });
});
