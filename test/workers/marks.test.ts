import { evictDurableObject } from "cloudflare:test";
import { describe, it } from "vitest";
import type { MarkRequest } from "../../src/engine/objects.ts";
import type { Outcome } from "../../src/engine/work.ts";
import { ulid } from "ulid";
import {
  adopt,
  claimOne,
  clock,
  dagOf,
  drive,
  failure,
  instanceOf,
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
import { addDag, inOrder, step, withTeardown } from "./registry.ts";

stopClock();

const DAY = 86_400_000;
const FIRST = Date.UTC(2026, 0, 1);

function chain(): string {
  return addDag({}, (d) => void inOrder(d, "a", "b", "c"));
}

function failing(taskId: string): (task: { task_id: string }) => Outcome {
  return ({ task_id }) => (task_id === taskId ? failure("no", false) : success());
}

async function mark(
  dagId: string,
  request: Pick<MarkRequest, "run_id" | "task_id" | "new_state"> & Partial<MarkRequest>,
) {
  const marked = value(await dagOf(dagId).mark({ map_index: null, ...request }));
  return marked.map((one) => nameOf(one)).toSorted();
}

describe("a task instance that is marked", () => {
  it("success lets what failed for want of it run again, and the run with it", async ({ expect }) => {
    const dagId = chain();
    const runId = await start(dagId);
    await drive(dagId, runId, failing("a"));
    expect(await statesOf(dagId, runId)).toEqual({ a: "failed", b: "upstream_failed", c: "upstream_failed" });

    expect(await mark(dagId, { run_id: runId, task_id: "a", new_state: "success" })).toEqual(["a"]);

    expect(await runOf(dagId, runId)).toMatchObject({ state: "running" });
    expect(await statesOf(dagId, runId)).toEqual({ a: "success", b: "queued", c: "none" });
    await evictDurableObject(stubOf("DAG", dagId));
    expect(await drive(dagId, runId, () => success())).toMatchObject({ state: "success" });
  });

  it("failed while it runs is stopped, and its late answer changes nothing", async ({ expect }) => {
    const dagId = chain();
    const runId = await start(dagId);
    const running = await claimOne(dagId, runId, "a");
    await mark(dagId, { run_id: runId, task_id: "a", new_state: "failed" });
    expect(await runOf(dagId, runId)).toMatchObject({ state: "failed", reason: "task_failure" });
    expect(await report(dagId, running, success())).toBe("late");
    expect(await statesOf(dagId, runId)).toEqual({ a: "failed", b: "upstream_failed", c: "upstream_failed" });
  });

  it("skipped lets the rest judge it by its trigger rules", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      const a = d.run(step("a"));
      const done = d.run(step("done", { triggerRule: "all_done" }));
      d.after(a, d.run(step("b")));
      d.after(a, done);
    });
    const runId = await start(dagId);
    await mark(dagId, { run_id: runId, task_id: "a", new_state: "skipped" });
    expect(await statesOf(dagId, runId)).toEqual({ a: "skipped", b: "skipped", done: "queued" });
  });

  it("reaches upstream, downstream, past and future; only what changes is answered", async ({ expect }) => {
    const dagId = chain();
    const runs: string[] = [];
    for (let day = 0; day < 3; day += 1) {
      const runId = await start(dagId, { logical_date: FIRST + day * DAY });
      await drive(dagId, runId, failing("b"));
      runs.push(runId);
    }
    const run = runs[1] ?? "";
    const dry = (more: Partial<MarkRequest>) =>
      mark(dagId, { run_id: run, task_id: "b", new_state: "success", dry_run: true, ...more });
    expect(await dry({ include_upstream: true })).toEqual(["b"]);
    expect(await dry({ include_downstream: true })).toEqual(["b", "c"]);
    expect(await dry({ include_past: true })).toEqual(["b", "b"]);
    expect(await dry({ include_past: true, include_future: true })).toEqual(["b", "b", "b"]);
    expect(await statesOf(dagId, run)).toEqual({ a: "success", b: "failed", c: "upstream_failed" });

    await mark(dagId, {
      run_id: run,
      task_id: "b",
      new_state: "success",
      include_future: true,
      include_downstream: true,
    });

    expect(await statesOf(dagId, runs[0] ?? "")).toMatchObject({ b: "failed" });
    expect(await statesOf(dagId, run)).toEqual({ a: "success", b: "success", c: "success" });
    expect(await statesOf(dagId, runs[2] ?? "")).toEqual({ a: "success", b: "success", c: "success" });
    expect(await runOf(dagId, run)).toMatchObject({ state: "failed" });
  });

  it("leaves out the teardowns below it, which run when their turn comes", async ({ expect }) => {
    const dagId = withTeardown();
    const runId = await start(dagId);
    await report(dagId, await claimOne(dagId, runId, "setup"), success());
    const request = { run_id: runId, task_id: "work", new_state: "success", include_downstream: true } as const;
    expect(await mark(dagId, { ...request, dry_run: true })).toEqual(["rest", "work"]);
    expect(await mark(dagId, request)).toEqual(["rest", "work"]);
    expect(await statesOf(dagId, runId)).toMatchObject({ work: "success", rest: "success", teardown: "queued" });
    await drive(dagId, runId, () => success());
    expect(await instanceOf(dagId, runId, "teardown")).toMatchObject({ state: "success", try_number: 1 });
  });

  it("failed with what is downstream clears that again, since it failed below the task", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      const a = d.run(step("a"));
      d.after(a, d.run(step("b", { triggerRule: "all_done" })));
      d.after(a, d.run(step("c")));
    });
    const runId = await start(dagId);
    await drive(dagId, runId, () => success());
    const request = { run_id: runId, task_id: "a", new_state: "failed", include_downstream: true } as const;
    expect(await mark(dagId, { ...request, dry_run: true })).toEqual(["a", "b", "c"]);
    expect(await mark(dagId, request)).toEqual(["a", "b", "c"]);
    expect(await statesOf(dagId, runId)).toEqual({ a: "failed", b: "queued", c: "upstream_failed" });
    expect(await drive(dagId, runId, () => success())).toMatchObject({ state: "failed" });
    expect(await instanceOf(dagId, runId, "b")).toMatchObject({ state: "success", try_number: 2 });
  });

  it("does not begin what is marked in the same call", async ({ expect }) => {
    const dagId = chain();
    const runId = await start(dagId);
    await mark(dagId, { run_id: runId, task_id: "a", new_state: "success", include_downstream: true });
    expect(await instanceOf(dagId, runId, "b")).toMatchObject({ state: "success", try_number: 0 });
    expect(await runOf(dagId, runId)).toMatchObject({ state: "success" });
  });

  it("may be several tasks together, none of which is taken for what failed below another", async ({ expect }) => {
    const dagId = chain();
    const runId = await start(dagId);
    expect(await mark(dagId, { run_id: runId, task_id: ["b", "c"], new_state: "failed" })).toEqual(["b", "c"]);
    expect(await statesOf(dagId, runId)).toEqual({ a: "queued", b: "failed", c: "failed" });
    expect(
      await dagOf(dagId).mark({ run_id: runId, task_id: ["b", "ghost"], map_index: null, new_state: "failed" }),
    ).toEqual({
      ok: false,
      refusal: expect.objectContaining({ code: "not_found", message: "Task id ghost not found" }),
    });
  });

  it("of all times lets what failed run again also in runs without a logical date, which it does not mark", async ({
    expect,
  }) => {
    const dagId = chain();
    const undated = await start(dagId);
    await drive(dagId, undated, failing("b"));
    const dated = await start(dagId, { logical_date: FIRST });
    await drive(dagId, dated, failing("a"));
    const wide = { include_past: true, include_future: true };
    expect(await mark(dagId, { run_id: dated, task_id: "a", new_state: "success", ...wide })).toEqual(["a"]);
    expect(await mark(dagId, { run_id: dated, task_id: "b", new_state: "skipped", dry_run: true, ...wide })).toEqual([
      "b",
    ]);
    expect(await statesOf(dagId, dated)).toEqual({ a: "success", b: "queued", c: "none" });
    expect(await statesOf(dagId, undated)).toEqual({ a: "success", b: "queued", c: "none" });
  });

  it("may be one element of a mapped task", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.expand(step("m"), { n: [1, 2] }));
    const runId = await start(dagId);
    expect(await mark(dagId, { run_id: runId, task_id: "m", map_index: 1, new_state: "success" })).toEqual(["m[1]"]);
    expect(await statesOf(dagId, runId)).toEqual({ "m[0]": "queued", "m[1]": "success" });
  });

  it("changes nothing on a dry run", async ({ expect }) => {
    const dagId = chain();
    const runId = await start(dagId);
    await drive(dagId, runId, failing("a"));
    const before = await rowsOf(stubOf("DAG", dagId), "SELECT * FROM task_instance");
    await mark(dagId, { run_id: runId, task_id: "a", new_state: "success", include_downstream: true, dry_run: true });
    expect(await rowsOf(stubOf("DAG", dagId), "SELECT * FROM task_instance")).toEqual(before);
    expect(await runOf(dagId, runId)).toMatchObject({ state: "failed" });
  });
});

describe("a run that is marked", () => {
  it("success is so at once: what runs succeeds, what has not begun is skipped", async ({ expect }) => {
    const dagId = chain();
    const runId = await start(dagId);
    const running = await claimOne(dagId, runId, "a");
    expect(value(await dagOf(dagId).patchRun(runId, { state: "success" }))).toMatchObject({ state: "success" });
    expect(await statesOf(dagId, runId)).toEqual({ a: "success", b: "skipped", c: "skipped" });
    expect(await report(dagId, running, failure("late"))).toBe("late");
  });

  it("success leaves what is finished as it is", async ({ expect }) => {
    const dagId = chain();
    const runId = await start(dagId);
    await drive(dagId, runId, failing("b"));
    expect(value(await dagOf(dagId).patchRun(runId, { state: "success" }))).toMatchObject({ state: "success" });
    expect(await statesOf(dagId, runId)).toEqual({ a: "success", b: "failed", c: "upstream_failed" });
  });

  it("leaves a teardown that runs alone, and ends when that ends", async ({ expect }) => {
    const dagId = withTeardown();
    const runId = await start(dagId);
    for (const id of ["setup", "work", "rest"]) {
      await report(dagId, await claimOne(dagId, runId, id), success());
    }
    const closing = await claimOne(dagId, runId, "teardown");
    expect(value(await dagOf(dagId).patchRun(runId, { state: "failed" }))).toMatchObject({ state: "running" });
    expect(await report(dagId, closing, success())).toBe("accepted");
    expect(await runOf(dagId, runId)).toMatchObject({ state: "success" });
  });

  it("failed fails what runs and skips the rest", async ({ expect }) => {
    const dagId = chain();
    const runId = await start(dagId);
    await claimOne(dagId, runId, "a");
    expect(value(await dagOf(dagId).patchRun(runId, { state: "failed", note: "stop" }))).toMatchObject({
      state: "failed",
      reason: "task_failure",
      note: "stop",
    });
    expect(await statesOf(dagId, runId)).toEqual({ a: "failed", b: "skipped", c: "skipped" });
  });

  it("still does its teardown before it ends", async ({ expect }) => {
    for (const state of ["success", "failed"] as const) {
      const dagId = withTeardown();
      const runId = await start(dagId);
      await report(dagId, await claimOne(dagId, runId, "setup"), success());
      await claimOne(dagId, runId, "work");
      expect(value(await dagOf(dagId).patchRun(runId, { state }))).toMatchObject({ state: "running" });
      expect(await statesOf(dagId, runId)).toEqual(
        state === "success"
          ? { setup: "success", work: "success", rest: "skipped", teardown: "queued" }
          : { setup: "success", work: "failed", rest: "skipped", teardown: "queued" },
      );
      await evictDurableObject(stubOf("DAG", dagId));
      await report(dagId, await claimOne(dagId, runId, "teardown"), success());
      expect((await runOf(dagId, runId)).end_date).not.toBeNull();
    }
  });

  it("queued goes on with what it still has to do, and a paused DAG holds it", async ({ expect }) => {
    const dagId = chain();
    const runId = await start(dagId);
    await dagOf(dagId).setPaused(true);
    expect(value(await dagOf(dagId).patchRun(runId, { state: "queued" }))).toMatchObject({
      state: "queued",
      start_date: null,
    });
    await dagOf(dagId).setPaused(false);
    expect(await drive(dagId, runId, () => success())).toMatchObject({ state: "success" });
  });
});

describe("a task instance that is deleted", () => {
  it("is gone for whoever asks, and the run goes on as if its task had been removed", async ({ expect }) => {
    const dagId = chain();
    const runId = await start(dagId);
    const running = await claimOne(dagId, runId, "a");
    value(await dagOf(dagId).deleteTaskInstance({ run_id: runId, task_id: "a", map_index: -1 }));
    await evictDurableObject(stubOf("DAG", dagId));

    expect(await report(dagId, running, success())).toBe("late");
    expect(await dagOf(dagId).getTaskInstance({ run_id: runId, task_id: "a", map_index: -1 })).toMatchObject({
      refusal: { code: "not_found" },
    });
    expect(Object.keys(await statesOf(dagId, runId))).toEqual(["b", "c"]);
    expect(
      value(await dagOf(dagId).clear({ run_id: runId, task_ids: null })).map(({ task_id }) => task_id),
    ).not.toContain("a");
  });
});

describe("a run that is deleted", () => {
  it("leaves no row behind, and its late messages find nothing", async ({ expect }) => {
    const dagId = chain();
    const runId = await start(dagId);
    const running = await claimOne(dagId, runId, "a");
    expect(await dagOf(dagId).deleteRun(runId)).toMatchObject({ refusal: { code: "conflict" } });
    value(await dagOf(dagId).patchRun(runId, { state: "failed" }));
    value(await dagOf(dagId).deleteRun(runId));

    expect(await dagOf(dagId).getRun(runId, 0)).toMatchObject({ refusal: { code: "not_found" } });
    expect(await report(dagId, running, success())).toBe("late");
    for (const table of [
      "dag_run",
      "task_instance",
      "task_instance_history",
      "xcom",
      "task_log_chunk",
      "late_result",
    ]) {
      expect(await rowsOf(stubOf("DAG", dagId), `SELECT * FROM ${table}`)).toEqual([]);
    }
  });

  it("leaves the others alone", async ({ expect }) => {
    const dagId = chain();
    const kept = await start(dagId);
    const gone = await start(dagId);
    value(await dagOf(dagId).patchRun(gone, { state: "failed" }));
    value(await dagOf(dagId).deleteRun(gone));
    expect(await drive(dagId, kept, () => success())).toMatchObject({ state: "success" });
    expect(await instanceOf(dagId, kept, "c")).toMatchObject({ state: "success" });
  });
});

describe("why a task instance is not scheduled", () => {
  it("is said by Airflow's names of what is not met", async ({ expect }) => {
    const dagId = chain();
    const runId = await start(dagId);
    const key = { run_id: runId, task_id: "b", map_index: -1 };
    expect(value(await dagOf(dagId).dependencies(key))).toEqual([
      { name: "Trigger Rule", reason: expect.stringContaining("'all_success' requires") },
    ]);
    await dagOf(dagId).setPaused(true);
    expect(value(await dagOf(dagId).dependencies(key)).map(({ name }) => name)).toEqual([
      "Dag Not Paused",
      "Trigger Rule",
    ]);
    expect(value(await dagOf(dagId).dependencies({ ...key, task_id: "a" }))).toEqual([]);
  });
});

describe("a queued run that is deleted", () => {
  it("stops what its workers still do", async ({ expect }) => {
    const dagId = chain();
    const runId = await start(dagId);
    const running = await claimOne(dagId, runId, "a");
    const jobId = ulid();
    await adopt(dagId, jobId, running);
    await dagOf(dagId).setPaused(true);
    value(await dagOf(dagId).patchRun(runId, { state: "queued" }));
    value(await dagOf(dagId).deleteRun(runId));
    expect(await rowsOf(stubOf("DAG", dagId), "SELECT job_id, reason FROM stop_order")).toEqual([
      { job_id: jobId, reason: "its run was deleted" },
    ]);
  });
});

describe("an answer about more than the platform carries", () => {
  it("is refused before anything is written", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.expand(step("m"), { n: Array.from({ length: 1000 }, (_, n) => n) }));
    const runId = await start(dagId);
    const note = "ш".repeat(20_000);
    expect(await dagOf(dagId).setNote(runId, "m", null, note)).toMatchObject({ refusal: { code: "too_large" } });
    const clear = { run_id: runId, task_ids: ["m"], note, note_on_instances: true };
    expect(await dagOf(dagId).clear(clear)).toMatchObject({ refusal: { code: "too_large" } });
    expect(await instanceOf(dagId, runId, "m", 0)).toMatchObject({ note: null, try_number: 1 });
  });
});

describe("a run made anew under the id of a deleted one", () => {
  it("takes no late result of the old one", async ({ expect }) => {
    const dagId = chain();
    await start(dagId, { run_id: "again" });
    const old = await claimOne(dagId, "again", "a");
    value(await dagOf(dagId).patchRun("again", { state: "failed" }));
    value(await dagOf(dagId).deleteRun("again"));
    clock.advance(1);
    await start(dagId, { run_id: "again" });
    await claimOne(dagId, "again", "a");

    expect(await report(dagId, old, success())).toBe("late");
    expect(await instanceOf(dagId, "again", "a")).toMatchObject({ state: "running", late_results: 1 });
  });
});
