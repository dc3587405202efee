import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, it } from "vitest";
import { POOL_MIGRATIONS } from "../../durable-objects/pool-storage.ts";
import { ANSWER_MS, LAST_CALL_MS, RETRY_MS } from "../../src/engine/permits/lease-book.ts";
import { ledgerName } from "../../src/engine/permits/names.ts";
import { alarmOf, clock, fireAlarm, rowsOf, stopClock, value } from "./lab.ts";
import { LEASE_MS, Owner, poolOf, poolStub, settled, wish } from "./pool-support.ts";
import { fresh } from "./registry.ts";

stopClock();

async function madePool(slots: number): Promise<string> {
  const ledger = ledgerName("pool", fresh("pool"));
  value(await poolOf(ledger).configure({ slots }));
  return ledger;
}

describe("a pool", () => {
  it("is made, read, changed and removed", async ({ expect }) => {
    const ledger = ledgerName("pool", fresh("pool"));
    const pool = poolOf(ledger);
    expect(await pool.describe()).toMatchObject({ ok: false, refusal: { code: "not_found" } });
    expect(await rowsOf(poolStub(ledger), "SELECT name FROM sqlite_master WHERE name = 'permit'")).toEqual([]);
    const config = { slots: 3, description: "the database", include_deferred: true };
    const sums = { occupied_slots: 0, running_slots: 0, queued_slots: 0, scheduled_slots: 0, deferred_slots: 0 };
    expect(value(await pool.configure(config))).toEqual({ ...config, ...sums, open_slots: 3 });
    await evictDurableObject(poolStub(ledger));
    expect(value(await pool.describe())).toEqual({ ...config, ...sums, open_slots: 3 });
    expect(value(await pool.configure({ slots: -1 }))).toMatchObject({ description: "the database", open_slots: -1 });
    await evictDurableObject(poolStub(ledger));
    expect(value(await pool.describe())).toMatchObject({ slots: -1, include_deferred: true });
    expect(await pool.remove()).toEqual({ ok: true, value: null });
    expect(await pool.remove()).toEqual({ ok: true, value: null });
    await evictDurableObject(poolStub(ledger));
    expect(await pool.describe()).toMatchObject({ ok: false, refusal: { code: "not_found" } });
  });

  it("refuses a size that is none, and to go while it is in use", async ({ expect }) => {
    const ledger = await madePool(1);
    for (const slots of [-2, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
      expect(await poolOf(ledger).configure({ slots })).toMatchObject({ ok: false, refusal: { code: "invalid" } });
    }
    const owner = new Owner(ledger);
    await owner.ask(wish("a"), wish("b"));
    expect(await poolOf(ledger).remove()).toMatchObject({
      ok: false,
      refusal: { code: "conflict", message: expect.stringContaining("2 hold slots of it or wait") },
    });
    await owner.release("a", "b");
    expect(await poolOf(ledger).remove()).toMatchObject({ ok: true });
  });

  it("called default_pool is there from the start, with 128 slots, and stays", async ({ expect }) => {
    const ledger = ledgerName("pool", "default_pool");
    expect(value(await poolOf(ledger).describe())).toMatchObject({ slots: 128, open_slots: 128 });
    expect(await poolOf(ledger).remove()).toMatchObject({ ok: false, refusal: { code: "invalid" } });
    value(await poolOf(ledger).configure({ slots: 5 }));
    await evictDurableObject(poolStub(ledger));
    expect(value(await poolOf(ledger).describe())).toMatchObject({ slots: 5, description: "Default pool" });
  });

  it("that nobody made lets everybody wait, and grants when it is made", async ({ expect }) => {
    const ledger = ledgerName("pool", fresh("pool"));
    const owner = new Owner(ledger);
    expect(await owner.ask(wish("a"))).toMatchObject({ granted: [], too_large: ["a"] });
    await evictDurableObject(poolStub(ledger));
    const told = owner.nextTold();
    value(await poolOf(ledger).configure({ slots: 1 }));
    await told;
    expect([...owner.holds]).toEqual(["a"]);
  });

  it("of a concurrency key takes its limit from who asks", async ({ expect }) => {
    const ledger = ledgerName("key", fresh("tenant"));
    const owner = new Owner(ledger);
    expect(await owner.exchange({ limit: 1, ask: [wish("a"), wish("b")] })).toMatchObject({ granted: ["a"] });
    await evictDurableObject(poolStub(ledger));
    expect(await owner.exchange({ limit: 2 })).toMatchObject({ granted: expect.arrayContaining(["b"]) });
  });

  it("says who holds and who waits, and why", async ({ expect }) => {
    const ledger = await madePool(2);
    const owner = new Owner(ledger);
    await owner.ask(wish("a"), wish("b"), wish("c"), wish("d"));
    expect(value(await poolOf(ledger).explain(owner.name, "d"))).toMatchObject({ position: 2, waiting: 2, holders: 2 });
    expect(await poolOf(ledger).explain(owner.name, "nobody")).toMatchObject({ refusal: { code: "not_found" } });
    const page = value(await poolOf(ledger).listPermits(2, 1));
    expect(page.items.map(({ holder, state }) => [holder, state])).toEqual([
      ["b", "queued"],
      ["c", "waiting"],
    ]);
    expect(page.total).toBe(4);
  });

  it("asks its owners what runs when a fresh description is wanted, and does not insist", async ({ expect }) => {
    const ledger = await madePool(3);
    const [awake, broken] = [new Owner(ledger), new Owner(ledger)];
    await awake.ask(wish("a"));
    await broken.ask(wish("b"));
    broken.breaksBefore = 1;
    expect(value(await poolOf(ledger).describe())).toMatchObject({ running_slots: 0, queued_slots: 2 });
    expect(value(await poolOf(ledger).describe(true))).toMatchObject({ running_slots: 1, queued_slots: 1 });
  });
});

describe("a grant", () => {
  it("goes to whom waits when another owner makes room", async ({ expect }) => {
    const ledger = await madePool(1);
    const [first, second] = [new Owner(ledger), new Owner(ledger)];
    await first.ask(wish("a"));
    await second.ask(wish("b"));
    const told = second.nextTold();
    await first.release("a");
    await told;
    expect(second.told).toEqual([["b"]]);
    expect([...second.holds]).toEqual(["b"]);
  });

  it("that does not arrive is told again by the alarm, until it does", async ({ expect }) => {
    const ledger = await madePool(1);
    const [first, second] = [new Owner(ledger), new Owner(ledger)];
    await first.ask(wish("a"));
    await second.ask(wish("b"));
    second.breaksBefore = 3;
    let told = second.nextTold();
    await first.release("a");
    await told;
    const begun = clock.now();
    for (let times = 0; times < 3; times += 1) {
      expect(second.holds.size).toBe(0);
      if (times > 0) {
        await evictDurableObject(poolStub(ledger));
      }
      told = second.nextTold();
      await fireAlarm(poolStub(ledger));
      await told;
    }
    expect([...second.holds]).toEqual(["b"]);
    expect(clock.now() - begun).toBeLessThanOrEqual(4 * RETRY_MS);
  });

  it("whose acknowledgement is lost is told again, and is still one", async ({ expect }) => {
    const ledger = await madePool(1);
    const [first, second] = [new Owner(ledger), new Owner(ledger)];
    await first.ask(wish("a"));
    await second.ask(wish("b"), wish("c"));
    second.breaksAfter = 1;
    let told = second.nextTold();
    await first.release("a");
    await told;
    told = second.nextTold();
    await fireAlarm(poolStub(ledger));
    await told;
    expect(second.told).toEqual([["b"], ["b"]]);
    expect(second.granted).toEqual(["b"]);
    expect(value(await poolOf(ledger).describe())).toMatchObject({ occupied_slots: 1, scheduled_slots: 1 });
  });

  it("whose answer was lost on the way is told by the alarm", async ({ expect }) => {
    const ledger = await madePool(1);
    const owner = new Owner(ledger);
    owner.wants.add("a");
    await poolOf(ledger).exchange(owner.name, { ask: [wish("a")] });
    await evictDurableObject(poolStub(ledger));
    expect(await alarmOf(poolStub(ledger))).toBe(clock.now() + ANSWER_MS);
    const told = owner.nextTold();
    await fireAlarm(poolStub(ledger));
    await told;
    expect([...owner.holds]).toEqual(["a"]);
  });

  it("of what is no longer wanted makes room for the next", async ({ expect }) => {
    const ledger = await madePool(1);
    const [first, second] = [new Owner(ledger), new Owner(ledger)];
    await first.ask(wish("a"));
    await second.ask(wish("killed"), wish("b"));
    second.forget("killed");
    const told = second.nextTold();
    await first.release("a");
    await told;
    await poolOf(ledger).describe(true);
    await settled(ledger);
    expect([...second.holds]).toEqual(["b"]);
    expect(value(await poolOf(ledger).listPermits(9, 0)).items.map(({ holder }) => holder)).toEqual(["b"]);
  });

  it("that came twice, or to a repeated request after all was over, holds no slot for long", async ({ expect }) => {
    const ledger = await madePool(1);
    const owner = new Owner(ledger);
    const request = wish("a");
    await owner.ask(request);
    await owner.release("a");
    // The same message again, late.
    await poolOf(ledger).exchange(owner.name, { ask: [request] });
    expect(value(await poolOf(ledger).describe())).toMatchObject({ occupied_slots: 1 });
    await fireAlarm(poolStub(ledger));
    await settled(ledger);
    expect(value(await poolOf(ledger).describe())).toMatchObject({ occupied_slots: 0 });
  });
});

describe("a lease", () => {
  it("of an owner that is there is renewed for as long as it is wanted, with no word from it", async ({ expect }) => {
    const ledger = await madePool(1);
    const owner = new Owner(ledger);
    await owner.ask(wish("a"), wish("b"));
    const end = clock.now() + 10 * LEASE_MS;
    while (clock.now() < end) {
      await fireAlarm(poolStub(ledger));
      await settled(ledger);
      // As the platform does: when nothing is due for ten seconds.
      if (((await alarmOf(poolStub(ledger))) ?? 0) > clock.now() + 10_000) {
        await evictDurableObject(poolStub(ledger));
      }
    }
    expect([...owner.holds]).toEqual(["a"]);
    // Twice a lease, and never twice for one answer.
    expect(owner.told.length).toBeGreaterThanOrEqual(19);
    expect(owner.told.length).toBeLessThanOrEqual(21);
    owner.forget("a");
    while (owner.holds.size === 0) {
      await fireAlarm(poolStub(ledger));
      await settled(ledger);
    }
    expect([...owner.holds]).toEqual(["b"]);
  });

  it("of an owner that is lost lapses, and its slot goes on", async ({ expect }) => {
    const ledger = await madePool(1);
    const [lost, other] = [new Owner(ledger), new Owner(ledger)];
    await lost.ask(wish("a"));
    await other.ask(wish("b"));
    lost.breaksBefore = Number.POSITIVE_INFINITY;
    const begun = clock.now();
    while (other.holds.size === 0) {
      await fireAlarm(poolStub(ledger));
      await settled(ledger);
    }
    expect(clock.now() - begun).toBe(LEASE_MS + LAST_CALL_MS);
    expect((await lost.exchange({ renew: ["a"] })).lost).toEqual(["a"]);
  });

  it("is not lost by a long sleep of everybody", async ({ expect }) => {
    const ledger = await madePool(1);
    const [owner, other] = [new Owner(ledger), new Owner(ledger)];
    await owner.ask(wish("a"));
    await other.ask(wish("b"));
    await evictDurableObject(poolStub(ledger));
    clock.advance(100 * LEASE_MS);
    const told = owner.nextTold();
    await fireAlarm(poolStub(ledger));
    await told;
    await settled(ledger);
    clock.advance(LAST_CALL_MS);
    await fireAlarm(poolStub(ledger));
    expect([...owner.holds]).toEqual(["a"]);
    expect(other.holds.size).toBe(0);
  });
});

describe("what is stored", () => {
  it("is two rows for a permit that is granted at once, three for one that waits, and none of it stays", async ({
    expect,
  }) => {
    const ledger = await madePool(1);
    const owner = new Owner(ledger);
    const written = async (act: () => Promise<unknown>): Promise<number> => {
      const before = await poolStub(ledger).rowsWritten();
      await act();
      return (await poolStub(ledger).rowsWritten()) - before;
    };
    // An alarm is set for the first of them.
    expect(await written(() => owner.ask(wish("a")))).toBe(2);
    expect(await written(() => owner.ask(wish("b")))).toBe(1);
    expect(await written(() => owner.ask(wish("a"), wish("b")))).toBe(0);
    expect(await written(() => owner.exchange({ acknowledge: ["a"] }))).toBe(0);
    expect(await written(() => owner.release("a"))).toBe(2);
    expect(await written(() => owner.release("b", "a"))).toBe(1);
    expect(await rowsOf(poolStub(ledger), "SELECT * FROM permit")).toEqual([]);
  });

  it("is nothing of a call that is refused", async ({ expect }) => {
    const ledger = await madePool(2);
    const owner = new Owner(ledger);
    await owner.ask(wish("a"));
    const broken = { release: ["a"], ask: [wish("b"), wish("c", { slots: 0 })] };
    const failure: unknown = await poolOf(ledger)
      .exchange(owner.name, broken)
      .catch((error: unknown) => error);
    expect(String(failure)).toContain('expected slots to be an integer from 1 on, got 0 for "c"');
    const items = value(await poolOf(ledger).listPermits(9, 0)).items;
    expect(items.map(({ holder }) => holder)).toEqual(["a"]);
  });

  it("can be read by the next version of the schema", async ({ expect }) => {
    expect(POOL_MIGRATIONS.map(({ version }) => version)).toEqual(POOL_MIGRATIONS.map((_, index) => index + 1));
    const ledger = await madePool(2);
    await runInDurableObject(poolStub(ledger), (_pool, state) => {
      state.storage.sql.exec("INSERT INTO schema_migrations (version) VALUES (1000)");
    });
    await evictDurableObject(poolStub(ledger));
    const failure: unknown = await poolOf(ledger)
      .describe()
      .catch((error: unknown) => error);
    expect(String(failure)).toContain("this Worker is older than its data");
  });
});
