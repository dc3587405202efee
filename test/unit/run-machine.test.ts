import { describe, test } from "vitest";
import { explainDependencies } from "../../src/engine/explain-dependencies.ts";
import { FAILED, Run, SECOND, WORKER, task, type TaskInput } from "./run-machine-support.ts";

describe("the outcome of a run", () => {
  test("is a success without any task", ({ expect }) => {
    expect(new Run([]).outcome).toBe("success: success");
  });

  test("is decided by the leaves: a failure that was recovered does not count", ({ expect }) => {
    const run = new Run([task("work"), task("recover", ["work"], { trigger_rule: "one_failed" })]);
    run.fail("work");
    run.succeed("recover");
    expect(run.outcome).toBe("success: success");
  });

  test("is a failure when a leaf is upstream_failed", ({ expect }) => {
    const run = new Run([task("work"), task("after", ["work"])]);
    run.fail("work");
    expect(run.states).toEqual({ work: "failed", after: "upstream_failed" });
    expect(run.outcome).toBe("failed: task_failure");
  });

  test("is a success when every leaf is skipped", ({ expect }) => {
    const run = new Run([task("work"), task("after", ["work"])]);
    run.end({ state: "skipped" }, "work");
    expect(run.outcome).toBe("success: success");
  });

  test("waits for everything: a failed leaf does not end it early", ({ expect }) => {
    const run = new Run([task("a"), task("b")]);
    run.fail("a");
    expect(run.outcome).toBe("running: null");
    run.succeed("b");
    expect(run.outcome).toBe("failed: task_failure");
  });

  test.for([
    { teardown: {}, work: "fails", down: "succeeds", outcome: "failed: task_failure" },
    { teardown: {}, work: "succeeds", down: "fails", outcome: "success: success" },
    { teardown: { on_failure_fail_dagrun: true }, work: "succeeds", down: "fails", outcome: "failed: task_failure" },
  ])(
    "when work $work and its teardown ($teardown) $down is $outcome",
    ({ teardown, work, down, outcome }, { expect }) => {
      const run = new Run([
        task("up", [], { is_setup: true }),
        task("work", ["up"]),
        task("down", ["up", "work"], { is_teardown: true, ...teardown }),
      ]);
      run.succeed("up");
      run.end(work === "fails" ? FAILED : { state: "success" }, "work");
      run.end(down === "fails" ? FAILED : { state: "success" }, "down");
      expect(run.outcome).toBe(outcome);
    },
  );

  test("is decided by the plain leaves when there are only teardowns", ({ expect }) => {
    const run = new Run([task("down", [], { is_teardown: true })]);
    run.fail("down");
    expect(run.outcome).toBe("failed: task_failure");
  });
});

describe("setups and teardowns", () => {
  test("a failed setup fails what is in its scope, and the teardown with it", ({ expect }) => {
    const run = new Run([
      task("up", [], { is_setup: true }),
      task("first", ["up"]),
      task("second", ["first"], { trigger_rule: "all_done" }),
      task("down", ["up", "second"], { is_teardown: true }),
    ]);
    run.fail("up");
    expect(run.states).toEqual({
      up: "failed",
      first: "upstream_failed",
      second: "upstream_failed",
      down: "upstream_failed",
    });
  });

  test("the rule always asks neither the setups nor what is in a teardown's scope", ({ expect }) => {
    const run = new Run([
      task("up", [], { is_setup: true }),
      task("first", ["up"]),
      task("eager", ["first"], { trigger_rule: "always" }),
      task("down", ["up", "eager"], { is_teardown: true, trigger_rule: "always" }),
    ]);
    expect(run.states).toEqual({ up: "queued", first: null, eager: "queued", down: "queued" });
  });

  test("what lies behind the teardown does not obey the setup", ({ expect }) => {
    const run = new Run([
      task("up", [], { is_setup: true }),
      task("work", ["up"]),
      task("down", ["up", "work"], { is_teardown: true }),
      task("after", ["work"], { trigger_rule: "all_done" }),
    ]);
    run.fail("up");
    run.succeed("after");
    expect(run.states).toEqual({ up: "failed", work: "upstream_failed", down: "upstream_failed", after: "success" });
  });

  test("a setup without a teardown is obeyed by everything behind it", ({ expect }) => {
    const run = new Run([
      task("up", [], { is_setup: true }),
      task("work", ["up"]),
      task("after", ["work"], { trigger_rule: "all_done" }),
    ]);
    run.end({ state: "skipped" }, "up");
    expect(run.states).toEqual({ up: "skipped", work: "skipped", after: "skipped" });
  });

  test("a teardown runs although the work failed, as long as its setup succeeded", ({ expect }) => {
    const run = new Run([
      task("up", [], { is_setup: true }),
      task("work", ["up"]),
      task("down", ["up", "work"], { is_teardown: true }),
    ]);
    run.succeed("up");
    run.fail("work");
    expect(run.state("down")).toBe("queued");
  });

  test("a teardown waits for all that lies between its setup and itself, not only for what is right above it", ({
    expect,
  }) => {
    const run = new Run([
      task("choose", [], { operator: "branch" }),
      task("up", [], { is_setup: true }),
      task("work", ["up"], { retries: 1, retry_delay: 60 }),
      task("last", ["work", "choose"]),
      task("down", ["up", "last"], { is_teardown: true }),
      task("aside", ["work"]),
    ]);
    run.succeed("up");
    run.end({ state: "success", follow: [] }, "choose");
    expect(run.states).toMatchObject({ last: "skipped", work: "queued", down: null });
    expect(explainDependencies(run.machine.state, run.find("down"), { isPaused: false, now: run.now })).toEqual([
      {
        name: "Trigger Rule",
        reason:
          "Task's trigger rule 'all_done_setup_success' requires all tasks between setup and teardown to have completed, but found 1 of 1 not done.",
        plain: "It waits for what lies between its setups and itself to end (1).",
      },
    ]);
    run.fail("work");
    expect(run.states).toMatchObject({ work: "up_for_retry", down: null });
    run.after(61 * SECOND);
    run.fail("work");
    expect(run.states).toMatchObject({ work: "failed", down: "queued", aside: "upstream_failed" });
    // What is not upstream of the teardown is not in its scope.
    run.clear("down", "aside", "work");
    run.succeed("work");
    expect(run.states).toMatchObject({ down: "queued", aside: "queued" });
  });

  test("a teardown in a mapped group waits for its own element of what lies between", ({ expect }) => {
    const inGroup = { task_group_id: "g" };
    const run = new Run(
      [
        task("up", [], { ...inGroup, is_setup: true }),
        task("work", ["up"], inGroup),
        task("last", ["work"], { ...inGroup, operator: "short_circuit" }),
        task("down", ["up", "last"], { ...inGroup, is_teardown: true }),
      ],
      { task_groups: [{ group_id: "g", expand: { type: "expand", kwargs: { x: { literal: [1, 2] } } } }] },
    );
    run.succeed("up[0]", "up[1]");
    run.machine.mark(run.find("last[0]"), "skipped", null, run.now);
    run.machine.mark(run.find("last[1]"), "skipped", null, run.now);
    run.succeed("work[1]");
    expect(run.states).toMatchObject({ "work[0]": "queued", "down[0]": null, "down[1]": "queued" });
  });

  test("a teardown is not held by its scope from ending with its setups", ({ expect }) => {
    const run = new Run([
      task("up", [], { is_setup: true }),
      task("work", ["up"], { trigger_rule: "all_success" }),
      task("last", ["work"]),
      task("down", ["up", "last"], { is_teardown: true }),
    ]);
    run.machine.mark(run.find("last"), "skipped", null, run.now);
    run.claim("up");
    run.machine.mark(run.find("up"), "skipped", null, run.now);
    expect(run.states).toEqual({ up: "skipped", work: "skipped", last: "skipped", down: "skipped" });
  });
});

describe("a deleted instance", () => {
  const RULES = ["all_success", "all_done", "none_failed", "one_success"] as const;

  function behind(upstream: string[]): TaskInput[] {
    return RULES.map((rule) => task(rule, upstream, { trigger_rule: rule }));
  }

  test("of a task is waited for, unless a rule is met without it", ({ expect }) => {
    const run = new Run([task("gone"), task("other"), ...behind(["gone", "other"])]);
    run.machine.forget(run.find("gone"), run.now);
    run.succeed("other", "one_success");
    for (const rule of ["all_success", "all_done", "none_failed"]) {
      expect([rule, run.state(rule)]).toEqual([rule, null]);
    }
    expect(run.outcome).toBe("failed: all_tasks_deadlocked");
  });

  test("that is an element of a mapped task is not missed, also by a machine that was loaded since", ({ expect }) => {
    const literal = { type: "expand" as const, kwargs: { x: { literal: [1, 2] } } };
    const run = new Run([task("m", [], { expand: literal }), ...behind(["m"])]);
    run.machine.forget(run.find("m[0]"), run.now);
    run.evict();
    run.succeed("m[1]");
    for (const rule of RULES) {
      expect([rule, run.state(rule)]).toEqual([rule, "queued"]);
    }
  });
});

describe("a skip by an answer", () => {
  const choose = task("choose", [], { operator: "branch" });
  const nothing = { state: "success" as const, follow: [] };

  test("and a failure beside it skip what follows both, whichever comes first", ({ expect }) => {
    const tasks = [task("fails"), choose, task("both", ["fails", "choose"])];
    const failedFirst = new Run(tasks);
    failedFirst.fail("fails");
    expect(failedFirst.state("both")).toBe("upstream_failed");
    failedFirst.end(nothing, "choose");
    const skippedFirst = new Run(tasks);
    skippedFirst.end(nothing, "choose");
    skippedFirst.fail("fails");
    for (const run of [failedFirst, skippedFirst]) {
      expect(run.states).toEqual({ fails: "failed", choose: "success", both: "skipped" });
      expect(run.outcome).toBe("success: success");
      run.clear("both");
      run.begin();
      expect(run.state("both")).toBe("skipped");
    }
  });

  test("leaves what followed the failure as it was judged then", ({ expect }) => {
    const run = new Run([task("fails"), choose, task("both", ["fails", "choose"]), task("end", ["both"])]);
    run.fail("fails");
    run.end(nothing, "choose");
    expect(run.states).toMatchObject({ both: "skipped", end: "upstream_failed" });
    expect(run.outcome).toBe("failed: task_failure");
  });

  test("of a short circuit reaches all that failed for want of something upstream, near and far", ({ expect }) => {
    const circuit = task("stop", [], { operator: "short_circuit" });
    const run = new Run([task("fails"), circuit, task("both", ["fails", "stop"]), task("end", ["both"])]);
    run.fail("fails");
    run.end({ state: "success", proceed: false }, "stop");
    expect(run.states).toMatchObject({ both: "skipped", end: "skipped" });
    expect(run.outcome).toBe("success: success");
  });

  test("skips what is on its way, and nothing that runs or is over", ({ expect }) => {
    const early = { trigger_rule: "one_done" as const };
    const retried = { ...early, retries: 1, retry_delay: 60 };
    const run = new Run([
      task("first"),
      choose,
      ...["queued", "running", "done"].map((id) => task(id, ["first", "choose"], early)),
      ...["retried", "cleared"].map((id) => task(id, ["first", "choose"], retried)),
    ]);
    run.succeed("first", "done");
    run.fail("retried");
    run.claim("running");
    const token = run.claim("cleared");
    run.clear("cleared");
    expect(run.states).toMatchObject({ queued: "queued", retried: "up_for_retry", cleared: "restarting" });
    run.end(nothing, "choose");
    expect(run.states).toMatchObject({
      queued: "skipped",
      running: "running",
      done: "success",
      retried: "skipped",
      cleared: "skipped",
    });
    expect(run.machine.claim("queued", -1, 1, WORKER, run.now)).toBeNull();
    expect(run.report("cleared", { state: "success" }, token)).toBe("late");
  });
});

describe("fail_fast", () => {
  const tasks = [
    task("a"),
    task("b"),
    task("c", [], { retries: 1 }),
    task("later", ["b"]),
    task("down", ["b"], { is_teardown: true, trigger_rule: "all_success" }),
  ];

  test("ends what is unfinished but for teardowns: what runs fails and must stop, the rest is skipped", ({
    expect,
  }) => {
    const run = new Run(tasks, { fail_fast: true });
    const token = run.claim("b");
    expect(run.machine.beat(run.find("b"), { token, job_id: "job-b" }, run.now)).toBe(true);
    run.fail("a");
    expect(run.states).toMatchObject({ a: "failed", b: "failed", c: "skipped", later: "skipped" });
    expect(run.last.stops).toEqual([
      { job_id: "job-b", task_id: "b", map_index: -1, reason: '"a" failed and the DAG is fail_fast' },
    ]);
    expect(run.report("b", { state: "success" }, token)).toBe("late");
    expect(run.state("b")).toBe("failed");
  });

  test("leaves what is finished alone", ({ expect }) => {
    const run = new Run(tasks, { fail_fast: true });
    run.succeed("b");
    run.fail("a");
    expect(run.states).toMatchObject({ b: "success", down: "queued" });
  });

  test("lets other instances of the same task go on", ({ expect }) => {
    const literal = { type: "expand" as const, kwargs: { x: { literal: [1, 2, 3] } } };
    const run = new Run([task("m", [], { expand: literal }), task("b"), task("end", ["m"])], { fail_fast: true });
    run.claim("m[1]");
    run.fail("m[0]");
    expect(run.states).toEqual({ "m[0]": "failed", "m[1]": "running", "m[2]": "queued", b: "skipped", end: "skipped" });
    run.report("m[1]", { state: "success" });
    run.succeed("m[2]");
    expect(run.states).toMatchObject({ "m[1]": "success", "m[2]": "success" });
  });

  test("skips what was not to run for want of something upstream, and what is cleared and not yet gone", ({
    expect,
  }) => {
    const number = { expand: { type: "expand" as const, kwargs: { x: { $ref: "params" as const, path: ["n"] } } } };
    const run = new Run([task("each", [], number), task("a"), task("b")], {
      fail_fast: true,
      params: { n: { default: 1 } },
    });
    expect(run.state("each")).toBe("upstream_failed");
    const token = run.claim("b");
    run.machine.beat(run.find("b"), { token, job_id: "job-b" }, run.now);
    run.clear("b");
    run.fail("a");
    expect(run.states).toEqual({ each: "skipped", a: "failed", b: "skipped" });
    expect(run.last.stops.map(({ job_id }) => job_id)).toEqual(["job-b"]);
    expect(run.outcome).toBe("failed: task_failure");
  });

  test("does not act on a mark", ({ expect }) => {
    const run = new Run(tasks, { fail_fast: true });
    run.machine.mark(run.find("a"), "failed", null, run.now);
    expect(run.states).toMatchObject({ a: "failed", b: "queued", c: "queued" });
  });

  test("does not act on a failure that will be retried", ({ expect }) => {
    const run = new Run(tasks, { fail_fast: true });
    run.fail("c");
    expect(run.states).toMatchObject({ a: "queued", b: "queued", c: "up_for_retry" });
  });

  test("acts on a failed teardown as on any other task", ({ expect }) => {
    const run = new Run([task("down", [], { is_teardown: true }), task("work")], { fail_fast: true });
    run.fail("down");
    expect(run.states).toEqual({ down: "failed", work: "skipped" });
  });
});

describe("dagrun_timeout", () => {
  const tasks = [task("running"), task("queued"), task("later", ["running"])];

  test("fails and stops what runs, skips the rest and fails the run", ({ expect }) => {
    const run = new Run(tasks, { dagrun_timeout: 60 });
    const token = run.claim("running");
    run.machine.beat(run.find("running"), { token, job_id: "job-1" }, run.now);
    run.after(60 * SECOND);
    expect(run.states).toEqual({ running: "failed", queued: "skipped", later: "skipped" });
    expect(run.outcome).toBe("failed: timed_out");
    expect(run.last.stops.map(({ job_id }) => job_id)).toEqual(["job-1"]);
    expect(run.report("running", { state: "success" }, token)).toBe("late");
    expect(run.outcome).toBe("failed: timed_out");
  });

  test("is due at its time and not before", ({ expect }) => {
    const run = new Run([task("a", [], { heartrate: 3600 })], { dagrun_timeout: 60 });
    run.claim("a");
    expect(run.machine.nextDue()).toBe(run.now + 60 * SECOND);
    run.after(60 * SECOND - 1);
    expect(run.outcome).toBe("running: null");
  });

  test("counts anew when a finished run is cleared and begins again", ({ expect }) => {
    const run = new Run(tasks, { dagrun_timeout: 60 });
    run.after(60 * SECOND);
    run.clear("queued");
    expect(run.outcome).toBe("queued: null");
    run.begin();
    expect(run.machine.nextDue()).toBeLessThanOrEqual(run.now + 60 * SECOND);
    run.succeed("queued");
    expect(run.states).toEqual({ running: "skipped", queued: "success", later: "skipped" });
  });
});

describe("clearing", () => {
  test("puts the try into the history and gives the retries again, the try number growing", ({ expect }) => {
    const run = new Run([task("a", [], { retries: 1, retry_delay: 0 }), task("b", ["a"])]);
    run.fail("a");
    run.after(1);
    run.fail("a");
    run.clear("a", "b");
    expect(run.last.history.map(({ row }) => `${row.task_id} ${row.try_number} ${row.state}`)).toEqual(["a 2 failed"]);
    expect(run.find("a")).toMatchObject({ state: null, tryNumber: 2, maxTries: 3 });
    run.begin();
    run.fail("a");
    expect(run.find("a")).toMatchObject({ state: "up_for_retry", tryNumber: 3 });
  });

  test("of a running instance makes it wait until its worker is gone; a late answer changes nothing", ({ expect }) => {
    const run = new Run([task("a")]);
    const token = run.claim("a");
    run.machine.beat(run.find("a"), { token, job_id: "job-1" }, run.now);
    run.clear("a");
    expect(run.state("a")).toBe("restarting");
    expect(run.last.stops.map(({ job_id }) => job_id)).toEqual(["job-1"]);
    expect(run.report("a", { state: "success" }, token)).toBe("late");
    expect(run.state("a")).toBe("restarting");
    expect(run.machine.attemptEnded(run.find("a"), token, FAILED, run.now)).toBe("accepted");
    expect(run.find("a")).toMatchObject({ state: "queued", tryNumber: 2 });
  });

  test("of a running instance goes on when its lease lapses and nothing was heard", ({ expect }) => {
    const run = new Run([task("a", [], { heartrate: 10 })]);
    run.claim("a");
    run.clear("a");
    run.after(21 * SECOND - 1);
    expect(run.state("a")).toBe("restarting");
    run.after(1);
    expect(run.state("a")).toBe("queued");
  });

  test("does not undo a branch's skip while its answer stands", ({ expect }) => {
    const run = new Run([
      task("branch", [], { operator: "branch" }),
      task("left", ["branch"]),
      task("right", ["branch"]),
    ]);
    run.end({ state: "success", follow: ["left"] }, "branch");
    run.succeed("left");
    run.clear("left", "right");
    run.begin();
    expect(run.states).toEqual({ branch: "success", left: "queued", right: "skipped" });
    run.clear("branch", "right");
    run.end({ state: "success", follow: ["right"] }, "branch");
    expect(run.states).toMatchObject({ left: "skipped", right: "queued" });
  });

  test("does not undo the skip of a short circuit for what is right behind it", ({ expect }) => {
    const run = new Run([
      task("gate", [], { operator: "short_circuit" }),
      task("near", ["gate"]),
      task("far", ["near"]),
    ]);
    run.end({ state: "success", proceed: false }, "gate");
    expect(run.outcome).toBe("success: success");
    run.clear("near", "far");
    run.begin();
    expect(run.states).toEqual({ gate: "success", near: "skipped", far: "skipped" });
  });

  test("of what lies above a waiting retry is seen at once, not when its delay is over", ({ expect }) => {
    const run = new Run([task("a"), task("b", ["a"], { retries: 1, retry_delay: 300 })]);
    run.succeed("a");
    run.claim("b");
    run.clear("a");
    run.fail("a");
    run.report("b", FAILED);
    expect(run.states).toEqual({ a: "failed", b: "upstream_failed" });
  });
});
