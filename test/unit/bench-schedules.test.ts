import { describe, test } from "vitest";
import { readStarts } from "../../bench/schedules.ts";

describe("the figures of scheduled DAGs", () => {
  test("the rate counts from the moment they are due to the start of the last", ({ expect }) => {
    const starts = [10, 20, 50, 20].map((late) => ({ due: 1000, started: 1000 + late }));
    expect(readStarts(starts)).toEqual({ perSecond: 80, p50: 20, p99: 50 });
  });

  test("runs that all start in the first millisecond give a finite rate", ({ expect }) => {
    expect(readStarts([{ due: 1000, started: 1000 }])).toEqual({ perSecond: 1000, p50: 0, p99: 0 });
  });

  test("a round without a run is an error", ({ expect }) => {
    expect(() => readStarts([])).toThrow(/at least one measurement/);
  });
});
