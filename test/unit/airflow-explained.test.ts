import { describe, it } from "vitest";
import type { Difference } from "../airflow/differential/compare.ts";
import { explain } from "../airflow/differential/explained.ts";
import type { Scenario } from "../airflow/differential/scenario.ts";
import type { DagSpecInput } from "../../src/engine/spec.ts";

type TaskInput = DagSpecInput["tasks"][number];

const LIST_OF_A = { $ref: "xcom", task_id: "a" } as const;

function scenario(tasks: TaskInput[], groups: DagSpecInput["task_groups"] = []): Scenario {
  const spec = { dag_id: "d", tasks, task_groups: groups };
  return { spec, outcomes: {}, salt: "", runs: [], scheduledRuns: 1, phases: [{ actions: [] }] };
}

function after(taskId: string, upstream: string[], fields: Partial<TaskInput> = {}): TaskInput {
  return { task_id: taskId, handler: "h", upstream_task_ids: upstream, ...fields };
}

function differs(where: string, airflow: string, jobbers: string): Difference {
  return { phase: 0, where, airflow, jobbers };
}

/** `early` is mapped over what `a` returns and may go by its rule before that; `end` is below it, `x` and `y` are not. */
const EARLY = scenario([
  after("a", []),
  after("x", []),
  after("early", ["a", "x"], {
    trigger_rule: "one_success",
    expand: { type: "expand", kwargs: { n: LIST_OF_A } },
  }),
  after("end", ["early"]),
  after("y", ["x"]),
]);

/** A branch in a group that is mapped, with `left` and `right` below it; `y` is outside. */
const IN_GROUP = scenario(
  [
    after("g.choose", [], { operator: "branch", task_group_id: "g" }),
    after("g.left", ["g.choose"], { task_group_id: "g" }),
    after("g.right", ["g.choose"], { task_group_id: "g" }),
    after("y", []),
  ],
  [{ group_id: "g", expand: { type: "expand", kwargs: { n: { literal: [1, 2] } } } }],
);

const CASES = [
  [
    "a rule that is met early waits for its list",
    EARLY,
    [
      differs("run_0", "failed", "success"),
      differs("run_0: early", "upstream_failed, try 0 of 1", "absent"),
      differs("run_0: end", "upstream_failed, try 0 of 1", "success, try 1 of 1"),
    ],
    "run_0: early",
  ],
  [
    "a branch or a short circuit in a mapped group skips in its element",
    IN_GROUP,
    [
      differs("run_0", "failed", "success"),
      differs("run_0: g.left[0]", "success, try 1 of 1", "skipped, try 0 of 1"),
      differs("run_0: g.right[1]", "failed, try 1 of 1", "skipped, try 0 of 1"),
    ],
    "run_0: g.",
  ],
] as const;

describe.for(CASES)("the explanation: %s", ([name, played, meant, itsOwn]) => {
  it("covers what it is about, what is below that, and the run", ({ expect }) => {
    expect(explain(played, meant)).toEqual({ left: [], names: [name] });
  });

  it("covers no task instance that has nothing to do with it", ({ expect }) => {
    const foreign = differs("run_0: y", "success, try 1 of 1", "failed, try 1 of 1");
    expect(explain(played, [...meant, foreign]).left).toEqual([foreign]);
  });

  it("covers nothing in a scenario that could show it and does not", ({ expect }) => {
    const others = [
      ...meant.filter(({ where }) => !where.startsWith(itsOwn)),
      differs("run_0: y", "success, try 1 of 1", "failed, try 1 of 1"),
    ];
    expect(explain(played, others).left).toEqual(others);
  });
});
