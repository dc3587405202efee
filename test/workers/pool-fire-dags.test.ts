/**
 * A pool of 10 slots and 500 task instances of several DAGs that want them, through the real consumer, while messages are lost and
 * doubled, handlers throw, users kill and clear, calls get lost and objects are evicted.
 *
 * What is guaranteed is that no more slots are held than there are, and that a handler runs only while its attempt holds
 * its own. One exception is counted apart: an attempt that a user marks failed gives its slots back at once, as in Airflow, while its
 * handler learns of it at its next heartbeat. One that is cleared holds them until its handler has stopped.
 */
import { evictDurableObject } from "cloudflare:test";
import { afterEach, describe, it, vi } from "vitest";
import { ledgerName } from "../../src/engine/permits/names.ts";
import { task, type TaskContext } from "../../src/sdk/index.ts";
import {
  alarmOf,
  clock,
  dagOf,
  deliverSent,
  failure,
  fireAlarm,
  instancesOf,
  rowsOf,
  runOf,
  start,
  stopClock,
  stubOf,
  value,
} from "./lab.ts";
import { mailbox, type Sent } from "./mailbox.ts";
import { permitCalls } from "./permit-calls.ts";
import { poolOf, poolStub } from "./pool-support.ts";
import { addDag, fresh } from "./registry.ts";

stopClock();
afterEach(() => {
  permitCalls.fate = null;
});

const SLOTS = 10;
const DAGS = 5;
const TASKS_PER_DAG = 4;
const MAPPED = 25;
/** So rare that no handler of these tests beats, and none counts as dead before it has ended. */
const HEARTRATE = "1h";
/** More steps than any play needs. */
const MAX_STEPS = 20_000;

/** Numbers from 0 up to 1 that are the same in every run of a seed. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A handler that runs until the test ends it. */
interface Running {
  dagId: string;
  runId: string;
  taskId: string;
  mapIndex: number;
  slots: number;
  /** A user marked it failed: it holds nothing any more. */
  isKilled: boolean;
  isCleared: boolean;
  end(fails: boolean): void;
}

/** Handlers, counted by nobody but themselves. */
class Workshop {
  readonly running = new Set<Running>();
  /** Slots of handlers whose attempt holds them. */
  used = 0;
  most = 0;
  started = 0;
  readonly order: string[] = [];

  handler(slots: number) {
    return async ({ dag, runId, ti: { taskId, mapIndex } }: TaskContext, _input: { item: number }): Promise<null> => {
      const { promise, resolve, reject } = Promise.withResolvers<null>();
      const one: Running = {
        dagId: dag?.dagId ?? "",
        runId: runId ?? "",
        taskId,
        mapIndex,
        slots,
        isKilled: false,
        isCleared: false,
        end: (fails) => (fails ? reject(new Error("crashed on purpose")) : resolve(null)),
      };
      this.running.add(one);
      this.started += 1;
      this.order.push(`${one.dagId}.${taskId}[${mapIndex}]`);
      this.used += slots;
      this.most = Math.max(this.most, this.used);
      try {
        return await promise;
      } finally {
        this.running.delete(one);
        this.used -= one.isKilled ? 0 : slots;
      }
    };
  }

  /** Notes that a handler runs on without its slots. */
  condemn(one: Running): void {
    if (!one.isKilled) {
      one.isKilled = true;
      this.used -= one.slots;
    }
  }
}

/** The DAGs under fire. */
class Fire {
  readonly workshop = new Workshop();
  readonly runs: { dagId: string; runId: string }[] = [];
  readonly pool = fresh("pool");
  readonly ledger = ledgerName("pool", this.pool);
  evictions = 0;
  meddlings = 0;
  readonly #roll: () => number;
  #bag: Sent[] = [];
  #consumers = new Set<Promise<void>>();
  #open: { dagId: string; runId: string }[] = [];

  constructor(roll: () => number) {
    this.#roll = roll;
  }

  async start(): Promise<void> {
    value(await poolOf(this.ledger).configure({ slots: SLOTS }));
    for (let made = 0; made < DAGS; made += 1) {
      const works = Array.from({ length: TASKS_PER_DAG }, () => {
        const poolSlots = this.#roll() < 0.85 ? 1 : 1 + Math.floor(this.#roll() * 4);
        return task(
          {
            id: fresh("work"),
            pool: this.pool,
            poolSlots,
            heartrate: HEARTRATE,
            priorityWeight: Math.floor(this.#roll() * 10),
            weightRule: "absolute",
            retries: 30,
            retryDelay: "1s",
          },
          this.workshop.handler(poolSlots),
        );
      });
      const item = Array.from({ length: MAPPED }, (_, index) => index);
      const dagId = addDag({}, (d) => works.forEach((work) => void d.expand(work, { item })));
      this.runs.push({ dagId, runId: await start(dagId) });
    }
    this.#open = [...this.runs];
  }

  get isOver(): boolean {
    return this.#open.length === 0 && this.workshop.running.size === 0;
  }

  async step(): Promise<void> {
    const chance = this.#roll();
    await this.#deliver();
    if (chance < 0.05) {
      await this.#evictOne();
    } else if (chance < 0.08) {
      await this.#meddle();
    } else if (chance < 0.2 || this.workshop.running.size === 0) {
      await this.#ring();
    } else if (chance < 0.4 || this.workshop.used >= SLOTS - 1) {
      await this.#endOne();
    }
    await permitCalls.quiet();
  }

  /** Hands on what was sent: some of it later, some twice, some never. */
  async #deliver(): Promise<void> {
    for (const { dagId } of this.runs) {
      this.#bag.push(...mailbox.takeSentOf(dagId));
    }
    const kept: Sent[] = [];
    const handed: Sent[] = [];
    for (const sent of this.#bag) {
      const chance = this.#roll();
      if (chance < 0.2) {
        kept.push(sent);
      } else if (chance > 0.25) {
        handed.push(sent, ...(chance > 0.9 ? [sent] : []));
        if (chance > 0.97) {
          kept.push(sent);
        }
      }
    }
    this.#bag = kept;
    if (handed.length > 0) {
      const consumer = deliverSent(handed).finally(() => this.#consumers.delete(consumer));
      this.#consumers.add(consumer);
      // Claimed, and running: what a handler has to wait for is up to this test alone.
      await scheduler.wait(0);
    }
  }

  async #endOne(): Promise<void> {
    const one = this.#pick([...this.workshop.running]);
    one.end(this.#roll() < 0.1);
    await scheduler.wait(0);
    if (one.isCleared) {
      await this.#saidStopped(one);
    }
  }

  /** What its job does once the worker of a cleared attempt has obeyed. */
  async #saidStopped({ dagId, runId, taskId, mapIndex }: Running): Promise<void> {
    const [row] = await rowsOf(
      stubOf("DAG", dagId),
      `SELECT fence FROM task_instance WHERE task_id = '${taskId}' AND map_index = ${mapIndex} AND state = 'restarting'`,
    );
    if (typeof row?.["fence"] === "number") {
      const key = { run_id: runId, task_id: taskId, map_index: mapIndex };
      await dagOf(dagId).attemptEnded(key, row["fence"] - 1, failure("stopped"));
    }
  }

  async #evictOne(): Promise<void> {
    this.evictions += 1;
    const { dagId } = this.#pick(this.runs);
    // Only what is awake can be evicted.
    if (this.#roll() < 0.5) {
      await poolOf(this.ledger).describe();
      await evictDurableObject(poolStub(this.ledger));
    } else {
      await dagOf(dagId).describe();
      await evictDurableObject(stubOf("DAG", dagId));
    }
  }

  /** A user marks one failed or clears it, whatever it is doing. */
  async #meddle(): Promise<void> {
    this.meddlings += 1;
    const { dagId, runId } = this.#pick(this.runs);
    const instances = (await instancesOf(dagId, runId)).filter(({ state }) => state !== "restarting");
    const { task_id, map_index, state } = this.#pick(instances);
    const running = [...this.workshop.running].filter(
      (one) => one.dagId === dagId && one.taskId === task_id && one.mapIndex === map_index,
    );
    if (this.#roll() < 0.5) {
      running.forEach((one) => this.workshop.condemn(one));
      value(await dagOf(dagId).mark({ run_id: runId, task_id, map_index, new_state: "failed" }));
    } else if (state !== null) {
      running.forEach((one) => (one.isCleared = true));
      value(await dagOf(dagId).clear({ run_id: runId, task_ids: [[task_id, map_index]], only_failed: false }));
    }
    this.#open = [...this.runs];
  }

  /** Lets the alarm ring that is due first. */
  async #ring(): Promise<void> {
    const stubs = [poolStub(this.ledger), ...this.runs.map(({ dagId }) => stubOf("DAG", dagId))];
    const alarms = await Promise.all(stubs.map(async (stub) => ({ stub, at: await alarmOf(stub) })));
    const [first] = alarms.filter(({ at }) => at !== null).toSorted((a, b) => (a.at ?? 0) - (b.at ?? 0));
    if (first !== undefined) {
      await fireAlarm(first.stub);
    }
    const runs = await Promise.all(this.#open.map(async (run) => ({ ...run, ...(await runOf(run.dagId, run.runId)) })));
    this.#open = runs.flatMap(({ dagId, runId, state }) =>
      state === "success" || state === "failed" ? [] : [{ dagId, runId }],
    );
  }

  /** Waits until every consumer has said what there is to say, and finds what got lost. */
  async settle(): Promise<void> {
    permitCalls.fate = null;
    await Promise.all(this.#consumers);
    await permitCalls.quiet();
    for (let alarms = 0; alarms < 20 && value(await poolOf(this.ledger).listPermits(1, 0)).total > 0; alarms += 1) {
      await fireAlarm(poolStub(this.ledger));
      await permitCalls.quiet();
    }
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.#roll() * items.length)];
    if (item === undefined) {
      throw new Error("expected something to pick from, there is nothing");
    }
    return item;
  }
}

describe("a pool of 10 slots and 500 task instances of 5 DAGs", () => {
  for (const seed of [1, 2, 3]) {
    it(`never more than 10 slots' worth of handlers run whose attempts were not killed, all finish and nothing is left (${seed})`, async ({
      expect,
    }) => {
      vi.spyOn(console, "warn").mockReturnValue();
      const roll = dice(seed);
      const fire = new Fire(roll);
      await fire.start();
      permitCalls.fate = () => (roll() < 0.03 ? (roll() < 0.5 ? "before" : "after") : null);
      let steps = 0;
      while (!fire.isOver) {
        await fire.step();
        expect(fire.workshop.used).toBeLessThanOrEqual(SLOTS);
        steps += 1;
        expect(steps).toBeLessThan(MAX_STEPS);
      }
      await fire.settle();
      // How many run at once is up to consumers, which take what they have lanes for; most slots were taken at some time.
      expect(fire.workshop.most).toBeGreaterThan(SLOTS / 2);
      expect(fire.evictions).toBeGreaterThan(50);
      expect(fire.meddlings).toBeGreaterThan(20);
      expect(fire.workshop.started).toBeGreaterThanOrEqual(DAGS * TASKS_PER_DAG * MAPPED * 0.9);
      for (const { dagId, runId } of fire.runs) {
        const states = new Set((await instancesOf(dagId, runId)).map(({ state }) => state));
        expect([...states].filter((state) => state !== "success" && state !== "failed")).toEqual([]);
      }
      expect(value(await poolOf(fire.ledger).describe())).toMatchObject({ occupied_slots: 0, scheduled_slots: 0 });
      expect(await rowsOf(poolStub(fire.ledger), "SELECT * FROM permit")).toEqual([]);
    });
  }

  it("run in the order of their weights, and of one weight in that of their age, over DAGs", async ({ expect }) => {
    const workshop = new Workshop();
    const pool = fresh("pool");
    value(await poolOf(ledgerName("pool", pool)).configure({ slots: 1 }));
    const roll = dice(11);
    const made = (priorityWeight: number) =>
      task(
        { id: fresh("work"), pool, priorityWeight, weightRule: "absolute", heartrate: HEARTRATE },
        workshop.handler(1),
      );
    const begin = async (count: number, weight: number): Promise<string[]> => {
      const work = made(weight);
      const item = Array.from({ length: count }, (_, index) => index);
      const dagId = addDag({}, (d) => void d.expand(work, { item }));
      await start(dagId);
      await permitCalls.quiet();
      clock.advance(1000);
      return item.map((index) => `${dagId}.${work.id}[${index}]`);
    };
    const [first = ""] = await begin(1, 1);
    const waiting: { name: string; weight: number; age: number }[] = [];
    for (let age = 0; age < 12; age += 1) {
      const weight = Math.floor(roll() * 4);
      waiting.push(...(await begin(4, weight)).map((name) => ({ name, weight, age })));
    }
    const wanted = waiting.toSorted((a, b) => b.weight - a.weight || a.age - b.age).map(({ name }) => name);
    const consumers: Promise<void>[] = [];
    while (workshop.started <= wanted.length) {
      const before = workshop.started;
      const dagIds = new Set([first, ...wanted].map((name) => name.slice(0, name.indexOf("."))));
      consumers.push(...[...dagIds].map((dagId) => deliverSent(mailbox.takeSentOf(dagId))));
      while (workshop.started === before) {
        await scheduler.wait(0);
      }
      workshop.running.forEach((one) => one.end(false));
      while (workshop.running.size > 0) {
        await scheduler.wait(0);
      }
      await Promise.all(consumers.splice(0));
      await permitCalls.quiet();
    }
    expect(workshop.order).toEqual([first, ...wanted]);
    expect(workshop.most).toBe(1);
  });
});
