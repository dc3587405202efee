import { describe, it } from "vitest";
import { compileGraph } from "../../src/engine/graph.ts";
import { totalWeights } from "../../src/engine/priority.ts";
import type { WeightRule } from "../../src/engine/weight-rules.ts";
import {
  explainAdmission,
  isFailingTooOften,
  runsToStart,
  type AdmissionFacts,
  type QueuedRun,
} from "../../src/engine/run-admission.ts";
import { dagSpecSchema } from "../../src/engine/spec.ts";

const NOW = Date.UTC(2026, 0, 1);

function queued(id: number, fields: Partial<QueuedRun> = {}): QueuedRun {
  return { id, run_after: NOW - 1000, backfill_id: null, sort_ordinal: null, ...fields };
}

function facts(fields: Partial<AdmissionFacts>): AdmissionFacts {
  return {
    queued: [],
    running: new Map(),
    dag: { max_active_runs: 2, is_paused: false },
    backfills: new Map([[7, { max_active_runs: 1, is_paused: false }]]),
    now: NOW,
    ...fields,
  };
}

function started(fields: Partial<AdmissionFacts>): number[] {
  return runsToStart(facts(fields)).map(({ id }) => id);
}

describe("the queued runs that may start", () => {
  it("are those whose time has come, the earliest first, as many as there is room for", ({ expect }) => {
    const runs = [queued(1, { run_after: NOW }), queued(2), queued(3), queued(4, { run_after: NOW + 1 })];
    expect(started({ queued: runs })).toEqual([2, 3]);
    expect(started({ queued: runs, running: new Map([[null, 1]]) })).toEqual([2]);
    expect(started({ queued: runs, running: new Map([[null, 2]]) })).toEqual([]);
  });

  it("are none of a paused DAG but those of its backfills, which count by themselves and come last", ({ expect }) => {
    const backfill = [1, 2].map((ordinal) => queued(ordinal, { backfill_id: 7, sort_ordinal: ordinal }));
    const runs = [...backfill, queued(3), queued(4)];
    expect(started({ queued: runs })).toEqual([3, 4, 1]);
    expect(started({ queued: runs, dag: { max_active_runs: 2, is_paused: true } })).toEqual([1]);
    expect(started({ queued: runs, running: new Map([[7, 1]]) })).toEqual([3, 4]);
    expect(started({ queued: backfill, backfills: new Map([[7, { max_active_runs: 1, is_paused: true }]]) })).toEqual(
      [],
    );
  });

  it("are explained where they do not start, by what decides", ({ expect }) => {
    const why = (run: QueuedRun, fields: Partial<AdmissionFacts> = {}) => explainAdmission(run, facts(fields));
    expect(why(queued(1))).toBeNull();
    expect(why(queued(1), { dag: { max_active_runs: 2, is_paused: true } })).toBe("the DAG is paused");
    expect(why(queued(1, { run_after: NOW + 3200 }))).toContain("in 3.2 s");
    expect(why(queued(1), { running: new Map([[null, 2]]) })).toBe("2 of at most 2 runs are running");
    expect(why(queued(1, { backfill_id: 9 }))).toBe("its backfill 9 is over");
    const names = { running: ["r1", "r2"], before: 1 };
    expect(explainAdmission(queued(1), facts({ running: new Map([[null, 2]]) }), names)).toBe(
      "2 of at most 2 runs are running (`r1` and `r2`); 1 queued run goes before it",
    );
  });
});

describe("runs that only wait for the run before", () => {
  it("do not keep one from starting that comes before them", ({ expect }) => {
    const early = queued(1, { run_after: NOW - 50 });
    const late = queued(2, { run_after: NOW - 10 });
    const full = { running: new Map([[null, 2]]), idle: new Map([[null, [NOW - 40, NOW - 30]]]) };
    expect(started({ ...full, queued: [late, early] })).toEqual([1]);
    expect(explainAdmission(early, facts(full))).toBeNull();
    expect(explainAdmission(late, facts(full))).toBe("2 of at most 2 runs are running");
  });
});

describe("failures in a row", () => {
  it("pause the DAG once there are as many as it allows", ({ expect }) => {
    expect(isFailingTooOften(["failed", "failed", "success"], 2)).toBe(true);
    expect(isFailingTooOften(["failed", "running", "failed"], 2)).toBe(false);
    expect(isFailingTooOften(["failed"], 2)).toBe(false);
    expect(isFailingTooOften(["failed", "failed"], 0)).toBe(false);
  });
});

describe("the weight of a task", () => {
  /** a → b → d, a → c → d. */
  const edges: Record<string, string[]> = { a: [], b: ["a"], c: ["a"], d: ["b", "c"] };
  const tasks = Object.entries(edges).map(([id, upstream]) => ({
    task_id: id,
    handler: "h",
    upstream_task_ids: upstream,
  }));
  const graph = compileGraph(dagSpecSchema.parse({ dag_id: "d", tasks }));

  it.for<[WeightRule, number[]]>([
    ["downstream", [10, 6, 7, 4]],
    ["upstream", [1, 3, 4, 10]],
    ["absolute", [1, 2, 3, 4]],
  ])("by the rule %s counts every relative once", ([rule, expected], { expect }) => {
    const weigh = (index: number) => ({ priority_weight: index + 1, weight_rule: rule });
    expect(totalWeights(graph, weigh)).toEqual(expected);
  });
});
