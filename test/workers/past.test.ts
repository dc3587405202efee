import { evictDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { describe, it } from "vitest";
import type { ClearRequest, MarkRequest } from "../../src/engine/objects.ts";
import { empty, task } from "../../src/sdk/index.ts";
import { ago, backfill, lastDays, runsOf } from "./backfill-lab.ts";
import {
  claimOne,
  claimQueued,
  clock,
  dagOf,
  drive,
  failure,
  fireAlarm,
  report,
  request,
  runOf,
  start,
  statesOf,
  stopClock,
  stubOf,
  success,
  value,
} from "./lab.ts";
import { addDag, deploy, fresh, step } from "./registry.ts";

stopClock();

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const FIRST = Date.UTC(2100, 0, 1);
const LONG_AGO = Date.UTC(2090, 0, 1);

const NOT_SUCCESSFUL =
  "depends_on_past is true for this task, but 1 previous task instance(s) are not in a successful state.";

type Options = Parameters<typeof addDag>[0];
type StepOptions = Parameters<typeof step>[1];

const itself = (_ctx: unknown, { item }: { item: number }): number => item;

/** A DAG of `a`, which depends on the past, and `b` behind it, which does not. */
function chain(a: StepOptions = { dependsOnPast: true }, options: Options = {}): string {
  return addDag(options, (d) => d.after(d.run(step("a", a)), d.run(step("b"))));
}

/** Starts runs of the days from `from` on, made by hand: of years ago, so that they are due. */
async function startDays(dagId: string, count: number, from = 0): Promise<string[]> {
  const ids: string[] = [];
  for (let day = from; day < from + count; day += 1) {
    ids.push(await start(dagId, { logical_date: LONG_AGO + day * DAY }));
  }
  return ids;
}

/** States of `a` in each run, in one line. */
async function line(dagId: string, runIds: readonly string[], taskId = "a"): Promise<string> {
  const states = await Promise.all(runIds.map((runId) => statesOf(dagId, runId)));
  return states.map((one) => one[taskId]).join(" ");
}

async function end(dagId: string, runId: string, taskId: string, outcome = success()): Promise<void> {
  await report(dagId, await claimOne(dagId, runId, taskId), outcome);
}

async function fail(dagId: string, runId: string, taskId = "a"): Promise<void> {
  await report(dagId, await claimOne(dagId, runId, taskId), failure("no", false));
}

async function mark(dagId: string, runId: string, newState: MarkRequest["new_state"], taskId = "a"): Promise<void> {
  value(await dagOf(dagId).mark({ run_id: runId, task_id: taskId, map_index: null, new_state: newState }));
}

async function clear(dagId: string, runId: string, fields: Partial<ClearRequest> = {}): Promise<void> {
  value(await dagOf(dagId).clear({ run_id: runId, task_ids: ["a"], ...fields }));
}

async function reasonOf(dagId: string, runId: string, taskId = "a", mapIndex = -1): Promise<string | undefined> {
  const unmet = value(await dagOf(dagId).dependencies({ run_id: runId, task_id: taskId, map_index: mapIndex }));
  return unmet.find(({ name }) => name === "Previous Dagrun State")?.reason;
}

async function evict(dagId: string): Promise<void> {
  await evictDurableObject(stubOf("DAG", dagId));
}

describe("depends_on_past", () => {
  it("a run that is cleared starts again although those that wait for it take all of max_active_runs", async ({
    expect,
  }) => {
    const dagId = addDag({ maxActiveRuns: 2 }, (d) => void d.run(step("a", { dependsOnPast: true })));
    const runs = await startDays(dagId, 3);
    const [first = ""] = runs;
    await fail(dagId, first);
    expect(await line(dagId, runs)).toBe("failed none none");
    expect((await runOf(dagId, runs[2] ?? "")).state).toBe("running");
    await clear(dagId, first);
    expect(await line(dagId, runs)).toBe("queued none none");
    await end(dagId, first, "a");
    expect(await line(dagId, runs)).toBe("success queued none");
  });

  it("a run that comes before starts as soon as one that takes its place only waits", async ({ expect }) => {
    const dagId = addDag({ maxActiveRuns: 1 }, (d) => {
      d.run(step("a", { dependsOnPast: true }));
      d.run(step("b"));
    });
    const [first = "", late = ""] = [...(await startDays(dagId, 1)), ...(await startDays(dagId, 1, 2))];
    await fail(dagId, first);
    await end(dagId, first, "b");
    const [between = ""] = await startDays(dagId, 1, 1);
    expect([await runOf(dagId, late), await runOf(dagId, between)]).toMatchObject([
      { state: "running" },
      { state: "queued" },
    ]);
    await end(dagId, late, "b");
    expect(await statesOf(dagId, late)).toEqual({ a: "none", b: "success" });
    expect(await statesOf(dagId, between)).toEqual({ a: "none", b: "queued" });
    expect((await runOf(dagId, between)).state).toBe("running");
  });

  it("lets a task start once it succeeded in the run before", async ({ expect }) => {
    const dagId = chain();
    const runs = await startDays(dagId, 3);
    expect(await line(dagId, runs)).toBe("queued none none");
    await end(dagId, runs[0] ?? "", "a");
    expect(await line(dagId, runs)).toBe("success queued none");
    await end(dagId, runs[1] ?? "", "a");
    expect(await line(dagId, runs)).toBe("success success queued");
  });

  it("lets it start once it was skipped there", async ({ expect }) => {
    const dagId = chain();
    const runs = await startDays(dagId, 2);
    await report(dagId, await claimOne(dagId, runs[0] ?? "", "a"), { state: "skipped" });
    expect(await line(dagId, runs)).toBe("skipped queued");
  });

  it("holds all later runs behind a failure, and none of them ends for it", async ({ expect }) => {
    const dagId = chain();
    const runs = await startDays(dagId, 3);
    await fail(dagId, runs[0] ?? "");
    expect(await line(dagId, runs)).toBe("failed none none");
    expect((await runOf(dagId, runs[2] ?? "")).state).toBe("running");
    expect(await reasonOf(dagId, runs[1] ?? "")).toBe(NOT_SUCCESSFUL);
    expect(await reasonOf(dagId, runs[0] ?? "")).toBeUndefined();
  });

  it("is satisfied by a mark, and by a clear with a better end", async ({ expect }) => {
    const dagId = chain();
    const runs = await startDays(dagId, 3);
    const [first = "", second = ""] = runs;
    await fail(dagId, first);
    await mark(dagId, first, "success");
    expect(await line(dagId, runs)).toBe("success queued none");
    await fail(dagId, second);
    await clear(dagId, second);
    expect(await line(dagId, runs)).toBe("success queued none");
    await end(dagId, second, "a");
    expect(await line(dagId, runs)).toBe("success success queued");
  });

  it("holds a task again when the run before is cleared before it began", async ({ expect }) => {
    const dagId = chain({ dependsOnPast: true, retries: 1, retryDelay: "10s" });
    const runs = await startDays(dagId, 2);
    const [first = "", second = ""] = runs;
    await end(dagId, first, "a");
    await report(dagId, await claimOne(dagId, second, "a"), failure("no"));
    await clear(dagId, first);
    expect(await line(dagId, runs)).toBe("queued up_for_retry");
    clock.advance(60_000);
    await fireAlarm(stubOf("DAG", dagId));
    expect(await line(dagId, runs)).toBe("queued up_for_retry");
    await end(dagId, first, "a");
    expect(await line(dagId, runs)).toBe("success queued");
  });

  it("clears a run and those after it so that they run one after the other again", async ({ expect }) => {
    const dagId = chain();
    const runs = await startDays(dagId, 3);
    for (const runId of runs) {
      await drive(dagId, runId, () => success());
    }
    await clear(dagId, runs[0] ?? "", { include_future: true });
    expect(await line(dagId, runs)).toBe("queued none none");
    await end(dagId, runs[0] ?? "", "a");
    expect(await line(dagId, runs)).toBe("success queued none");
  });

  it("goes on where it was after an eviction at any point", async ({ expect }) => {
    const dagId = chain();
    const runs = await startDays(dagId, 3);
    for (const runId of runs) {
      expect(await reasonOf(dagId, runs[2] ?? "")).toBe(runId === runs[2] ? undefined : NOT_SUCCESSFUL);
      const claimed = await claimOne(dagId, runId, "a");
      await evict(dagId);
      await report(dagId, claimed, success());
      await evict(dagId);
    }
    expect(await line(dagId, runs)).toBe("success success success");
    expect(await line(dagId, runs, "b")).toBe("queued queued queued");
  });

  it("reads a run before that is over and was forgotten", async ({ expect }) => {
    const dagId = chain();
    const [first = ""] = await startDays(dagId, 1);
    await fail(dagId, first);
    await evict(dagId);
    const [second = ""] = await startDays(dagId, 1, 1);
    expect(await statesOf(dagId, second)).toEqual({ a: "none", b: "none" });
    await evict(dagId);
    await mark(dagId, first, "success");
    expect(await statesOf(dagId, second)).toEqual({ a: "queued", b: "none" });
  });

  it("holds a task whose run before has not begun", async ({ expect }) => {
    const dagId = chain();
    const first = await start(dagId, { logical_date: LONG_AGO, run_after: clock.now() + HOUR });
    const [second = ""] = await startDays(dagId, 1, 1);
    expect(await line(dagId, [first, second])).toBe("none none");
    await evict(dagId);
    clock.advance(HOUR);
    await fireAlarm(stubOf("DAG", dagId));
    expect(await line(dagId, [first, second])).toBe("queued none");
    await end(dagId, first, "a");
    expect(await line(dagId, [first, second])).toBe("success queued");
  });

  it("holds a task that the run before ended without deciding about", async ({ expect }) => {
    const dagId = chain({});
    const [first = ""] = await startDays(dagId, 1);
    value(await dagOf(dagId).deleteTaskInstance({ run_id: first, task_id: "a", map_index: -1 }));
    expect(await runOf(dagId, first)).toMatchObject({ state: "failed", reason: "all_tasks_deadlocked" });
    deploy(dagId, {}, (d) => void d.run(step("b", { dependsOnPast: true })));
    await evict(dagId);
    const [second = ""] = await startDays(dagId, 1, 1);
    expect(await line(dagId, [first, second], "b")).toBe("none none");
    await mark(dagId, first, "success", "b");
    expect(await line(dagId, [first, second], "b")).toBe("success queued");
  });

  it("waits for every instance of a mapped task, however many are known of it", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      const list = d.run(
        task({ id: fresh("list") }, () => [1]),
        undefined,
        { id: "list" },
      );
      d.expand(task({ id: "each", dependsOnPast: true }, itself), { item: list });
    });
    const [first = "", second = ""] = await startDays(dagId, 2);
    for (const runId of [first, second]) {
      await report(dagId, await claimOne(dagId, runId, "list"), success([1, 2, 3]));
    }
    const mapped = { list: "success", "each[0]": "queued", "each[1]": "queued", "each[2]": "queued" };
    expect(await statesOf(dagId, first)).toEqual(mapped);
    expect(await statesOf(dagId, second)).toEqual({ list: "success", each: "none" });
    const claimed = await claimQueued(dagId, first, "each");
    const held = { list: "success", each: "none" };
    for (const [at, after] of [held, held, mapped].entries()) {
      await evict(dagId);
      const one = claimed[at];
      expect(one && (await report(dagId, one, success()))).toBe("accepted");
      expect(await statesOf(dagId, second)).toEqual(after);
    }
  });

  it("counts the mapped instances of a run that is over by what is stored", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      d.expand(task({ id: "each", dependsOnPast: true }, itself), { item: [1, 2, 3] });
    });
    const [first = ""] = await startDays(dagId, 1);
    await drive(dagId, first, ({ map_index }) => (map_index === 1 ? failure("no", false) : success()));
    await evict(dagId);
    const [second = ""] = await startDays(dagId, 1, 1);
    expect(await reasonOf(dagId, second, "each", 2)).toBe(NOT_SUCCESSFUL);
    value(await dagOf(dagId).mark({ run_id: second, task_id: "each", map_index: null, new_state: "success" }));
    value(await dagOf(dagId).deleteRun(second));
    value(await dagOf(dagId).mark({ run_id: first, task_id: "each", map_index: 1, new_state: "success" }));
    await evict(dagId);
    const [third = ""] = await startDays(dagId, 1, 2);
    expect(new Set(Object.values(await statesOf(dagId, third)))).toEqual(new Set(["queued"]));
  });

  it("follows a run that is over and too large to stay in memory", async ({ expect }) => {
    const items = Array.from({ length: 250 }, (_, at) => at);
    const each = task({ id: fresh("each"), dependsOnPast: true }, itself);
    const dagId = addDag({}, (d) => void d.expand(each, { item: items }));
    const [first = "", second = ""] = await startDays(dagId, 2);
    value(await dagOf(dagId).mark({ run_id: first, task_id: each.id, map_index: null, new_state: "success" }));
    expect((await statesOf(dagId, second))[`${each.id}[0]`]).toBe("queued");
    const [third = ""] = await startDays(dagId, 1, 2);
    const [queued] = await claimQueued(dagId, second);
    value(await dagOf(dagId).patchRun(second, { state: "failed" }));
    expect(queued).toBeDefined();
    await evict(dagId);
    expect((await statesOf(dagId, third))[`${each.id}[0]`]).toBe("none");
    value(await dagOf(dagId).mark({ run_id: second, task_id: each.id, map_index: null, new_state: "success" }));
    expect((await statesOf(dagId, third))[`${each.id}[0]`]).toBe("queued");
  });

  it("asks nothing of runs without a logical date", async ({ expect }) => {
    const dagId = chain();
    const runs = [await start(dagId), await start(dagId)];
    await fail(dagId, runs[0] ?? "");
    expect(await line(dagId, runs)).toBe("failed queued");
    expect(await reasonOf(dagId, await start(dagId, { logical_date: FIRST }))).toBeUndefined();
  });

  it("does not keep a run waiting that has nothing to do with the past", async ({ expect }) => {
    const dagId = chain({});
    const runs = await startDays(dagId, 2);
    await fail(dagId, runs[0] ?? "");
    expect(await line(dagId, runs)).toBe("failed queued");
  });
});

describe("the run before", () => {
  it("is the one that is left when it is deleted", async ({ expect }) => {
    const dagId = chain();
    const runs = await startDays(dagId, 3);
    await end(dagId, runs[0] ?? "", "a");
    await fail(dagId, runs[1] ?? "");
    expect(await line(dagId, runs)).toBe("success failed none");
    value(await dagOf(dagId).deleteRun(runs[1] ?? ""));
    expect(await statesOf(dagId, runs[2] ?? "")).toEqual({ a: "queued", b: "none" });
  });

  it("is nobody when all before it are deleted", async ({ expect }) => {
    const dagId = chain();
    const [first = "", second = ""] = await startDays(dagId, 2);
    await fail(dagId, first);
    await evict(dagId);
    value(await dagOf(dagId).deleteRun(first));
    expect(await statesOf(dagId, second)).toEqual({ a: "queued", b: "none" });
  });

  it("may be made later: whoever has not begun waits for it", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      d.after(d.run(step("first")), d.run(step("a", { dependsOnPast: true })));
    });
    const [old = "", late = ""] = [...(await startDays(dagId, 1)), ...(await startDays(dagId, 1, 2))];
    await end(dagId, old, "first");
    await end(dagId, late, "first");
    await fail(dagId, old);
    expect(await line(dagId, [old, late])).toBe("failed none");
    const [between = ""] = await startDays(dagId, 1, 1);
    await mark(dagId, old, "success");
    expect(await line(dagId, [old, between, late])).toBe("success none none");
    await end(dagId, between, "first");
    await end(dagId, between, "a");
    expect(await line(dagId, [old, between, late])).toBe("success success queued");
  });

  it("may be made by hand, unless missed runs are made up for", async ({ expect }) => {
    for (const catchup of [false, true]) {
      clock.to(FIRST);
      const dagId = chain({ dependsOnPast: true }, { schedule: "0 * * * *", startDate: new Date(FIRST), catchup });
      await dagOf(dagId).describe();
      await fireAlarm(stubOf("DAG", dagId));
      const zero = "scheduled__2100-01-01T00:00:00+00:00";
      await drive(dagId, zero, () => success());
      const byHand = await start(dagId, { logical_date: FIRST + HOUR / 2, run_after: clock.now() });
      await fail(dagId, byHand);
      clock.to(FIRST + HOUR);
      await fireAlarm(stubOf("DAG", dagId));
      const one = "scheduled__2100-01-01T01:00:00+00:00";
      expect([catchup, await line(dagId, [zero, byHand, one])]).toEqual([
        catchup,
        `success failed ${catchup ? "queued" : "none"}`,
      ]);
    }
  });

  it("may have another version of the DAG", async ({ expect }) => {
    const dagId = chain();
    const [first = ""] = await startDays(dagId, 1);
    await fail(dagId, first);
    deploy(dagId, {}, (d) => {
      d.run(step("a", { dependsOnPast: true }));
      d.run(step("new", { dependsOnPast: true }));
      d.run(step("patient", { dependsOnPast: true, ignoreFirstDependsOnPast: false }));
    });
    await evict(dagId);
    const [second = "", third = ""] = await startDays(dagId, 2, 1);
    expect(await statesOf(dagId, second)).toEqual({ a: "none", new: "queued", patient: "none" });
    expect(await reasonOf(dagId, second, "patient")).toMatch("the previous task instance has not run yet");
    expect(await statesOf(dagId, third)).toEqual({ a: "none", new: "none", patient: "none" });

    deploy(dagId, {}, (d) => void d.run(step("a")));
    await evict(dagId);
    const [fourth = ""] = await startDays(dagId, 1, 3);
    deploy(dagId, {}, (d) => void d.run(step("new", { dependsOnPast: true })));
    await evict(dagId);
    const [fifth = ""] = await startDays(dagId, 1, 4);
    expect(await statesOf(dagId, fourth)).toEqual({ a: "queued" });
    expect(await statesOf(dagId, fifth)).toEqual({ new: "none" });
    expect(await reasonOf(dagId, fifth, "new")).toMatch("the previous task instance has not run yet");
  });

  it("holds all of a backfill but its first run, one after the other", async ({ expect }) => {
    const dagId = addDag({ schedule: "0 0 * * *", isPausedUponCreation: true }, (d) => {
      d.run(step("a", { dependsOnPast: true }));
    });
    await dagOf(dagId).setPaused(false);
    const old = await start(dagId, { logical_date: ago(9) });
    await fail(dagId, old);
    await backfill(dagId, lastDays(4, { reprocess_behavior: "failed" }));
    const runs = (await runsOf(dagId)).filter(({ run_type }) => run_type === "backfill").map(({ run_id }) => run_id);
    expect(await line(dagId, runs)).toBe("queued none none none");
    await evict(dagId);
    await end(dagId, runs[0] ?? "", "a");
    expect(await line(dagId, runs)).toBe("success queued none none");
    await fail(dagId, runs[1] ?? "");
    expect(await line(dagId, runs)).toBe("success failed none none");
  });

  it("counts no task instance that was deleted", async ({ expect }) => {
    const dagId = chain();
    const [first = "", second = ""] = await startDays(dagId, 2);
    await fail(dagId, first);
    value(await dagOf(dagId).deleteTaskInstance({ run_id: first, task_id: "a", map_index: -1 }));
    expect(await statesOf(dagId, second)).toEqual({ a: "queued", b: "none" });
  });

  it("looks again when the last earlier run that had the task has it no more", async ({ expect }) => {
    const dagId = chain();
    const [first = "", second = "", third = ""] = await startDays(dagId, 3);
    await fail(dagId, first);
    value(await dagOf(dagId).deleteTaskInstance({ run_id: second, task_id: "a", map_index: -1 }));
    expect(await reasonOf(dagId, third)).toMatch("the previous task instance has not run yet");
    value(await dagOf(dagId).deleteTaskInstance({ run_id: first, task_id: "a", map_index: -1 }));
    expect(await statesOf(dagId, third)).toEqual({ a: "queued", b: "none" });
  });
});

describe("wait_for_downstream", () => {
  it("waits for what is directly downstream, too", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      const [a, b, c] = [step("a", { waitForDownstream: true }), step("b"), step("c")].map((one) => d.run(one));
      d.after(a ?? [], b ?? []);
      d.after(b ?? [], c ?? []);
    });
    const [first = "", second = ""] = await startDays(dagId, 2);
    await end(dagId, first, "a");
    expect(await line(dagId, [first, second])).toBe("success none");
    expect(await reasonOf(dagId, second)).toMatch("wait_for_downstream is True");
    await fail(dagId, first, "b");
    expect(await line(dagId, [first, second])).toBe("success none");
    await evict(dagId);
    await clear(dagId, first, { task_ids: ["b"] });
    await end(dagId, first, "b");
    expect(await line(dagId, [first, second])).toBe("success queued");
    expect(await line(dagId, [first, second], "c")).not.toContain("success");
  });
});

describe("a long row of runs", () => {
  it("goes on by itself to its end, in one turn", async ({ expect }) => {
    const dagId = addDag({ maxActiveRuns: 2000 }, (d) => void d.run(step("a", { dependsOnPast: true })));
    const [first = ""] = await startDays(dagId, 1);
    deploy(dagId, { maxActiveRuns: 2000 }, (d) => void d.run(empty({ id: "a" }), undefined, { dependsOnPast: true }));
    await evict(dagId);
    const runs = await startDays(dagId, 1000, 1);
    expect(await line(dagId, runs.slice(-3))).toBe("none none none");
    await end(dagId, first, "a");
    const states = await Promise.all(runs.map((runId) => runOf(dagId, runId)));
    expect(new Set(states.map(({ state }) => state))).toEqual(new Set(["success"]));
  });

  it("goes on as far as it can when each run starts only after another", async ({ expect }) => {
    const dagId = addDag({ maxActiveRuns: 1 }, (d) => void d.run(step("a", { dependsOnPast: true })));
    const [first = ""] = await startDays(dagId, 1);
    const options = { dependsOnPast: true };
    deploy(dagId, { maxActiveRuns: 1 }, (d) => void d.run(empty({ id: "a" }), undefined, options));
    await evict(dagId);
    const runs = await startDays(dagId, 200, 1);
    await fail(dagId, first);
    expect((await runOf(dagId, runs[0] ?? "")).state).toBe("running");
    await mark(dagId, first, "success");
    const states = await Promise.all(runs.map((runId) => runOf(dagId, runId)));
    expect(new Set(states.map(({ state }) => state))).toEqual(new Set(["success"]));
  });
});

describe("random histories", () => {
  /** One of everything: what looks at itself, at what is downstream, at mapped instances, and what does not look. */
  function everything(): string {
    return addDag({ maxActiveRuns: 4 }, (d) => {
      const a = d.run(step("a", { dependsOnPast: true }));
      const b = d.run(step("b", { waitForDownstream: true }));
      const each = d.expand(task({ id: "each", dependsOnPast: true }, itself), { item: [1, 2] });
      const c = d.run(step("c", { triggerRule: "all_done" }));
      d.after([a, b], c);
      d.after(b, each);
    });
  }

  it("leave nothing behind that an eviction would have to find", async ({ expect }) => {
    let waited = 0;
    const move = fc.tuple(fc.nat(9), fc.nat(99), fc.nat(99));
    await fc.assert(
      fc.asyncProperty(fc.array(move, { minLength: 15, maxLength: 25, size: "max" }), async (moves) => {
        const dagId = everything();
        for (const [kind, which, how] of [[9, 1, 0] as const, [9, 2, 0] as const, ...moves]) {
          await play(dagId, kind, which, how);
          const before = await everyState(dagId);
          await evict(dagId);
          expect(await everyState(dagId)).toEqual(before);
          waited += Object.values(before).filter((state) => state === "none").length;
        }
      }),
      { numRuns: 8, endOnFailure: true },
    );
    expect(waited).toBeGreaterThan(100);
  });

  async function play(dagId: string, kind: number, which: number, how: number): Promise<void> {
    const dag = dagOf(dagId);
    const { items: runs } = value(await dag.listRuns({ limit: 100, offset: 0, order_by: ["id"] }));
    const runId = runs[which % Math.max(1, runs.length)]?.run_id ?? "";
    const taskId = ["a", "b", "c", "each"][how % 4] ?? "a";
    clock.advance(1);
    if (kind === 9 || runId === "") {
      await dag.trigger(request({ logical_date: LONG_AGO + which * DAY }));
    } else if (kind < 5) {
      for (const claimed of await claimQueued(dagId, runId)) {
        await report(dagId, claimed, (how + claimed.map_index) % 4 === 0 ? failure("no", false) : success());
      }
    } else if (kind === 5) {
      await dag.mark({
        run_id: runId,
        task_id: taskId,
        map_index: null,
        new_state: how % 3 === 0 ? "failed" : "success",
      });
    } else if (kind === 6) {
      await dag.clear({
        run_id: runId,
        task_ids: [taskId],
        include_future: how % 2 === 0,
        include_downstream: how % 3 === 0,
      });
    } else if (kind === 7 && how % 2 === 0) {
      await dag.patchRun(runId, { state: how % 4 === 0 ? "failed" : "success" });
      await dag.deleteRun(runId);
    } else if (kind === 7) {
      await dag.deleteTaskInstance({ run_id: runId, task_id: taskId, map_index: taskId === "each" ? 0 : -1 });
    } else {
      await dag.patchRun(runId, { state: (["queued", "failed", "success"] as const)[how % 3] ?? "queued" });
    }
  }

  /** States of all task instances and runs, by name. */
  async function everyState(dagId: string): Promise<Record<string, string>> {
    const { items } = value(await dagOf(dagId).listRuns({ limit: 100, offset: 0, order_by: ["id"] }));
    const states = await Promise.all(
      items.map(async ({ run_id: runId, state }) => [
        [runId, `run ${state}`],
        ...Object.entries(await statesOf(dagId, runId)).map(([name, one]) => [`${runId} ${name}`, one]),
      ]),
    );
    return Object.fromEntries(states.flat()) as Record<string, string>;
  }
});
