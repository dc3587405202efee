import fc from "fast-check";
import { describe, test } from "vitest";
import { BranchError, branchSkips, isSkippedByRecord, shortCircuitSkips } from "../../src/engine/skips.ts";
import type { SkipDecision } from "../../src/engine/skips.ts";

/** Edges by upstream task. */
type Edges = Record<string, string[]>;

function reachableIn(edges: Edges): (from: string) => Set<string> {
  return (from) => {
    const found = new Set<string>();
    const visit = (taskId: string): void => {
      for (const next of edges[taskId] ?? []) {
        if (!found.has(next)) {
          found.add(next);
          visit(next);
        }
      }
    };
    visit(from);
    return found;
  };
}

/** branch -> a -> join, branch -> b, branch -> join, branch -> g.x, g.y; other is elsewhere. */
const edges: Edges = {
  branch: ["a", "b", "join", "g.x", "g.y"],
  a: ["join"],
  "g.x": ["g.end"],
  "g.y": ["g.end"],
  other: [],
};
const groups: Record<string, string[]> = { g: ["g.x", "g.y"] };
const taskIds = new Set([...Object.keys(edges), ...Object.values(edges).flat()]);

function branch(returned: string[] | null, graph: Edges = edges, isList = true): SkipDecision {
  return branchSkips({
    directDownstream: graph["branch"] ?? [],
    returned,
    isList,
    expandId: (id) => groups[id] ?? (taskIds.has(id) ? [id] : null),
    reachable: reachableIn(graph),
  });
}

function branchAstray(): SkipDecision {
  return branch(["b", "nope", "neither"]);
}

describe("a branch", () => {
  test("skips what is directly downstream and not followed", ({ expect }) => {
    expect(branch(["b"])).toEqual({ skip: ["a", "join", "g.x", "g.y"], record: { followed: ["b"] } });
  });

  test("does not skip a join behind what it follows", ({ expect }) => {
    expect(branch(["a"])).toEqual({ skip: ["b", "g.x", "g.y"], record: { followed: ["a", "join"] } });
  });

  test("follows the roots of a group", ({ expect }) => {
    expect(branch(["g"])).toEqual({ skip: ["a", "b", "join"], record: { followed: ["g.x", "g.y"] } });
  });

  test("skips everything if it returns nothing", ({ expect }) => {
    for (const returned of [null, []]) {
      expect(branch(returned)).toEqual({ skip: ["a", "b", "join", "g.x", "g.y"], record: { followed: [] } });
    }
  });

  test("may name a task elsewhere in the DAG, which follows nothing by itself", ({ expect }) => {
    expect(branch(["other"]).record).toEqual({ followed: [] });
    expect(branch(["other", "b", "b"]).record).toEqual({ followed: ["b"] });
  });

  test("fails if it names what is not in the DAG, and says all of it, where it is and what would do", ({ expect }) => {
    expect(branchAstray).toThrow(BranchError);
    expect(branchAstray).toThrow(
      "result[1], result[2]: expected ids of tasks or groups of the branch's DAG, got 'nope', 'neither'; directly downstream are 'a', 'b', 'join', 'g.x', 'g.y'",
    );
    expect(branchAstray).toThrow(
      expect.objectContaining({ invalid: ["nope", "neither"], valid: edges["branch"], name: "BranchError" }),
    );
  });

  test.for([
    [true, "result[0]"],
    [false, "result"],
  ] as const)("is wrong at its place, also if it is one id (a list: %s)", ([isList, place], { expect }) => {
    expect(() => branch(["nope"], edges, isList)).toThrow(
      `${place}: expected the id of a task or group of the branch's DAG, got 'nope'; directly downstream are 'a', 'b'`,
    );
  });

  test("shows at most 20 ids and places in its error", ({ expect }) => {
    const many = Array.from({ length: 500 }, (_, i) => `t${i}`);
    const astray = (): SkipDecision =>
      branchSkips({
        directDownstream: many,
        returned: many,
        isList: true,
        expandId: () => null,
        reachable: () => new Set(),
      });
    expect(astray).toThrow(/'t19' and 480 more$/);
    expect(astray).toThrow(/^result\[0\], .*result\[19\] and 480 more: /);
  });

  test("leaves no record where nothing is downstream", ({ expect }) => {
    expect(branch(null, {})).toEqual({ skip: [], record: null });
  });

  test("skips, in any graph, exactly those that are neither followed nor behind what is followed", ({ expect }) => {
    const graphs = fc.integer({ min: 1, max: 8 }).chain((size) =>
      fc.record({
        size: fc.constant(size),
        pairs: fc.array(fc.tuple(fc.nat({ max: size }), fc.nat({ max: size })), { maxLength: 20 }),
        returned: fc.array(fc.integer({ min: 1, max: size }).map((id) => `${id}`)),
      }),
    );
    fc.assert(
      fc.property(graphs, ({ size, pairs, returned }) => {
        const graph: Edges = {};
        for (const [a, b] of pairs) {
          if (a !== b) {
            const list = (graph[`${Math.min(a, b)}`] ??= []);
            list.push(`${Math.max(a, b)}`);
          }
        }
        const direct = [...new Set(graph["0"] ?? [])];
        const reachable = reachableIn(graph);
        const { skip, record } = branchSkips({
          directDownstream: direct,
          returned,
          isList: true,
          expandId: (id) => (Number(id) <= size ? [id] : null),
          reachable,
        });
        const kept = direct.filter((id) => returned.includes(id) || returned.some((from) => reachable(from).has(id)));
        expect(direct.filter((id) => !skip.includes(id))).toEqual(kept);
        expect(skip.every((id) => direct.includes(id))).toBe(true);
        // What the record says later is what was decided now.
        expect(record === null ? [] : direct.filter((id) => isSkippedByRecord(record, id))).toEqual(skip);
      }),
    );
  });
});

describe("a short circuit", () => {
  const question = {
    proceed: false,
    ignoreDownstreamTriggerRules: true,
    directDownstream: ["a", "tear", "a"],
    allDownstream: () => ["a", "b", "tear", "b"],
    isTeardown: (taskId: string) => taskId === "tear",
  };

  test("that proceeds skips nothing and leaves no record", ({ expect }) => {
    expect(shortCircuitSkips({ ...question, proceed: true })).toEqual({ skip: [], record: null });
  });

  test("skips everything downstream but teardowns", ({ expect }) => {
    expect(shortCircuitSkips(question)).toEqual({ skip: ["a", "b"], record: { skipped: ["a", "b"] } });
  });

  test("that heeds trigger rules skips only what is directly downstream, but teardowns", ({ expect }) => {
    const decision = shortCircuitSkips({
      ...question,
      ignoreDownstreamTriggerRules: false,
      allDownstream: () => {
        throw new Error("expected the whole downstream not to be asked for");
      },
    });
    expect(decision).toEqual({ skip: ["a"], record: { skipped: ["a"] } });
  });

  test("leaves no record where there is nothing to skip", ({ expect }) => {
    expect(shortCircuitSkips({ ...question, allDownstream: () => ["tear"] })).toEqual({ skip: [], record: null });
  });
});

describe("a record of skips", () => {
  test("skips what it does not list as followed, or what it lists as skipped", ({ expect }) => {
    expect(isSkippedByRecord({ followed: ["a"] }, "a")).toBe(false);
    expect(isSkippedByRecord({ followed: ["a"] }, "b")).toBe(true);
    expect(isSkippedByRecord({ followed: [] }, "a")).toBe(true);
    expect(isSkippedByRecord({ skipped: ["a"] }, "a")).toBe(true);
    expect(isSkippedByRecord({ skipped: ["a"] }, "b")).toBe(false);
  });
});
