import fc from "fast-check";
import { describe, test } from "vitest";
import { compileGraph, reachable, tasksOfGroup, type Graph } from "../../src/engine/graph.ts";
import { validateDagSpec } from "../../src/engine/validate-spec.ts";
import { dagSpecs } from "./oracle/dags.ts";
import { over, task, type TaskInput } from "./run-machine-support.ts";

function graphOf(tasks: TaskInput[], dag: object = {}): Graph {
  const result = validateDagSpec({ dag_id: "d", ...dag, tasks });
  if (!result.ok) {
    throw new Error(JSON.stringify(result.errors));
  }
  return compileGraph(result.spec);
}

function leavesOf(graph: Graph): string[] {
  return graph.tasks.filter((node) => node.leaf).map((node) => node.id);
}

/** Edges of a kind as `from>to`. */
function edgesOf(graph: Graph, kind: "direct" | "setup"): string[] {
  return graph.tasks.flatMap((node) =>
    node.out.filter((edge) => edge.kind === kind).map((edge) => `${node.id}>${graph.tasks[edge.to]?.id ?? ""}`),
  );
}

describe("edges", () => {
  test("stand at both ends, and upstream and downstream mirror each other", ({ expect }) => {
    fc.assert(
      fc.property(dagSpecs, (spec) => {
        const { tasks } = compileGraph(spec);
        for (const node of tasks) {
          expect(node.upstream.every((index) => tasks[index]?.downstream.includes(node.index))).toBe(true);
          const outside = node.in.map(({ from, kind, element }) => ({
            there: tasks[from]?.out.some(
              (out) => out.to === node.index && out.kind === kind && out.element === element,
            ),
          }));
          expect(outside.every(({ there }) => there)).toBe(true);
          expect(node.in.filter(({ kind }) => kind === "direct").map(({ from }) => from)).toEqual(node.upstream);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("are by element inside one mapped group only, whatever the rule", ({ expect }) => {
    const inGroup = { task_group_id: "inner" };
    const graph = graphOf(
      [
        task("list"),
        task("a", ["list"], inGroup),
        task("b", ["a"], { task_group_id: "g" }),
        task("any", ["a"], { ...inGroup, trigger_rule: "one_success" }),
        task("out", ["b"]),
      ],
      {
        task_groups: [
          { group_id: "g", expand: over("list") },
          { group_id: "inner", parent_group_id: "g" },
        ],
      },
    );
    const byElement = graph.tasks.flatMap((node) =>
      node.out.filter(({ element }) => element).map(({ to }) => `${node.id}>${graph.tasks[to]?.id ?? ""}`),
    );
    expect(byElement).toEqual(["a>b", "a>any"]);
    expect(graph.byId.get("list")?.feeds.map((index) => graph.tasks[index]?.id)).toEqual(["a", "b", "any"]);
  });

  test("name the parents that may skip", ({ expect }) => {
    const graph = graphOf([
      task("plain"),
      task("branch", [], { operator: "branch" }),
      task("gate", [], { operator: "short_circuit" }),
      task("latest", [], { operator: "latest_only" }),
      task("after", ["plain", "branch", "gate", "latest"]),
    ]);
    const ids = graph.byId.get("after")?.skipParents.map((index) => graph.tasks[index]?.id);
    expect(ids?.toSorted()).toEqual(["branch", "gate", "latest"]);
  });
});

describe("indirect setups", () => {
  const up = task("up", [], { is_setup: true });

  test("reach as far as their teardown", ({ expect }) => {
    const down = task("down", ["up", "second"], { is_teardown: true });
    const graph = graphOf([
      up,
      task("first", ["up"]),
      task("second", ["first"]),
      down,
      task("aside", ["first"]),
      task("after", ["down"]),
    ]);
    expect(edgesOf(graph, "setup")).toEqual(["up>second"]);
  });

  test("reach everything if they have no teardown", ({ expect }) => {
    const graph = graphOf([up, task("first", ["up"]), task("second", ["first"]), task("third", ["second"])]);
    expect(edgesOf(graph, "setup")).toEqual(["up>second", "up>third"]);
  });
});

describe("the leaves that decide a run", () => {
  test.for<{ name: string; tasks: TaskInput[]; leaves: string[] }>([
    { name: "plain leaves", tasks: [task("a"), task("b", ["a"]), task("c", ["a"])], leaves: ["b", "c"] },
    { name: "a teardown is none", tasks: [task("a"), task("down", ["a"], { is_teardown: true })], leaves: ["a"] },
    {
      name: "a teardown that may fail the run is one",
      tasks: [task("a"), task("down", ["a"], { is_teardown: true, on_failure_fail_dagrun: true })],
      leaves: ["down"],
    },
    {
      name: "teardowns alone are judged as any tasks",
      tasks: [task("one", [], { is_teardown: true }), task("two", ["one"], { is_teardown: true })],
      leaves: ["two"],
    },
    { name: "no tasks, no leaves", tasks: [], leaves: [] },
  ])("$name", ({ tasks, leaves }, { expect }) => {
    expect(leavesOf(graphOf(tasks))).toEqual(leaves);
  });
});

describe("looking things up", () => {
  test("reaches everything near and far, without the start", ({ expect }) => {
    const { tasks } = graphOf([task("a"), task("b", ["a"]), task("c", ["b"]), task("d")]);
    expect([...reachable(tasks, 0, "downstream")]).toEqual([1, 2]);
    expect([...reachable(tasks, 2, "upstream")]).toEqual([1, 0]);
    expect([...reachable(tasks, 3, "upstream")]).toEqual([]);
  });

  test("a group holds the tasks of its sub-groups", ({ expect }) => {
    const { spec } = graphOf(
      [task("a", [], { task_group_id: "g" }), task("b", [], { task_group_id: "h" }), task("c")],
      {
        task_groups: [{ group_id: "g" }, { group_id: "h", parent_group_id: "g" }],
      },
    );
    expect(tasksOfGroup(spec, "g")).toEqual(["a", "b"]);
    expect(tasksOfGroup(spec, "h")).toEqual(["b"]);
    expect(tasksOfGroup(spec, "none")).toEqual([]);
  });

  test("a spec that was not validated and names what does not exist is refused", ({ expect }) => {
    const { spec } = graphOf([task("a")]);
    const astray = { ...spec, tasks: spec.tasks.map((one) => ({ ...one, upstream_task_ids: ["ghost"] })) };
    expect(() => compileGraph(astray)).toThrow('expected the id of a task of this DAG, got "ghost"');
    const homeless = { ...spec, tasks: spec.tasks.map((one) => ({ ...one, task_group_id: "nowhere" })) };
    expect(() => compileGraph(homeless)).toThrow('expected the id of a task group of this DAG, got "nowhere"');
  });
});
