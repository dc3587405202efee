import { evictDurableObject } from "cloudflare:test";
import { describe, it } from "vitest";
import { empty } from "../../src/sdk/index.ts";
import {
  alarmOf,
  clock,
  dagOf,
  drive,
  failure,
  fireAlarm,
  instancesOf,
  rowsOf,
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
  DAY,
  daysIn,
  lastDays,
  NOW,
  runsOf,
  seen,
  workOff,
  workOnce,
} from "./backfill-lab.ts";

stopClock();

/** Not paused, and nothing is scheduled yet. */
const unpaused = { isPausedUponCreation: false, startDate: new Date(NOW + 10 * DAY) };

describe("a backfill", () => {
  it("makes a run of every date at once, and starts as many as its own limit allows, oldest first", async ({
    expect,
  }) => {
    const dagId = daily({ maxActiveRuns: 1 });
    const made = await backfill(dagId, lastDays(5, { max_active_runs: 2, dag_run_conf: { year: 2099 } }));
    expect(made).toMatchObject({ is_paused: false, completed_at: null, end_reason: null, max_active_runs: 2 });
    const runs = await runsOf(dagId);
    expect(runs.map(({ state }) => state)).toEqual(["running", "running", "queued", "queued", "queued"]);
    expect(runs[0]).toMatchObject({
      run_id: "backfill__2099-12-27T00:00:00+00:00",
      run_type: "backfill",
      triggered_by: "backfill",
      logical_date: ago(5),
      data_interval_end: ago(5),
      run_after: ago(5),
      conf: { year: 2099 },
    });
    const worked = await workOff(dagId);
    expect(worked.map(({ run_id }) => run_id)).toEqual(runs.map(({ run_id }) => run_id));
    expect(await seen(dagId, made)).toMatchObject({ completed_at: clock.now(), end_reason: "completed" });
  });

  it("goes through 366 dates with failures, its DAG paused, and says what failed", async ({ expect }) => {
    const dagId = daily();
    const made = await backfill(dagId, lastDays(366));
    expect(await countsOf(dagId)).toEqual({ running: 10, queued: 356 });
    let most = 0;
    await workOff(
      dagId,
      (_task, day) => (day % 50 === 0 ? failure(`no data of ${day} days ago`, false) : success()),
      async () => {
        most = Math.max(most, (await countsOf(dagId))["running"] ?? 0);
      },
    );
    expect(most).toBe(10);
    expect(await countsOf(dagId)).toEqual({ success: 359, failed: 7 });
    expect(await seen(dagId, made)).toMatchObject({ end_reason: "completed" });
    const report = value(await dagOf(dagId).reportBackfill(made.id));
    expect(report).toMatchObject({
      dates: 366,
      runs: { success: 359, failed: 7, queued: 0, running: 0 },
      never_started: 0,
      failed_runs: { total: 7 },
      failed_task_instances: { total: 7 },
      deadlocked_runs: { total: 0 },
    });
    expect(report.failed_runs.items[0]).toMatchObject({ logical_date: ago(350), reason: "task_failure" });
    expect(report.failed_task_instances.items[0]).toMatchObject({
      logical_date: ago(350),
      task_id: "a",
      state: "failed",
      error: { message: "no data of 350 days ago" },
    });
  });

  it("goes backwards", async ({ expect }) => {
    const dagId = daily();
    await backfill(dagId, lastDays(4, { run_backwards: true, max_active_runs: 1 }));
    const worked = await workOff(dagId);
    expect(worked.map(({ logical_date }) => logical_date)).toEqual([1, 2, 3, 4].map(ago));
  });

  it("is the only one of its DAG until it is over", async ({ expect }) => {
    const dagId = daily();
    const first = await backfill(dagId, lastDays(2));
    expect(await dagOf(dagId).createBackfill(9_000_001, lastDays(2))).toMatchObject({
      refusal: { code: "conflict", message: `There is already a running backfill for dag ${dagId}` },
    });
    expect(await dagOf(dagId).checkBackfill(lastDays(2))).toMatchObject({ refusal: { code: "conflict" } });
    // The same number again is the same request: its answer may have been lost.
    expect(value(await dagOf(dagId).createBackfill(first.id, lastDays(2)))).toMatchObject({ id: first.id });
    await workOff(dagId);
    await backfill(dagId, lastDays(3));
    expect(await countsOf(dagId)).toEqual({ success: 2, running: 1 });
  });

  it("is complete at once if no date gets a run", async ({ expect }) => {
    const dagId = daily();
    await backfill(dagId, lastDays(2));
    await workOff(dagId);
    const made = await backfill(dagId, lastDays(2));
    expect(made).toMatchObject({ completed_at: clock.now(), end_reason: "completed" });
    expect(value(await dagOf(dagId).reportBackfill(made.id))).toMatchObject({ skipped: { "already exists": 2 } });
  });

  it("ends in turns if its runs have no work, however many they are", async ({ expect }) => {
    const dagId = addDag({ schedule: "0 0 * * *", isPausedUponCreation: true }, (d) => void d.run(empty({ id: "a" })));
    const made = await backfill(dagId, lastDays(250));
    let turns = 0;
    while ((await seen(dagId, made)).completed_at === null) {
      expect(turns).toBeLessThan(10);
      turns += 1;
      await evictDurableObject(stubOf("DAG", dagId));
      await (turns % 2 === 0 ? fireAlarm(stubOf("DAG", dagId)) : dagOf(dagId).describe());
    }
    expect(turns).toBeGreaterThan(0);
    expect(await countsOf(dagId)).toEqual({ success: 250 });
    expect(await alarmOf(stubOf("DAG", dagId))).not.toBe(0);
  });

  it("loses nothing when its object is evicted between any two steps", async ({ expect }) => {
    const dagId = daily();
    const made = await backfill(dagId, lastDays(20, { max_active_runs: 3 }));
    await workOff(
      dagId,
      (_task, day) => (day === 7 ? failure("no", false) : success()),
      () => evictDurableObject(stubOf("DAG", dagId)),
    );
    expect(await countsOf(dagId)).toEqual({ success: 19, failed: 1 });
    expect(await daysIn(dagId, "failed")).toEqual([7]);
    expect(await seen(dagId, made)).toMatchObject({ end_reason: "completed" });
  });

  it("does not count against the DAG's own runs, nor they against it", async ({ expect }) => {
    const dagId = daily({ maxActiveRuns: 1, ...unpaused });
    await backfill(dagId, lastDays(3, { max_active_runs: 2 }));
    const live = await start(dagId);
    const next = await start(dagId, { run_id: "next" });
    const states = async () => [(await runOf(dagId, live)).state, (await runOf(dagId, next)).state];
    expect(await states()).toEqual(["running", "queued"]);
    expect(await countsOf(dagId)).toEqual({ running: 3, queued: 2 });
    await drive(dagId, live, () => success());
    expect(await states()).toEqual(["success", "running"]);
    expect((await daysIn(dagId, "running")).filter((day) => day <= 3)).toEqual([3, 2]);
  });

  it("goes on while its DAG is paused and unpaused, which holds other runs", async ({ expect }) => {
    const dagId = daily(unpaused);
    await backfill(dagId, lastDays(2, { max_active_runs: 1 }));
    value(await dagOf(dagId).setPaused(true));
    const live = await start(dagId);
    await evictDurableObject(stubOf("DAG", dagId));
    await workOff(dagId);
    expect(await countsOf(dagId)).toEqual({ success: 2, queued: 1 });
    expect(await runOf(dagId, live)).toMatchObject({ state: "queued" });
  });

  it("changes nothing about the next scheduled run, which leaves out a date that it made", async ({ expect }) => {
    const dagId = daily({ startDate: new Date(ago(2)), catchup: true });
    const before = value(await dagOf(dagId).describe()).next_dagrun;
    await backfill(dagId, lastDays(3));
    await workOff(dagId);
    expect(value(await dagOf(dagId).describe()).next_dagrun).toEqual(before);
    clock.advance(1000);
    value(await dagOf(dagId).setPaused(false));
    const types = (await runsOf(dagId)).map(({ run_type, logical_date }) => [
      run_type,
      (NOW - (logical_date ?? 0)) / DAY,
    ]);
    expect(types).toEqual([
      ["backfill", 3],
      ["backfill", 2],
      ["backfill", 1],
      ["scheduled", 0],
    ]);
  });

  it("keeps runs that wait out of memory, and shows them all the same", async ({ expect }) => {
    const dagId = addDag({ schedule: "0 0 * * *", isPausedUponCreation: true }, (d) => {
      d.expand(step("each"), { n: [1, 2, 3] });
    });
    await backfill(dagId, lastDays(3, { max_active_runs: 1 }));
    const [, waiting] = await runsOf(dagId);
    expect(waiting).toMatchObject({ state: "queued", counts: { none: 3 } });
    expect((await instancesOf(dagId, waiting?.run_id ?? "")).map(({ map_index }) => map_index)).toEqual([0, 1, 2]);
    const all = { limit: 100, offset: 0, order_by: [] };
    expect(value(await dagOf(dagId).listTaskInstances(null, all)).total).toBe(9);
    await workOff(dagId);
    expect((await runsOf(dagId)).map(({ counts }) => counts)).toEqual([{ success: 3 }, { success: 3 }, { success: 3 }]);
  });
});

describe("pausing a backfill", () => {
  it("keeps queued runs from starting, while running ones go on, and unpausing lets them start", async ({ expect }) => {
    const dagId = daily();
    const made = await backfill(dagId, lastDays(5, { max_active_runs: 2 }));
    expect(value(await dagOf(dagId).setBackfillPaused(made.id, true))).toMatchObject({ is_paused: true });
    await workOff(dagId, undefined, () => evictDurableObject(stubOf("DAG", dagId)));
    expect(await countsOf(dagId)).toEqual({ success: 2, queued: 3 });
    clock.advance(1000);
    const released = value(await dagOf(dagId).setBackfillPaused(made.id, false));
    expect(released).toMatchObject({ is_paused: false, updated_at: clock.now() });
    expect(await countsOf(dagId)).toEqual({ success: 2, running: 2, queued: 1 });
    await workOff(dagId);
    expect(await seen(dagId, made)).toMatchObject({ end_reason: "completed" });
    for (const paused of [true, false]) {
      expect(await dagOf(dagId).setBackfillPaused(made.id, paused)).toMatchObject({
        refusal: { code: "conflict", message: "Backfill is already completed." },
      });
    }
  });
});

describe("cancelling a backfill", () => {
  it("fails what is queued, lets go on what runs, and makes room for another one", async ({ expect }) => {
    const dagId = daily();
    const made = await backfill(dagId, lastDays(5, { max_active_runs: 2 }));
    const [, , queued] = await runsOf(dagId);
    const waiting = dagOf(dagId).getRun(queued?.run_id ?? "", 60_000);
    const cancelled = value(await dagOf(dagId).cancelBackfill(made.id));
    expect(cancelled).toMatchObject({ completed_at: clock.now(), is_paused: true, end_reason: "cancelled" });
    expect(value(await waiting)).toMatchObject({ state: "failed", counts: { none: 1 } });
    expect(await countsOf(dagId)).toEqual({ running: 2, failed: 3 });
    expect(await dagOf(dagId).cancelBackfill(made.id)).toMatchObject({ refusal: { code: "conflict" } });

    const next = await backfill(dagId, lastDays(5, { reprocess_behavior: "failed" }));
    expect(await countsOf(dagId)).toEqual({ running: 5 });
    await workOff(dagId);
    expect(await countsOf(dagId)).toEqual({ success: 5 });
    expect(await seen(dagId, next)).toMatchObject({ end_reason: "completed" });
    expect(value(await dagOf(dagId).reportBackfill(next.id))).toMatchObject({ skipped: { "in flight": 2 } });
  });

  it("leaves runs that a user may clear, which start although it is over", async ({ expect }) => {
    const dagId = daily();
    const made = await backfill(dagId, lastDays(2, { max_active_runs: 1 }));
    value(await dagOf(dagId).cancelBackfill(made.id));
    await workOff(dagId);
    const [failed] = (await runsOf(dagId)).filter(({ state }) => state === "failed");
    expect(value(await dagOf(dagId).reportBackfill(made.id))).toMatchObject({
      never_started: 1,
      failed_runs: { total: 0 },
    });
    value(await dagOf(dagId).patchRun(failed?.run_id ?? "", { state: "queued" }));
    await workOff(dagId);
    expect(await countsOf(dagId)).toEqual({ success: 2 });
  });
});

describe("a run of a backfill", () => {
  it("that is deleted is no longer waited for", async ({ expect }) => {
    const dagId = daily();
    const made = await backfill(dagId, lastDays(2, { max_active_runs: 1 }));
    const [first, second] = await runsOf(dagId);
    value(await dagOf(dagId).deleteRun(second?.run_id ?? ""));
    expect(await seen(dagId, made)).toMatchObject({ completed_at: null });
    await drive(dagId, first?.run_id ?? "", () => success());
    expect(await seen(dagId, made)).toMatchObject({ end_reason: "completed" });
    expect(value(await dagOf(dagId).reportBackfill(made.id))).toMatchObject({ dates: 2, deleted: 1 });
  });

  it("that is cleared before the backfill is over is waited for again", async ({ expect }) => {
    const dagId = daily();
    const made = await backfill(dagId, lastDays(2, { max_active_runs: 1 }));
    const [first] = await workOnce(dagId);
    value(await dagOf(dagId).clear({ run_id: first?.run_id ?? "", task_ids: null }));
    expect(await countsOf(dagId)).toEqual({ running: 1, queued: 1 });
    await workOff(dagId);
    expect(await countsOf(dagId)).toEqual({ success: 2 });
    expect(await seen(dagId, made)).toMatchObject({ end_reason: "completed" });
  });

  it("has an id of its own where the id it would have is taken", async ({ expect }) => {
    const dagId = daily();
    await backfill(dagId, lastDays(1));
    await workOff(dagId);
    // The same tick ends an interval that begins a day earlier: another date, the same time to start.
    deploy(
      dagId,
      { schedule: { type: "cron_data_interval", expression: "0 0 * * *" }, isPausedUponCreation: true },
      (d) => void d.run(step("a")),
    );
    await evictDurableObject(stubOf("DAG", dagId));
    const rows = await rowsOf(stubOf("DAG", dagId), "SELECT run_id FROM dag_run");
    expect(rows).toEqual([{ run_id: "backfill__2099-12-31T00:00:00+00:00" }]);
    await backfill(dagId, lastDays(2, { to_date: ago(2) }));
    expect((await runsOf(dagId)).map(({ run_id }) => run_id)).toEqual([
      "backfill__2099-12-31T00:00:00.000001+00:00",
      "backfill__2099-12-31T00:00:00+00:00",
    ]);
  });
});
