import { evictDurableObject } from "cloudflare:test";
import { describe, it } from "vitest";
import type { ClearRequest } from "../../src/engine/objects.ts";
import type { Outcome } from "../../src/engine/work.ts";
import { task } from "../../src/sdk/index.ts";
import {
  claimOne,
  dagOf,
  drive,
  failure,
  instanceOf,
  instancesOf,
  nameOf,
  report,
  rowsOf,
  runOf,
  start,
  statesOf,
  stopClock,
  stubOf,
  success,
  value,
} from "./lab.ts";
import { addDag, deploy, inOrder, step, withTeardown } from "./registry.ts";

stopClock();

const DAY = 86_400_000;
const FIRST = Date.UTC(2026, 0, 1);

/** a → b → c → d, with a side branch a → x. */
function chain(): string {
  return addDag({}, (d) => {
    const [a = []] = inOrder(d, "a", "b", "c", "d");
    d.after(a, d.run(step("x")));
  });
}

/** A run that is over; `answer` says how each task ended. */
async function finished(
  dagId: string,
  answer: (taskId: string, mapIndex: number) => Outcome = () => success(),
  logicalDate: number | null = null,
): Promise<string> {
  const runId = await start(dagId, { logical_date: logicalDate });
  await drive(dagId, runId, ({ task_id, map_index }) => answer(task_id, map_index));
  return runId;
}

async function clear(dagId: string, request: Partial<ClearRequest>): Promise<string[]> {
  const cleared = value(await dagOf(dagId).clear({ run_id: null, task_ids: null, ...request }));
  return cleared.map((one) => nameOf(one)).toSorted();
}

describe("what a clear chooses", () => {
  it("is the tasks that are named, and no others", async ({ expect }) => {
    const dagId = chain();
    const runId = await finished(dagId);
    expect(await clear(dagId, { run_id: runId, task_ids: ["b"] })).toEqual(["b"]);
    expect(await statesOf(dagId, runId)).toMatchObject({ a: "success", b: "queued", c: "success" });
  });

  it("reaches upstream and downstream", async ({ expect }) => {
    const dagId = chain();
    const runId = await finished(dagId);
    const choose = (more: Partial<ClearRequest>) =>
      clear(dagId, { run_id: runId, task_ids: ["b"], dry_run: true, ...more });
    expect(await choose({ include_upstream: true })).toEqual(["a", "b"]);
    expect(await choose({ include_downstream: true })).toEqual(["b", "c", "d"]);
    expect(await choose({ include_upstream: true, include_downstream: true })).toEqual(["a", "b", "c", "d", "x"]);
  });

  it("reaches downstream also from what it found upstream, if it names a run", async ({ expect }) => {
    const dagId = chain();
    const runId = await finished(dagId, undefined, FIRST);
    // x and b both lie below a.
    const both = { task_ids: ["x"], include_upstream: true, include_downstream: true, dry_run: true };
    expect(await clear(dagId, { run_id: runId, ...both })).toEqual(["a", "b", "c", "d", "x"]);
    expect(await clear(dagId, { ...both, start_date: FIRST })).toEqual(["a", "x"]);
  });

  it("takes along the setups and teardowns of what it walks over", async ({ expect }) => {
    const dagId = withTeardown();
    const runId = await finished(dagId);
    const choose = (more: Partial<ClearRequest>) =>
      clear(dagId, { run_id: runId, task_ids: ["rest"], dry_run: true, ...more });
    expect(await choose({})).toEqual(["rest", "setup", "teardown"]);
    expect(await choose({ include_downstream: true })).toEqual(["rest", "setup", "teardown"]);
    expect(await clear(dagId, { run_id: runId, task_ids: ["rest"] })).toEqual(["rest", "setup", "teardown"]);
    expect(await statesOf(dagId, runId)).toMatchObject({ setup: "queued", work: "success", rest: "none" });
  });

  it("is by state if only the failed, or only the running, are wanted", async ({ expect }) => {
    const dagId = chain();
    const runId = await start(dagId);
    await report(dagId, await claimOne(dagId, runId, "a"), success());
    await report(dagId, await claimOne(dagId, runId, "x"), failure("no", false));
    await claimOne(dagId, runId, "b");
    expect(await clear(dagId, { run_id: runId, only_failed: true, dry_run: true })).toEqual(["x"]);
    expect(await clear(dagId, { run_id: runId, only_running: true, dry_run: true })).toEqual(["b"]);
  });

  it("is one element of a mapped task, and of the tasks of its group the same element", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      const up = task({ id: "up" }, (_ctx, { n }: { n: number }) => n);
      const down = task({ id: "down" }, (_ctx, { n }: { n: number }) => n);
      d.expandGroup("g", { n: [1, 2, 3] }, (g, { n }) => g.run(down, { n: g.run(up, { n }) }));
    });
    const runId = await finished(dagId);
    expect(await clear(dagId, { run_id: runId, task_ids: [["g.up", 1]], dry_run: true })).toEqual(["g.up[1]"]);
    expect(
      await clear(dagId, { run_id: runId, task_ids: [["g.up", 1]], include_downstream: true, dry_run: true }),
    ).toEqual(["g.down[1]", "g.up[1]"]);
  });

  it("reaches into the past and the future by logical date", async ({ expect }) => {
    const dagId = chain();
    const runs: string[] = [];
    for (let day = 0; day < 4; day += 1) {
      runs.push(await finished(dagId, undefined, FIRST + day * DAY));
    }
    runs.push(await finished(dagId));
    const choose = async (more: Partial<ClearRequest>) => {
      const found = value(await dagOf(dagId).clear({ run_id: null, task_ids: ["c"], dry_run: true, ...more }));
      return found.map(({ run_id }) => runs.indexOf(run_id));
    };
    const second = runs[1] ?? "";
    expect(await choose({ run_id: second, include_past: true })).toEqual([0, 1]);
    expect(await choose({ run_id: second, include_future: true })).toEqual([1, 2, 3]);
    expect(await choose({ run_id: second, include_past: true, include_future: true })).toEqual([4, 0, 1, 2, 3]);
    expect(await choose({})).toEqual([4, 0, 1, 2, 3]);
    expect(await choose({ start_date: FIRST + DAY, end_date: FIRST + 2 * DAY })).toEqual([1, 2]);
  });

  it("cannot reach into the past of a run that has no logical date", async ({ expect }) => {
    const dagId = chain();
    const runId = await finished(dagId);
    const answer = await dagOf(dagId).clear({ run_id: runId, task_ids: ["a"], include_past: true });
    expect(answer).toMatchObject({ ok: false, refusal: { code: "invalid" } });
    expect(answer).toMatchObject({ refusal: { message: expect.stringContaining("no logical_date") } });
  });

  it("of a task that is not there clears what else it names, or nothing", async ({ expect }) => {
    const dagId = chain();
    const runId = await finished(dagId);
    const around = { include_upstream: true, include_downstream: true };
    for (const taskIds of [["ghost"], [["ghost", 0]]] satisfies ClearRequest["task_ids"][]) {
      expect(await dagOf(dagId).clear({ run_id: runId, task_ids: taskIds, ...around })).toEqual({
        ok: true,
        value: [],
      });
    }
    expect((await runOf(dagId, runId)).state).toBe("success");
    expect(await dagOf(dagId).clear({ run_id: runId, task_ids: ["ghost", "a"] })).toMatchObject({
      ok: true,
      value: [{ task_id: "a" }],
    });
  });

  it("cannot be of a run that is not there", async ({ expect }) => {
    const dagId = chain();
    await finished(dagId);
    const before = await rowsOf(stubOf("DAG", dagId), "SELECT * FROM task_instance");
    expect(await dagOf(dagId).clear({ run_id: "ghost", task_ids: null })).toMatchObject({
      refusal: { code: "not_found" },
    });
    expect(await rowsOf(stubOf("DAG", dagId), "SELECT * FROM task_instance")).toEqual(before);
  });
});

describe("what a clear does", () => {
  it("makes everything run again, with the tries counted on and the old try in the history", async ({ expect }) => {
    const dagId = chain();
    const runId = await finished(dagId);
    await clear(dagId, { run_id: runId, task_ids: ["c"], include_downstream: true });
    await evictDurableObject(stubOf("DAG", dagId));
    expect(await runOf(dagId, runId)).toMatchObject({ state: "running", end_date: null, reason: null });

    expect(await drive(dagId, runId, () => success("again"))).toMatchObject({ state: "success" });

    expect(await instanceOf(dagId, runId, "b")).toMatchObject({ try_number: 1 });
    expect(await instanceOf(dagId, runId, "c")).toMatchObject({ try_number: 2, max_tries: 1, state: "success" });
    const tries = value(await dagOf(dagId).listTries({ run_id: runId, task_id: "c", map_index: -1 }));
    expect(tries.map(({ try_number, state }) => [try_number, state])).toEqual([
      [1, "success"],
      [2, "success"],
    ]);
  });

  it("changes nothing on a dry run", async ({ expect }) => {
    const dagId = chain();
    const runId = await finished(dagId, (taskId) => (taskId === "b" ? failure("no", false) : success()));
    const tables = async () => [
      await rowsOf(stubOf("DAG", dagId), "SELECT * FROM task_instance"),
      await rowsOf(stubOf("DAG", dagId), "SELECT * FROM dag_run"),
      await rowsOf(stubOf("DAG", dagId), "SELECT * FROM task_instance_history"),
    ];
    const before = await tables();
    expect(await clear(dagId, { run_id: runId, dry_run: true, include_downstream: true })).toHaveLength(5);
    expect(await tables()).toEqual(before);
    expect(await statesOf(dagId, runId)).toMatchObject({ b: "failed", c: "upstream_failed" });
  });

  it("leaves a finished run as it is if runs are not to be reset, until somebody queues it", async ({ expect }) => {
    const dagId = chain();
    const runId = await finished(dagId);
    await clear(dagId, { run_id: runId, task_ids: ["d"], reset_dag_runs: false });
    await evictDurableObject(stubOf("DAG", dagId));
    expect(await runOf(dagId, runId)).toMatchObject({ state: "success", counts: { none: 1, success: 4 } });
    expect(await statesOf(dagId, runId)).toMatchObject({ c: "success", d: "none" });

    value(await dagOf(dagId).patchRun(runId, { state: "queued" }));
    expect(await statesOf(dagId, runId)).toMatchObject({ c: "success", d: "queued" });
    expect(await drive(dagId, runId, () => success())).toMatchObject({ state: "success" });
  });

  it("leaves a running run running, either way", async ({ expect }) => {
    const dagId = chain();
    for (const reset of [true, false]) {
      const runId = await start(dagId);
      const { start_date: startDate } = await runOf(dagId, runId);
      await report(dagId, await claimOne(dagId, runId, "a"), success());
      await clear(dagId, { run_id: runId, task_ids: ["a"], reset_dag_runs: reset });
      expect(await runOf(dagId, runId)).toMatchObject({ state: "running", start_date: startDate });
      expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "queued", try_number: 2 });
    }
  });

  it("stops a running task, or is refused if that is not wanted", async ({ expect }) => {
    const dagId = chain();
    const runId = await start(dagId);
    const running = await claimOne(dagId, runId, "a");
    expect(await dagOf(dagId).clear({ run_id: runId, task_ids: null, prevent_running_task: true })).toMatchObject({
      refusal: { code: "conflict", message: expect.stringContaining("a, which is running") },
    });
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "running" });

    expect(await clear(dagId, { run_id: runId, only_running: true })).toEqual(["a"]);
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "restarting" });
    expect(await report(dagId, running, success("late"))).toBe("late");
  });

  it("puts a note on what it clears", async ({ expect }) => {
    const dagId = chain();
    const runId = await finished(dagId);
    await clear(dagId, { run_id: runId, task_ids: ["a"], note: "bad input" });
    expect((await instancesOf(dagId, runId)).map(({ note }) => note).filter((note) => note !== null)).toEqual([
      "bad input",
    ]);
    await clear(dagId, { run_id: runId, note: "all of it" });
    expect(await runOf(dagId, runId)).toMatchObject({ note: "all of it" });
  });

  it("goes on with the newest version if asked: new tasks run, tasks that are gone are removed", async ({ expect }) => {
    const dagId = chain();
    const runId = await finished(dagId, (taskId) => (taskId === "b" ? failure("no", false) : success()));
    deploy(dagId, {}, (d) => void inOrder(d, "a", "b", "new"));
    await evictDurableObject(stubOf("DAG", dagId));

    await clear(dagId, { run_id: runId, only_failed: true });
    expect(await runOf(dagId, runId)).toMatchObject({ dag_version: 1 });
    await drive(dagId, runId, ({ task_id }) => (task_id === "b" ? failure("no", false) : success()));

    await clear(dagId, { run_id: runId, only_failed: true, run_on_latest_version: true });
    await evictDurableObject(stubOf("DAG", dagId));
    expect(await drive(dagId, runId, () => success())).toMatchObject({ state: "success", dag_version: 2 });
    expect(await statesOf(dagId, runId)).toEqual({ a: "success", b: "success", new: "success" });
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ try_number: 1 });
    expect(
      await rowsOf(stubOf("DAG", dagId), "SELECT task_id, state FROM task_instance WHERE state = 'removed' ORDER BY 1"),
    ).toEqual(["c", "d", "x"].map((taskId) => ({ task_id: taskId, state: "removed" })));
  });
});
