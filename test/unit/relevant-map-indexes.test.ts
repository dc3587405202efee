import fc from "fast-check";
import { describe, test } from "vitest";
import { isRelevant, relevantMapIndexes } from "../../src/engine/trigger-rules.ts";
import type { MappingPosition } from "../../src/engine/trigger-rules.ts";

describe("an element of a mapped group", () => {
  const position: MappingPosition = {
    rule: "all_success",
    mapIndex: 2,
    upstreamFeedsExpansion: false,
    expansionSize: 5,
    commonGroupSize: 5,
    upstreamInnerSize: null,
  };

  test("looks at the same element of an upstream in its group", ({ expect }) => {
    expect(relevantMapIndexes(position)).toEqual({ start: 2, end: 3 });
  });

  test("looks at every instance of an upstream with which it shares no mapped group", ({ expect }) => {
    expect(relevantMapIndexes({ ...position, commonGroupSize: null })).toBe("all");
  });

  test("looks at every instance while its own size is unknown or none", ({ expect }) => {
    expect(relevantMapIndexes({ ...position, expansionSize: null })).toBe("all");
    expect(relevantMapIndexes({ ...position, expansionSize: 0, commonGroupSize: 0 })).toBe("all");
  });

  test("looks at every instance under one_success, one_failed and one_done, unless they feed its expansion", ({
    expect,
  }) => {
    for (const rule of ["one_success", "one_failed", "one_done"] as const) {
      expect(relevantMapIndexes({ ...position, rule })).toBe("all");
      expect(relevantMapIndexes({ ...position, rule, upstreamFeedsExpansion: true })).toEqual({ start: 2, end: 3 });
    }
  });

  test("looks at all instances that its group's element has of an upstream mapped again", ({ expect }) => {
    expect(relevantMapIndexes({ ...position, upstreamInnerSize: 3 })).toEqual({ start: 6, end: 9 });
    expect(relevantMapIndexes({ ...position, upstreamInnerSize: 0 })).toEqual({ start: 0, end: 0 });
  });

  test("finds its group's element by proportion if it is mapped again itself", ({ expect }) => {
    const indexes = [0, 1, 2, 3, 4, 5].map((mapIndex) =>
      relevantMapIndexes({ ...position, mapIndex, expansionSize: 6, commonGroupSize: 2 }),
    );
    expect(indexes.map((range) => (range === "all" ? -1 : range.start))).toEqual([0, 0, 0, 1, 1, 1]);
  });

  test("is held back by no expanded upstream as long as it is the unexpanded instance of a group of known size", ({
    expect,
  }) => {
    const indexes = relevantMapIndexes({ ...position, mapIndex: -1 });
    expect([-1, 0, 1, 4].map((index) => isRelevant(indexes, index))).toEqual([true, false, false, false]);
  });

  test("always looks at an unexpanded upstream", ({ expect }) => {
    expect(isRelevant({ start: 2, end: 3 }, -1)).toBe(true);
    expect([1, 2, 3].map((index) => isRelevant({ start: 2, end: 3 }, index))).toEqual([false, true, false]);
    expect(isRelevant("all", 7)).toBe(true);
  });

  test("shares no upstream element with another element of the group, and leaves none out", ({ expect }) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 5 }), (size, inner) => {
        const seen = Array.from({ length: size }, (_, mapIndex) =>
          relevantMapIndexes({
            ...position,
            mapIndex,
            expansionSize: size,
            commonGroupSize: size,
            upstreamInnerSize: inner,
          }),
        ).flatMap((range) => Array.from({ length: size * inner }, (_, i) => i).filter((i) => isRelevant(range, i)));
        expect(seen).toEqual(Array.from({ length: size * inner }, (_, i) => i));
      }),
    );
  });
});
