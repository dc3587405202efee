import fc from "fast-check";
import { describe, test } from "vitest";
import type { RateRule } from "../../src/engine/permits/gcra.ts";
import { KEEP_MS, MAX_IDS, ReservationBook, type ReservationEntry } from "../../src/engine/permits/reservations.ts";
import { mostInWindow } from "./rate-limits-support.ts";

const START = 1_800_000_000_000;
const RULE: RateRule = { limit: 10, perMs: 1000 };

/** A book as its object keeps it: what changes is stored, and may be read again at any moment. */
class Shelf {
  now = START;
  book = new ReservationBook([]);
  stored: ReservationEntry[] = [];

  reserve(ids: string[], rule = RULE): number[] {
    const { times, entry } = this.book.reserve(ids, rule, this.now);
    this.#store(entry);
    return times.map((at) => at - START);
  }

  slowDown(until: number): void {
    this.#store(this.book.slowDown(until, this.now));
  }

  cancel(...ids: string[]): void {
    this.#store(this.book.cancel(ids, this.now));
  }

  evict(): void {
    this.book = new ReservationBook(structuredClone(this.stored));
  }

  #store(entry: ReservationEntry | null): void {
    if (entry !== null) {
      this.stored.push(structuredClone(entry));
      this.stored = this.stored.filter(({ seq }) => seq >= this.book.oldest);
    }
  }
}

describe("a reservation", () => {
  test("is the same whenever its id asks again, in the same call, later or after an eviction", ({ expect }) => {
    const shelf = new Shelf();
    expect(shelf.reserve(["a", "b", "a"])).toEqual([0, 100, 0]);
    shelf.now += 50;
    expect(shelf.reserve(["c", "b"])).toEqual([200, 100]);
    shelf.evict();
    expect(shelf.reserve(["c", "d", "a"])).toEqual([200, 300, 0]);
  });

  test("that is asked for again stores nothing", ({ expect }) => {
    const shelf = new Shelf();
    shelf.reserve(["a", "b"]);
    const before = structuredClone(shelf.stored);
    shelf.reserve(["b", "a"]);
    shelf.reserve([]);
    shelf.cancel("nobody");
    expect(shelf.stored).toEqual(before);
    expect(before).toHaveLength(1);
  });

  test("is forgotten ten minutes after its time, and what is stored does not grow", ({ expect }) => {
    const shelf = new Shelf();
    shelf.reserve(Array.from({ length: 50 }, (_, index) => `a-${index}`));
    shelf.now += 4900 + KEEP_MS - 1;
    expect(shelf.reserve(["b", "a-49"])[1]).toBe(4900);
    shelf.now += 1;
    shelf.reserve(["c"]);
    expect(shelf.stored.flatMap(({ times }) => times.map(([id]) => id))).toEqual(["b", "c"]);
    shelf.now += 2 * KEEP_MS;
    shelf.evict();
    // The newest entry is kept, its times are not.
    expect(shelf.reserve(["c"])).toEqual([shelf.now - START]);
    for (let index = 0; index < 1000; index += 1) {
      shelf.now += 60_000;
      shelf.reserve([`d-${index}`]);
      expect(shelf.stored.length).toBeLessThanOrEqual(12);
    }
    expect(shelf.reserve(["a-49"])).toEqual([shelf.now - START + 100]);
  });

  test("made by a clock that was far ahead is forgotten when it is right again", ({ expect }) => {
    const shelf = new Shelf();
    shelf.now += 10 * 365 * 86_400_000;
    shelf.reserve(["a"]);
    shelf.now = START;
    shelf.reserve(["b"]);
    shelf.now += 1000;
    shelf.reserve(["c"]);
    expect(shelf.stored.flatMap(({ times }) => times.map(([id]) => id))).toEqual(["b", "c"]);
    expect(shelf.reserve(["a"])).toEqual([1100]);
  });

  test("whose id is an odd word is like any other", ({ expect }) => {
    const shelf = new Shelf();
    const ids = ["__proto__", "constructor", "", "\u0000", "ü\ud800"];
    expect(shelf.reserve(ids)).toEqual([0, 100, 200, 300, 400]);
    shelf.evict();
    expect(shelf.reserve(ids)).toEqual([0, 100, 200, 300, 400]);
  });

  test("of too many ids at once, or by a rule that is none, is refused, and nothing changes", ({ expect }) => {
    const shelf = new Shelf();
    expect(() => shelf.reserve(Array.from({ length: MAX_IDS + 1 }, (_, index) => `${index}`))).toThrow(/at most 5000/);
    expect(() => shelf.reserve(["a"], { limit: 0, perMs: 1 })).toThrow(/limit/);
    expect(shelf.reserve(["a"])).toEqual([0]);
  });
});

describe("slowing down", () => {
  test("gives ids that wait for an earlier time a new one when they ask again, and others keep theirs", ({
    expect,
  }) => {
    const shelf = new Shelf();
    shelf.reserve(["gone", "waits", "waits too"]);
    shelf.now += 50;
    shelf.slowDown(START + 5000);
    shelf.evict();
    expect(shelf.reserve(["gone", "waits", "waits too", "new"])).toEqual([0, 5000, 5100, 5200]);
    expect(shelf.reserve(["waits"])).toEqual([5000]);
  });

  test("again to an earlier time changes nothing", ({ expect }) => {
    const shelf = new Shelf();
    shelf.slowDown(START + 5000);
    shelf.slowDown(START + 4000);
    expect(shelf.stored).toHaveLength(1);
    expect(shelf.book.view(shelf.now)).toEqual({
      rule: null,
      next_at: null,
      reserved: 0,
      slowed_until: START + 5000,
    });
    shelf.now += 5000;
    expect(shelf.book.view(shelf.now).slowed_until).toBe(null);
  });
});

describe("cancelling", () => {
  test("frees the times that were reserved last, so that a run that is killed blocks nobody", ({ expect }) => {
    const shelf = new Shelf();
    const ids = Array.from({ length: 1000 }, (_, index) => `run-${index}`);
    shelf.reserve(["other", ...ids]);
    shelf.now += 250;
    shelf.cancel(...ids);
    shelf.evict();
    // The first two of the run had their time already.
    expect(shelf.reserve(["next", "and next"])).toEqual([300, 400]);
    expect(shelf.reserve(["run-999"])).toEqual([500]);
  });

  test("frees nothing whose time has come", ({ expect }) => {
    const shelf = new Shelf();
    shelf.reserve(["a", "b"]);
    shelf.now += 100;
    shelf.cancel("a", "b");
    expect(shelf.reserve(["c"])).toEqual([200]);
  });

  test("frees nothing that stands before a time somebody holds", ({ expect }) => {
    const shelf = new Shelf();
    shelf.reserve(["a", "b", "c", "d"]);
    shelf.cancel("b");
    expect(shelf.reserve(["e"])).toEqual([400]);
    shelf.cancel("e", "d");
    expect(shelf.reserve(["f"])).toEqual([300]);
  });

  test("frees nothing that was reserved by another rule", ({ expect }) => {
    const shelf = new Shelf();
    shelf.reserve(["a", "b"]);
    shelf.reserve(["c"], { limit: 1, perMs: 1000 });
    shelf.reserve(["d"]);
    shelf.cancel("c");
    expect(shelf.reserve(["e"])).toEqual([1300]);
    shelf.cancel("d", "e", "c");
    expect(shelf.reserve(["f"])).toEqual([1200]);
  });
});

test("the view says when the next would start and how many wait", ({ expect }) => {
  const shelf = new Shelf();
  expect(shelf.book.view(START)).toEqual({ rule: null, next_at: null, reserved: 0, slowed_until: null });
  shelf.reserve(["a", "b", "c"]);
  expect(shelf.book.view(START + 100)).toEqual({ rule: RULE, next_at: START + 300, reserved: 1, slowed_until: null });
});

test("no window holds more than limit and burst, whatever is repeated, cancelled, slowed down and lost in between", ({
  expect,
}) => {
  const ids = fc.array(fc.nat(60), { minLength: 1, maxLength: 12 });
  const moves = fc.array(
    fc.oneof(
      { arbitrary: fc.record({ kind: fc.constant("reserve" as const), ids }), weight: 6 },
      { arbitrary: fc.record({ kind: fc.constant("cancel" as const), ids }), weight: 2 },
      {
        arbitrary: fc.record({ kind: fc.constant("step" as const), ms: fc.integer({ min: -800, max: 1500 }) }),
        weight: 4,
      },
      {
        arbitrary: fc.record({ kind: fc.constant("slow" as const), ms: fc.integer({ min: -100, max: 3000 }) }),
        weight: 1,
      },
      { arbitrary: fc.record({ kind: fc.constant("evict" as const) }), weight: 2 },
    ),
    { minLength: 5, maxLength: 60 },
  );
  const rules = fc.record({
    limit: fc.integer({ min: 1, max: 30 }),
    perMs: fc.constantFrom(7, 1000),
    burst: fc.integer({ min: 1, max: 5 }),
  });
  let starts = 0;
  let freed = 0;
  fc.assert(
    fc.property(rules, moves, (rule, play) => {
      const shelf = new Shelf();
      /** When each id starts, as far as its owner knows; one that asks after its time came is another start. */
      const times = new Map<string, number>();
      for (const move of play) {
        if (move.kind === "reserve") {
          const names = move.ids.map((id) => `${id}`);
          for (const [index, at] of shelf.reserve(names, rule).entries()) {
            times.set(names[index] ?? "", at);
          }
        } else if (move.kind === "cancel") {
          // The owner cancels only what has not started.
          const names = move.ids.map((id) => `${id}`).filter((id) => (times.get(id) ?? 0) > shelf.now - START);
          const before = shelf.book.view(shelf.now).next_at ?? 0;
          shelf.cancel(...names);
          freed += before - (shelf.book.view(shelf.now).next_at ?? 0) > 0 ? 1 : 0;
          for (const name of names) {
            times.delete(name);
          }
        } else if (move.kind === "step") {
          shelf.now += move.ms;
        } else if (move.kind === "slow") {
          shelf.slowDown(shelf.now + move.ms);
        } else {
          const before = shelf.book.view(shelf.now);
          shelf.evict();
          expect(shelf.book.view(shelf.now)).toEqual(before);
        }
      }
      const inOrder = [...times.values()].toSorted((a, b) => a - b);
      starts += inOrder.length;
      expect(mostInWindow(inOrder, rule.perMs)).toBeLessThanOrEqual(rule.limit + rule.burst - 1);
    }),
    { numRuns: 2000 },
  );
  expect(starts).toBeGreaterThan(20_000);
  expect(freed).toBeGreaterThan(100);
});
