import fc from "fast-check";
import { describe, test } from "vitest";
import {
  EMPTY_CELL,
  giveBack,
  MAX_SLOW_DOWN_MS,
  MAX_STEP_BACK_MS,
  reserve,
  slowDown,
  type RateCell,
  type RateRule,
} from "../../src/engine/permits/gcra.ts";
import { mostInWindow } from "./rate-limits-support.ts";

const START = 1_800_000_000_000;

/** Reserves one after the other, all at the same time, and gives the times after `now`. */
function timesOf(count: number, rule: RateRule, now = START, cell: RateCell = EMPTY_CELL): number[] {
  let present = cell;
  return Array.from({ length: count }, () => {
    const reserved = reserve(present, now, rule);
    present = reserved.cell;
    return reserved.at - START;
  });
}

const rules: fc.Arbitrary<Required<RateRule>> = fc.record({
  limit: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 3000 })),
  perMs: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.constantFrom(1000, 60_000, 86_400_000)),
  burst: fc.integer({ min: 1, max: 20 }),
});

describe("a rate limit", () => {
  test("spaces starts evenly, and saves nothing unless it is told to", ({ expect }) => {
    expect(timesOf(5, { limit: 50, perMs: 1000 })).toEqual([0, 20, 40, 60, 80]);
    expect(timesOf(5, { limit: 3, perMs: 1000 })).toEqual([0, 334, 667, 1000, 1334]);
    expect(timesOf(7, { limit: 3000, perMs: 1000 })).toEqual([0, 1, 1, 1, 2, 2, 2]);
  });

  test("lets a burst start at once after idleness, of the stated size and no larger", ({ expect }) => {
    const rule = { limit: 10, perMs: 1000, burst: 4 };
    expect(timesOf(6, rule)).toEqual([0, 0, 0, 0, 100, 200]);
    const { cell } = reserve(EMPTY_CELL, START - 86_400_000, rule);
    expect(timesOf(6, rule, START, cell)).toEqual([0, 0, 0, 0, 100, 200]);
  });

  test("saves up as time goes by", ({ expect }) => {
    const rule = { limit: 10, perMs: 1000, burst: 4 };
    let cell = EMPTY_CELL;
    for (let index = 0; index < 4; index += 1) {
      ({ cell } = reserve(cell, START, rule));
    }
    expect(timesOf(3, rule, START + 250, cell)).toEqual([250, 250, 300]);
  });

  test("makes one that costs more wait longer, and the next one too", ({ expect }) => {
    const rule = { limit: 10, perMs: 1000, burst: 2 };
    const first = reserve(EMPTY_CELL, START, rule, 2);
    const second = reserve(first.cell, START, rule, 3);
    const third = reserve(second.cell, START, rule);
    expect([first, second, third].map(({ at }) => at - START)).toEqual([0, 300, 400]);
    // More than can be saved waits even after idleness.
    expect(reserve(EMPTY_CELL, START, rule, 5).at - START).toBe(300);
  });

  test("can be changed while it is in use", ({ expect }) => {
    const slow = { limit: 3, perMs: 1000 };
    let cell = EMPTY_CELL;
    for (let index = 0; index < 2; index += 1) {
      ({ cell } = reserve(cell, START, slow));
    }
    // The third part of a millisecond is rounded up, never down.
    expect(timesOf(2, { limit: 7, perMs: 1000 }, START, cell)).toEqual([667, 810]);
  });

  test("refuses a rule or a cost that is none", ({ expect }) => {
    for (const rule of [
      { limit: 0, perMs: 1000 },
      { limit: 1.5, perMs: 1000 },
      { limit: 1, perMs: 0 },
      { limit: 1, perMs: Number.NaN },
      { limit: 1_000_001, perMs: 1000 },
      { limit: 1, perMs: 2_678_400_001 },
      { limit: 1, perMs: 1000, burst: 0 },
      { limit: 1, perMs: 1000, burst: Number.POSITIVE_INFINITY },
    ]) {
      expect(() => reserve(EMPTY_CELL, START, rule)).toThrow(RangeError);
    }
    expect(() => reserve(EMPTY_CELL, START, { limit: 1, perMs: 1 }, 0)).toThrow("expected cost");
  });

  test("counts exactly for as long as one likes: a million starts at 7 per second end where they must", ({
    expect,
  }) => {
    const rule = { limit: 7, perMs: 1000 };
    let cell = EMPTY_CELL;
    let last = 0;
    for (let index = 0; index <= 1_000_000; index += 1) {
      const reserved = reserve(cell, START, rule);
      ({ cell } = reserved);
      last = reserved.at;
    }
    expect(last - START).toBe(Math.ceil(1_000_000_000 / 7));
  });
});

describe("no window holds more than limit and burst", () => {
  const steps = fc.array(
    fc.tuple(fc.integer({ min: -MAX_STEP_BACK_MS, max: 120_000 }), fc.integer({ min: 1, max: 8 })),
    {
      minLength: 1,
      maxLength: 40,
    },
  );

  test("whenever it is asked, and however the clock steps back by up to a minute", ({ expect }) => {
    let reservations = 0;
    fc.assert(
      fc.property(rules, steps, (rule, asked) => {
        let now = START;
        let latest = now;
        let cell = EMPTY_CELL;
        const times: number[] = [];
        for (const [step, count] of asked) {
          // All within a minute of the latest time that was seen.
          now = Math.max(now + step, latest - MAX_STEP_BACK_MS);
          latest = Math.max(latest, now);
          for (let index = 0; index < count; index += 1) {
            const reserved = reserve(cell, now, rule);
            ({ cell } = reserved);
            expect(reserved.at).toBeGreaterThanOrEqual(now);
            expect(reserved.at).toBeGreaterThanOrEqual(times.at(-1) ?? 0);
            times.push(reserved.at);
            reservations += 1;
          }
        }
        expect(mostInWindow(times, rule.perMs)).toBeLessThanOrEqual(rule.limit + rule.burst - 1);
        const sameTime = [...Map.groupBy(times, (time) => time).values()].map((same) => same.length);
        expect(Math.max(...sameTime)).toBeLessThanOrEqual(rule.burst + Math.ceil(rule.limit / rule.perMs));
      }),
      { numRuns: 2000 },
    );
    expect(reservations).toBeGreaterThan(20_000);
  });

  test("between any two larger steps back, after which nobody waits for the old clock", ({ expect }) => {
    const rough = fc.array(
      fc.tuple(fc.integer({ min: -50_000_000, max: 50_000_000 }), fc.integer({ min: 1, max: 8 })),
      { minLength: 2, maxLength: 30 },
    );
    fc.assert(
      fc.property(rules, rough, (rule, asked) => {
        let now = START;
        let cell = EMPTY_CELL;
        let segment: number[] = [];
        let reserved = 0;
        for (const [step, count] of asked) {
          now += step;
          if (now < cell.clock - MAX_STEP_BACK_MS) {
            expect(mostInWindow(segment, rule.perMs)).toBeLessThanOrEqual(rule.limit + rule.burst - 1);
            segment = [];
          }
          for (let index = 0; index < count; index += 1) {
            const { at, cell: after } = reserve(cell, now, rule);
            cell = after;
            segment.push(at);
            reserved += 1;
            // What was reserved in all, and how wrong the clock may be, is the longest that anybody waits.
            expect(at - now).toBeLessThanOrEqual(MAX_STEP_BACK_MS + Math.ceil((reserved * rule.perMs) / rule.limit));
          }
        }
        expect(mostInWindow(segment, rule.perMs)).toBeLessThanOrEqual(rule.limit + rule.burst - 1);
      }),
      { numRuns: 1000 },
    );
  });

  test("and nothing is wasted while there is always somebody who waits", ({ expect }) => {
    fc.assert(
      fc.property(rules, fc.integer({ min: 1, max: 300 }), (rule, count) => {
        const last = timesOf(count, rule).at(-1);
        expect(last).toBe(Math.max(0, Math.ceil(((count - rule.burst) * rule.perMs) / rule.limit)));
      }),
    );
  });
});

describe("slowing down", () => {
  const rule = { limit: 10, perMs: 1000, burst: 3 };

  test("reserves nothing before the time, and no more than the burst at it", ({ expect }) => {
    const cell = slowDown(EMPTY_CELL, START, START + 5000);
    expect(timesOf(5, rule, START, cell)).toEqual([5000, 5000, 5000, 5100, 5200]);
  });

  test("never makes a key faster", ({ expect }) => {
    let cell = slowDown(EMPTY_CELL, START, START + 5000);
    cell = slowDown(cell, START, START + 100);
    expect(timesOf(1, rule, START, cell)).toEqual([5000]);
    let busy = EMPTY_CELL;
    for (let index = 0; index < 100; index += 1) {
      ({ cell: busy } = reserve(busy, START, rule));
    }
    expect(timesOf(1, rule, START, slowDown(busy, START, START + 100))).toEqual([9800]);
  });

  test("is for a day at most, whatever a server asks for", ({ expect }) => {
    for (const until of [Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY]) {
      expect(timesOf(1, rule, START, slowDown(EMPTY_CELL, START, until))).toEqual([MAX_SLOW_DOWN_MS]);
    }
    expect(timesOf(1, rule, START, slowDown(EMPTY_CELL, START, Number.NaN))).toEqual([0]);
    expect(timesOf(1, rule, START, slowDown(EMPTY_CELL, START, Number.NEGATIVE_INFINITY))).toEqual([0]);
  });
});

test("what was given back is reserved again", ({ expect }) => {
  const rule = { limit: 3, perMs: 1000 };
  let cell = EMPTY_CELL;
  for (let index = 0; index < 5; index += 1) {
    ({ cell } = reserve(cell, START, rule));
  }
  expect(timesOf(2, rule, START, giveBack(giveBack(cell, rule), rule))).toEqual([1000, 1334]);
});
