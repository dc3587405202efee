import fc from "fast-check";
import { describe, test } from "vitest";
import { elementAt, expansionElement, expansionLength, feedingTasks, mapLength } from "../../src/engine/expansion.ts";
import type { ElementSource, LengthOf } from "../../src/engine/expansion.ts";
import type { ExpandSource, ExpandSpec, Json } from "../../src/engine/spec.ts";

/** What upstream tasks gave; a task that is not here has not ended. */
type Given = Record<string, Json>;

function sourceOf(given: Given, params: Record<string, Json> = {}): ElementSource {
  const lengthOf: LengthOf = (taskId) => {
    const value = given[taskId];
    return value === undefined ? null : mapLength(value);
  };
  return { lengthOf, valueAt: (taskId, index) => elementAt(given[taskId] ?? null, index), params };
}

function lengthWith(expand: ExpandSpec, given: Given = {}, params: Record<string, Json> = {}): number | null {
  return expansionLength(expand, sourceOf(given, params).lengthOf, params);
}

function allElements(expand: ExpandSpec, given: Given = {}, params: Record<string, Json> = {}): Record<string, Json>[] {
  const length = lengthWith(expand, given, params) ?? 0;
  return Array.from({ length }, (_, index) => expansionElement(expand, index, sourceOf(given, params)));
}

const xcom = (taskId: string): ExpandSource => ({ $ref: "xcom", task_id: taskId });
const literal = (items: Json[]): ExpandSource => ({ literal: items });
const over = (kwargs: Record<string, ExpandSource>): ExpandSpec => ({ type: "expand", kwargs });
const kwargsFrom = (source: ExpandSource): ExpandSpec => ({ type: "expand_kwargs", source });

const hugeLengthOf: LengthOf = (taskId) => (taskId === "none" ? 0 : 2 ** 40);
const mostLengthOf: LengthOf = () => Number.MAX_SAFE_INTEGER;

describe("an expansion", () => {
  test("over one list has one element per item", ({ expect }) => {
    expect(allElements(over({ x: literal([1, 2, 3]) }))).toEqual([{ x: 1 }, { x: 2 }, { x: 3 }]);
  });

  test("over several keywords is their cross product, the last varying fastest", ({ expect }) => {
    expect(allElements(over({ a: literal([1, 2]), b: xcom("t") }), { t: ["x", "y", "z"] })).toEqual([
      { a: 1, b: "x" },
      { a: 1, b: "y" },
      { a: 1, b: "z" },
      { a: 2, b: "x" },
      { a: 2, b: "y" },
      { a: 2, b: "z" },
    ]);
  });

  test("over an object has pairs of key and value", ({ expect }) => {
    const expand = over({ pair: { literal: { b: 1, a: [2] } } });
    expect(allElements(expand)).toEqual([{ pair: ["b", 1] }, { pair: ["a", [2]] }]);
    expect(allElements(over({ pair: xcom("t") }), { t: { k: null } })).toEqual([{ pair: ["k", null] }]);
  });

  test("over a param takes it from the run, along a path", ({ expect }) => {
    const expand = over({ city: { $ref: "params", path: ["where", "cities"] } });
    expect(allElements(expand, {}, { where: { cities: ["Paris", "Oslo"] } })).toEqual([
      { city: "Paris" },
      { city: "Oslo" },
    ]);
    expect(lengthWith(expand, {}, { where: { cities: "Paris" } })).toBe(null);
    expect(lengthWith(expand, {}, {})).toBe(null);
  });

  test("by expand_kwargs has the objects themselves", ({ expect }) => {
    expect(allElements(kwargsFrom(xcom("t")), { t: [{ a: 1 }, { b: 2 }] })).toEqual([{ a: 1 }, { b: 2 }]);
  });

  test("by expand_kwargs over anything but objects is a TypeError that shows the element", ({ expect }) => {
    for (const element of [1, "a", null, ["k", 1]]) {
      expect(() => expansionElement(kwargsFrom(literal([element])), 0, sourceOf({}))).toThrow(
        new TypeError(
          `expected element 0 of expand_kwargs to be an object of keyword arguments, got ${JSON.stringify(element)}`,
        ),
      );
    }
  });

  test("zips to the shortest list, or with a fillvalue to the longest, null being one", ({ expect }) => {
    const zip = [literal([1, 2, 3]), xcom("t")];
    expect(allElements(over({ x: { zip } }), { t: ["a"] })).toEqual([{ x: [1, "a"] }]);
    expect(allElements(over({ x: { zip, fillvalue: "-" } }), { t: ["a"] })).toEqual([
      { x: [1, "a"] },
      { x: [2, "-"] },
      { x: [3, "-"] },
    ]);
    expect(allElements(over({ x: { zip, fillvalue: null } }), { t: ["a", "b"] })).toEqual([
      { x: [1, "a"] },
      { x: [2, "b"] },
      { x: [3, null] },
    ]);
  });

  test("concatenates lists, one after the other", ({ expect }) => {
    const concat = [literal([1]), literal([]), xcom("t"), { zip: [literal([5]), literal([6])] }];
    expect(allElements(over({ x: { concat } }), { t: [2, 3] })).toEqual([{ x: 1 }, { x: 2 }, { x: 3 }, { x: [5, 6] }]);
  });

  test("is not known as long as anything it needs is not, not even beside an empty list", ({ expect }) => {
    for (const source of [xcom("t"), { zip: [literal([]), xcom("t")] }, { concat: [literal([1]), xcom("t")] }]) {
      expect(lengthWith(over({ a: literal([]), x: source }))).toBe(null);
      expect(lengthWith(kwargsFrom(source))).toBe(null);
      expect(lengthWith(over({ a: literal([]), x: source }), { t: [] })).toBe(0);
    }
  });

  test("too large for exact numbers is cut off, and empty all the same if one list is", ({ expect }) => {
    const huge = over({ a: xcom("x"), b: xcom("y"), c: xcom("z") });
    expect(expansionLength(huge, hugeLengthOf, {})).toBe(Number.MAX_SAFE_INTEGER);
    expect(expansionLength(over({ a: xcom("x"), b: xcom("y"), c: xcom("none") }), hugeLengthOf, {})).toBe(0);
    expect(expansionLength(kwargsFrom({ concat: [xcom("x"), xcom("y")] }), mostLengthOf, {})).toBe(
      Number.MAX_SAFE_INTEGER,
    );
  });

  test("has no element outside, nor any while its length is not known", ({ expect }) => {
    const expand = over({ x: literal([1, 2]) });
    for (const index of [-1, 2, 0.5, Number.NaN]) {
      expect(() => expansionElement(expand, index, sourceOf({}))).toThrow(RangeError);
    }
    expect(() => expansionElement(expand, 2, sourceOf({}))).toThrow("expected a map index from 0 below 2, got 2");
    expect(() => expansionElement(over({ x: xcom("t") }), 0, sourceOf({}))).toThrow(
      new RangeError("expected a map index of an expansion whose length is known, got 0"),
    );
    expect(() => elementAt("text", 0)).toThrow(new RangeError("expected an index below 0, got 0"));
  });

  test("names the tasks that feed it, each once, in order", ({ expect }) => {
    expect(
      feedingTasks(
        over({ a: xcom("t1"), b: { zip: [xcom("t2"), { concat: [xcom("t1"), xcom("t3")] }] }, c: literal([1]) }),
      ),
    ).toEqual(["t1", "t2", "t3"]);
    expect(feedingTasks(kwargsFrom(xcom("t")))).toEqual(["t"]);
    expect(feedingTasks(over({ a: { $ref: "params" } }))).toEqual([]);
  });

  test("takes a keyword called __proto__ for data", ({ expect }) => {
    const expand = over(Object.fromEntries([["__proto__", literal([1])]]));
    expect(Object.entries(expansionElement(expand, 0, sourceOf({})))).toEqual([["__proto__", 1]]);
  });
});

/** The items of a source, written out. */
function naiveItems(source: ExpandSource, given: Given): Json[] {
  if ("literal" in source) {
    return Array.isArray(source.literal) ? source.literal : Object.entries(source.literal);
  }
  if ("concat" in source) {
    return source.concat.flatMap((part) => naiveItems(part, given));
  }
  if ("zip" in source) {
    const parts = source.zip.map((part) => naiveItems(part, given));
    const lengths = parts.map((part) => part.length);
    const { fillvalue } = source;
    const rows = fillvalue === undefined ? Math.min(...lengths) : Math.max(...lengths);
    return Array.from({ length: rows }, (_, row) => parts.map((part) => part[row] ?? fillvalue ?? null));
  }
  const value = source.$ref === "xcom" ? given[source.task_id] : null;
  return Array.isArray(value) ? value : [];
}

function naiveCross(kwargs: [string, ExpandSource][], given: Given): Record<string, Json>[] {
  const [first, ...rest] = kwargs;
  if (first === undefined) {
    return [{}];
  }
  const [name, source] = first;
  return naiveItems(source, given).flatMap((item) =>
    naiveCross(rest, given).map((others) => ({ [name]: item, ...others })),
  );
}

const items = fc.array(fc.integer({ min: 1, max: 99 }), { maxLength: 4 });
const { source: anySource } = fc.letrec<{ source: ExpandSource; leaf: ExpandSource }>((tie) => ({
  leaf: fc.oneof(
    items.map((list): ExpandSource => ({ literal: list })),
    fc
      .dictionary(fc.constantFrom("p", "q", "r"), fc.integer({ min: 1 }), { noNullPrototype: true })
      .map((object): ExpandSource => ({ literal: object })),
    fc.constantFrom("t1", "t2").map(xcom),
  ),
  source: fc.oneof(
    { maxDepth: 2, depthIdentifier: "source" },
    tie("leaf"),
    fc.array(tie("source"), { minLength: 1, maxLength: 3 }).map((concat): ExpandSource => ({ concat })),
    fc
      .tuple(fc.array(tie("source"), { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([zip, filled]): ExpandSource => (filled ? { zip, fillvalue: 0 } : { zip })),
  ),
}));

describe("any expansion", () => {
  test("gives what writing out its cross product gives, element by element", ({ expect }) => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom("a", "b", "c"), anySource, { minKeys: 1, noNullPrototype: true }),
        fc.record({ t1: items, t2: items }),
        (kwargs, given) => {
          const naive = naiveCross(Object.entries(kwargs), given);
          fc.pre(naive.length <= 2000);
          expect(lengthWith(over(kwargs), given)).toBe(naive.length);
          expect(allElements(over(kwargs), given)).toEqual(naive);
        },
      ),
    );
  });
});
