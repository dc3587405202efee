import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { ulid } from "ulid";
import { describe, it } from "vitest";
import { intakeName } from "../../src/engine/intake.ts";
import { task } from "../../src/sdk/index.ts";
import {
  adopt,
  alarmOf,
  claimQueued,
  clock,
  dagOf,
  fireAlarm,
  instancesOf,
  jobOf,
  keyOf,
  newJobId,
  rowsOf,
  start,
  stopClock,
  stubOf,
  value,
  watchOf,
  WORKER,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, ECHO } from "./registry.ts";

stopClock();

const HEARTRATE_MS = 5000;
const GRACE_MS = 10_500;
const BEATS = 24;

/** What keeping attempts alive has cost. */
interface Cost {
  /** Rows of the owner and of the jobs' objects, alarms that were set included. */
  rows: number;
  /** Calls of objects, alarms that fired included. */
  requests: number;
  alarms: number;
}

/** What objects do while attempts beat: their alarms fire when they are due. */
class Platform {
  alarms = 0;
  readonly #objects: readonly DurableObjectStub[];

  constructor(objects: readonly DurableObjectStub[]) {
    this.#objects = objects;
  }

  /** Time passes up to the next beat. */
  async pass(ms: number): Promise<void> {
    const until = clock.now() + ms;
    for (let next = await this.#nextAlarm(); next !== null && next.at < until; next = await this.#nextAlarm()) {
      clock.to(Math.max(next.at, clock.now()));
      this.alarms += 1;
      await runDurableObjectAlarm(next.object);
    }
    clock.to(until);
  }

  async #nextAlarm(): Promise<{ at: number; object: DurableObjectStub } | null> {
    const set: { at: number; object: DurableObjectStub }[] = [];
    for (const object of this.#objects) {
      const at = await alarmOf(object);
      if (at !== null) {
        set.push({ at, object });
      }
    }
    return set.toSorted((one, other) => one.at - other.at)[0] ?? null;
  }
}

/** Beats for attempts that have jobs, and counts from then on what that costs. */
async function costOf(
  owner: DurableObjectStub & { rowsWritten(): Promise<number> },
  jobIds: readonly string[],
  beat: () => Promise<unknown>,
): Promise<Cost> {
  const jobs = jobIds.map((jobId) => env.JOB.getByName(jobId));
  const rowsWritten = async (): Promise<number> => {
    const counts = await Promise.all([owner, ...jobs].map((object) => object.rowsWritten()));
    return counts.reduce((sum, count) => sum + count, 0);
  };
  const platform = new Platform([owner, ...jobs]);
  // Each job asks its owner once whether it is known there.
  for (let beats = 0; beats < 4; beats += 1) {
    await platform.pass(HEARTRATE_MS);
    await beat();
  }
  const before = { rows: await rowsWritten(), alarms: platform.alarms };
  for (let beats = 0; beats < BEATS; beats += 1) {
    await platform.pass(HEARTRATE_MS);
    await beat();
  }
  const alarms = platform.alarms - before.alarms;
  return { rows: (await rowsWritten()) - before.rows, alarms, requests: BEATS + alarms };
}

/** Attempts of a DAG that run and have jobs. */
async function attempts(width: number) {
  const n = Array.from({ length: width }, (_, index) => index);
  const each = task({ id: "each", heartrate: HEARTRATE_MS / 1000 }, (_ctx, input: { n: number }) => input.n);
  const dagId = addDag({}, (d) => void d.expand(each, { n }));
  const runId = await start(dagId);
  const work = await claimQueued(dagId, runId);
  clock.advance(HEARTRATE_MS);
  const jobIds = work.map(() => ulid());
  for (const [index, one] of work.entries()) {
    await adopt(dagId, jobIds[index] ?? "", one);
  }
  const beats = work.map((one, index) => ({ ...keyOf(one), token: one.token, job_id: jobIds[index] ?? "" }));
  return { dagId, runId, jobIds, beat: () => dagOf(dagId).beat(beats, WORKER) };
}

/** Resolves once the stored row of a job says that it is over. It is not read by a caller, which would have it ask, and its alarm does not fire. */
async function ended(jobId: string): Promise<void> {
  while ((await rowsOf(stubOf("JOB", jobId), "SELECT 1 FROM job WHERE state = 'running'")).length > 0) {
    await scheduler.wait(1);
  }
}

/** Standalone jobs of one intake object that run and are watched. */
async function standalone(width: number) {
  const first = newJobId();
  const jobIds = [first, ...Array.from({ length: width - 1 }, () => ulid().slice(0, -1) + first.slice(-1))];
  const beats: { job_id: string; token: number; is_watched: boolean }[] = [];
  for (const jobId of jobIds) {
    value(await jobOf(jobId).submit({ job_id: jobId, name: ECHO, payload: null, runAt: null }));
    mailbox.takeOfJob(jobId);
    const { token } = (await jobOf(jobId).claim(WORKER)) ?? { token: Number.NaN };
    // The first beat makes the watch.
    await jobOf(jobId).beat(token, null);
    beats.push({ job_id: jobId, token, is_watched: true });
  }
  const intake = env.INTAKE.getByName(intakeName(first));
  return { jobIds, intake, beat: () => intake.beat(beats) };
}

describe("while attempts live", () => {
  it("twenty of a DAG that share a session cost a row and a half for all of them per beat, one call, and no alarm", async ({
    expect,
  }) => {
    const { dagId, jobIds, beat } = await attempts(20);
    const cost = await costOf(env.DAG.getByName(dagId), jobIds, beat);
    expect(cost).toEqual({ rows: BEATS + BEATS / 2, requests: BEATS, alarms: 0 });
    expect(cost.rows / (BEATS * jobIds.length)).toBeLessThanOrEqual(1);
    expect(cost.requests / (BEATS * jobIds.length)).toBeLessThanOrEqual(0.2);
  });

  it("one of a DAG costs the same", async ({ expect }) => {
    const { dagId, jobIds, beat } = await attempts(1);
    const cost = await costOf(env.DAG.getByName(dagId), jobIds, beat);
    expect(cost).toEqual({ rows: BEATS + BEATS / 2, requests: BEATS, alarms: 0 });
  });

  it("standalone jobs, one or twenty of an intake object, cost half a row for all of them per beat, one call, and no alarm", async ({
    expect,
  }) => {
    for (const width of [1, 20]) {
      const { intake, jobIds, beat } = await standalone(width);
      const cost = await costOf(intake, jobIds, beat);
      expect([width, cost]).toEqual([width, { rows: BEATS / 2, requests: BEATS, alarms: 0 }]);
    }
  });
});

describe("when the worker of attempts falls silent", () => {
  it("they are found by the grace after the last beat, and their jobs learn of it at once", async ({ expect }) => {
    const { dagId, runId, jobIds, beat } = await attempts(5);
    const stub = stubOf("DAG", dagId);
    for (let beats = 0; beats < 7; beats += 1) {
      clock.advance(HEARTRATE_MS);
      await beat();
    }
    const lastBeat = clock.now();
    const running = async () => (await instancesOf(dagId, runId, "running")).length;
    while ((await running()) > 0) {
      await fireAlarm(stub);
    }
    expect(clock.now()).toBeGreaterThanOrEqual(lastBeat + GRACE_MS);
    expect(clock.now()).toBeLessThanOrEqual(lastBeat + GRACE_MS + 1000);
    for (const jobId of jobIds) {
      await ended(jobId);
      expect(value(await watchOf(jobId).get(0))).toMatchObject({ state: "failed", error: { type: "Zombie" } });
    }
  });

  it("a standalone job is found by the grace too, and its Job object learns of it at once", async ({ expect }) => {
    const { jobIds, intake, beat } = await standalone(1);
    const [jobId = ""] = jobIds;
    for (let beats = 0; beats < 7; beats += 1) {
      clock.advance(HEARTRATE_MS);
      await beat();
    }
    const lastBeat = clock.now();
    while (value(await jobOf(jobId).get(0)).state === "running") {
      await fireAlarm(intake);
    }
    expect(clock.now()).toBeGreaterThanOrEqual(lastBeat + GRACE_MS);
    expect(clock.now()).toBeLessThanOrEqual(lastBeat + GRACE_MS + 1000);
    await ended(jobId);
    expect(value(await watchOf(jobId).get(0))).toMatchObject({ state: "failed", error: { type: "Zombie" } });
  });
});
