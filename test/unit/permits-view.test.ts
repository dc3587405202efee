import { describe, test } from "vitest";
import {
  explainPermit,
  ledgerView,
  listPermits,
  waitingReason,
  type PermitExplanation,
} from "../../src/engine/permits/ledger-view.ts";
import { ledgerName, parseLedgerName } from "../../src/engine/permits/names.ts";
import { MAX_PASSES } from "../../src/engine/permits/waiting-list.ts";
import { Bench, config, OWNER, wish } from "./permits-support.ts";

/** One running with two slots, one queued, one deferred, two waiting. */
function busy(includesDeferred: boolean): Bench {
  const bench = new Bench(config(5, includesDeferred));
  bench.ask(wish("runs", { slots: 2 }), wish("sleeps"));
  bench.exchange({ defer: ["sleeps"] });
  bench.now += 10_000;
  bench.tick();
  bench.answerAll({ running: ["runs"] });
  bench.ask(wish("queued", { slots: 2 }));
  bench.ask(wish("waits", { slots: 4 }), wish("urgent", { slots: 3, priority: 9 }));
  return bench;
}

describe("the view of a ledger", () => {
  test("has Airflow's sums, with deferred slots among the occupied ones only if they are included", ({ expect }) => {
    const common = { slots: 5, description: null, running_slots: 2, queued_slots: 2, deferred_slots: 1 };
    expect(ledgerView(busy(false).ledger)).toEqual({
      ...common,
      include_deferred: false,
      occupied_slots: 4,
      scheduled_slots: 7,
      open_slots: 1,
    });
    expect(ledgerView(busy(true).ledger)).toEqual({
      ...common,
      include_deferred: true,
      occupied_slots: 5,
      scheduled_slots: 7,
      open_slots: 0,
    });
  });

  test("has -1 open slots where there is no limit, fewer than none after it has shrunk, and none at all before it is made", ({
    expect,
  }) => {
    const bench = new Bench(-1);
    bench.ask(wish("a"), wish("b"), wish("c"));
    expect(ledgerView(bench.ledger)).toMatchObject({ open_slots: -1, occupied_slots: 3 });
    bench.configure(config(1));
    expect(ledgerView(bench.ledger)).toMatchObject({ open_slots: -2 });
    bench.configure(null);
    expect(ledgerView(bench.ledger)).toBe(null);
  });

  test("lists who is deferred, who holds and who waits, in the order in which they will be granted", ({ expect }) => {
    const listed = listPermits(busy(false).ledger).map(({ holder, state }) => `${holder}: ${state}`);
    expect(listed).toEqual([
      "sleeps: deferred",
      "runs: running",
      "queued: queued",
      "urgent: waiting",
      "waits: waiting",
    ]);
  });
});

describe("why somebody waits", () => {
  function reason(bench: Bench, holder: string): string | null {
    const explanation = explainPermit(bench.ledger, OWNER, holder);
    return explanation === null ? null : waitingReason("pool:db", explanation, ({ holder: name }) => name);
  }

  test("names the holders, the place in line and what is asked for", ({ expect }) => {
    expect(reason(busy(true), "urgent")).toBe(
      "pool `db` has 5 of 5 slots held by runs, sleeps and 1 more; it needs 3 and is 1st of 2 in line",
    );
    expect(reason(busy(false), "waits")).toBe(
      "pool `db` has 4 of 5 slots held by runs and queued; it needs 4 and is 2nd of 2 in line",
    );
  });

  test("says that the pool is too small, or does not exist", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("a", { slots: 2 }));
    expect(reason(bench, "a")).toBe("pool `db` has 1 slot in all, and 2 are needed");
    bench.configure(null);
    expect(reason(bench, "a")).toBe("pool `db` does not exist");
  });

  test("says how many slots must come back to a pool that was made smaller", ({ expect }) => {
    const bench = new Bench(2);
    bench.ask(wish("a"), wish("b"), wish("c"));
    bench.configure({ slots: 1, description: null, include_deferred: false });
    expect(reason(bench, "c")).toBe(
      "2 slots of pool `db` are held, though it has 1 now; 2 must be given back first; it is 1st of 1 in line",
    );
  });

  test("names the large request that slots are saved for", ({ expect }) => {
    const bench = new Bench(2);
    bench.ask(wish("a"), wish("large", { slots: 2, requestedAt: 1 }));
    for (let index = 0; index <= MAX_PASSES; index += 1) {
      bench.release(`small-${index - 1}`);
      bench.ask(wish(`small-${index}`, { requestedAt: 2 }));
    }
    expect(reason(bench, `small-${MAX_PASSES}`)).toBe(
      "pool `db` has 1 of 2 slots held by a; free ones are saved for large, which needs 2; it is 2nd of 2 in line",
    );
    expect(reason(bench, "large")).toBe("pool `db` has 1 of 2 slots held by a; it needs 2 and is 1st of 2 in line");
  });

  test("says nothing of who holds, and null of who is not there", ({ expect }) => {
    expect(reason(busy(false), "runs")).toBe(null);
    expect(explainPermit(busy(false).ledger, OWNER, "nobody")).toBe(null);
    expect(explainPermit(busy(false).ledger, "another", "runs")).toBe(null);
  });

  test("counts places as people do", ({ expect }) => {
    const bench = new Bench(1);
    bench.ask(wish("holder"), ...Array.from({ length: 123 }, (_, index) => wish(`w-${index + 1}`)));
    const places = [1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 111, 112, 121].map(
      (place) => reason(bench, `w-${place}`)?.match(/it is (\w+) of/)?.[1],
    );
    expect(places).toEqual("1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 23rd 111th 112th 121st".split(" "));
  });

  test("names ten holders of many", ({ expect }) => {
    const bench = new Bench(50);
    bench.ask(...Array.from({ length: 51 }, (_, index) => wish(`w-${index}`)));
    const explanation: PermitExplanation | null = explainPermit(bench.ledger, OWNER, "w-50");
    expect(explanation?.held_by.map(({ holder }) => holder)).toEqual(
      Array.from({ length: 10 }, (_, index) => `w-${index}`),
    );
    expect(explanation).toMatchObject({ holders: 50, position: 1, waiting: 1, slots: 50, occupied_slots: 50 });
  });
});

test("a ledger's name says what is limited, whatever colons are in it", ({ expect }) => {
  expect(parseLedgerName(ledgerName("key", "tenant:7"))).toEqual({ kind: "key", name: "tenant:7" });
  expect(parseLedgerName(ledgerName("pool", "key:x"))).toEqual({ kind: "pool", name: "key:x" });
  expect(parseLedgerName("db")).toEqual({ kind: "pool", name: "db" });
});
