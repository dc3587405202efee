/** Rate limits through DAGs, bulk submissions and jobs that share a key, with a clock that only the test moves. */
import { env } from "cloudflare:workers";
import { evictDurableObject } from "cloudflare:test";
import { ulid } from "ulid";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { batchKey } from "../../src/engine/batch-ids.ts";
import { ledgerName } from "../../src/engine/permits/names.ts";
import { isRunFinished } from "../../src/engine/states.ts";
import { RetryableError, task, type Duration } from "../../src/sdk/index.ts";
import {
  alarmOf,
  claimOne,
  clock,
  dagOf,
  deliverSent,
  fireAlarm,
  instanceOf,
  jobOf,
  newJobId,
  report,
  rowsOf,
  runOf,
  start,
  stopClock,
  stubOf,
  success,
  value,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { permitCalls } from "./permit-calls.ts";
import { poolOf } from "./pool-support.ts";
import { addDag, addTask, fresh } from "./registry.ts";

stopClock();
beforeEach(() => void vi.spyOn(console, "warn").mockReturnValue());

const LIMIT = 50;
const IN_DAG = 100;
const IN_BATCH = 60;
const JOBS = 40;

/** Owners of work, each with its alarm and its messages. */
class Owners {
  readonly dags: string[] = [];
  readonly jobs: string[] = [];

  async run(dagId: string): Promise<string> {
    this.dags.push(dagId);
    return start(dagId);
  }

  async batch(name: string, size: number): Promise<string> {
    const batchId = ulid();
    const owner = `@batch:${batchKey(batchId)}`;
    const entries = Array.from({ length: size }, (_, item) => ({ name, payload: { item }, runAt: null }));
    value(await dagOf(owner).submitBatch(batchId, entries));
    this.dags.push(owner);
    return owner;
  }

  async job(name: string): Promise<string> {
    const jobId = newJobId();
    value(await jobOf(jobId).submit({ job_id: jobId, name, payload: { item: 0 }, runAt: null }));
    this.jobs.push(jobId);
    return jobId;
  }

  get stubs(): DurableObjectStub[] {
    return [...this.dags.map((dagId) => stubOf("DAG", dagId)), ...this.jobs.map((jobId) => stubOf("INTAKE", jobId))];
  }

  /** Works off what was sent, then lets the alarm ring that is due first. False if there is neither. */
  async step(): Promise<boolean> {
    await permitCalls.quiet();
    const sent = [
      ...this.dags.flatMap((dagId) => mailbox.takeSentOf(dagId)),
      ...this.jobs.flatMap((jobId) => mailbox.takeSentOfJob(jobId)),
    ];
    if (sent.length > 0) {
      await deliverSent(sent);
      await permitCalls.quiet();
      return true;
    }
    const alarms = await Promise.all(this.stubs.map(async (stub) => ({ stub, at: await alarmOf(stub) })));
    const [first] = alarms.filter(({ at }) => at !== null).toSorted((a, b) => (a.at ?? 0) - (b.at ?? 0));
    if (first === undefined) {
      return false;
    }
    await fireAlarm(first.stub);
    return true;
  }
}

function limiterStub(key: string): DurableObjectStub {
  return env.RATE_LIMITER.getByName(ledgerName("key", key));
}

/** All times that a rate limit has given, by the name of who was given it. */
async function reservedTimes(key: string): Promise<Map<string, number>> {
  const rows = await rowsOf(limiterStub(key), "SELECT times, cancelled FROM reservation ORDER BY seq");
  const times = new Map<string, number>();
  for (const { times: given, cancelled } of rows) {
    for (const id of JSON.parse(cancelled as string) as string[]) {
      times.delete(id);
    }
    for (const [id, at] of JSON.parse(given as string) as [string, number][]) {
      times.set(id, at);
    }
  }
  return times;
}

/** The most of these that lie within one window, wherever it begins. */
function mostWithin(times: readonly number[], windowMs: number): number {
  return Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + windowMs).length));
}

/** The most that start in one window of `perMs`, by when their handlers ran: a start is at most 100 ms late. */
function mostStarted(started: readonly number[], perMs: number): number {
  return mostWithin(started, perMs - 100);
}

describe("after a stop", () => {
  it(
    "times that passed meanwhile are dealt out again, to a DAG, a bulk submission and jobs, one by one",
    {},
    async () => {
      const started: number[] = [];
      const id = fresh("call");
      const call = addTask(
        task({ id, rateLimit: { limit: 10, per: "1s", burst: 3 } }, (_ctx, _input: { item: number }) => {
          started.push(clock.now());
        }),
      );
      const owners = new Owners();
      const dagId = addDag({}, (d) => void d.expand(call, { item: Array.from({ length: 20 }, (_, index) => index) }));
      const runId = await owners.run(dagId);
      await owners.batch(id, 15);
      for (let job = 0; job < 15; job += 1) {
        await owners.job(id);
      }
      while (started.length < 6) {
        expect(await owners.step()).toBe(true);
      }
      await permitCalls.quiet();
      const before = started.length;
      clock.advance(30_000);
      for (const stub of [...owners.stubs, limiterStub(id)]) {
        await evictDurableObject(stub);
      }
      // Waking is enough to make a DAG go on; the rest goes by alarms.
      expect(await runOf(dagId, runId)).toMatchObject({ state: "running" });
      while (started.length < 50) {
        expect(await owners.step()).toBe(true);
      }
      expect(mostStarted(started, 1000)).toBeLessThanOrEqual(12);
      // And no start is lost: they go on at the full rate, after a burst of three.
      const [first = 0] = started.slice(before);
      expect((started.at(-1) ?? 0) - first).toBeLessThanOrEqual((50 - before) * 100 + 100);
    },
  );
});

describe("a task that waits for its rate", () => {
  it("holds no slot of a pool and no key while its time is far ahead, so that others have them", async () => {
    const [id, pool, key] = [fresh("call"), fresh("pool"), fresh("key")];
    value(await poolOf(ledgerName("pool", pool)).configure({ slots: 2 }));
    const started: { at: number; item: number }[] = [];
    const call = addTask(
      task(
        {
          id,
          pool,
          concurrency: { limit: 2, scope: key, key: (_input: { item: number }) => "k" },
          rateLimit: { limit: 1, per: "60s" },
        },
        (_ctx, { item }: { item: number }) => {
          started.push({ at: clock.now(), item });
        },
      ),
    );
    const quick = addTask(task({ id: fresh("quick"), pool }, () => "done"));
    const begin = clock.now();
    const owners = new Owners();
    const dagId = addDag({}, (d) => void d.expand(call, { item: [0, 1, 2] }));
    const runId = await owners.run(dagId);
    const job = await owners.job(id);
    await owners.step();
    await permitCalls.quiet();
    expect(started).toEqual([{ at: begin, item: 0 }]);
    expect(value(await poolOf(ledgerName("pool", pool)).describe(true))).toMatchObject({
      occupied_slots: 0,
      scheduled_slots: 0,
    });
    const other = addDag({}, (d) => void d.run(quick));
    const otherRun = await owners.run(other);
    await permitCalls.quiet();
    await deliverSent(mailbox.takeSentOf(other));
    expect(await runOf(other, otherRun)).toMatchObject({ state: "success" });
    expect(clock.now()).toBe(begin);
    while (!isRunFinished((await runOf(dagId, runId)).state) || value(await jobOf(job).get(0)).state !== "success") {
      expect(await owners.step()).toBe(true);
    }
    // Their times are those that they had from the beginning.
    expect(started.map(({ at }) => Math.round((at - begin) / 1000))).toEqual([0, 60, 120, 180]);
    expect(value(await poolOf(ledgerName("pool", pool)).describe(true))).toMatchObject({ occupied_slots: 0 });
  });

  it("misses no second time in the line for its slots", async () => {
    const [id, pool] = [fresh("call"), fresh("pool")];
    value(await poolOf(ledgerName("pool", pool)).configure({ slots: 1 }));
    const started: number[] = [];
    const call = addTask(
      task({ id, pool, rateLimit: { limit: 1, per: "10s" } }, (_ctx, _input: { item: number }) => {
        started.push(clock.now());
      }),
    );
    const hog = addTask(task({ id: fresh("hog"), pool }, () => null));
    const owners = new Owners();
    const begin = clock.now();
    const dagId = addDag({}, (d) => void d.expand(call, { item: [0, 1] }));
    const runId = await owners.run(dagId);
    await owners.step();
    await permitCalls.quiet();
    const hogDag = addDag({}, (d) => void d.run(hog));
    const hogRun = await start(hogDag);
    await permitCalls.quiet();
    const taken = await claimOne(hogDag, hogRun, hog.id);
    // Its slots are asked for a second before its time, and not to be had until four seconds after it.
    while (clock.now() < begin + 9000) {
      await fireAlarm(stubOf("DAG", dagId));
    }
    expect(clock.now()).toBe(begin + 9000);
    await permitCalls.quiet();
    clock.to(begin + 14_000);
    await report(hogDag, taken, success());
    await permitCalls.quiet();
    while (!isRunFinished((await runOf(dagId, runId)).state)) {
      expect(await owners.step()).toBe(true);
    }
    expect(started.map((at) => at - begin)).toEqual([0, 14_000]);
  });
});

describe("one key that a DAG, a bulk submission and jobs share", () => {
  it(
    "is given no more than 50 starts in any second, over 200 of them, though objects are evicted and calls are lost",
    {},
    async () => {
      const started: number[] = [];
      const id = fresh("call");
      const rateLimit: { limit: number; per: Duration } = { limit: LIMIT, per: "1s" };
      const call = addTask(
        task({ id, rateLimit }, (_ctx, _input: { item: number }) => {
          started.push(clock.now());
        }),
      );
      const owners = new Owners();
      const items = Array.from({ length: IN_DAG }, (_, index) => index);
      const dagId = addDag({}, (d) => void d.expand(call, { item: items }));
      permitCalls.lose(ledgerName("key", id), "before");
      permitCalls.lose(ledgerName("key", id), "after");
      const runId = await owners.run(dagId);
      const batch = await owners.batch(id, IN_BATCH);
      const jobs: string[] = [];
      for (let job = 0; job < JOBS; job += 1) {
        jobs.push(await owners.job(id));
      }
      await permitCalls.quiet();
      for (let steps = 0; started.length < IN_DAG + IN_BATCH + JOBS; steps += 1) {
        expect(await owners.step()).toBe(true);
        expect(steps).toBeLessThan(3000);
        if (steps % 20 === 0) {
          await dagOf(dagId).describe();
          await evictDurableObject(stubOf("DAG", dagId));
          await env.RATE_LIMITER.getByName(ledgerName("key", id)).peek();
          await evictDurableObject(limiterStub(id));
          const [job = ""] = jobs.slice(steps % JOBS);
          await jobOf(job).get(0);
          await evictDurableObject(stubOf("INTAKE", job));
        }
      }
      const times = [...(await reservedTimes(id)).values()].toSorted((a, b) => a - b);
      expect(times).toHaveLength(IN_DAG + IN_BATCH + JOBS);
      expect(mostWithin(times, 1000)).toBe(LIMIT);
      // Nobody began before a time that was its own.
      expect(started.every((at, index) => at >= (times[index] ?? Infinity))).toBe(true);
      expect(await runOf(dagId, runId)).toMatchObject({ state: "success" });
      expect(value(await dagOf(batch).getBatch(0))).toMatchObject({ counts: { success: IN_BATCH } });
      for (const job of jobs) {
        expect(value(await jobOf(job).get(0)).state).toBe("success");
      }
    },
  );

  it("is slowed down for all, who wait already too, by a handler that was told to come back later", async () => {
    const started: { at: number; item: number }[] = [];
    const id = fresh("call");
    const call = addTask(
      task(
        { id, rateLimit: { limit: 1, per: "1s" }, retries: 3, retryDelay: "1s" },
        (_ctx, { item }: { item: number }) => {
          started.push({ at: clock.now(), item });
          if (started.length === 1) {
            throw new RetryableError("429", { retryAfter: "30s" });
          }
        },
      ),
    );
    const begin = clock.now();
    const owners = new Owners();
    const dagId = addDag({}, (d) => void d.expand(call, { item: [1, 2, 3] }));
    const runId = await owners.run(dagId);
    const job = await owners.job(id);
    while (!isRunFinished((await runOf(dagId, runId)).state) || value(await jobOf(job).get(0)).state !== "success") {
      expect(await owners.step()).toBe(true);
    }
    const [first, ...later] = started.map(({ at }) => at - begin);
    expect(first).toBe(0);
    expect(later).toHaveLength(4);
    expect(Math.min(...later)).toBeGreaterThanOrEqual(30_000);
    expect(mostWithin(later, 1000)).toBe(1);
  });

  it("is not slowed down by a handler of another key", async () => {
    const started = new Map<string, number>();
    const id = fresh("call");
    const call = addTask(
      task(
        { id, rateLimit: { limit: 1, per: "1s", key: ({ tenant }: { tenant: string }) => tenant } },
        (_ctx, { tenant }: { tenant: string }) => {
          started.set(tenant, clock.now());
          if (tenant === "a") {
            throw new RetryableError("429", { retryAfter: "30s" });
          }
        },
      ),
    );
    const begin = clock.now();
    const owners = new Owners();
    const dagId = addDag({}, (d) => void d.expand(call, { tenant: ["a", "b"] }));
    const runId = await owners.run(dagId);
    while (!isRunFinished((await runOf(dagId, runId)).state)) {
      expect(await owners.step()).toBe(true);
    }
    expect([...started]).toEqual([
      ["a", begin],
      ["b", begin],
    ]);
    expect(await instanceOf(dagId, runId, id, 0)).toMatchObject({ state: "failed" });
  });

  it("gets back the start of a job that is killed while it waits", async () => {
    const id = fresh("call");
    addTask(task({ id, rateLimit: { limit: 1, per: "10s" } }, (_ctx, _input: { item: number }) => null));
    const owners = new Owners();
    const begin = clock.now();
    await owners.job(id);
    await permitCalls.quiet();
    const killed = await owners.job(id);
    await permitCalls.quiet();
    expect([...(await reservedTimes(id)).values()]).toEqual([begin, begin + 10_000]);
    value(await jobOf(killed).kill("enough"));
    await permitCalls.quiet();
    await owners.job(id);
    await permitCalls.quiet();
    expect([...(await reservedTimes(id)).values()]).toEqual([begin, begin + 10_000]);
  });
});
