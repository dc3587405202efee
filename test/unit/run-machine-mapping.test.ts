import { describe, test } from "vitest";
import { TRIGGER_RULES, type TriggerRule } from "../../src/engine/spec.ts";
import { FAILED, Run, SECOND, over, task } from "./run-machine-support.ts";

describe("a length that changes after a clear", () => {
  function expanded(length: number): Run {
    const run = new Run([task("list"), task("each", ["list"], { expand: over("list") }), task("sum", ["each"])]);
    run.give("list", length);
    return run;
  }

  test("grown, it adds what is missing", ({ expect }) => {
    const run = expanded(2);
    run.clear("list", "each[0]", "each[1]");
    run.give("list", 3);
    expect(run.states).toEqual({
      list: "success",
      "each[0]": "queued",
      "each[1]": "queued",
      "each[2]": "queued",
      sum: null,
    });
  });

  /** A task of each rule behind a mapped one that had three elements, after a clear of everything. */
  function followed(): Run {
    const rules = TRIGGER_RULES.filter((rule) => rule !== "always");
    const run = new Run([
      task("list"),
      task("each", ["list"], { expand: over("list") }),
      ...rules.map((rule) => task(rule, ["each"], { trigger_rule: rule })),
    ]);
    run.give("list", 3);
    run.succeed("each[0]", "each[1]", "each[2]");
    run.clear("list", "each[0]", "each[1]", "each[2]", ...rules);
    return run;
  }

  test("shrunk, it removes what is too much, and what follows does not miss it", ({ expect }) => {
    const run = followed();
    run.give("list", 1);
    expect(run.states).toMatchObject({ "each[0]": "queued", "each[1]": "removed", "each[2]": "removed" });
    run.succeed("each[0]");
    expect(run.states).toMatchObject({
      all_success: "queued",
      all_failed: "skipped",
      all_done: "queued",
      all_done_min_one_success: "queued",
      all_done_setup_success: "queued",
      one_success: "queued",
      one_failed: "skipped",
      one_done: "queued",
      none_failed: "queued",
      none_failed_min_one_success: "queued",
      none_skipped: "queued",
      all_skipped: "skipped",
    });
  });

  test("shrunk to nothing, it leaves what follows to its rule: only all_skipped misses what is gone", ({ expect }) => {
    const run = followed();
    run.give("list", 0);
    expect(run.states).toMatchObject({
      "each[0]": "removed",
      all_success: "queued",
      all_failed: "queued",
      all_done: "queued",
      all_done_min_one_success: "upstream_failed",
      all_done_setup_success: "queued",
      one_success: "upstream_failed",
      one_failed: "skipped",
      one_done: "skipped",
      none_failed: "queued",
      none_failed_min_one_success: "upstream_failed",
      none_skipped: "queued",
      all_skipped: null,
    });
  });

  test("shrunk, it lets the run end in success", ({ expect }) => {
    const run = expanded(3);
    run.clear("list", "each[0]", "each[1]", "each[2]");
    run.give("list", 2);
    run.succeed("each[0]", "each[1]", "sum");
    expect(run.outcome).toBe("success: success");
  });

  test("shrunk, it stops what still runs", ({ expect }) => {
    const run = expanded(2);
    const token = run.claim("each[1]");
    run.machine.adopt(run.find("each[1]"), token, "job-1");
    run.clear("list", "each[0]");
    run.give("list", 1);
    expect(run.state("each[1]")).toBe("removed");
    expect(run.last.stops.map(({ job_id }) => job_id)).toEqual(["job-1"]);
    expect(run.report("each[1]", { state: "success" }, token)).toBe("late");
  });

  test("is seen also by a machine that was loaded in between", ({ expect }) => {
    const run = expanded(2);
    run.succeed("each[1]");
    const token = run.claim("each[0]");
    run.clear("list", "each[0]");
    run.give("list", 1);
    run.evict();
    run.machine.attemptEnded(run.find("each[0]"), token, FAILED, run.now);
    expect(run.states).toMatchObject({ "each[0]": "queued", "each[1]": "removed" });
  });

  test("a removed element that is cleared is removed again", ({ expect }) => {
    const run = expanded(2);
    run.clear("list", "each[0]", "each[1]");
    run.give("list", 1);
    run.clear("each[1]");
    expect(run.states).toMatchObject({ "each[0]": "queued", "each[1]": "removed" });
  });

  test("grown beyond what a run may hold, it fails what waits rather than leave elements out", ({ expect }) => {
    const literal = Array.from({ length: 19_990 }, (_, at) => at);
    const wide = task("wide", [], { expand: { type: "expand", kwargs: { x: { literal } } } });
    const list = [task("list"), task("each", ["list"], { expand: over("list") })];
    const run = new Run([wide, ...list], { max_map_length: 20_000 });
    run.give("list", 9);
    run.clear("list", "each[0]");
    run.give("list", 10);
    expect(run.find("each[0]")).toMatchObject({ state: "upstream_failed", error: { type: "ExpansionError" } });
    run.clear("each[0]");
    expect(run.states).toMatchObject({ "each[0]": "upstream_failed", "each[1]": "queued" });
    run.clear("list", "each[0]");
    run.give("list", 9);
    expect(run.state("each[0]")).toBe("queued");
  });

  test("a removed element that is marked is removed again when its task is looked at next", ({ expect }) => {
    const run = expanded(2);
    run.clear("list", "each[0]", "each[1]");
    run.give("list", 1);
    run.machine.mark(run.find("each[1]"), "success", null, run.now);
    expect(run.state("each[1]")).toBe("success");
    run.clear("each[0]");
    expect(run.states).toMatchObject({ "each[0]": "queued", "each[1]": "removed" });
  });
});

describe("expansion", () => {
  test("of no elements is skipped, of something else than a list fails what returned it", ({ expect }) => {
    const tasks = [task("list"), task("each", ["list"], { expand: over("list") })];
    const none = new Run(tasks);
    none.give("list", 0);
    expect(none.states).toEqual({ list: "success", each: "skipped" });
    const number = new Run(tasks);
    number.end({ state: "success", value: { json: "1" } }, "list");
    expect(number.states).toEqual({ list: "failed", each: "upstream_failed" });
    expect(number.find("list").error?.type).toBe("UnmappableValue");
  });

  test("waits for all elements of a mapped feeder, however early the trigger rule would pass", ({ expect }) => {
    const run = new Run([
      task("list", [], { expand: { type: "expand", kwargs: { x: { literal: [1, 2] } } } }),
      task("each", ["list"], { expand: over("list"), trigger_rule: "one_success" }),
    ]);
    run.give("list[0]", 1);
    expect(run.state("each")).toBe(null);
    run.fail("list[1]");
    expect(run.states).toMatchObject({ "each[0]": "queued" });
    expect(Object.keys(run.states)).toHaveLength(3);
  });

  test("over a mapped task has as many elements as that left values: null is none, as a skip is none", ({ expect }) => {
    const run = new Run([
      task("each", [], { expand: { type: "expand", kwargs: { x: { literal: [1, 2, 3, 4] } } } }),
      task("next", ["each"], { expand: over("each"), trigger_rule: "all_done" }),
    ]);
    run.end({ state: "success", value: { json: "5" } }, "each[0]", "each[2]");
    run.end({ state: "success", value: { json: "null" } }, "each[1]");
    run.end({ state: "skipped" }, "each[3]");
    expect(run.states).toMatchObject({ "next[0]": "queued", "next[1]": "queued" });
    expect(Object.keys(run.states)).toHaveLength(6);
  });

  test("over max_map_length fails the task that returned too much", ({ expect }) => {
    const run = new Run([task("list"), task("each", ["list"], { expand: over("list") })], { max_map_length: 2 });
    run.give("list", 3);
    expect(run.find("list").error?.type).toBe("MapTooLong");
  });
});

describe("a mapped group", () => {
  const group = { task_groups: [{ group_id: "g", expand: over("list") }] };
  const inGroup = { task_group_id: "g" };

  test("element i waits for element i only", ({ expect }) => {
    const run = new Run(
      [task("list"), task("a", ["list"], inGroup), task("b", ["a"], inGroup), task("end", ["b"])],
      group,
    );
    run.give("list", 3);
    run.succeed("a[1]");
    run.fail("a[2]");
    expect(run.states).toMatchObject({
      "b[0]": null,
      "b[1]": "queued",
      "b[2]": "upstream_failed",
      end: "upstream_failed",
    });
  });

  test.for<[TriggerRule, (string | null)[], (string | null)[]]>([
    ["one_success", ["queued", null, null], ["queued", "upstream_failed", "skipped"]],
    ["one_failed", [null, "queued", null], ["skipped", "queued", "skipped"]],
    ["one_done", ["queued", "queued", null], ["queued", "queued", "skipped"]],
    ["none_failed_min_one_success", [null, "upstream_failed", null], ["queued", "upstream_failed", "skipped"]],
  ])("element i goes by its own element with the rule %s, too", ([rule, early, late], { expect }) => {
    const literal = { type: "expand" as const, kwargs: { x: { literal: [1, 2, 3] } } };
    const run = new Run(
      [task("a", [], inGroup), task("b", [], inGroup), task("any", ["a", "b"], { ...inGroup, trigger_rule: rule })],
      { task_groups: [{ group_id: "g", expand: literal }] },
    );
    const states = () => [0, 1, 2].map((index) => run.state(`any[${index}]`));
    run.succeed("a[0]");
    run.fail("a[1]");
    run.end({ state: "skipped" }, "a[2]");
    expect(states()).toEqual(early);
    run.end({ state: "skipped" }, "b[0]", "b[1]", "b[2]");
    expect(states()).toEqual(late);
  });

  test("a task of it that ended unexpanded and is cleared joins its elements one by one", ({ expect }) => {
    const run = new Run(
      [task("list"), task("side"), task("a", ["list"], inGroup), task("b", ["a", "side"], inGroup)],
      group,
    );
    run.fail("side");
    expect(run.state("b")).toBe("upstream_failed");
    run.give("list", 2);
    run.fail("a[1]");
    run.clear("side", "b");
    run.succeed("side");
    expect(run.states).toMatchObject({ "a[0]": "queued", "b[0]": null, "b[1]": "upstream_failed" });
  });

  test("a branch in it skips its own element", ({ expect }) => {
    const branch = task("branch", ["list"], { ...inGroup, operator: "branch" });
    const run = new Run([task("list"), branch, task("x", ["branch"], inGroup), task("y", ["branch"], inGroup)], group);
    run.give("list", 2);
    run.end({ state: "success", follow: ["x"] }, "branch[0]");
    run.end({ state: "success", follow: ["y"] }, "branch[1]");
    expect(run.states).toMatchObject({ "x[0]": "queued", "y[0]": "skipped", "x[1]": "skipped", "y[1]": "queued" });
    run.clear("x[0]", "y[0]", "x[1]", "y[1]");
    expect(run.states).toMatchObject({ "x[0]": "queued", "y[0]": "skipped", "x[1]": "skipped", "y[1]": "queued" });
  });
});

describe("setups whose elements were removed", () => {
  test("remove the elements of what obeys them that lie beyond, before the first of them may run", ({ expect }) => {
    const run = new Run([
      task("list"),
      task("up", ["list"], { expand: over("list"), is_setup: true }),
      task("between", ["up"]),
      task("work", ["between"], { expand: { type: "expand", kwargs: { x: { literal: [0, 1, 2] } } } }),
    ]);
    run.give("list", 3);
    run.succeed("up[0]", "up[1]", "up[2]");
    run.succeed("between");
    run.clear("list", "up[0]", "up[1]", "up[2]", "work[0]", "work[1]", "work[2]");
    run.give("list", 2);
    run.succeed("up[0]");
    expect(run.states).toMatchObject({
      "up[2]": "removed",
      "work[0]": null,
      "work[1]": "removed",
      "work[2]": "removed",
    });
  });
});

describe("what one event causes", () => {
  test.for([[["fast", "slow"]], [["slow", "fast"]]])(
    "does not depend on the order of tasks in the spec: %s",
    ([order], { expect }) => {
      // One failure skips `fast` at once and fails `slow2` a round later: the nearer one decides.
      const middle = [task("fast", ["root"], { trigger_rule: "all_skipped" }), task("slow", ["root"])];
      const ordered = order?.map((id) => middle.find(({ task_id }) => task_id === id) ?? task("none")) ?? [];
      const run = new Run([task("root"), ...ordered, task("slow2", ["slow"]), task("end", ["fast", "slow2"])]);
      run.fail("root");
      expect(run.state("end")).toBe("skipped");
    },
  );

  test("is a deadlock when a retry waits for what can never come", ({ expect }) => {
    const run = new Run([
      task("list"),
      task("each", ["list"], { expand: over("list") }),
      task("sum", ["each"], { retries: 1, retry_delay: 60, trigger_rule: "all_skipped" }),
    ]);
    run.give("list", 2);
    run.end({ state: "skipped" }, "each[0]", "each[1]");
    run.claim("sum");
    run.clear("list", "each[0]", "each[1]");
    run.give("list", 1);
    run.end({ state: "skipped" }, "each[0]");
    run.report("sum", FAILED);
    expect(run.outcome).toBe("failed: all_tasks_deadlocked");
    run.after(120 * SECOND);
    expect(run.state("sum")).toBe("up_for_retry");
  });
});
