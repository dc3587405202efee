import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { ulid } from "ulid";
import { describe, it, vi } from "vitest";
import { DagStorage } from "../../durable-objects/dag/storage.ts";
import { batchKey } from "../../src/engine/batch-ids.ts";
import type { ClaimedTask } from "../../src/engine/work.ts";
import { task } from "../../src/sdk/index.ts";
import {
  adopt,
  alarmOf,
  beat,
  claimQueued,
  clock,
  dagOf,
  deliver,
  fireAlarm,
  instanceOf,
  jobOf,
  keyOf,
  report,
  start,
  statesOf,
  stopClock,
  stubOf,
  success,
  value,
  WORKER,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, addTask, ECHO, fresh, step } from "./registry.ts";

stopClock();

const HEARTRATE_MS = 5000;
const GRACE_MS = 10_500;

/** A run with `width` claimed elements of a task. */
async function running(
  width: number,
  retries = 0,
): Promise<{ dagId: string; runId: string; work: ClaimedTask[]; one: ClaimedTask }> {
  const each = task({ id: "each", retries }, (_ctx, { n }: { n: number }) => n);
  const dagId = addDag({}, (d) => void d.expand(each, { n: Array.from({ length: width }, (_, n) => n) }));
  const runId = await start(dagId);
  const work = await claimQueued(dagId, runId);
  mailbox.takeOf(dagId);
  const [one] = work;
  if (one === undefined || work.length < width) {
    throw new Error(`expected ${width} to be claimed, got ${work.length}`);
  }
  return { dagId, runId, work, one };
}

async function beatAll(dagId: string, work: readonly ClaimedTask[], worker = WORKER): Promise<string[]> {
  const answers = await dagOf(dagId).beat(
    work.map((one) => ({ ...keyOf(one), token: one.token })),
    worker,
  );
  return answers.map(({ verdict }) => verdict);
}

async function stateCounts(dagId: string, runId: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const state of Object.values(await statesOf(dagId, runId))) {
    counts[state] = (counts[state] ?? 0) + 1;
  }
  return counts;
}

describe("beats of a worker", () => {
  it("keep all its attempts alive by one call and a row and a half a heartrate", async ({ expect }) => {
    const { dagId, runId, work } = await running(100);
    const before = await env.DAG.getByName(dagId).rowsWritten();
    for (let beats = 0; beats < 10; beats += 1) {
      clock.advance(HEARTRATE_MS);
      expect(new Set(await beatAll(dagId, work))).toEqual(new Set(["continue"]));
    }
    expect((await env.DAG.getByName(dagId).rowsWritten()) - before).toBe(15);
    expect(await stateCounts(dagId, runId)).toEqual({ running: 100 });
  });

  it("stop what is no longer current, and that alone", async ({ expect }) => {
    const { dagId, runId, work, one } = await running(3);
    await report(dagId, one, success());
    value(await dagOf(dagId).clear({ run_id: runId, task_ids: [["each", 1]] }));
    const unknown = { ...one, map_index: 7 };
    expect(await beatAll(dagId, [...work, unknown])).toEqual(["stop", "stop", "continue", "stop"]);
    expect(await instanceOf(dagId, runId, "each", 1)).toMatchObject({ state: "queued", try_number: 2 });
  });

  it("of members of a bulk submission count alike, and show", async ({ expect }) => {
    const batchId = ulid();
    const name = `@batch:${batchKey(batchId)}`;
    const { id } = addTask(step(fresh("member"), { retries: 1 }));
    value(
      await dagOf(name).submitBatch(
        batchId,
        [1, 2].map((n) => ({ name: id, payload: n, runAt: null })),
      ),
    );
    mailbox.takeOf(name);
    const work = await claimQueued(name, "bulk");
    clock.advance(HEARTRATE_MS);
    await beatAll(name, work.slice(0, 1));
    const beaten = clock.now();
    while ((await stateCounts(name, "bulk"))["running"] === 2) {
      await fireAlarm(stubOf("DAG", name));
    }
    expect(await stateCounts(name, "bulk")).toEqual({ running: 1, queued: 1 });
    expect(value(await dagOf(name).getMember(0, 0))).toMatchObject({ state: "running", latest_heartbeat: beaten });
  });
});

describe("an object that was itself late", () => {
  it("gives beats that wait behind its alarm the time to come in", async ({ expect }) => {
    const { dagId, runId, work } = await running(20);
    clock.advance(HEARTRATE_MS);
    await beatAll(dagId, work);
    clock.advance(GRACE_MS + 30_000);
    await fireAlarm(stubOf("DAG", dagId));
    expect(await stateCounts(dagId, runId)).toEqual({ running: 20 });

    const alive = work.slice(1);
    expect(new Set(await beatAll(dagId, alive))).toEqual(new Set(["continue"]));
    const lastBeat = clock.now();
    await fireAlarm(stubOf("DAG", dagId));
    expect(clock.now()).toBeLessThanOrEqual(lastBeat + HEARTRATE_MS);
    // Of the one that is gone nothing came in the time that it was allowed.
    expect(await stateCounts(dagId, runId)).toEqual({ running: 19, queued: 1 });
  });

  it("listens before it takes a worker for lost: a beat that stands behind its alarm comes in", async ({ expect }) => {
    const { dagId, runId, work } = await running(5);
    const stub = stubOf("DAG", dagId);
    clock.to((await alarmOf(stub)) ?? expect.fail("expected an alarm"));
    const rings = fireAlarm(stub);
    const answers = beatAll(dagId, work);
    await rings;
    expect(new Set(await answers)).toEqual(new Set(["continue"]));
    expect(await stateCounts(dagId, runId)).toEqual({ running: 5 });
  });

  it("was away when beats were due: it waits until they had time to come again", async ({ expect }) => {
    const { dagId, runId, work } = await running(5);
    clock.advance(GRACE_MS - 100);
    await evictDurableObject(stubOf("DAG", dagId));
    value(await dagOf(dagId).getRun(runId, 0));
    const returned = clock.now();
    await fireAlarm(stubOf("DAG", dagId));
    expect(await stateCounts(dagId, runId)).toEqual({ running: 5 });

    await beatAll(dagId, work.slice(1));
    await fireAlarm(stubOf("DAG", dagId));
    expect(clock.now()).toBeLessThanOrEqual(returned + HEARTRATE_MS * 1.1);
    expect(await stateCounts(dagId, runId)).toEqual({ running: 4, queued: 1 });
  });

  it("slept until its alarm: a worker that fell silent is found in time, by what was stored of its last beat", async ({
    expect,
  }) => {
    const { dagId, runId, work } = await running(2, 1);
    const stub = stubOf("DAG", dagId);
    clock.advance(HEARTRATE_MS);
    await beatAll(dagId, work);
    const lastBeat = clock.now();
    await evictDurableObject(stub);
    while ((await stateCounts(dagId, runId))["running"] === 2) {
      await evictDurableObject(stub);
      await fireAlarm(stub);
    }
    expect(clock.now()).toBeGreaterThanOrEqual(lastBeat + GRACE_MS);
    expect(clock.now()).toBeLessThanOrEqual(lastBeat + GRACE_MS + 1000);
    const lost = await instanceOf(dagId, runId, "each", 0);
    expect(lost).toMatchObject({ state: "queued", try_number: 2, error: { type: "Zombie" } });
    expect(lost.error?.message).toContain(`last at ${new Date(lastBeat).toISOString()}`);
  });
});

describe("the job of an attempt", () => {
  it("shows the heartbeat that its DAG knows, and lives as long as its worker beats to the DAG", async ({ expect }) => {
    const { dagId, one } = await running(1);
    const jobId = ulid();
    clock.advance(HEARTRATE_MS);
    await adopt(dagId, jobId, one);
    const stub = stubOf("JOB", jobId);
    for (let beats = 0; beats < 20; beats += 1) {
      clock.advance(HEARTRATE_MS);
      expect(await beat(dagId, one)).toBe("continue");
      if (((await alarmOf(stub)) ?? Number.POSITIVE_INFINITY) <= clock.now()) {
        await fireAlarm(stub);
      }
      if (beats % 5 === 0) {
        await evictDurableObject(stub);
      }
      expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "running", latest_heartbeat: clock.now() });
    }
  });

  it("ends with an attempt that ended without it", async ({ expect }) => {
    const { dagId, one } = await running(1);
    const jobId = ulid();
    await adopt(dagId, jobId, one);
    await report(dagId, one, success());
    await fireAlarm(stubOf("JOB", jobId));
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "success", error: null });
  });
});

describe("messages of a finished run", () => {
  it("cost a look at what is in memory, and no reading of its task instances", async ({ expect }) => {
    const batchId = ulid();
    const name = `@batch:${batchKey(batchId)}`;
    const entries = Array.from({ length: 300 }, (_, n) => ({ name: ECHO, payload: n, runAt: null }));
    value(await dagOf(name).submitBatch(batchId, entries));
    const messages = mailbox.takeOf(name);
    await deliver(messages);
    expect(value(await dagOf(name).getBatch(0))).toMatchObject({ state: "success" });

    // Another turn forgets a large run that is over.
    await fireAlarm(stubOf("DAG", name));
    const rows = vi.spyOn(DagStorage.prototype, "loadInstances");
    const before = await env.DAG.getByName(name).rowsWritten();
    for (let batch = 0; batch < 3; batch += 1) {
      await deliver(messages.slice(batch * 100, batch * 100 + 100));
    }
    expect(rows).not.toHaveBeenCalled();
    expect(await env.DAG.getByName(name).rowsWritten()).toBe(before);
    rows.mockRestore();
  });
});
