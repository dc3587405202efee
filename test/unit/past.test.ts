import fc from "fast-check";
import { describe, it } from "vitest";
import { tasksJson } from "../../src/api/schemas/task.ts";
import { explainDependencies } from "../../src/engine/explain-dependencies.ts";
import { compileGraph, type GraphTask } from "../../src/engine/graph.ts";
import { countsManualRuns, tallyOf, unmetPast, type PastFacts } from "../../src/engine/past.ts";
import { givePast, idsDownstream, previousChanged } from "../../src/engine/run-past.ts";
import { TASK_INSTANCE_STATES, type TaskInstanceState } from "../../src/engine/states.ts";
import { validateDagSpec } from "../../src/engine/validate-spec.ts";
import { Run, task, type TaskInput } from "./run-machine-support.ts";

const DAY = 86_400_000;
const FIRST = Date.UTC(2026, 0, 1);

const NOT_RUN = "depends_on_past is true for this task's DAG, but the previous task instance has not run yet.";
const DOWNSTREAM =
  "The tasks downstream of the previous task instance(s) haven't completed, and wait_for_downstream is True.";
const unsuccessful = (count: number): string =>
  `depends_on_past is true for this task, but ${count} previous task instance(s) are not in a successful state.`;

/** States of a run's instances by task. A task that is left out is not in it. */
type States = Record<string, TaskInstanceState[]>;

interface Case {
  /** The run before; null: there is none. */
  before: States | null;
  /** Some run before that one has the task. */
  earlier?: boolean;
  options?: Partial<TaskInput>;
  run?: Partial<PastFacts["run"]>;
  dag?: Partial<PastFacts["dag"]>;
}

/** Asks for the past of `a`, which `b` and `c` follow directly, and `d` after them. */
function ask({ before, earlier = false, options = {}, run = {}, dag = {} }: Case): string | null {
  const { subject, downstream } = taskOf({ depends_on_past: true, ...options });
  return unmetPast(subject, downstream, {
    run: { logical_date: FIRST + DAY, ...run },
    dag: { catchup: false, start_date: null, ...dag },
    previous: before === null ? null : { logical_date: FIRST, tally: (taskId) => tallyOf(before[taskId] ?? []) },
    isInAnyEarlierRun: () => earlier || (before?.["a"] ?? []).length > 0,
  });
}

function taskOf(options: Partial<TaskInput>): { subject: GraphTask; downstream: string[] } {
  const tasks = [task("a", [], options), task("b", ["a"]), task("c", ["a"]), task("d", ["b"])];
  const result = validateDagSpec({ dag_id: "d", tasks });
  const graph = result.ok ? compileGraph(result.spec) : null;
  const subject = graph?.byId.get("a");
  if (graph === null || subject === undefined) {
    throw new Error("the spec of this test is refused");
  }
  return { subject, downstream: idsDownstream(graph.tasks, subject) };
}

const DONE: States = { a: ["success"], b: ["success"], c: ["skipped"], d: ["success"] };

const TABLE: [what: string, given: Case, reason: string | null][] = [
  ["lets a task go on whose run is the first", { before: null }, null],
  ["lets a task go on that succeeded before", { before: { a: ["success"] } }, null],
  ["lets a task go on that was skipped before", { before: { a: ["skipped"] } }, null],
  ["holds a task that failed before", { before: { a: ["failed"] } }, unsuccessful(1)],
  ["holds a task whose upstream failed before", { before: { a: ["upstream_failed"] } }, unsuccessful(1)],
  ["holds a task that nothing was decided about yet", { before: { a: [null] } }, unsuccessful(1)],
  ["holds a task that still runs", { before: { a: ["running"] } }, unsuccessful(1)],
  ["holds a task that will be tried again", { before: { a: ["up_for_retry"] } }, unsuccessful(1)],
  ["counts the instances of a mapped task", { before: { a: ["success", "failed", null, "skipped"] } }, unsuccessful(2)],
  ["lets a mapped task go on of which all succeeded or were skipped", { before: { a: ["success", "skipped"] } }, null],
  ["takes no notice of a mapped instance that was removed", { before: { a: ["success", "removed"] } }, null],
  ["asks nothing of a run without a logical date", { before: { a: ["failed"] }, run: { logical_date: null } }, null],

  ["lets a new task go on, as long as no run has had it", { before: { b: ["success"] } }, null],
  ["holds a new task that some earlier run has had", { before: { b: ["success"] }, earlier: true }, NOT_RUN],
  [
    "holds a task that was removed, if an earlier run has had it",
    { before: { a: ["removed"] }, earlier: true },
    NOT_RUN,
  ],
  [
    "holds a new task that is to wait for its first",
    { before: { b: ["success"] }, options: { ignore_first_depends_on_past: false } },
    NOT_RUN,
  ],
  [
    "lets a task go on whose run is the first, even if it is to wait for its first",
    { before: null, options: { ignore_first_depends_on_past: false } },
    null,
  ],

  ["takes no notice of what is downstream", { before: { ...DONE, b: ["failed"] } }, null],
  ["waits for downstream", { before: { ...DONE, b: ["running"] }, options: { wait_for_downstream: true } }, DOWNSTREAM],
  ["waits for all of it", { before: { ...DONE, c: ["failed"] }, options: { wait_for_downstream: true } }, DOWNSTREAM],
  [
    "waits for every mapped instance of it",
    { before: { ...DONE, b: ["success", null] }, options: { wait_for_downstream: true } },
    DOWNSTREAM,
  ],
  [
    "but not for what is farther down",
    { before: { ...DONE, d: ["failed"] }, options: { wait_for_downstream: true } },
    null,
  ],
  [
    "nor for a downstream task that the run before did not have",
    { before: { a: ["success"], c: ["success"] }, options: { wait_for_downstream: true } },
    null,
  ],
  [
    "depends on the past if it waits for downstream",
    { before: { ...DONE, a: ["failed"] }, options: { wait_for_downstream: true, depends_on_past: false } },
    unsuccessful(1),
  ],

  [
    "lets the first run of a backfill go on",
    { before: { a: ["failed"] }, run: { backfill_id: 1, sort_ordinal: 1 } },
    null,
  ],
  ["but not the second", { before: { a: ["failed"] }, run: { backfill_id: 1, sort_ordinal: 2 } }, unsuccessful(1)],
  [
    "takes no notice of a run before the start date where missed runs are made up for",
    { before: { a: ["failed"] }, dag: { catchup: true, start_date: "2026-01-01T06:00:00Z" } },
    null,
  ],
  [
    "but of one at the start date",
    { before: { a: ["failed"] }, dag: { catchup: true, start_date: "2026-01-01T00:00:00Z" } },
    unsuccessful(1),
  ],
  [
    "and of any where they are not",
    { before: { a: ["failed"] }, dag: { catchup: false, start_date: "2026-01-01T06:00:00Z" } },
    unsuccessful(1),
  ],
];

describe("the past of a task", () => {
  for (const [what, given, reason] of TABLE) {
    it(what, ({ expect }) => {
      expect(ask(given)).toBe(reason);
    });
  }

  it("is of runs made by hand too, unless missed runs are made up for", ({ expect }) => {
    expect([true, false].map((catchup) => countsManualRuns({ catchup }))).toEqual([false, true]);
  });

  it("holds a task exactly if a look at every instance says so", ({ expect }) => {
    const anyStates = fc.option(fc.array(fc.constantFrom(null, ...TASK_INSTANCE_STATES), { maxLength: 3 }), {
      nil: [],
    });
    const fine: readonly TaskInstanceState[] = ["success", "skipped", "removed"];
    const outcomes = new Set<boolean>();
    fc.assert(
      fc.property(
        fc.option(fc.record({ a: anyStates, b: anyStates, c: anyStates, d: anyStates })),
        fc.record({ earlier: fc.boolean(), waits: fc.boolean(), ignoresFirst: fc.boolean() }),
        fc.record({ ordinal: fc.constantFrom(null, 1, 2), dated: fc.integer({ min: 0, max: 9 }) }),
        (before, { earlier, waits, ignoresFirst }, { ordinal, dated }) => {
          const instances = (before?.a ?? []).filter((state) => state !== "removed");
          const asked = [instances, ...(waits ? [before?.b ?? [], before?.c ?? []] : [])].flat();
          const isSpared = before === null || dated === 0 || ordinal === 1;
          const isThere = instances.length > 0 || (ignoresFirst && !earlier);
          const isFirstEver = instances.length === 0 && ignoresFirst && !earlier;
          const goesOn = isSpared || isFirstEver || (isThere && asked.every((state) => fine.includes(state)));
          const { subject, downstream } = taskOf({
            depends_on_past: true,
            wait_for_downstream: waits,
            ignore_first_depends_on_past: ignoresFirst,
          });
          const reason = unmetPast(subject, downstream, {
            run: {
              logical_date: dated === 0 ? null : FIRST + DAY,
              backfill_id: ordinal === null ? null : 7,
              sort_ordinal: ordinal,
            },
            dag: { catchup: false, start_date: null },
            previous: before === null ? null : { logical_date: FIRST, tally: (id) => tallyOf(stateOf(before, id)) },
            isInAnyEarlierRun: () => earlier,
          });
          outcomes.add(goesOn);
          expect(reason === null).toBe(goesOn);
        },
      ),
      { numRuns: 2000 },
    );
    expect(outcomes).toEqual(new Set([true, false]));
  });
});

describe("the tasks that the API shows", () => {
  it("tell whether they depend on the past", ({ expect }) => {
    const result = validateDagSpec({
      dag_id: "d",
      tasks: [task("a"), task("b", [], { depends_on_past: true }), task("c", [], { wait_for_downstream: true })],
    });
    const shown = result.ok ? tasksJson(result.spec) : [];
    expect(shown.map((one) => [one.depends_on_past, one.wait_for_downstream])).toEqual([
      [false, false],
      [true, false],
      [true, true],
    ]);
  });
});

function stateOf(before: States, taskId: string): TaskInstanceState[] {
  return before[taskId] ?? [];
}

describe("a run with a past", () => {
  /** A queued run whose tasks wait as long as they are in `shut`; `looks` counts how often it was asked. */
  function runWith(tasks: TaskInput[], shut: Set<string>): { run: Run; looks: () => number } {
    let asked = 0;
    const run = new Run(tasks, {}, { start: false });
    givePast(run.machine.state, {
      unmet: ({ id }) => {
        asked += 1;
        return shut.has(id) ? "not yet" : null;
      },
    });
    return { run, looks: () => asked };
  }

  function open(run: Run, shut: Set<string>, ...tasks: string[]): void {
    tasks.forEach((id) => shut.delete(id));
    if (previousChanged(run.machine.state, tasks, () => "over")) {
      run.machine.advance(run.now);
    }
  }

  it("holds what depends on it, and nothing else, until it is told", ({ expect }) => {
    const shut = new Set(["a", "b"]);
    const { run } = runWith([task("a", [], { depends_on_past: true }), task("b")], shut);
    run.begin();
    expect(run.states).toEqual({ a: null, b: "queued" });
    run.succeed("b");
    expect(run.states).toEqual({ a: null, b: "success" });
    open(run, shut, "a");
    expect(run.states).toEqual({ a: "queued", b: "success" });
    run.succeed("a");
    expect(run.outcome).toBe("success: success");
  });

  it("is asked once, however much happens in the meantime", ({ expect }) => {
    const shut = new Set(["a"]);
    const others = Array.from({ length: 20 }, (_, at) => `t${at}`);
    const { run, looks } = runWith(
      [task("a", others, { depends_on_past: true, trigger_rule: "one_success" }), ...others.map((id) => task(id))],
      shut,
    );
    run.begin();
    expect(looks()).toBe(0);
    run.succeed(...others);
    expect(looks()).toBe(1);
    previousChanged(run.machine.state, ["a"], () => "unfinished");
    run.machine.advance(run.now);
    expect(looks()).toBe(1);
    open(run, shut, "a");
    expect([looks(), run.state("a")]).toEqual([2, "queued"]);
  });

  it("lets a trigger rule skip or fail a task that it holds", ({ expect }) => {
    const shut = new Set(["a", "b"]);
    const options = { depends_on_past: true };
    const { run } = runWith([task("up"), task("a", ["up"], options), task("b", ["a"], options)], shut);
    run.begin();
    run.fail("up");
    expect(run.states).toEqual({ up: "failed", a: "upstream_failed", b: "upstream_failed" });
    expect(run.outcome).toBe("failed: task_failure");
  });

  it("holds a retry whose time has come", ({ expect }) => {
    const shut = new Set<string>();
    const { run } = runWith([task("a", [], { depends_on_past: true, retries: 1, retry_delay: 10 })], shut);
    run.begin();
    shut.add("a");
    previousChanged(run.machine.state, ["a"], () => "unfinished");
    run.fail("a");
    run.after(60_000);
    expect(run.state("a")).toBe("up_for_retry");
    open(run, shut, "a");
    expect(run.state("a")).toBe("queued");
  });

  it("is never called deadlocked while something that may wait for other runs is unfinished", ({ expect }) => {
    const held: [string, Partial<TaskInput>][] = [
      ["running: null", { depends_on_past: true }],
      ["running: null", { wait_for_downstream: true }],
      ["running: null", { max_active_tis_per_dag: 1 }],
      ["running: null", { max_active_tis_per_dagrun: 1 }],
      ["failed: all_tasks_deadlocked", {}],
    ];
    for (const [outcome, options] of held) {
      const { run } = runWith(stuck(options), new Set(["a"]));
      run.begin();
      run.machine.forget(run.find("gone"), run.now);
      run.succeed("up");
      expect([options, run.outcome]).toEqual([options, outcome]);
    }
  });

  it("asks anew when it is queued again", ({ expect }) => {
    const shut = new Set<string>();
    const { run } = runWith([task("a", [], { depends_on_past: true })], shut);
    run.begin();
    run.succeed("a");
    shut.add("a");
    run.clear("a");
    run.begin();
    expect(run.states).toEqual({ a: null });
  });

  it("tells why in the words of the dependency", ({ expect }) => {
    const { run } = runWith([task("up"), task("a", ["up"], { depends_on_past: true })], new Set(["a"]));
    run.begin();
    const reasons = explainDependencies(run.machine.state, run.find("a"), { isPaused: false, now: run.now });
    expect(reasons.map(({ name }) => name)).toEqual(["Previous Dagrun State", "Trigger Rule"]);
    expect(reasons[0]?.reason).toBe("not yet");
  });
});

/** Tasks of which `a` can never start once `gone` was removed: it wants the success of both. */
function stuck(options: Partial<TaskInput>): TaskInput[] {
  return [task("up"), task("gone"), task("a", ["up", "gone"], options)];
}
