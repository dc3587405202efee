import { evictDurableObject } from "cloudflare:test";
import { describe, it, vi } from "vitest";
import { ledgerName } from "../../src/engine/permits/names.ts";
import { fireAlarm, rowsOf, stopClock, value } from "./lab.ts";
import { Owner, poolOf, poolStub, settled, wish } from "./pool-support.ts";
import { fresh } from "./registry.ts";

stopClock();

const SLOTS = 10;
const TASKS = 500;
const OWNERS = 5;

/** Numbers from 0 up to 1 that are the same in every run of a seed. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Task {
  owner: Owner;
  holder: string;
  slots: number;
  state: "asked" | "running" | "over";
}

/** Tasks that run while their owner holds slots for them, and a count of slots that knows nothing of the pool. */
class Fire {
  readonly tasks: Task[];
  readonly owners: Owner[];
  used = 0;
  most = 0;
  readonly #ledger: string;
  readonly #roll: () => number;

  constructor(ledger: string, roll: () => number) {
    this.#ledger = ledger;
    this.#roll = roll;
    this.owners = Array.from({ length: OWNERS }, () => new Owner(ledger));
    this.tasks = Array.from({ length: TASKS }, (_, index): Task => {
      const owner = this.owners[index % OWNERS] ?? new Owner(ledger);
      return { owner, holder: `t-${index}`, slots: roll() < 0.8 ? 1 : 1 + Math.floor(roll() * SLOTS), state: "asked" };
    });
  }

  async askAll(): Promise<void> {
    for (const owner of this.owners) {
      const requests = this.tasks
        .filter((task) => task.owner === owner)
        .map(({ holder, slots }) => wish(holder, { slots, priority: Math.floor(this.#roll() * 100) }));
      await owner.ask(...requests);
      if (this.#roll() < 0.5) {
        await owner.ask(...requests);
      }
    }
  }

  get open(): Task[] {
    return this.tasks.filter(({ state }) => state !== "over");
  }

  /** Starts what its owner was told it may, ends something, and breaks things. */
  async step(): Promise<void> {
    for (const task of this.open) {
      if (task.state === "asked" && task.owner.holds.has(task.holder)) {
        task.state = "running";
        this.used += task.slots;
        this.most = Math.max(this.most, this.used);
      }
    }
    if (this.#roll() < 0.1) {
      const owner = this.#pick(this.owners);
      owner.breaksBefore += this.#roll() < 0.5 ? 1 : 0;
      owner.breaksAfter += this.#roll() < 0.5 ? 1 : 0;
    }
    if (this.#roll() < 0.1) {
      await evictDurableObject(poolStub(this.#ledger));
    }
    const running = this.open.filter(({ state }) => state === "running");
    if (running.length > 0 && this.#roll() < 0.9) {
      await this.#end(this.#pick(running));
    } else if (this.#roll() < 0.05) {
      // Killed while it waits.
      await this.#end(this.#pick(this.open));
    } else {
      await fireAlarm(poolStub(this.#ledger));
    }
    await settled(this.#ledger);
  }

  async #end(task: Task): Promise<void> {
    this.used -= task.state === "running" ? task.slots : 0;
    task.state = "over";
    const chance = this.#roll();
    if (chance < 0.1) {
      // The word of it is lost: the pool must find out by itself.
      task.owner.forget(task.holder);
      return;
    }
    await task.owner.release(task.holder);
    if (chance < 0.3) {
      await task.owner.exchange({ release: [task.holder] });
    }
  }

  #pick<T>(items: T[]): T {
    const item = items[Math.floor(this.#roll() * items.length)];
    if (item === undefined) {
      throw new Error("expected something to pick from, there is nothing");
    }
    return item;
  }
}

describe("a pool of 10 slots under fire", () => {
  for (const seed of [1, 2, 3]) {
    it(`holds at most 10, lets all 500 finish and leaks none, though calls are lost and doubled and it is evicted (${seed})`, async ({
      expect,
    }) => {
      vi.spyOn(console, "warn").mockReturnValue();
      const ledger = ledgerName("pool", fresh("pool"));
      value(await poolOf(ledger).configure({ slots: SLOTS }));
      const fire = new Fire(ledger, dice(seed));
      await fire.askAll();
      for (let steps = 0; fire.open.length > 0; steps += 1) {
        await fire.step();
        expect(fire.used).toBeLessThanOrEqual(SLOTS);
        expect(steps).toBeLessThan(20 * TASKS);
      }
      expect(fire.most).toBe(SLOTS);
      // What was lost is found.
      for (let alarms = 0; alarms < 20; alarms += 1) {
        if (value(await poolOf(ledger).listPermits(1, 0)).total === 0) {
          break;
        }
        await fireAlarm(poolStub(ledger));
        await settled(ledger);
      }
      expect(value(await poolOf(ledger).describe())).toMatchObject({ occupied_slots: 0, scheduled_slots: 0 });
      expect(await rowsOf(poolStub(ledger), "SELECT * FROM permit")).toEqual([]);
    });
  }

  it("grants in the order of priority, then of age, across owners", async ({ expect }) => {
    const ledger = ledgerName("pool", fresh("pool"));
    value(await poolOf(ledger).configure({ slots: 1 }));
    const roll = dice(7);
    const order: string[] = [];
    const owners = Array.from({ length: 3 }, () => new Owner(ledger));
    const first = new Owner(ledger);
    await first.ask(wish("first"));
    const asked = Array.from({ length: 90 }, (_, index) => ({
      owner: owners[index % 3] ?? first,
      request: wish(`t-${index}`, { priority: Math.floor(roll() * 5), requestedAt: Math.floor(roll() * 10) }),
    }));
    for (const { owner, request } of asked) {
      await owner.ask(request);
    }
    await first.release("first");
    await settled(ledger);
    for (let turns = 0; turns < asked.length; turns += 1) {
      const owner = owners.find(({ holds }) => holds.size > 0);
      const [holder] = owner?.holds ?? [];
      order.push(holder ?? "nobody");
      await owner?.release(holder ?? "");
      await settled(ledger);
    }
    const wanted = asked
      .map(({ request }) => request)
      .toSorted((a, b) => b.priority - a.priority || a.requestedAt - b.requestedAt)
      .map(({ holder }) => holder);
    expect(order).toEqual(wanted);
  });
});
