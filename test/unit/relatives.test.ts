import { describe, it } from "vitest";
import { compileGraph, type Graph } from "../../src/engine/graph.ts";
import {
  isSelected,
  selectBelow,
  selectForClear,
  selectForClearOfRuns,
  selectForMark,
  type Selection,
  type TaskName,
} from "../../src/engine/relatives.ts";
import { dagSpecSchema } from "../../src/engine/spec.ts";

const THREE = { type: "expand" as const, kwargs: { n: { literal: [1, 2, 3] } } };

/** A graph from `id: upstream ids`; "+" before an id makes a setup, "-" a teardown. */
function graphOf(edges: Record<string, string[]>): Graph {
  const tasks = Object.entries(edges).map(([name, upstream]) => ({
    task_id: name.replace(/^[+-]/, ""),
    handler: "h",
    upstream_task_ids: upstream,
    is_setup: name.startsWith("+"),
    is_teardown: name.startsWith("-"),
    ...(name.includes(".") ? { task_group_id: "g" } : {}),
  }));
  return compileGraph(dagSpecSchema.parse({ dag_id: "d", tasks, task_groups: [{ group_id: "g", expand: THREE }] }));
}

function show(graph: Graph, selection: Selection): string {
  const parts = [...selection].map(([index, indexes]) => {
    const id = graph.tasks[index]?.id ?? "?";
    return indexes === "all" ? id : `${id}[${[...indexes].toSorted((a, b) => a - b).join()}]`;
  });
  return parts.toSorted().join(" ");
}

const UP = { upstream: true, downstream: false };
const DOWN = { upstream: false, downstream: true };
const BOTH = { upstream: true, downstream: true };
const NONE = { upstream: false, downstream: false };

describe("what lies around a named task", () => {
  const graph = graphOf({ a: [], b: ["a"], c: ["b"], side: ["a"], "g.up": ["a"], "g.down": ["g.up"], end: ["g.down"] });
  const cases: [TaskName[], typeof UP, string][] = [
    [["b"], NONE, "b"],
    [["b"], UP, "a b"],
    [["b"], DOWN, "b c"],
    [["b"], BOTH, "a b c end g.down g.up side"],
    [["b", "side"], UP, "a b side"],
    [["g.up"], BOTH, "a b c end g.down g.up side"],
    [["side", ["g.up", 1]], DOWN, "end g.down[1] g.up[1] side"],
    [["a", ["g.up", 1]], DOWN, "a b c end g.down g.up side"],
    [[["b", 0]], DOWN, "b[0] c"],
    [[["g.up", 2]], NONE, "g.up[2]"],
    [[["g.up", 2]], DOWN, "end g.down[2] g.up[2]"],
    [
      [
        ["g.down", 0],
        ["g.down", 2],
      ],
      UP,
      "a g.down[0,2] g.up[0,2]",
    ],
    [["g.up", ["g.up", 1]], DOWN, "end g.down g.up"],
    [["ghost"], BOTH, ""],
  ];
  for (const [names, directions, expected] of cases) {
    it(`${JSON.stringify(names)} ${JSON.stringify(directions)} is ${expected || "nothing"} for a clear`, ({
      expect,
    }) => {
      expect(show(graph, selectForClear(graph, names, directions))).toBe(expected);
    });
  }

  it("is for a clear of several runs only what lies above and below the named tasks themselves", ({ expect }) => {
    expect(show(graph, selectForClearOfRuns(graph, ["b"], BOTH))).toBe("a b c");
    expect(show(graph, selectForClearOfRuns(graph, [["g.up", 2]], DOWN))).toBe("end g.down g.up[2]");
    expect(show(graph, selectForClearOfRuns(graph, ["b"], NONE))).toBe("b");
  });

  it("is every instance of a relative for a mark, whatever the group", ({ expect }) => {
    expect(show(graph, selectForMark(graph, [["g.up", 2]], DOWN))).toBe("end g.down g.up[2]");
    expect(show(graph, selectForMark(graph, ["c"], UP))).toBe("a b c");
    expect(show(graph, selectForMark(graph, ["b", "side"], BOTH))).toBe("a b c side");
  });

  it("is widened around what is named beside it: an element of a task that another named one leads to", ({
    expect,
  }) => {
    const mapped = compileGraph(
      dagSpecSchema.parse({
        dag_id: "d",
        tasks: [
          { task_id: "a", handler: "h" },
          { task_id: "b", handler: "h", upstream_task_ids: ["a"], expand: THREE },
          { task_id: "c", handler: "h", upstream_task_ids: ["b"], expand: THREE },
        ],
      }),
    );
    const names: TaskName[] = [
      ["b", 0],
      ["c", 1],
    ];
    expect(show(mapped, selectForClear(mapped, names, UP))).toBe("a b c[1]");
    expect(show(mapped, selectForClear(mapped, names, DOWN))).toBe("b[0] c");
    expect(show(mapped, selectForClear(mapped, ["a", ["b", 1]], DOWN))).toBe("a b c");
  });

  it("is every element where the way leads out of the mapped group and back into it", ({ expect }) => {
    const winding = graphOf({ "g.up": [], out: ["g.up"], "g.back": ["out"], "g.direct": ["g.up"] });
    expect(show(winding, selectForClear(winding, [["g.up", 1]], DOWN))).toBe("g.back g.direct[1] g.up[1] out");
  });

  it("chooses an instance by its map index", ({ expect }) => {
    const selection = selectForClear(graph, [["g.up", 1]], NONE);
    const index = graph.byId.get("g.up")?.index ?? -1;
    expect([0, 1, 2].map((mapIndex) => isSelected(selection, index, mapIndex))).toEqual([false, true, false]);
  });
});

describe("setups and teardowns of a clear", () => {
  const graph = graphOf({
    "+open": [],
    work: ["open"],
    more: ["work"],
    "-close": ["more", "open"],
    after: ["close"],
    "+lone": [],
    using: ["lone"],
  });

  it("come along with what needs them, and a setup brings its teardown", ({ expect }) => {
    expect(show(graph, selectForClear(graph, ["more"], NONE))).toBe("close more open");
    expect(show(graph, selectForClear(graph, ["more"], DOWN))).toBe("after close more open");
    expect(show(graph, selectForClear(graph, ["more"], UP))).toBe("close more open work");
    expect(show(graph, selectForClear(graph, ["open"], NONE))).toBe("close open");
    expect(show(graph, selectForClear(graph, ["close"], NONE))).toBe("close");
    expect(show(graph, selectForClearOfRuns(graph, ["more"], NONE))).toBe("close more open");
  });

  it("come whole, but for those that are named by an element", ({ expect }) => {
    const mapped = graphOf({ "+g.open": [], "g.work": ["g.open"], "-g.close": ["g.open", "g.work"] });
    expect(show(mapped, selectForClear(mapped, [["g.work", 1]], NONE))).toBe("g.close g.open g.work[1]");
    const names: TaskName[] = [
      ["g.work", 1],
      ["g.open", 2],
    ];
    expect(show(mapped, selectForClear(mapped, names, NONE))).toBe("g.close g.open[2] g.work[1]");
  });

  it("are a setup without a teardown too", ({ expect }) => {
    expect(show(graph, selectForClear(graph, ["using"], DOWN))).toBe("lone using");
  });

  it("are not marked from above: a mark leaves out teardowns below", ({ expect }) => {
    expect(show(graph, selectForMark(graph, ["open"], DOWN))).toBe("after more open work");
    expect(show(graph, selectForMark(graph, ["close"], DOWN))).toBe("after close");
    expect(show(graph, selectForMark(graph, ["after"], UP))).toBe("after close more open work");
  });

  it("are let run again by a mark, with all else that lies below, but for the marked tasks", ({ expect }) => {
    expect(show(graph, selectBelow(graph, ["work"]))).toBe("after close more open");
    expect(show(graph, selectBelow(graph, ["open", "more"]))).toBe("after close work");
  });

  it("are not those whose teardown lies above", ({ expect }) => {
    expect(show(graph, selectForClear(graph, ["after"], DOWN))).toBe("after");
  });
});
