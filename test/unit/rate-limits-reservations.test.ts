import fc from "fast-check";
import { describe, test } from "vitest";
import { toleranceMs, type RateRule } from "../../src/engine/permits/gcra.ts";
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
    shelf.reserve(["b"]);
    expect(shelf.stored.flatMap(({ times }) => times)).toContainEqual(["a-49", START + 4900]);
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

/** Those who wait for their times as task instances and jobs do: they ask, wait, come late, and ask again. */
class Waiting {
  readonly shelf = new Shelf();
  readonly starts: number[] = [];
  /** When each that has not started asks next. */
  readonly #due = new Map<string, number>();
  readonly #rule: RateRule;

  constructor(rule: RateRule) {
    this.#rule = rule;
  }

  get left(): number {
    return this.#due.size;
  }

  come(ids: string[]): void {
    for (const id of ids) {
      this.#due.set(id, this.shelf.now);
    }
  }

  /** All whose time to ask has come ask, together or one by one; the next time each is late by what `late` says. */
  ask(late: () => number, together: boolean): void {
    const { now } = this.shelf;
    const ids = [...this.#due].filter(([, at]) => at <= now).map(([id]) => id);
    for (const asking of together ? [ids] : ids.map((id) => [id])) {
      for (const [index, time] of this.shelf.reserve(asking, this.#rule).entries()) {
        const id = asking[index] ?? "";
        const at = time + START;
        if (at <= now) {
          this.starts.push(now);
          this.#due.delete(id);
        } else {
          this.#due.set(id, at + late());
        }
      }
    }
  }

  /** Those that have not started are not wanted any more, one of so many. */
  cancel(oneOf: number): void {
    const ids = [...this.#due.keys()].filter((_, index) => index % oneOf === 0);
    this.shelf.cancel(...ids);
    for (const id of ids) {
      this.#due.delete(id);
    }
  }

  get next(): number {
    return Math.min(...this.#due.values());
  }
}

const RULES = fc.record({
  limit: fc.integer({ min: 1, max: 30 }),
  perMs: fc.constantFrom(1000, 60_000),
  burst: fc.integer({ min: 1, max: 5 }),
});

describe("a time that has passed", () => {
  test("while everything stood still is dealt out again: what waited does not start at once", ({ expect }) => {
    const rule = { limit: 20, perMs: 1000, burst: 5 };
    const waiting = new Waiting(rule);
    waiting.come(Array.from({ length: 200 }, (_, index) => `job-${index}`));
    while (waiting.shelf.now < START + 1500) {
      waiting.ask(() => 0, false);
      waiting.shelf.now = waiting.next;
    }
    waiting.shelf.now += 6000;
    waiting.shelf.evict();
    const before = waiting.starts.length;
    waiting.ask(() => 0, false);
    expect(waiting.starts.length - before).toBeLessThanOrEqual(5);
    while (waiting.left > 0) {
      waiting.shelf.now = waiting.next;
      waiting.ask(() => 0, false);
    }
    expect(mostInWindow(waiting.starts, 1000 - toleranceMs(rule))).toBeLessThanOrEqual(24);
    // Nothing is lost by it: they go on at the full rate.
    expect((waiting.starts.at(-1) ?? 0) - START - 7500).toBeLessThan(((200 - before) / 20) * 1000 + 100);
  });

  test("is another one for who asks after a stop, and the same for who asks again at once", ({ expect }) => {
    const shelf = new Shelf();
    expect(shelf.reserve(["a", "b", "c"])).toEqual([0, 100, 200]);
    shelf.now += 5000;
    shelf.evict();
    expect(shelf.reserve(["b", "c"])).toEqual([5000, 5100]);
    expect(shelf.reserve(["b", "c"])).toEqual([5000, 5100]);
  });

  test("of a slowed key gives no right to start before the key may", ({ expect }) => {
    const shelf = new Shelf();
    shelf.reserve(["a", "b"]);
    shelf.now += 3000;
    shelf.slowDown(START + 9000);
    expect(shelf.reserve(["b"])).toEqual([9000]);
  });

  test("in another limit's line is none in this one: a task under two keeps both", ({ expect }) => {
    const [narrow, wide] = [
      { shelf: new Shelf(), rule: { limit: 10, perMs: 1000 } },
      { shelf: new Shelf(), rule: { limit: 25, perMs: 1000 } },
    ];
    const starts = { both: [] as number[], wide: [] as number[] };
    const due = new Map(
      ["only", "both"].flatMap((kind) =>
        Array.from({ length: 100 }, (_, index) => [`${kind}-${index}`, START] as [string, number]),
      ),
    );
    for (let turns = 0; due.size > 0; turns += 1) {
      expect(turns).toBeLessThan(2000);
      const now = Math.min(...due.values());
      narrow.shelf.now = now;
      wide.shelf.now = now;
      for (const id of [...due].filter(([, at]) => at === now).map(([each]) => each)) {
        const limits = id.startsWith("both") ? [narrow, wide] : [wide];
        const at = START + Math.max(...limits.flatMap(({ shelf, rule }) => shelf.reserve([id], rule)));
        if (at > now) {
          due.set(id, at);
        } else {
          due.delete(id);
          starts.wide.push(now);
          starts.both.push(...(id.startsWith("both") ? [now] : []));
        }
      }
    }
    expect(mostInWindow(starts.both, 900)).toBeLessThanOrEqual(10);
    expect(mostInWindow(starts.wide, 960)).toBeLessThanOrEqual(25);
  });

  test("gives each a start in the end though all are always late", ({ expect }) => {
    for (const lateMs of [30, 130, 1000]) {
      const waiting = new Waiting({ limit: 20, perMs: 1000 });
      waiting.come(Array.from({ length: 100 }, (_, index) => `${index}`));
      for (let turns = 0; waiting.left > 0; turns += 1) {
        expect(turns).toBeLessThan(1000);
        waiting.ask(() => lateMs, false);
        waiting.shelf.now = waiting.left > 0 ? Math.max(waiting.shelf.now, waiting.next) : waiting.shelf.now;
      }
      // 99 spaces of 50 ms, and the lateness once.
      expect(waiting.shelf.now - START).toBeLessThanOrEqual(99 * 50 + lateMs + 100);
    }
  });
});

test("no window holds more starts than limit and burst, however late each asks again, whatever stops, is lost, cancelled or slowed down", ({
  expect,
}) => {
  const moves = fc.array(
    fc.oneof(
      {
        arbitrary: fc.record({ kind: fc.constant("come" as const), count: fc.integer({ min: 1, max: 20 }) }),
        weight: 3,
      },
      { arbitrary: fc.record({ kind: fc.constant("go" as const), turns: fc.integer({ min: 1, max: 30 }) }), weight: 6 },
      {
        arbitrary: fc.record({ kind: fc.constant("stop" as const), ms: fc.integer({ min: 1, max: 90_000 }) }),
        weight: 2,
      },
      { arbitrary: fc.record({ kind: fc.constant("evict" as const) }), weight: 2 },
      {
        arbitrary: fc.record({ kind: fc.constant("cancel" as const), oneOf: fc.integer({ min: 1, max: 5 }) }),
        weight: 1,
      },
      {
        arbitrary: fc.record({ kind: fc.constant("slow" as const), ms: fc.integer({ min: -100, max: 3000 }) }),
        weight: 1,
      },
      { arbitrary: fc.record({ kind: fc.constant("back" as const), ms: fc.integer({ min: 1, max: 800 }) }), weight: 1 },
    ),
    { minLength: 4, maxLength: 30 },
  );
  const lateness = fc.array(
    fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 5000 })),
    { minLength: 1, maxLength: 40 },
  );
  let starts = 0;
  fc.assert(
    fc.property(RULES, moves, lateness, fc.boolean(), (rule, play, late, together) => {
      const waiting = new Waiting(rule);
      let asked = 0;
      const nextLate = (): number => late[(asked += 1) % late.length] ?? 0;
      const go = (): void => {
        waiting.shelf.now = Math.max(waiting.shelf.now, waiting.next);
        waiting.ask(nextLate, together);
      };
      for (const [index, move] of play.entries()) {
        if (move.kind === "come") {
          waiting.come(Array.from({ length: move.count }, (_, each) => `${index}-${each}`));
          waiting.ask(nextLate, together);
        } else if (move.kind === "go") {
          for (let turn = 0; turn < move.turns && waiting.left > 0; turn += 1) {
            go();
          }
        } else if (move.kind === "stop") {
          waiting.shelf.now += move.ms;
        } else if (move.kind === "cancel") {
          waiting.cancel(move.oneOf);
        } else if (move.kind === "slow") {
          waiting.shelf.slowDown(waiting.shelf.now + move.ms);
        } else {
          waiting.shelf.evict();
        }
      }
      for (let turn = 0; waiting.left > 0; turn += 1) {
        expect(turn).toBeLessThan(5000);
        go();
      }
      starts += waiting.starts.length;
      const inOrder = waiting.starts.toSorted((a, b) => a - b);
      expect(mostInWindow(inOrder, rule.perMs - toleranceMs(rule))).toBeLessThanOrEqual(rule.limit + rule.burst - 1);
    }),
    { numRuns: 2000 },
  );
  expect(starts).toBeGreaterThan(20_000);
});
