import { evictDurableObject } from "cloudflare:test";
import { describe, it } from "vitest";
import type { ReprocessBehavior } from "../../src/engine/backfill-objects.ts";
import type { Outcome } from "../../src/engine/work.ts";
import {
  clock,
  dagOf,
  drive,
  failure,
  instanceOf,
  report,
  claimOne,
  runOf,
  start,
  stopClock,
  stubOf,
  success,
  value,
} from "./lab.ts";
import { addDag, deploy, step } from "./registry.ts";
import {
  ago,
  backfill,
  countsOf,
  daily,
  daysIn,
  lastDays,
  NOW,
  DAY,
  runsOf,
  seen,
  workOff,
  workOnce,
} from "./backfill-lab.ts";

stopClock();

const paused = { schedule: "0 0 * * *", isPausedUponCreation: true };

function failsOn(...days: number[]): (task: unknown, day: number) => Outcome {
  return (_task, day) => (days.includes(day) ? failure(`day ${day}`, false) : success());
}

describe("stop_on_first_failure", () => {
  it("ends the backfill when a run fails: what is queued fails, what runs goes on", async ({ expect }) => {
    const dagId = daily();
    const made = await backfill(dagId, lastDays(6, { max_active_runs: 2, stop_on_first_failure: true }));
    await workOff(dagId, failsOn(4, 3), () => evictDurableObject(stubOf("DAG", dagId)));
    const [runId] = (await runsOf(dagId))
      .filter(({ logical_date }) => logical_date === ago(4))
      .map(({ run_id }) => run_id);
    expect(await seen(dagId, made)).toMatchObject({ end_reason: "first_failure", first_failed_run_id: runId });
    expect(await countsOf(dagId)).toEqual({ success: 2, failed: 4 });
    expect(value(await dagOf(dagId).reportBackfill(made.id))).toMatchObject({
      never_started: 2,
      failed_runs: { total: 2 },
    });
  });

  it("ends it as well when a user marks a run failed", async ({ expect }) => {
    const dagId = daily();
    const made = await backfill(dagId, lastDays(3, { max_active_runs: 1, stop_on_first_failure: true }));
    const [first] = await runsOf(dagId);
    value(await dagOf(dagId).patchRun(first?.run_id ?? "", { state: "failed" }));
    expect(await seen(dagId, made)).toMatchObject({ end_reason: "first_failure", first_failed_run_id: first?.run_id });
    expect(await countsOf(dagId)).toEqual({ failed: 3 });
  });

  it("changes nothing if all goes well", async ({ expect }) => {
    const dagId = daily();
    const made = await backfill(dagId, lastDays(3, { stop_on_first_failure: true }));
    await workOff(dagId);
    expect(await seen(dagId, made)).toMatchObject({ end_reason: "completed", first_failed_run_id: null });
  });
});

describe("a canary", () => {
  it("runs first, and the rest only after somebody unpauses the backfill", async ({ expect }) => {
    const dagId = daily();
    const made = await backfill(dagId, lastDays(6, { canary: 2 }));
    expect(await countsOf(dagId)).toEqual({ running: 2, queued: 4 });
    await workOff(dagId, undefined, () => evictDurableObject(stubOf("DAG", dagId)));
    expect(await countsOf(dagId)).toEqual({ success: 2, queued: 4 });
    expect(await seen(dagId, made)).toMatchObject({ is_paused: true, is_waiting_for_canary: true, completed_at: null });
    await evictDurableObject(stubOf("DAG", dagId));
    const released = value(await dagOf(dagId).setBackfillPaused(made.id, false));
    expect(released).toMatchObject({ is_paused: false, is_waiting_for_canary: false });
    await workOff(dagId);
    expect(await countsOf(dagId)).toEqual({ success: 6 });
    expect(await seen(dagId, made)).toMatchObject({ end_reason: "completed", is_paused: false });
  });

  it("does not count dates that get no run, and goes by the order of the backfill", async ({ expect }) => {
    const dagId = daily();
    await backfill(dagId, lastDays(2));
    await workOff(dagId);
    await backfill(dagId, lastDays(6, { canary: 2, run_backwards: true }));
    await workOff(dagId);
    expect(await daysIn(dagId, "success")).toEqual([4, 3, 2, 1]);
  });

  it("that a user pauses and unpauses before it is over stays one", async ({ expect }) => {
    const dagId = daily();
    const made = await backfill(dagId, lastDays(4, { canary: 2, max_active_runs: 1 }));
    value(await dagOf(dagId).setBackfillPaused(made.id, true));
    await workOff(dagId);
    value(await dagOf(dagId).setBackfillPaused(made.id, false));
    await workOff(dagId);
    expect(await seen(dagId, made)).toMatchObject({ is_waiting_for_canary: true });
    expect(await countsOf(dagId)).toEqual({ success: 2, queued: 2 });
  });

  it("waits with a run that is cleared while somebody looks", async ({ expect }) => {
    const dagId = daily();
    const made = await backfill(dagId, lastDays(3, { canary: 1 }));
    const [first] = await workOnce(dagId, failsOn(3));
    expect(value(await dagOf(dagId).clear({ run_id: first?.run_id ?? "", task_ids: null }))).toHaveLength(1);
    expect(await countsOf(dagId)).toEqual({ queued: 3 });
    expect(await seen(dagId, made)).toMatchObject({ is_waiting_for_canary: true });
    value(await dagOf(dagId).setBackfillPaused(made.id, false));
    await workOff(dagId);
    expect(await countsOf(dagId)).toEqual({ success: 3 });
  });

  it("as long as the backfill ends with it; one that fails and stops the backfill too", async ({ expect }) => {
    const whole = daily();
    const first = await backfill(whole, lastDays(2, { canary: 9 }));
    await workOff(whole);
    expect(await seen(whole, first)).toMatchObject({ end_reason: "completed", is_waiting_for_canary: false });
    const failing = daily();
    const second = await backfill(failing, lastDays(3, { canary: 1, stop_on_first_failure: true }));
    await workOff(failing, failsOn(3));
    expect(await seen(failing, second)).toMatchObject({ end_reason: "first_failure", is_waiting_for_canary: false });
  });
});

describe("a run that waits in a backfill", () => {
  it("says why", async ({ expect }) => {
    const dagId = daily();
    const made = await backfill(dagId, lastDays(4, { canary: 2, max_active_runs: 1 }));
    const [, second, third] = await runsOf(dagId);
    const whyOf = async (run: typeof second): Promise<string> =>
      value(await dagOf(dagId).why({ run_id: run?.run_id ?? "", task_id: "a", map_index: -1 })).reason;
    expect(await whyOf(second)).toContain(`1 of at most 1 runs of backfill ${made.id} is running`);
    expect(await whyOf(third)).toBe(`Its run is queued: 2 runs of backfill ${made.id} go before it, as its canary.`);
    value(await dagOf(dagId).setBackfillPaused(made.id, true));
    expect(await whyOf(second)).toBe(`Its run is queued: backfill ${made.id} is paused.`);
    expect(await whyOf(third)).toBe(
      `Its run is queued: backfill ${made.id} is paused; 2 runs of backfill ${made.id} go before it, as its canary.`,
    );
    value(await dagOf(dagId).setBackfillPaused(made.id, false));
    await workOff(dagId);
    expect(await whyOf(third)).toContain("waits to be unpaused");
    value(await dagOf(dagId).cancelBackfill(made.id));
    expect(await whyOf(third)).toBe(`It will not run: its run failed, since backfill ${made.id} was cancelled.`);
  });
});

describe("dates that have a run", () => {
  /** Four days: made by hand and succeeded, scheduled by a backfill and failed, running, and none. */
  async function scene(): Promise<string> {
    const dagId = daily({ isPausedUponCreation: false, startDate: new Date(NOW + 10 * DAY) });
    const good = await start(dagId, { run_id: "good", logical_date: ago(4), conf: { by: "hand" }, note: "kept" });
    await drive(dagId, good, () => success());
    const bad = await start(dagId, { run_id: "bad", logical_date: ago(3), conf: { by: "hand" } });
    await drive(dagId, bad, () => failure("no", false));
    await start(dagId, { run_id: "busy", logical_date: ago(2) });
    clock.advance(1000);
    return dagId;
  }

  it.for<[ReprocessBehavior, Record<string, number>, string[]]>([
    ["none", { "in flight": 1, "already exists": 2 }, ["manual", "manual", "manual", "backfill"]],
    ["failed", { "in flight": 1, "already exists": 1 }, ["manual", "backfill", "manual", "backfill"]],
    ["completed", { "in flight": 1, "already exists": 0 }, ["backfill", "backfill", "manual", "backfill"]],
  ])("are handled as %s says", async ([behavior, skipped, types], { expect }) => {
    const dagId = await scene();
    const made = await backfill(dagId, lastDays(4, { reprocess_behavior: behavior }));
    expect((await runsOf(dagId)).map(({ run_type }) => run_type)).toEqual(types);
    expect(value(await dagOf(dagId).reportBackfill(made.id))).toMatchObject({ dates: 4, skipped });
    await workOff(dagId);
    expect(await seen(dagId, made)).toMatchObject({ end_reason: "completed" });
    expect((await instanceOf(dagId, "good", "a")).try_number).toBe(behavior === "completed" ? 2 : 1);
    expect((await instanceOf(dagId, "bad", "a")).try_number).toBe(behavior === "none" ? 1 : 2);
  });

  it("keep their id, note and conf, and begin anew", async ({ expect }) => {
    const dagId = await scene();
    await backfill(dagId, lastDays(4, { reprocess_behavior: "completed", max_active_runs: 1 }));
    const again = {
      run_type: "backfill",
      triggered_by: "backfill",
      conf: { by: "hand" },
      end_date: null,
      reason: null,
    };
    expect(await runOf(dagId, "good")).toMatchObject({
      ...again,
      state: "running",
      note: "kept",
      counts: { queued: 1 },
    });
    expect(await runOf(dagId, "bad")).toMatchObject({
      ...again,
      state: "queued",
      start_date: null,
      queued_at: clock.now(),
      counts: { none: 1 },
    });
    expect(value(await dagOf(dagId).listTries({ run_id: "bad", task_id: "a", map_index: -1 }))).toMatchObject([
      { state: "failed", try_number: 1 },
    ]);
  });

  it("get another conf if one is given", async ({ expect }) => {
    const dagId = await scene();
    await backfill(dagId, lastDays(4, { reprocess_behavior: "completed", dag_run_conf: { by: "backfill" } }));
    await evictDurableObject(stubOf("DAG", dagId));
    expect((await runOf(dagId, "good")).conf).toEqual({ by: "backfill" });
    expect((await runOf(dagId, "busy")).conf).toEqual({});
  });

  it.for([
    [true, 2, ["a", "b"]],
    [false, 1, ["a"]],
  ] as const)("run on the newest version: %s", async ([onLatest, version, tasks], { expect }) => {
    const dagId = daily();
    await backfill(dagId, lastDays(1));
    await workOff(dagId);
    deploy(dagId, paused, (d) => d.after(d.run(step("a")), d.run(step("b"))));
    await evictDurableObject(stubOf("DAG", dagId));
    await backfill(dagId, lastDays(1, { reprocess_behavior: "completed", run_on_latest_version: onLatest }));
    const [run] = await runsOf(dagId);
    expect(run?.dag_version).toBe(version);
    const worked = new Set<string>();
    await workOff(dagId, ({ task_id }) => {
      worked.add(task_id);
      return success();
    });
    expect([...worked]).toEqual(tasks);
  });

  it("can be made again by one backfill after the other", async ({ expect }) => {
    const dagId = daily();
    const first = await backfill(dagId, lastDays(3));
    await workOff(dagId, failsOn(2));
    const second = await backfill(dagId, lastDays(3, { reprocess_behavior: "failed" }));
    await workOff(dagId);
    expect(await countsOf(dagId)).toEqual({ success: 3 });
    for (const { id } of [first, second]) {
      expect(value(await dagOf(dagId).reportBackfill(id))).toMatchObject({ dates: 3, failed_runs: { total: 0 } });
    }
    const listed = value(await dagOf(dagId).listBackfills(1, 1, false));
    expect(listed).toMatchObject({ total: 2, items: [{ id: second.id }] });
    expect(value(await dagOf(dagId).listBackfills(1, 1, true)).items).toMatchObject([{ id: first.id }]);
  });
});

describe("a plan", () => {
  it("says what becomes of each date, and changes nothing", async ({ expect }) => {
    const dagId = addDag(paused, (d) => {
      d.run(step("a"));
      d.expand(step("each"), { n: [1, 2, 3] });
    });
    await backfill(dagId, lastDays(1));
    await workOff(dagId, failsOn(1));
    const request = lastDays(3, { reprocess_behavior: "failed", run_backwards: true });
    const before = await runsOf(dagId);
    const plan = value(await dagOf(dagId).planBackfill(request));
    expect(plan.dates.map(({ logical_date, action, state }) => [logical_date, action, state])).toEqual([
      [ago(1), "reprocess", "failed"],
      [ago(2), "create", null],
      [ago(3), "create", null],
    ]);
    expect(plan).toMatchObject({ estimated_task_instances: 12, active_backfill_id: null });
    expect(value(await dagOf(dagId).planBackfill(lastDays(1)))).toMatchObject({
      estimated_task_instances: 0,
      dates: [{ action: "skip", reason: "already exists" }],
    });
    expect(await runsOf(dagId)).toEqual(before);
  });

  it("of more than may be made is refused", async ({ expect }) => {
    const dagId = addDag({ ...paused, schedule: "* * * * *" }, (d) => void d.run(step("a")));
    const refusalOf = async (days: number, fields = {}): Promise<unknown> => {
      const answer = await dagOf(dagId).checkBackfill(lastDays(days, fields));
      return answer.ok ? null : [answer.refusal.code, answer.refusal.loc];
    };
    expect(await refusalOf(2)).toBeNull();
    expect(await refusalOf(8)).toEqual(["invalid", ["body", "to_date"]]);
    expect(await refusalOf(5, { dag_run_conf: { text: "x".repeat(100_000) } })).toEqual(["too_large", undefined]);
    expect(await dagOf(dagId).createBackfill(9_000_002, lastDays(8))).toMatchObject({ refusal: { code: "invalid" } });
    expect(await runsOf(dagId)).toEqual([]);
  });
});

describe("a backfill of a DAG with depends_on_past", () => {
  function chained(): string {
    return addDag(paused, (d) => {
      const a = d.run(step("a", { dependsOnPast: true }));
      d.after(a, d.run(step("b")));
    });
  }

  it("runs date after date, and begins although there was none before", async ({ expect }) => {
    const dagId = chained();
    const made = await backfill(dagId, lastDays(4, { reprocess_behavior: "failed" }));
    const [round] = [await workOnce(dagId)];
    expect(round.map(({ logical_date }) => logical_date)).toContain(ago(4));
    await workOff(dagId, undefined, () => evictDurableObject(stubOf("DAG", dagId)));
    expect(await countsOf(dagId)).toEqual({ success: 4 });
    expect(await seen(dagId, made)).toMatchObject({ end_reason: "completed" });
  });

  it("stands still behind a failure, and its report says who would pass if the past were ignored", async ({
    expect,
  }) => {
    const dagId = chained();
    const made = await backfill(dagId, lastDays(3, { reprocess_behavior: "failed" }));
    const [first] = await runsOf(dagId);
    await report(dagId, await claimOne(dagId, first?.run_id ?? "", "a"), failure("no", false));
    expect(await workOnce(dagId)).toEqual([]);
    await evictDurableObject(stubOf("DAG", dagId));
    const told = value(await dagOf(dagId).reportBackfill(made.id));
    expect(told.runs).toMatchObject({ failed: 1, running: 2 });
    expect(told.failed_task_instances.items.map(({ task_id, state }) => [task_id, state])).toEqual([
      ["a", "failed"],
      ["b", "upstream_failed"],
    ]);
    expect(told.deadlocked_runs).toMatchObject({ total: 2, items: [{ state: "running" }, { state: "running" }] });
    const stuck = told.deadlocked_task_instances.items.map((one) => [one.task_id, one.passes_if_past_is_ignored]);
    expect(stuck).toEqual([
      ["a", true],
      ["b", false],
      ["a", true],
      ["b", false],
    ]);
  });

  it("is refused backwards, and without a word about runs that are there", async ({ expect }) => {
    const dagId = chained();
    for (const fields of [{ run_backwards: true, reprocess_behavior: "failed" as const }, {}]) {
      expect(await dagOf(dagId).checkBackfill(lastDays(2, fields))).toMatchObject({ refusal: { code: "invalid" } });
    }
  });
});
