import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ledgerName } from "../../src/engine/permits/names.ts";
import { task, type Json } from "../../src/sdk/index.ts";
import { dagOf, start, statesOf, value, UNTIL_ENDED_MS } from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { poolOf } from "./pool-support.ts";
import { addDag, fresh } from "./registry.ts";

beforeEach(() => {
  mailbox.live = true;
});
afterEach(() => {
  mailbox.live = false;
});

/**
 * Counts how many run at a time, independently of everything that limits it. The first ones wait for each other until there are
 * as many as may be, so that it does not depend on the machine whether they meet; then those that came too many would come.
 */
class Meter {
  now = 0;
  most = 0;
  readonly order: Json[] = [];
  readonly #expected: number;
  readonly #full = Promise.withResolvers<void>();

  constructor(expected: number) {
    this.#expected = expected;
  }

  readonly run = async (_ctx: unknown, { item }: { item: number }): Promise<number> => {
    this.now += 1;
    this.most = Math.max(this.most, this.now);
    this.order.push(item);
    if (this.now === this.#expected) {
      this.#full.resolve();
    }
    await this.#full.promise;
    await scheduler.wait(5);
    this.now -= 1;
    return item;
  };
}

const LIST = Array.from({ length: 20 }, (_, index) => index);

async function finished(dagId: string, runId: string): Promise<string> {
  return value(await dagOf(dagId).getRun(runId, UNTIL_ENDED_MS)).state;
}

describe("limits inside a DAG", () => {
  it("runs no more than max_active_tasks of a run at a time", async () => {
    const meter = new Meter(3);
    const work = task({ id: fresh("work") }, meter.run);
    const dagId = addDag({ maxActiveTasks: 3 }, (d) => void d.expand(work, { item: LIST }));
    const runId = await start(dagId);
    expect(await finished(dagId, runId)).toBe("success");
    expect(meter.most).toBe(3);
    expect(meter.order).toEqual(LIST);
  });

  it("runs no more than max_active_tis_per_dagrun of a task in a run", async () => {
    const meter = new Meter(2);
    const work = task({ id: fresh("work"), maxActiveTisPerDagrun: 2 }, meter.run);
    const dagId = addDag({}, (d) => void d.expand(work, { item: LIST }));
    expect(await finished(dagId, await start(dagId))).toBe("success");
    expect(meter.most).toBe(2);
  });

  it("runs no more than max_active_tis_per_dag of a task over all runs, the earlier run first", async () => {
    const meter = new Meter(2);
    const work = task({ id: fresh("work"), maxActiveTisPerDag: 2 }, meter.run);
    const dagId = addDag({}, (d) => void d.expand(work, { item: LIST }));
    const runs = await Promise.all([1, 2, 3].map((day) => start(dagId, { logical_date: Date.UTC(2026, 0, day) })));
    for (const runId of runs) {
      expect(await finished(dagId, runId)).toBe("success");
    }
    expect(meter.most).toBe(2);
  });
});

describe("pools", () => {
  it("runs no more than the pool has slots for, over DAGs", async () => {
    const meter = new Meter(4);
    const pool = fresh("pool");
    value(await poolOf(ledgerName("pool", pool)).configure({ slots: 4 }));
    const work = task({ id: fresh("work"), pool }, meter.run);
    const dags = [0, 1, 2].map(() => addDag({}, (d) => void d.expand(work, { item: LIST })));
    const runs = await Promise.all(dags.map(async (dagId) => ({ dagId, runId: await start(dagId) })));
    for (const { dagId, runId } of runs) {
      expect(await finished(dagId, runId)).toBe("success");
    }
    expect(meter.most).toBe(4);
    expect(value(await poolOf(ledgerName("pool", pool)).describe())).toMatchObject({
      occupied_slots: 0,
      scheduled_slots: 0,
    });
  });
});

describe("a task's own limits", () => {
  it("runs no more of a key than its limit", async () => {
    const meters = new Map<string, Meter>();
    const work = task(
      {
        id: fresh("work"),
        concurrency: { limit: 2, key: ({ item }: { item: number }) => `tenant-${item % 2}` },
      },
      async (ctx, input: { item: number }) => {
        const key = `tenant-${input.item % 2}`;
        const meter = meters.get(key) ?? new Meter(2);
        meters.set(key, meter);
        return meter.run(ctx, input);
      },
    );
    const dagId = addDag({}, (d) => void d.expand(work, { item: LIST }));
    expect(await finished(dagId, await start(dagId))).toBe("success");
    expect([...meters.values()].map(({ most }) => most)).toEqual([2, 2]);
  });

  it("starts none before its turn by its rate limit", async () => {
    const starts: number[] = [];
    const work = task({ id: fresh("work"), rateLimit: { limit: 20, per: "1s" } }, (_ctx, _input: { item: number }) => {
      starts.push(Date.now());
    });
    const dagId = addDag({}, (d) => void d.expand(work, { item: LIST }));
    const begun = Date.now();
    expect(await finished(dagId, await start(dagId))).toBe("success");
    const turns = LIST.map((_, index) => begun + index * 50);
    expect(starts).toHaveLength(LIST.length);
    expect(starts.toSorted((x, y) => x - y).filter((at, index) => at < (turns[index] ?? 0))).toEqual([]);
  });

  it("fails the try whose key cannot be made, and says why", async () => {
    const work = task(
      { id: fresh("work"), concurrency: { limit: 1, key: (_input: { item: number }) => "" } },
      () => null,
    );
    const dagId = addDag({}, (d) => void d.run(work, { item: 1 }, { id: "work" }));
    const runId = await start(dagId);
    expect(await finished(dagId, runId)).toBe("failed");
    expect(await statesOf(dagId, runId)).toEqual({ work: "failed" });
  });
});
