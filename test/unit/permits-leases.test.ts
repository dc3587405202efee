import { describe, test } from "vitest";
import { ANSWER_MS, LAST_CALL_MS, RETRY_MS } from "../../src/engine/permits/lease-book.ts";
import { Bench, config, LEASE_MS, wish } from "./permits-support.ts";

describe("a grant", () => {
  test("goes out at once to an owner that waited", ({ expect }) => {
    const bench = new Bench(1);
    bench.exchange({ ask: [wish("a")] }, "x");
    bench.exchange({ ask: [wish("b")] }, "y");
    bench.exchange({ release: ["a"] }, "x");
    expect(bench.deliveries.map(({ owner }) => owner)).toEqual(["y"]);
    expect(bench.takeTold()).toEqual(["b"]);
  });

  test("that the answer named goes out only if it is not acknowledged in time", ({ expect }) => {
    const bench = new Bench(2);
    bench.ask(wish("a"), wish("b"));
    bench.advance(ANSWER_MS - 1);
    expect(bench.takeTold()).toEqual([]);
    bench.exchange({ acknowledge: ["a"] });
    // The answer to that named b again.
    bench.advance(ANSWER_MS);
    expect(bench.takeTold()).toEqual(["b"]);
  });

  test("goes out again, ever more slowly, until it is acknowledged", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a", { leaseMs: 86_400_000 }));
    bench.advance(ANSWER_MS);
    const times: number[] = [];
    for (let tries = 0; tries < 8; tries += 1) {
      expect(bench.takeTold()).toEqual(["a"]);
      const begun = bench.now;
      bench.advance((bench.ledger.nextDue() ?? 0) - begun);
      times.push(bench.now - begun);
    }
    expect(times).toEqual([1, 2, 4, 8, 16, 30, 30, 30].map((times2) => times2 * RETRY_MS));
    bench.answerAll();
    expect(bench.ledger.nextDue()).toBeGreaterThan(bench.now + 1_000_000);
  });

  test("goes out again after an eviction, whatever was on its way", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"));
    bench.evict();
    bench.tick();
    expect(bench.takeTold()).toEqual(["a"]);
  });

  test("that is no longer wanted is given back by the answer to its delivery", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"), wish("b"));
    bench.advance(ANSWER_MS);
    bench.answerAll({ unwanted: ["a", "nobody"] });
    expect(bench.in("held")).toEqual(["b"]);
  });

  test("is not touched by an answer about one of the same name before it", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"));
    bench.advance(ANSWER_MS);
    const [old] = bench.deliveries.splice(0);
    bench.release("a");
    bench.ask(wish("a"));
    bench.answer(old ?? { owner: "dag", permits: [] }, { unwanted: ["a"] });
    expect(bench.in("held")).toEqual(["a"]);
    expect([...bench.ledger.permits][0]?.isKnown).toBe(false);
  });

  test("an answer about a permit that waits again, or is gone, changes nothing", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"), wish("b"));
    bench.advance(ANSWER_MS);
    const [old] = bench.deliveries.splice(0);
    bench.exchange({ defer: ["a"] });
    bench.exchange({ resume: ["a"] });
    bench.answer(old ?? { owner: "dag", permits: [] }, { unwanted: ["a"] });
    expect(bench.in("waiting")).toEqual(["a"]);
    bench.evict();
    bench.answer(old ?? { owner: "dag", permits: [] }, { unwanted: ["a"] });
    expect(bench.in("waiting")).toEqual(["a"]);
  });
});

describe("a lease", () => {
  test("is asked after when half of it is over, and begins anew with the answer", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"));
    bench.exchange({ acknowledge: ["a"] });
    bench.advance(LEASE_MS / 2 - 1);
    expect(bench.takeTold()).toEqual([]);
    bench.advance(1);
    expect(bench.deliveries).toHaveLength(1);
    bench.answerAll({ running: ["a"] });
    expect([...bench.ledger.permits]).toMatchObject([{ leaseEnd: bench.now + LEASE_MS, isRunning: true }]);
    bench.advance(LEASE_MS / 2 - 1);
    expect(bench.takeTold()).toEqual([]);
  });

  test("begins anew when the owner renews it, waking or not", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"));
    for (let times = 0; times < 10; times += 1) {
      bench.advance(LEASE_MS / 2 - 1);
      expect(bench.exchange({ renew: ["a"] })).toMatchObject({ granted: ["a"], lost: [] });
      bench.evict();
    }
    bench.takeTold();
    expect(bench.in("held")).toEqual(["a"]);
  });

  test("that ends in silence lapses after a last call, and its slots go on", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"), wish("b"));
    bench.exchange({ acknowledge: ["a"] });
    bench.advance(LEASE_MS + LAST_CALL_MS - 1);
    expect(bench.lapsed).toEqual([]);
    expect(bench.takeTold()).toContain("a");
    bench.advance(1);
    expect(bench.lapsed).toEqual(["a"]);
    expect(bench.in("held")).toEqual(["b"]);
    expect(bench.exchange({ renew: ["a"] }).lost).toEqual(["a"]);
  });

  test("does not lapse because everybody slept through its end", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"), wish("b"));
    bench.now += 100 * LEASE_MS;
    bench.evict();
    bench.tick();
    expect(bench.takeTold()).toEqual(["a"]);
    bench.advance(LAST_CALL_MS - 1);
    expect(bench.lapsed).toEqual([]);
    bench.answerAll();
    bench.advance(LAST_CALL_MS);
    expect(bench.in("held")).toEqual(["a"]);
  });

  test("lapses in the end though it is evicted before every alarm", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"));
    const begun = bench.now;
    for (let steps = 0; bench.lapsed.length === 0 && steps < 1000; steps += 1) {
      const alarm = bench.ledger.nextDue() ?? bench.now;
      bench.evict();
      bench.advance(alarm - bench.now);
    }
    expect(bench.lapsed).toEqual(["a"]);
    expect(bench.now - begun).toBeLessThanOrEqual(LEASE_MS + LAST_CALL_MS + RETRY_MS);
    expect(bench.stored.size).toBe(0);
  });

  test("is never longer than its length, though the clock steps back", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"));
    bench.now -= 1_000_000;
    bench.evict();
    expect([...bench.ledger.permits]).toMatchObject([{ leaseEnd: bench.now + LEASE_MS }]);
  });

  test("of one that deferred goes on, so that it cannot be forgotten either", ({ expect }) => {
    const bench = new Bench(config(1, true));
    bench.ask(wish("a"), wish("b"));
    bench.exchange({ defer: ["a"] });
    bench.advance(LEASE_MS + LAST_CALL_MS);
    expect(bench.in("held")).toEqual(["b"]);
  });
});
