import { describe, it } from "vitest";
import { task } from "../../src/sdk/index.ts";
import type { DagOptions, NoParams, Scope, TriggerRule } from "../../src/sdk/index.ts";
import type { ClaimedTask, Outcome } from "../../src/engine/work.ts";
import {
  claimOne,
  clock,
  dagOf,
  drive,
  failure,
  fireAlarm,
  report,
  runOf,
  start,
  statesOf,
  stopClock,
  stubOf,
  success,
  value,
} from "./lab.ts";
import { addDag, step } from "./registry.ts";

stopClock();

interface Case {
  name: string;
  build: (d: Scope<NoParams>) => void;
  options?: Omit<DagOptions<NoParams>, "id">;
  /** Tasks that fail, and tasks that skip. */
  failing?: string[];
  skipping?: string[];
  run: { state: string; reason: string };
  states: Record<string, string>;
}

const SUCCESS = { state: "success", reason: "success" };
const FAILED = { state: "failed", reason: "task_failure" };

/** Two tasks in a row; the second by a rule. */
function pair(rule: TriggerRule): (d: Scope<NoParams>) => void {
  return (d) => d.after(d.run(step("first")), d.run(step("last", { triggerRule: rule })));
}

/** Setup, work, and a teardown. */
function withTeardown(onFailureFailDagrun: boolean): (d: Scope<NoParams>) => void {
  return (d) => {
    const setup = d.run(step("setup"));
    const work = d.run(step("work"));
    const teardown = d.run(step("teardown")).asTeardown({ setups: setup, onFailureFailDagrun });
    d.after(setup, work);
    d.after(work, teardown);
  };
}

const CASES: Case[] = [
  {
    name: "a failed leaf fails the run",
    build: pair("all_success"),
    failing: ["last"],
    run: FAILED,
    states: { first: "success", last: "failed" },
  },
  {
    name: "a failed task whose leaf cannot run for it fails the run",
    build: pair("all_success"),
    failing: ["first"],
    run: FAILED,
    states: { first: "failed", last: "upstream_failed" },
  },
  {
    name: "a failed task that a leaf recovers from does not fail the run",
    build: pair("all_done"),
    failing: ["first"],
    run: SUCCESS,
    states: { first: "failed", last: "success" },
  },
  {
    name: "a skipped leaf does not fail the run",
    build: pair("all_success"),
    skipping: ["first"],
    run: SUCCESS,
    states: { first: "skipped", last: "skipped" },
  },
  {
    name: "one failed leaf of two fails the run, after the other one ended",
    build: (d) => d.after(d.run(step("first")), [d.run(step("bad")), d.run(step("good"))]),
    failing: ["bad"],
    run: FAILED,
    states: { first: "success", bad: "failed", good: "success" },
  },
  {
    name: "states of all kinds end as their leaves say",
    build: (d) => {
      const [ok, bad, skip] = [d.run(step("ok")), d.run(step("bad")), d.run(step("skip"))];
      d.after([ok, bad, skip], d.run(step("cleanup", { triggerRule: "all_done" })));
      d.after(bad, d.run(step("alarm", { triggerRule: "one_failed" })));
      d.after(skip, d.run(step("unless_failed", { triggerRule: "none_failed" })));
    },
    failing: ["bad"],
    skipping: ["skip"],
    run: SUCCESS,
    states: {
      ok: "success",
      bad: "failed",
      skip: "skipped",
      cleanup: "success",
      alarm: "success",
      unless_failed: "success",
    },
  },
  {
    name: "a teardown that fails does not fail the run",
    build: withTeardown(false),
    failing: ["teardown"],
    run: SUCCESS,
    states: { setup: "success", work: "success", teardown: "failed" },
  },
  {
    name: "a teardown that fails fails the run if it says so",
    build: withTeardown(true),
    failing: ["teardown"],
    run: FAILED,
    states: { setup: "success", work: "success", teardown: "failed" },
  },
  {
    name: "a teardown that succeeds does not hide that the work failed",
    build: withTeardown(false),
    failing: ["work"],
    run: FAILED,
    states: { setup: "success", work: "failed", teardown: "success" },
  },
  {
    name: "a failure in a fail_fast DAG fails what runs and skips what has not begun, but teardowns",
    options: { failFast: true },
    build: (d) => {
      const setup = d.run(step("setup"));
      const [bad, running, next] = [d.run(step("bad")), d.run(step("running")), d.run(step("next"))];
      d.after(setup, [bad, running]);
      d.after(running, next);
      d.after([bad, next], d.run(step("teardown")).asTeardown({ setups: setup }));
    },
    failing: ["bad"],
    run: FAILED,
    states: { setup: "success", bad: "failed", running: "failed", next: "skipped", teardown: "success" },
  },
  {
    name: "a run without a task to run succeeds",
    build: () => undefined,
    run: SUCCESS,
    states: {},
  },
];

describe("a run of mixed states ends as Airflow's DagRun.update_state says", () => {
  for (const { name, build, options = {}, failing = [], skipping = [], run, states } of CASES) {
    it(name, async ({ expect }) => {
      const dagId = addDag(options, build);
      const runId = await start(dagId);
      const answer = ({ task_id }: ClaimedTask): Outcome =>
        failing.includes(task_id) ? failure("bad") : skipping.includes(task_id) ? { state: "skipped" } : success();

      expect(await drive(dagId, runId, answer)).toMatchObject({ ...run, end_date: clock.now() });
      expect(await statesOf(dagId, runId)).toEqual(states);
    });
  }

  it("nothing that can ever move again is a deadlock: a task that waits for a removed instance", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      const list = d.run(task({ id: "list" }, () => [1]));
      const each = d.expand(
        task({ id: "each" }, (_ctx, { n }: { n: number }) => n),
        { n: list },
      );
      d.after(each, d.run(step("join", { triggerRule: "all_skipped" })));
    });
    const runId = await start(dagId);
    const answer =
      (elements: number[]) =>
      (one: ClaimedTask): Outcome =>
        one.task_id === "list" ? success(elements) : { state: "skipped" };
    await drive(dagId, runId, answer([1, 2]));
    value(await dagOf(dagId).clear({ run_id: runId, task_ids: null, only_failed: false }));

    expect(await drive(dagId, runId, answer([1]))).toMatchObject({ state: "failed", reason: "all_tasks_deadlocked" });
    expect(await statesOf(dagId, runId)).toEqual({
      list: "success",
      "each[0]": "skipped",
      "each[1]": "removed",
      join: "none",
    });
  });

  it("a run that takes longer than its dagrun_timeout fails: what runs is failed and stopped, the rest skipped", async ({
    expect,
  }) => {
    const dagId = addDag({ dagrunTimeout: "60s" }, (d) =>
      d.after(d.run(step("slow", { heartrate: "100s" })), d.run(step("next"))),
    );
    const runId = await start(dagId);
    const begun = clock.now();
    const slow = await claimOne(dagId, runId, "slow");
    while ((await runOf(dagId, runId)).state === "running") {
      await fireAlarm(stubOf("DAG", dagId));
    }

    expect(clock.now()).toBe(begun + 60_000);
    expect(await runOf(dagId, runId)).toMatchObject({ state: "failed", reason: "timed_out" });
    expect(await statesOf(dagId, runId)).toEqual({ slow: "failed", next: "skipped" });
    expect(await report(dagId, slow, success())).toBe("late");
  });
});
