import { describe, it } from "vitest";
import { compileGraph, type Graph } from "../../src/engine/graph.ts";
import {
  isSelected,
  selectForClear,
  selectForMark,
  type Selection,
  type TaskName,
} from "../../src/engine/relatives.ts";
import { dagSpecSchema } from "../../src/engine/spec.ts";

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
  const expand = { type: "expand" as const, kwargs: { n: { literal: [1, 2, 3] } } };
  return compileGraph(dagSpecSchema.parse({ dag_id: "d", tasks, task_groups: [{ group_id: "g", expand }] }));
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
    [["b"], BOTH, "a b c"],
    [["b", "side"], UP, "a b side"],
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

  it("is every instance of a relative for a mark, whatever the group", ({ expect }) => {
    expect(show(graph, selectForMark(graph, ["g.up", 2], DOWN))).toBe("end g.down g.up[2]");
    expect(show(graph, selectForMark(graph, "c", UP))).toBe("a b c");
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

  it("come along with what needs them once the clear walks", ({ expect }) => {
    expect(show(graph, selectForClear(graph, ["more"], NONE))).toBe("more");
    expect(show(graph, selectForClear(graph, ["more"], DOWN))).toBe("after close more open");
    expect(show(graph, selectForClear(graph, ["more"], UP))).toBe("close more open work");
  });

  it("are a setup without a teardown too", ({ expect }) => {
    expect(show(graph, selectForClear(graph, ["using"], DOWN))).toBe("lone using");
  });

  it("are not those whose teardown lies above", ({ expect }) => {
    expect(show(graph, selectForClear(graph, ["after"], DOWN))).toBe("after");
  });
});
