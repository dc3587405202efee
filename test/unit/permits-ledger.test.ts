import { describe, test } from "vitest";
import { MAX_PASSES } from "../../src/engine/permits/waiting-list.ts";
import { Bench, config, OWNER, wish } from "./permits-support.ts";

describe("asking", () => {
  test("grants what fits and lets the rest wait", ({ expect }) => {
    const bench = new Bench(2);
    expect(bench.ask(wish("a"), wish("b"), wish("c"))).toEqual({
      granted: ["a", "b"],
      waiting: ["c"],
      too_large: [],
      lost: [],
    });
    bench.release("a");
    expect(bench.in("held")).toEqual(["b", "c"]);
  });

  test("twice is asking once", ({ expect }) => {
    const bench = new Bench(2);
    bench.ask(wish("a"), wish("b"), wish("c"));
    expect(bench.ask(wish("a"), wish("c"), wish("a"))).toMatchObject({ granted: ["a", "b"], waiting: ["c"] });
    expect(bench.ledger.occupied).toBe(2);
    expect(bench.ledger.size).toBe(3);
  });

  test("keeps the place of the first asking", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("held"), wish("first"), wish("second"));
    bench.ask(wish("second", { priority: 9 }));
    bench.release("held");
    expect(bench.in("held")).toEqual(["first"]);
  });

  test("for more than there is waits as too large, holds nobody back, and is granted when the ledger grows", ({
    expect,
  }) => {
    const bench = new Bench(2);
    expect(bench.ask(wish("giant", { slots: 3, priority: 9 }), wish("a"))).toMatchObject({
      granted: ["a"],
      too_large: ["giant"],
    });
    for (let index = 0; index < 3 * MAX_PASSES; index += 1) {
      expect(bench.ask(wish(`small-${index}`)).granted).toContain(`small-${index}`);
      bench.release(`small-${index}`);
    }
    bench.configure(config(4));
    expect(bench.in("held")).toEqual(["a", "giant"]);
  });

  test("a ledger without a limit grants everything", ({ expect }) => {
    const bench = new Bench(-1);
    expect(bench.ask(wish("a", { slots: 1_000_000 }), wish("b")).granted).toEqual(["a", "b"]);
  });

  test("a ledger of no slots lets everything wait", ({ expect }) => {
    const bench = new Bench(0);
    expect(bench.ask(wish("a")).too_large).toEqual(["a"]);
  });

  test("a ledger that nobody made lets everything wait until somebody makes it", ({ expect }) => {
    const bench = new Bench(null);
    expect(bench.ask(wish("a")).too_large).toEqual(["a"]);
    bench.configure(config(1));
    expect(bench.in("held")).toEqual(["a"]);
    expect(bench.takeTold()).toEqual(["a"]);
  });

  test("brings the limit along where users do, and changes it", ({ expect }) => {
    const bench = new Bench(null);
    expect(bench.exchange({ limit: 1, ask: [wish("a"), wish("b")] })).toMatchObject({ granted: ["a"], waiting: ["b"] });
    expect(bench.exchange({ limit: 2 }).granted).toEqual(["a", "b"]);
    expect(bench.storedConfig).toEqual(config(2));
  });

  test("is refused as a whole if one request is none", ({ expect }) => {
    const bench = new Bench(5);
    for (const broken of [
      wish("a", { slots: 0 }),
      wish("a", { slots: 1.5 }),
      wish("a", { slots: Number.NaN }),
      wish("a", { priority: Number.POSITIVE_INFINITY }),
      wish("a", { requestedAt: 0.5 }),
      wish("a", { leaseMs: 0 }),
      wish("a", { leaseMs: 86_400_001 }),
    ]) {
      expect(() => bench.ask(broken)).toThrow(/^expected .* for "a"$/);
    }
  });
});

describe("order", () => {
  test("is by priority, then age, then arrival", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("holder"));
    bench.ask(
      wish("late", { requestedAt: 9 }),
      wish("early", { requestedAt: 1 }),
      wish("same", { requestedAt: 1 }),
      wish("urgent", { priority: 5, requestedAt: 99 }),
      wish("idle", { priority: -5 }),
    );
    const order: string[] = [];
    for (let [holder] = bench.in("held"); holder !== undefined; [holder] = bench.in("held")) {
      order.push(holder);
      bench.release(holder);
    }
    expect(order).toEqual(["holder", "urgent", "early", "same", "late", "idle"]);
  });

  test("looks at who is asked for in the same call before anybody is granted", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"), wish("b"));
    const answer = bench.exchange({ release: ["a"], ask: [wish("urgent", { priority: 5 })] });
    expect(answer).toMatchObject({ granted: ["urgent"], waiting: [] });
  });

  test("a small request passes a large one that does not fit", ({ expect }) => {
    const bench = new Bench(3);
    bench.ask(wish("a", { slots: 2 }), wish("large", { slots: 3 }), wish("small"));
    expect(bench.in("held")).toEqual(["a", "small"]);
  });

  test("a large request is passed ten times by who comes after it, and then slots are saved for it", ({ expect }) => {
    const bench = new Bench(3);
    bench.ask(wish("a"), wish("b"), wish("large", { slots: 3, requestedAt: 1 }));
    let passes = 0;
    for (let index = 0; index < 100; index += 1) {
      const name = `small-${index}`;
      if (bench.ask(wish(name, { requestedAt: 2 })).granted.includes(name)) {
        passes += 1;
        bench.release(name);
      }
    }
    expect(passes).toBe(MAX_PASSES);
    bench.release("a", "b");
    expect(bench.in("held")).toEqual(["large"]);
    bench.release("large");
    expect(bench.in("held")).toHaveLength(3);
  });

  test("being passed is not forgotten by eviction", ({ expect }) => {
    const bench = new Bench(2);
    bench.ask(wish("a"), wish("large", { slots: 2, requestedAt: 1 }));
    for (let index = 0; index < MAX_PASSES; index += 1) {
      bench.ask(wish(`small-${index}`, { requestedAt: 2 }));
      bench.evict();
      bench.release(`small-${index}`);
      bench.evict();
    }
    expect(bench.ask(wish("one-more", { requestedAt: 2 })).waiting).toEqual(["one-more"]);
  });

  test("who stands before a large request is granted while slots are saved for it", ({ expect }) => {
    const bench = new Bench(2);
    bench.ask(wish("a"), wish("large", { slots: 2, requestedAt: 1 }));
    for (let index = 0; index < MAX_PASSES; index += 1) {
      bench.ask(wish(`small-${index}`, { requestedAt: 2 }));
      bench.release(`small-${index}`);
    }
    expect(bench.ask(wish("urgent", { priority: 2 })).granted).toContain("urgent");
  });

  test("small requests go on behind a large one that was withdrawn", ({ expect }) => {
    const bench = new Bench(2);
    bench.ask(wish("a"), wish("large", { slots: 2, requestedAt: 1 }));
    for (let index = 0; index <= MAX_PASSES; index += 1) {
      bench.ask(wish(`small-${index}`, { requestedAt: 2 }));
      bench.release(...bench.in("held").filter((holder) => holder !== "a"));
    }
    expect(bench.in("waiting")).toEqual(["large", `small-${MAX_PASSES}`]);
    bench.release("large");
    expect(bench.in("waiting")).toEqual([]);
  });
});

describe("giving back", () => {
  test("twice, or what was never asked for, is harmless", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"), wish("b"), wish("c"));
    bench.release("a");
    bench.release("a", "nobody", "a");
    expect(bench.in("held")).toEqual(["b"]);
    expect(bench.ledger.occupied).toBe(1);
  });

  test("withdraws who waits", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"), wish("b"), wish("c"));
    bench.release("b");
    bench.release("a");
    expect(bench.in("held")).toEqual(["c"]);
  });

  test("and asking anew in one call is one change of what is stored", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"));
    bench.ledger.exchange(OWNER, { release: ["a"], ask: [wish("a", { priority: 7 })] }, bench.now);
    expect(bench.ledger.drain()).toMatchObject({ saved: [{ holder: "a", priority: 7 }], removed: [] });
  });

  test("takes nothing from another owner's holder of the same name", ({ expect }) => {
    const bench = new Bench(3);
    bench.exchange({ ask: [wish("a")] }, "x");
    bench.exchange({ ask: [wish("a")] }, "y");
    const answer = bench.exchange({ release: ["a"], renew: ["a"] }, "z");
    expect(answer.lost).toEqual(["a"]);
    bench.exchange({ release: ["a"] }, "x");
    expect([...bench.ledger.permits].map(({ owner }) => owner)).toEqual(["y"]);
  });

  test("owners and holders are told apart whatever they are called", ({ expect }) => {
    const bench = new Bench(9);
    bench.exchange({ ask: [wish("bc")] }, "a");
    bench.exchange({ ask: [wish("c")] }, "ab");
    bench.exchange({ ask: [wish("\u0000c"), wish("__proto__")] }, "b\u0000");
    expect(bench.ledger.size).toBe(4);
    bench.evict();
    expect(bench.ledger.size).toBe(4);
  });
});

describe("resizing", () => {
  test("to less takes nothing back and grants nothing until enough was released", ({ expect }) => {
    const bench = new Bench(3);
    bench.ask(wish("a"), wish("b"), wish("c"), wish("d"));
    bench.configure(config(1));
    expect(bench.in("held")).toEqual(["a", "b", "c"]);
    bench.release("a", "b");
    expect(bench.in("held")).toEqual(["c"]);
    bench.release("c");
    expect(bench.in("held")).toEqual(["d"]);
  });

  test("to more grants at once, and tells the owner", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"), wish("b"), wish("c"));
    bench.configure(config(3));
    expect(bench.in("held")).toEqual(["a", "b", "c"]);
    expect(bench.takeTold()).toEqual(["b", "c"]);
  });
});

describe("deferring", () => {
  test("frees the slots of a ledger that does not include deferred ones", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"), wish("b"));
    bench.exchange({ defer: ["a"] });
    expect(bench.in("held")).toEqual(["b"]);
    expect(bench.exchange({ resume: ["a"] }).waiting).toEqual(["a"]);
    bench.release("b");
    expect(bench.in("held")).toEqual(["a"]);
  });

  test("keeps the slots of one that does", ({ expect }) => {
    const bench = new Bench(config(1, true));
    bench.ask(wish("a"), wish("b"));
    bench.exchange({ defer: ["a"] });
    expect(bench.in("held")).toEqual([]);
    expect(bench.exchange({ resume: ["a"] }).granted).toEqual(["a"]);
    expect(bench.in("waiting")).toEqual(["b"]);
  });

  test("who resumes waits at the old place", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"), wish("b"), wish("c"), wish("d"));
    bench.exchange({ defer: ["a"] });
    bench.exchange({ resume: ["a"] });
    bench.release("b");
    expect(bench.in("held")).toEqual(["a"]);
  });

  test("twice, and resuming twice, is once; who waits can do neither", ({ expect }) => {
    const bench = new Bench(2);
    bench.ask(wish("a"));
    bench.exchange({ defer: ["a", "a"] });
    bench.exchange({ defer: ["a"] });
    expect(bench.ledger.deferredSlots).toBe(1);
    bench.exchange({ resume: ["a", "a"] });
    bench.exchange({ resume: ["a"] });
    expect(bench.ledger.occupied).toBe(1);
    bench.ask(wish("b"), wish("c"));
    expect(bench.exchange({ defer: ["c"], resume: ["c"] }).waiting).toEqual(["c"]);
    expect(bench.in("waiting")).toEqual(["c"]);
  });

  test("a repeated request does not wake who deferred", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"));
    bench.exchange({ defer: ["a"] });
    expect(bench.ask(wish("a")).waiting).toEqual(["a"]);
    expect(bench.in("deferred")).toEqual(["a"]);
  });

  test("a ledger that begins to include deferred ones counts those there are", ({ expect }) => {
    const bench = new Bench(2);
    bench.ask(wish("a"), wish("b"));
    bench.exchange({ defer: ["a"] });
    bench.configure(config(2, true));
    expect(bench.ask(wish("c")).waiting).toEqual(["c"]);
    bench.configure(config(2, false));
    expect(bench.in("held")).toEqual(["b", "c"]);
  });
});

describe("an answer", () => {
  test("names what the owner was granted meanwhile, and nobody else's", ({ expect }) => {
    const bench = new Bench(1);
    bench.exchange({ ask: [wish("a")] }, "x");
    bench.exchange({ ask: [wish("b")] }, "y");
    expect(bench.exchange({ release: ["a"] }, "x").granted).toEqual([]);
    expect(bench.exchange({}, "y").granted).toEqual(["b"]);
  });

  test("hands the slots on to the owner that gave them back, in the same call", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a"), wish("b"));
    expect(bench.release("a").granted).toEqual(["b"]);
    expect(bench.takeTold()).toEqual([]);
  });

  test("says what is lost, unless it is asked for anew", ({ expect }) => {
    const bench = new Bench(1);
    expect(bench.exchange({ renew: ["a"], acknowledge: ["b"], defer: ["c"], resume: ["d"] }, OWNER).lost).toEqual([
      "c",
      "d",
      "a",
      "b",
    ]);
    expect(bench.exchange({ renew: ["a"], ask: [wish("a")] })).toMatchObject({ granted: ["a"], lost: [] });
  });
});
