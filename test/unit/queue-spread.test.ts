import fc from "fast-check";
import { describe, test } from "vitest";
import { compileGraph } from "../../src/engine/graph.ts";
import { isForWorker, queueOf, queueShown, type Placed } from "../../src/engine/queue-spread.ts";
import { dagSpecSchema, queueSchema, type Json, type QueueSpec } from "../../src/engine/spec.ts";
import { TaskNode } from "../../src/engine/task-node.ts";
import { anyJson, parseJsonObject } from "./json-values.ts";

const QUEUES = ["a", "b", "c"];

function spread(by: "round_robin" | "random" | "hash", key?: (string | number)[]): QueueSpec {
  return queueSchema.parse({ spread: QUEUES, by, key });
}

function placed(fields: Partial<Placed> = {}): Placed {
  return { runId: "r", taskId: "t", mapIndex: -1, tryNumber: 1, ...fields };
}

function counts(names: readonly string[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const name of names) {
    found[name] = (found[name] ?? 0) + 1;
  }
  return found;
}

/** The queues of a thousand instances, or runs. */
const THOUSAND = Array.from({ length: 1000 }, (_, index) => index);
/** Deals that come out further apart than this are no hash but an accident (seven standard deviations). */
const FEWEST = 230;

describe("a task's queue", () => {
  test("is the default one if it names none, and the one it names", ({ expect }) => {
    expect([queueOf(undefined, placed()), queueOf("heavy", placed())]).toEqual(["default", "heavy"]);
  });

  test("by turns is dealt by map index, each as often as the others", ({ expect }) => {
    const names = THOUSAND.map((mapIndex) => queueOf(spread("round_robin"), placed({ mapIndex })));
    expect(names.slice(0, 4)).toEqual(["a", "b", "c", "a"]);
    expect(counts(names)).toEqual({ a: 334, b: 333, c: 333 });
  });

  test("by turns, where it is not mapped, differs from run to run and not from try to try", ({ expect }) => {
    const names = THOUSAND.map((run) => queueOf(spread("round_robin"), placed({ runId: `run ${run}` })));
    expect(Math.min(...Object.values(counts(names)))).toBeGreaterThan(FEWEST);
    expect(queueOf(spread("round_robin"), placed({ tryNumber: 2 }))).toBe(queueOf(spread("round_robin"), placed()));
  });

  test("at random is even over instances, tries and runs, and the same for the same try", ({ expect }) => {
    const rule = spread("random");
    for (const field of ["mapIndex", "tryNumber", "runId"] as const) {
      const names = THOUSAND.map((n) => queueOf(rule, placed({ [field]: field === "runId" ? `run ${n}` : n })));
      expect(Object.keys(counts(names))).toHaveLength(3);
      expect(Math.min(...Object.values(counts(names)))).toBeGreaterThan(FEWEST);
      expect(THOUSAND.map((n) => queueOf(rule, placed({ [field]: field === "runId" ? `run ${n}` : n })))).toEqual(
        names,
      );
    }
  });

  test("by hash is even over values, and one for equal values wherever they come from", ({ expect }) => {
    const rule = spread("hash", ["tenant", "id"]);
    const names = THOUSAND.map((id) => queueOf(rule, placed({ mapIndex: 7 }), { tenant: { id } }));
    expect(Math.min(...Object.values(counts(names)))).toBeGreaterThan(FEWEST);
    const again = THOUSAND.map((id) =>
      queueOf(rule, placed({ runId: "other", mapIndex: id, tryNumber: 3 }), { tenant: { id, name: "x" }, more: 1 }),
    );
    expect(again).toEqual(names);
  });

  test("by hash does not look at the order of keys, and without a key takes the whole input", ({ expect }) => {
    const rule = spread("hash");
    fc.assert(
      fc.property(fc.dictionary(fc.string(), anyJson), fc.integer({ min: -1, max: 9 }), (input, mapIndex) => {
        const turned = Object.fromEntries(Object.entries(input).toReversed());
        expect(queueOf(rule, placed(), turned)).toBe(queueOf(rule, placed({ mapIndex }), input));
      }),
    );
  });

  test.for<[string, Json | undefined]>([
    ["no input", undefined],
    ["nothing at the place", { other: 1 }],
    ["null there", { key: null }],
    ["what is nested too deep", parseJsonObject(`{"key": ${"[".repeat(50_000)}${"]".repeat(50_000)}}`)],
  ])("by hash goes by map index with %s", ([, input], { expect }) => {
    const rule = spread("hash", ["key"]);
    expect([0, 1, 2, 3].map((mapIndex) => queueOf(rule, placed({ mapIndex }), input))).toEqual(["a", "b", "c", "a"]);
  });

  test("is always one of those named", ({ expect }) => {
    fc.assert(
      fc.property(
        fc.constantFrom("round_robin" as const, "random" as const, "hash" as const),
        fc.array(fc.constantFrom("x", "y", "z"), { minLength: 2, maxLength: 16 }),
        fc.string(),
        fc.integer({ min: -1, max: 20_000 }),
        anyJson,
        (by, names, runId, mapIndex, input) => {
          expect(names).toContain(queueOf({ spread: names, by }, placed({ runId, mapIndex }), input));
        },
      ),
    );
  });

  test("is shown by its name, one of several as the one it is, and what needs the input as the rule", ({ expect }) => {
    expect(queueShown(undefined, placed())).toBe("default");
    expect(queueShown("gpu", placed())).toBe("gpu");
    expect(queueShown(spread("round_robin"), placed({ mapIndex: 2 }))).toBe("c");
    expect(JSON.parse(queueShown(spread("hash", ["k"]), placed()))).toEqual({ spread: QUEUES, by: "hash", key: ["k"] });
  });
});

describe("a worker is given follow-up work", () => {
  function instance(queue: QueueSpec | undefined, mapIndex = 0) {
    const task = { task_id: "t", handler: "h", ...(queue === undefined ? {} : { queue }) };
    const [graphTask] = compileGraph(dagSpecSchema.parse({ dag_id: "d", tasks: [task] })).tasks;
    if (graphTask === undefined) {
      throw new Error("expected a graph of one task");
    }
    const node = new TaskNode(graphTask, 0);
    return node.newInstance(mapIndex);
  }
  const on = (queue?: string) => ({ hostname: "h", unixname: "u", ...(queue === undefined ? {} : { queue }) });
  const roles = new Map([["gpu", "heavy"]]);
  const fits = (queue: QueueSpec | undefined, worker?: string, mapIndex = 0): boolean =>
    isForWorker(instance(queue, mapIndex), "r", on(worker), roles);

  test("of its own queue, under the name of the queue or of a role that is known", ({ expect }) => {
    expect([fits(undefined), fits("default"), fits(undefined, "default")]).toEqual([true, true, true]);
    expect([fits("heavy", "heavy"), fits("gpu", "heavy")]).toEqual([true, true]);
  });

  test("and of no other, nor under a role that is not known", ({ expect }) => {
    expect([fits(undefined, "heavy"), fits("heavy"), fits("gpu"), fits("cpu", "heavy")]).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  test("of several the one whose turn it is, and never by its input", ({ expect }) => {
    const turns: QueueSpec = { spread: ["default", "heavy"], by: "round_robin" };
    expect([0, 1, 2].map((mapIndex) => fits(turns, "heavy", mapIndex))).toEqual([false, true, false]);
    expect(fits({ spread: ["heavy", "heavy"], by: "hash" }, "heavy")).toBe(false);
  });
});
