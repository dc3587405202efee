import { describe, test } from "vitest";
import * as states from "../../src/engine/states.ts";
import type { TaskInstanceState } from "../../src/engine/states.ts";

const ALL: readonly TaskInstanceState[] = [null, ...states.TASK_INSTANCE_STATES];

describe("a task instance", () => {
  test("is finished, or waits, or is under way; never two of them", ({ expect }) => {
    expect(ALL.filter(states.isFinished)).toEqual(["success", "failed", "skipped", "upstream_failed", "removed"]);
    expect(ALL.filter(states.isScheduleable)).toEqual([null, "up_for_retry", "up_for_reschedule"]);
  });

  test("has thirteen states, none among them", ({ expect }) => {
    expect(ALL).toHaveLength(13);
    expect(new Set(ALL).size).toBe(13);
  });

  test.for<[TaskInstanceState, TaskInstanceState]>([
    [null, "scheduled"],
    [null, "success"],
    ["scheduled", "queued"],
    ["queued", "running"],
    ["queued", "failed"],
    ["running", "success"],
    ["running", "up_for_retry"],
    ["running", "up_for_reschedule"],
    ["running", "restarting"],
    ["restarting", null],
    ["up_for_retry", "scheduled"],
    ["up_for_reschedule", "upstream_failed"],
  ])("may go from %s to %s", ([from, to], { expect }) => {
    expect(states.canTransition(from, to)).toBe(true);
  });

  test.for<[TaskInstanceState, TaskInstanceState]>([
    [null, "running"],
    [null, "queued"],
    ["scheduled", "running"],
    ["queued", "success"],
    ["up_for_retry", "running"],
    ["restarting", "running"],
    ["restarting", "success"],
  ])("may not go from %s to %s", ([from, to], { expect }) => {
    expect(states.canTransition(from, to)).toBe(false);
  });

  test("that is finished goes nowhere but back to none, unless it is removed, or skipped although it was upstream_failed", ({
    expect,
  }) => {
    for (const from of ALL.filter(states.isFinished)) {
      const targets = ALL.filter((to) => states.canTransition(from, to));
      const skipped = from === "upstream_failed" ? (["skipped"] as const) : [];
      expect(targets).toEqual(from === "removed" ? [null] : [null, ...skipped, "removed"]);
    }
  });

  test("may be marked from any other state by a user, and never stays where it is", ({ expect }) => {
    for (const from of ALL) {
      expect(states.canTransition(from, from, true)).toBe(false);
      for (const to of ["success", "failed", "skipped"] as const) {
        expect(states.canTransition(from, to, true)).toBe(from !== to);
      }
      expect(states.canTransition(from, "removed")).toBe(from !== "removed");
    }
  });
});

describe("a run", () => {
  test("goes from queued to running to its end, and back to queued when it is cleared", ({ expect }) => {
    const table = states.DAG_RUN_STATES.map((from) =>
      states.DAG_RUN_STATES.filter((to) => states.canRunTransition(from, to)),
    );
    expect(table).toEqual([
      ["running", "success", "failed"],
      ["queued", "success", "failed"],
      ["queued", "failed"],
      ["queued", "success"],
    ]);
  });

  test("is over when it succeeded or failed", ({ expect }) => {
    expect(states.DAG_RUN_STATES.filter(states.isRunFinished)).toEqual(["success", "failed"]);
  });
});

test("a job is over when it succeeded, failed or was skipped", ({ expect }) => {
  expect(states.JOB_STATES.filter(states.isJobFinished)).toEqual(["success", "failed", "skipped"]);
});
