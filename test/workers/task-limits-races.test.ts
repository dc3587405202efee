/** What can go wrong between a DAG or a job and what it waits for, with a clock that stands still. */
import { evictDurableObject } from "cloudflare:test";
import { ulid } from "ulid";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { openIntake } from "../../durable-objects/env.ts";
import { batchKey } from "../../src/engine/batch-ids.ts";
import { jobHolderName } from "../../src/engine/permits/holders.ts";
import { ledgerName } from "../../src/engine/permits/names.ts";
import { task, type NoParams, type Scope } from "../../src/sdk/index.ts";
import { ago, backfill, lastDays, runsOf } from "./backfill-lab.ts";
import {
  adopt,
  claimOne,
  claimQueued,
  clock,
  dagOf,
  failure,
  fireAlarm,
  jobOf,
  newJobId,
  objectEnv,
  report,
  reportOf,
  start,
  statesOf,
  stopClock,
  stubOf,
  success,
  value,
  NO_LOGS,
  WORKER,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { permitCalls } from "./permit-calls.ts";
import { poolOf, poolStub, settled } from "./pool-support.ts";
import { addDag, addTask, deploy, fresh, step } from "./registry.ts";

stopClock();
beforeEach(() => void vi.spyOn(console, "warn").mockReturnValue());

/** A pool of so many slots. */
async function newPool(slots: number): Promise<string> {
  const pool = fresh("pool");
  value(await poolOf(ledgerName("pool", pool)).configure({ slots }));
  return pool;
}

async function usersOf(pool: string): Promise<{ occupied_slots: number; scheduled_slots: number }> {
  const { occupied_slots, scheduled_slots } = value(await poolOf(ledgerName("pool", pool)).describe());
  return { occupied_slots, scheduled_slots };
}

async function statesNow(dagId: string, runId: string): Promise<Record<string, string>> {
  await permitCalls.quiet();
  return statesOf(dagId, runId);
}

async function finish(dagId: string, runId: string, taskId: string): Promise<void> {
  await permitCalls.quiet();
  await report(dagId, await claimOne(dagId, runId, taskId), success());
  await permitCalls.quiet();
}

const JANUARY = (day: number): number => Date.UTC(2026, 0, day);

describe("calls that get lost", () => {
  for (const loss of ["before", "after"] as const) {
    it(`a wish whose call is lost ${loss} it arrives is asked again, also if another call is answered meanwhile`, async () => {
      const [lost, slow] = [await newPool(1), await newPool(1)];
      const dagId = addDag({}, (d) => {
        d.run(step("lost", { pool: lost }));
        d.run(step("slow", { pool: slow }));
      });
      permitCalls.lose(ledgerName("pool", lost), loss);
      const letGo = permitCalls.holdBack(ledgerName("pool", slow));
      const runId = await start(dagId);
      await settled(ledgerName("pool", lost));
      await scheduler.wait(0);
      letGo();
      expect(await statesNow(dagId, runId)).toMatchObject({ slow: "queued" });
      if ((await statesNow(dagId, runId))["lost"] === "scheduled") {
        await fireAlarm(stubOf("DAG", dagId));
      }
      expect(await statesNow(dagId, runId)).toEqual({ lost: "queued", slow: "queued" });
    });
  }

  it("a DAG that is evicted before its wishes arrive asks when its alarm rings", async () => {
    const pool = await newPool(1);
    const dagId = addDag({}, (d) => void d.run(step("work", { pool })));
    permitCalls.lose(ledgerName("pool", pool), "before");
    const runId = await start(dagId);
    await permitCalls.quiet();
    await evictDurableObject(stubOf("DAG", dagId));
    expect(await usersOf(pool)).toEqual({ occupied_slots: 0, scheduled_slots: 0 });
    await fireAlarm(stubOf("DAG", dagId));
    expect(await statesNow(dagId, runId)).toEqual({ work: "queued" });
  });

  it("a DAG that is evicted before it hears of its grant is told again by its pool", async () => {
    const pool = await newPool(1);
    const dagId = addDag({}, (d) => void d.run(step("work", { pool })));
    permitCalls.lose(ledgerName("pool", pool), "after");
    const runId = await start(dagId);
    await permitCalls.quiet();
    await evictDurableObject(stubOf("DAG", dagId));
    expect(await usersOf(pool)).toEqual({ occupied_slots: 1, scheduled_slots: 0 });
    await fireAlarm(poolStub(ledgerName("pool", pool)));
    expect(await statesNow(dagId, runId)).toEqual({ work: "queued" });
  });

  it("a release that is lost is found by the pool, which asks who still wants what it holds", async () => {
    const pool = await newPool(1);
    const dagId = addDag({}, (d) => void d.run(step("work", { pool })));
    const runId = await start(dagId);
    await permitCalls.quiet();
    const claimed = await claimOne(dagId, runId, "work");
    permitCalls.lose(ledgerName("pool", pool), "before");
    await report(dagId, claimed, success());
    await permitCalls.quiet();
    await evictDurableObject(stubOf("DAG", dagId));
    expect(await usersOf(pool)).toEqual({ occupied_slots: 1, scheduled_slots: 0 });
    while ((await usersOf(pool)).occupied_slots > 0) {
      await fireAlarm(poolStub(ledgerName("pool", pool)));
      await permitCalls.quiet();
    }
    expect(clock.now()).toBeLessThanOrEqual(Date.UTC(2100, 0, 1) + 60_000);
  });

  it("a start whose time was not told is asked again", async () => {
    const call = addTask(task({ id: fresh("call"), rateLimit: { limit: 1, per: "1s" } }, () => null));
    const dagId = addDag({}, (d) => void d.run(call, undefined, { id: "work" }));
    permitCalls.lose(ledgerName("key", call.id), "after");
    const runId = await start(dagId);
    expect(await statesNow(dagId, runId)).toEqual({ work: "scheduled" });
    await fireAlarm(stubOf("DAG", dagId));
    expect(await statesNow(dagId, runId)).toEqual({ work: "queued" });
  });
});

describe("max_active_tis_per_dag together with a pool", () => {
  it("lets one that holds its slot go on when room comes free in another run", async () => {
    const pool = await newPool(2);
    const dagId = addDag({}, (d) => void d.run(step("work", { pool, maxActiveTisPerDag: 1 })));
    const [first, second] = [
      await start(dagId, { logical_date: JANUARY(1) }),
      await start(dagId, { logical_date: JANUARY(2) }),
    ];
    expect(await statesNow(dagId, first)).toEqual({ work: "queued" });
    expect(await statesNow(dagId, second)).toEqual({ work: "scheduled" });
    await finish(dagId, first, "work");
    expect(await statesNow(dagId, second)).toEqual({ work: "queued" });
  });

  it("does not let one that holds the only slot wait for those of an earlier run that want it", async () => {
    const pool = await newPool(1);
    const dagId = addDag({}, (d) => void d.expand(step("work", { pool, maxActiveTisPerDag: 1 }), { item: [1, 2] }));
    const letGo = permitCalls.holdBack(ledgerName("pool", pool));
    const later = await start(dagId, { logical_date: JANUARY(2) });
    const earlier = await start(dagId, { logical_date: JANUARY(1) });
    letGo();
    const seen: string[] = [];
    for (let turn = 0; turn < 4; turn += 1) {
      await permitCalls.quiet();
      for (const runId of [later, earlier]) {
        for (const claimed of await claimQueued(dagId, runId)) {
          seen.push(`${runId === later ? "later" : "earlier"}[${claimed.map_index}]`);
          await report(dagId, claimed, success());
        }
      }
    }
    expect(seen.toSorted()).toEqual(["earlier[0]", "earlier[1]", "later[0]", "later[1]"]);
    expect(await usersOf(pool)).toEqual({ occupied_slots: 0, scheduled_slots: 0 });
  });
});

describe("what waits and cannot go on keeps nobody back", () => {
  it("a paused DAG's run in line does not hold up a backfill", async () => {
    const dagId = addDag({ schedule: "0 0 * * *", isPausedUponCreation: false }, (d) => {
      d.expand(step("work", { maxActiveTisPerDag: 1 }), { item: [1, 2] });
    });
    const inLine = await start(dagId, { logical_date: ago(40) });
    const [, scheduled] = await runsOf(dagId);
    const [claimed] = await claimQueued(dagId, scheduled?.run_id ?? "");
    await backfill(dagId, lastDays(1));
    value(await dagOf(dagId).setPaused(true));
    const [, filled] = await runsOf(dagId);
    expect(claimed).toBeDefined();
    await dagOf(dagId).report(claimed === undefined ? [] : [reportOf(claimed, success())], WORKER, 0);
    expect(await statesOf(dagId, inLine)).toEqual({ "work[0]": "scheduled", "work[1]": "scheduled" });
    expect(await statesOf(dagId, filled?.run_id ?? "")).toEqual({ "work[0]": "queued", "work[1]": "scheduled" });
  });

  it("a run that a user queues again holds no slot while it waits for its turn", async () => {
    const pool = await newPool(1);
    const build = (d: Scope<NoParams>): void => {
      const before = d.run(step("before"));
      const work = d.run(step("work", { pool, maxActiveTisPerDag: 1 }));
      d.after(before, work);
    };
    const dagId = addDag({ maxActiveRuns: 2 }, build);
    const [first, second] = [await start(dagId), await start(dagId)];
    await finish(dagId, first, "before");
    deploy(dagId, { maxActiveRuns: 1 }, build);
    await evictDurableObject(stubOf("DAG", dagId));
    expect(await statesNow(dagId, first)).toMatchObject({ work: "queued" });
    value(await dagOf(dagId).clear({ run_id: first, task_ids: ["work"], only_failed: false }));
    const letGo = permitCalls.holdBack(ledgerName("pool", pool));
    value(await dagOf(dagId).patchRun(first, { state: "queued" }));
    letGo();
    await permitCalls.quiet();
    expect(await usersOf(pool)).toEqual({ occupied_slots: 0, scheduled_slots: 0 });
    await finish(dagId, second, "before");
    await finish(dagId, second, "work");
    await finish(dagId, first, "work");
    expect(await usersOf(pool)).toEqual({ occupied_slots: 0, scheduled_slots: 0 });
  });

  it("a queued run that is deleted leaves nothing in the pool", async () => {
    const pool = await newPool(1);
    const dagId = addDag({ maxActiveRuns: 1 }, (d) => void d.run(step("work", { pool })));
    const other = addDag({}, (d) => void d.run(step("work", { pool })));
    const holder = await start(other);
    await permitCalls.quiet();
    const runId = await start(dagId);
    await start(dagId);
    await permitCalls.quiet();
    value(await dagOf(dagId).setPaused(true));
    value(await dagOf(dagId).patchRun(runId, { state: "queued" }));
    await permitCalls.quiet();
    value(await dagOf(dagId).deleteRun(runId));
    await permitCalls.quiet();
    expect(await usersOf(pool)).toEqual({ occupied_slots: 1, scheduled_slots: 0 });
    await finish(other, holder, "work");
    expect(await usersOf(pool)).toEqual({ occupied_slots: 0, scheduled_slots: 0 });
  });
});

describe("a run that goes on with the newest version of its DAG", () => {
  it("keeps one that holds its slot and waits for room", async () => {
    const pool = await newPool(5);
    const build =
      (retries: number) =>
      (d: Scope<NoParams>): void => {
        d.run(step("work", { pool, retries }));
        d.run(step("done"));
        d.run(step("other"));
      };
    const dagId = addDag({ maxActiveTasks: 1 }, build(0));
    const letGo = permitCalls.holdBack(ledgerName("pool", pool));
    const runId = await start(dagId);
    await report(dagId, await claimOne(dagId, runId, "done"), success());
    letGo();
    expect(await statesNow(dagId, runId)).toEqual({ done: "success", other: "queued", work: "scheduled" });
    deploy(dagId, { maxActiveTasks: 1 }, build(1));
    await evictDurableObject(stubOf("DAG", dagId));
    await permitCalls.quiet();
    value(
      await dagOf(dagId).clear({ run_id: runId, task_ids: ["done"], only_failed: false, run_on_latest_version: true }),
    );
    await finish(dagId, runId, "other");
    const states = await statesNow(dagId, runId);
    expect(Object.values(states).toSorted()).toEqual(["queued", "scheduled", "success"]);
    await finish(dagId, runId, states["work"] === "queued" ? "work" : "done");
    await finish(dagId, runId, states["work"] === "queued" ? "done" : "work");
    expect(await usersOf(pool)).toEqual({ occupied_slots: 0, scheduled_slots: 0 });
  });
});

describe("jobs", () => {
  async function submit(name: string, payload: { tenant: string } | null = null): Promise<string> {
    const jobId = newJobId();
    value(await jobOf(jobId).submit({ job_id: jobId, name, payload, runAt: null }));
    return jobId;
  }

  it("do not take word about an earlier try for one about the present", async () => {
    const pool = await newPool(1);
    const work = addTask(step(fresh("work"), { pool, retries: 1, retryDelay: "1s" }));
    const jobId = await submit(work.id);
    await permitCalls.quiet();
    const claimed = await jobOf(jobId).claim(WORKER);
    await jobOf(jobId).report(claimed?.token ?? -1, failure("no"), NO_LOGS);
    await permitCalls.quiet();
    const rival = await submit(work.id);
    await permitCalls.quiet();
    await fireAlarm(stubOf("INTAKE", jobId));
    await permitCalls.quiet();
    mailbox.takeOfJob(jobId);
    const ledger = ledgerName("pool", pool);
    expect(await openIntake(objectEnv, jobId).permitsGranted(jobId, ledger, [jobHolderName(0)])).toEqual({
      unwanted: [jobHolderName(0)],
      running: [],
    });
    expect(mailbox.takeOfJob(jobId)).toEqual([]);
    expect(await jobOf(jobId).claim(WORKER)).toBeNull();
    expect(await usersOf(pool)).toEqual({ occupied_slots: 1, scheduled_slots: 1 });
    value(await jobOf(rival).kill("enough"));
    await permitCalls.quiet();
    expect(await jobOf(jobId).claim(WORKER)).toMatchObject({ try_number: 2 });
  });

  it("that are killed while they wait leave nothing", async () => {
    const pool = await newPool(1);
    const work = addTask(step(fresh("work"), { pool }));
    const holder = await submit(work.id);
    await permitCalls.quiet();
    const second = await submit(work.id);
    await permitCalls.quiet();
    expect(await usersOf(pool)).toEqual({ occupied_slots: 1, scheduled_slots: 1 });
    value(await jobOf(second).kill("enough"));
    await permitCalls.quiet();
    expect(await usersOf(pool)).toEqual({ occupied_slots: 1, scheduled_slots: 0 });
    value(await jobOf(holder).kill("enough"));
    await permitCalls.quiet();
    expect(await usersOf(pool)).toEqual({ occupied_slots: 0, scheduled_slots: 0 });
  });

  it("that are killed while their call is under way leave nothing either", async () => {
    const pool = await newPool(1);
    const work = addTask(step(fresh("work"), { pool }));
    const letGo = permitCalls.holdBack(ledgerName("pool", pool));
    const jobId = await submit(work.id);
    value(await jobOf(jobId).kill("enough"));
    letGo();
    await permitCalls.quiet();
    while ((await usersOf(pool)).occupied_slots > 0) {
      await fireAlarm(poolStub(ledgerName("pool", pool)));
      await permitCalls.quiet();
    }
    expect(clock.now()).toBeLessThanOrEqual(Date.UTC(2100, 0, 1) + 10_000);
  });

  it("go on when they are evicted while they wait for their time, and hold no slot until it is near", async () => {
    const pool = await newPool(1);
    const id = fresh("work");
    const work = addTask(
      task({ id, pool, rateLimit: { limit: 1, per: "10s" }, concurrency: { limit: 1 } }, () => null),
    );
    const first = await submit(work.id);
    await permitCalls.quiet();
    const second = await submit(work.id);
    await permitCalls.quiet();
    await evictDurableObject(stubOf("INTAKE", second));
    const claimed = await jobOf(first).claim(WORKER);
    await jobOf(first).report(claimed?.token ?? -1, success(), NO_LOGS);
    await permitCalls.quiet();
    // It has given its slots of the pool and of the key back, and waits for its time.
    expect(await usersOf(pool)).toEqual({ occupied_slots: 0, scheduled_slots: 0 });
    expect(await jobOf(second).claim(WORKER)).toBeNull();
    await evictDurableObject(stubOf("INTAKE", second));
    expect(await jobOf(second).claim(WORKER)).toBeNull();
    while (value(await jobOf(second).get(0)).state === "queued" && mailbox.takeOfJob(second).length === 0) {
      await fireAlarm(stubOf("INTAKE", second));
      await permitCalls.quiet();
    }
    expect(clock.now()).toBe(Date.UTC(2100, 0, 1) + 10_000);
    expect(await usersOf(pool)).toEqual({ occupied_slots: 1, scheduled_slots: 0 });
    expect(await jobOf(second).claim(WORKER)).toMatchObject({ try_number: 1 });
  });

  it("and members of a bulk submission share their keys", async () => {
    const id = fresh("call");
    addTask(task({ id, concurrency: { limit: 1, key: ({ tenant }: { tenant: string }) => tenant } }, () => null));
    const job = await submit(id, { tenant: "a" });
    await permitCalls.quiet();
    const batchId = ulid();
    const batch = `@batch:${batchKey(batchId)}`;
    const entries = ["a", "b", "b"].map((tenant) => ({ name: id, payload: { tenant }, runAt: null }));
    value(await dagOf(batch).submitBatch(batchId, entries));
    await permitCalls.quiet();
    const membersNow = (): Promise<unknown> =>
      Promise.all([0, 1, 2].map(async (member) => value(await dagOf(batch).getMember(member, 0)).error));
    expect(await membersNow()).toEqual([null, null, null]);
    expect((await claimQueued(batch, "bulk")).map(({ input }) => input)).toEqual([{ tenant: "b" }]);
    value(await jobOf(job).kill("enough"));
    await permitCalls.quiet();
    expect((await claimQueued(batch, "bulk")).map(({ input }) => input)).toEqual([{ tenant: "a" }]);
    value(await dagOf(batch).killMember(2, "enough"));
    await permitCalls.quiet();
    expect(value(await poolOf(ledgerName("key", `${id}:b`)).describe())).toMatchObject({
      occupied_slots: 1,
      scheduled_slots: 0,
    });
  });
});

describe("an attempt that is stopped", () => {
  it("holds its slot until its worker has obeyed, if it was cleared", async () => {
    const pool = await newPool(1);
    const dagId = addDag({}, (d) => void d.run(step("work", { pool })));
    const runId = await start(dagId);
    await permitCalls.quiet();
    const claimed = await claimOne(dagId, runId, "work");
    expect(await adopt(dagId, ulid(), claimed)).toBe("continue");
    value(await dagOf(dagId).clear({ run_id: runId, task_ids: null, only_failed: false }));
    expect(await statesNow(dagId, runId)).toEqual({ work: "restarting" });
    expect(await usersOf(pool)).toEqual({ occupied_slots: 1, scheduled_slots: 0 });
    await dagOf(dagId).attemptEnded({ run_id: runId, task_id: "work", map_index: -1 }, claimed.token, failure("x"));
    expect(await statesNow(dagId, runId)).toEqual({ work: "queued" });
    expect(await usersOf(pool)).toEqual({ occupied_slots: 1, scheduled_slots: 0 });
    await finish(dagId, runId, "work");
    expect(await usersOf(pool)).toEqual({ occupied_slots: 0, scheduled_slots: 0 });
  });
});

describe("wishes that stand in a pool's line", () => {
  it("keep no other task of a limited run from asking, and find room when they are granted", async () => {
    const pool = await newPool(2);
    const missing = fresh("pool");
    const dagId = addDag({ maxActiveTasks: 2 }, (d) => {
      d.expand(step("stuck", { pool: missing }), { item: [1, 2, 3] });
      d.run(step("fine", { pool }));
    });
    const runId = await start(dagId);
    const stuck = { "stuck[0]": "scheduled", "stuck[1]": "scheduled", "stuck[2]": "scheduled" };
    expect(await statesNow(dagId, runId)).toEqual({ ...stuck, fine: "queued" });
    value(await poolOf(ledgerName("pool", missing)).configure({ slots: 3 }));
    // One of them finds room; the others give back what they could not use.
    expect(Object.values(await statesNow(dagId, runId)).toSorted()).toEqual([
      "queued",
      "queued",
      "scheduled",
      "scheduled",
    ]);
    expect(await usersOf(missing)).toEqual({ occupied_slots: 1, scheduled_slots: 0 });
    for (let round = 0; round < 4; round += 1) {
      for (const claimed of await claimQueued(dagId, runId)) {
        await report(dagId, claimed, success());
      }
      await permitCalls.quiet();
    }
    expect(new Set(Object.values(await statesNow(dagId, runId)))).toEqual(new Set(["success"]));
    expect(await usersOf(missing)).toEqual({ occupied_slots: 0, scheduled_slots: 0 });
  });
});
