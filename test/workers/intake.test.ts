import { evictDurableObject, listDurableObjectIds, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { ulid } from "ulid";
import { describe, it } from "vitest";
import { openIntake } from "../../durable-objects/env.ts";
import { wakeLate } from "../../durable-objects/wake.ts";
import { LISTEN_MS } from "../../src/engine/liveness.ts";
import { memberId } from "../../src/engine/batch-ids.ts";
import { INTAKE_DIGITS, intakeName, intakeNamed } from "../../src/engine/intake.ts";
import type { LogChunk } from "../../src/engine/work.ts";
import {
  alarmOf,
  clock,
  deliver,
  failure,
  fireAlarm,
  jobOf,
  newJobId,
  NO_LOGS,
  objectEnv,
  rowsOf,
  stopClock,
  stubOf,
  success,
  value,
  watchedOf,
  watchOf,
  WORKER,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addTask, counting, ECHO, fresh, PATIENT_ECHO, step } from "./registry.ts";

stopClock();

const HEARTRATE_MS = 1000;
/** How long the lease of a silent worker holds. */
const LEASE_MS = 2.1 * HEARTRATE_MS;

function chunk(from: number, ...events: string[]): LogChunk {
  return { from, lines: events.map((event) => ({ timestamp: 1000, level: "info", event })) };
}

async function submit(name: string, jobId = newJobId()): Promise<string> {
  value(await jobOf(jobId).submit({ job_id: jobId, name, payload: null, runAt: null }));
  return jobId;
}

/** A new job of a task with a heart rate of a second, claimed. */
async function running(options: { retries?: number } = {}): Promise<{ jobId: string; token: number }> {
  const { id } = addTask(step(fresh("job"), { heartrate: "1s", retryDelay: "5s", ...options }));
  const jobId = await submit(id);
  mailbox.takeOfJob(jobId);
  return { jobId, token: await claim(jobId) };
}

async function claim(jobId: string): Promise<number> {
  const claimed = await jobOf(jobId).claim(WORKER);
  if (claimed === null) {
    throw new Error("expected a job that is queued");
  }
  return claimed.token;
}

/** Another id that the same intake object keeps. */
function beside(jobId: string): string {
  return ulid().slice(0, -1) + jobId.slice(-1);
}

async function stateOf(jobId: string): Promise<string> {
  return value(await jobOf(jobId).get(0)).state;
}

async function call(method: string, path: string): Promise<number> {
  const headers = { authorization: "Bearer test-key" };
  const response = await exports.default.fetch(`https://jobbers.test${path}`, { method, headers });
  await response.text();
  return response.status;
}

/** How many objects there are that could be made for an id. */
async function objects(): Promise<{ jobs: number; dags: number }> {
  const [jobs, dags] = await Promise.all([listDurableObjectIds(env.JOB), listDurableObjectIds(env.DAG)]);
  return { jobs: jobs.length, dags: dags.length };
}

/** The tables of all intake objects together. */
async function tables(): Promise<number> {
  let count = 0;
  for (const digit of INTAKE_DIGITS) {
    count += await runInDurableObject(
      env.INTAKE.getByName(intakeNamed(digit)),
      (_intake, state) =>
        state.storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'").toArray().length,
    );
  }
  return count;
}

describe("an unknown id", () => {
  it("makes no object and no table, wherever it is asked for", async ({ expect }) => {
    // Before any test of this file has submitted anything.
    expect(await tables()).toBe(0);
    const before = await objects();
    const [plain, member] = [newJobId(), memberId(ulid(), 3)];
    for (const id of [plain, member]) {
      for (const [method, path] of [
        ["GET", `/jobs/${id}`],
        ["GET", `/jobs/${id}/why`],
        ["GET", `/jobs/${id}/logs`],
        ["POST", `/jobs/${id}/kill`],
        ["POST", `/jobs/${id}/heartbeat`],
        ["GET", `/batches/${id}`],
      ] as const) {
        expect([path, await call(method, path)]).toEqual([path, 404]);
      }
      expect(await call("GET", `/api/v2/jobs?job_id=${id}`)).toBe(200);
      await openIntake(objectEnv, id).claim([id], WORKER);
      await jobOf(id).report(1, success(), NO_LOGS);
      await openIntake(objectEnv, id).beat([{ job_id: id, token: 1, is_watched: true }]);
      await openIntake(objectEnv, id).attemptStanding(id, 1, null);
      await openIntake(objectEnv, id).permitsGranted(id, "pool/x", ["x"]);
      await openIntake(objectEnv, id).wake();
    }
    expect(await objects()).toEqual(before);
    expect(await tables()).toBe(0);
  });

  it("makes no job beside others of the same intake object", async ({ expect }) => {
    const known = await submit(ECHO);
    mailbox.takeOfJob(known);
    const before = [await objects(), await rowsOf(stubOf("INTAKE", known), "SELECT id FROM job")];
    const unknown = beside(known);
    expect(await jobOf(unknown).get(0)).toMatchObject({ ok: false, refusal: { code: "not_found" } });
    expect(await jobOf(unknown).kill("x")).toMatchObject({ ok: false, refusal: { code: "not_found" } });
    expect([await objects(), await rowsOf(stubOf("INTAKE", known), "SELECT id FROM job")]).toEqual(before);
  });
});

describe("a standalone job that is watched", () => {
  it("shows the progress and log lines of its Job object, over several tries and evictions of both", async ({
    expect,
  }) => {
    const { jobId, token } = await running({ retries: 2 });
    const evict = async (): Promise<void> => {
      // Only what runs can be evicted.
      await jobOf(jobId).get(0);
      await watchOf(jobId).get(0);
      await evictDurableObject(stubOf("INTAKE", jobId));
      await evictDurableObject(stubOf("JOB", jobId));
    };
    const lines = async (tryNumber: number): Promise<string[]> => {
      await evict();
      return value(await jobOf(jobId).readLog(tryNumber, 0, 0)).lines.map(({ event }) => event);
    };
    const work = async (present: number, name: string, report: () => Promise<unknown>): Promise<void> => {
      await evict();
      await jobOf(jobId).beat(present, { step: name }, chunk(0, `${name} 0`));
      await evict();
      await jobOf(jobId).beat(present, { step: `${name}, later`, data: [1] }, chunk(1, `${name} 1`));
      await evict();
      expect(value(await jobOf(jobId).get(0))).toMatchObject({
        state: "running",
        progress: { step: `${name}, later`, data: [1] },
      });
      await evict();
      expect(await report()).toBe("accepted");
      await evict();
    };
    const retried = async (): Promise<number> => {
      while ((await stateOf(jobId)) === "up_for_retry") {
        await evict();
        await fireAlarm(stubOf("INTAKE", jobId));
      }
      await evict();
      return claim(jobId);
    };
    await work(token, "first", () => jobOf(jobId).report(token, failure("no"), chunk(2, "first end")));
    expect(await lines(1)).toEqual(["first 0", "first 1", "first end"]);
    const second = await retried();
    await work(second, "second", () => jobOf(jobId).report(second, failure("no"), NO_LOGS));
    const third = await retried();
    await work(third, "third", () => jobOf(jobId).report(third, success("done"), chunk(2, "third end")));
    expect(await lines(1)).toEqual(["first 0", "first 1", "first end"]);
    expect(await lines(2)).toEqual(["second 0", "second 1"]);
    expect(await lines(3)).toEqual(["third 0", "third 1", "third end"]);
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "success", result: "done", try_number: 3 });
  });

  it("takes progress over HTTP, which is no beat", async ({ expect }) => {
    const { jobId, token } = await running();
    await jobOf(jobId).beat(token, null);
    await jobOf(jobId).beat(token, null);
    clock.advance(500);
    const job = value(await jobOf(jobId).heartbeat({ step: "from outside" }));
    expect(job).toMatchObject({ progress: { step: "from outside" }, latest_heartbeat: clock.now() - 500 });
  });

  it("that is killed stops its worker at the next beat; its Job object learns of it when it asks", async ({
    expect,
  }) => {
    const { jobId, token } = await running({ retries: 3 });
    await jobOf(jobId).beat(token, { step: "half" });
    await jobOf(jobId).beat(token, { step: "half" });
    value(await jobOf(jobId).kill("enough"));
    expect(await jobOf(jobId).beat(token, null)).toEqual({ verdict: "stop", reason: "enough" });
    expect(await jobOf(jobId).report(token, success(), NO_LOGS)).toBe("late");
    while (value(await watchOf(jobId).get(0)).state === "running") {
      await fireAlarm(stubOf("JOB", jobId));
    }
    expect(value(await jobOf(jobId).get(0))).toMatchObject({
      state: "failed",
      error: { type: "Killed", message: "enough" },
      late_results: 1,
    });
  });
});

describe("a lease of a standalone job", () => {
  it("lapses 2.1 heart rates after the last beat, and ends once its object has listened, if that is in time", async ({
    expect,
  }) => {
    const { jobId, token } = await running();
    const other = await submit(ECHO, beside(jobId));
    clock.advance(HEARTRATE_MS);
    await jobOf(jobId).beat(token, null);
    const lastBeat = clock.now();
    while ((await stateOf(jobId)) === "running") {
      await fireAlarm(stubOf("INTAKE", jobId));
    }
    expect(clock.now()).toBe(lastBeat + LEASE_MS + LISTEN_MS);
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "queued", error: { type: "Zombie" } });
    expect(await stateOf(other)).toBe("queued");
    mailbox.takeOfJob(other);
  });

  it("holds three times as long as its object was late, at most a heart rate, and ends without a beat", async ({
    expect,
  }) => {
    const { jobId } = await running();
    const due = clock.now() + LEASE_MS;
    clock.to(due + 200);
    await fireAlarm(stubOf("INTAKE", jobId));
    expect(await stateOf(jobId)).toBe("running");
    expect(await alarmOf(stubOf("INTAKE", jobId))).toBe(due + 200 + LISTEN_MS);
    await fireAlarm(stubOf("INTAKE", jobId));
    expect(await alarmOf(stubOf("INTAKE", jobId))).toBe(due + 200 + LISTEN_MS + 3 * 200);
    while ((await stateOf(jobId)) === "running") {
      await fireAlarm(stubOf("INTAKE", jobId));
    }
    expect(clock.now()).toBe(due + 200 + LISTEN_MS + 3 * 200 + LISTEN_MS);
    expect(await stateOf(jobId)).toBe("queued");
  });

  it("is renewed by a beat that waited behind a late object", async ({ expect }) => {
    const { jobId, token } = await running();
    clock.advance(LEASE_MS + 5000);
    await fireAlarm(stubOf("INTAKE", jobId));
    expect(await jobOf(jobId).beat(token, null)).toEqual({ verdict: "continue" });
    const lastBeat = clock.now();
    while ((await stateOf(jobId)) === "running") {
      await fireAlarm(stubOf("INTAKE", jobId));
    }
    expect(clock.now()).toBe(lastBeat + LEASE_MS + LISTEN_MS);
  });

  it("lasts until a beat can have come where its object has only just come to be", async ({ expect }) => {
    const { jobId, token } = await running();
    const begun = clock.now();
    clock.advance(2000);
    await evictDurableObject(stubOf("INTAKE", jobId));
    await stateOf(jobId);
    await fireAlarm(stubOf("INTAKE", jobId));
    expect(clock.now()).toBe(begun + LEASE_MS);
    expect(await stateOf(jobId)).toBe("running");
    clock.to(begun + 2000 + 1.1 * HEARTRATE_MS - 1);
    expect(await jobOf(jobId).beat(token, null)).toEqual({ verdict: "continue" });
    await jobOf(jobId).report(token, success(), NO_LOGS);
    expect(await stateOf(jobId)).toBe("success");
  });
});

describe("a claim of many jobs", () => {
  it("gives each that may run once, and nothing for duplicates, unknown, running and finished ones", async ({
    expect,
  }) => {
    const first = await submit(ECHO);
    const [second, busy, over, later] = [beside(first), beside(first), beside(first), beside(first)];
    for (const id of [second, busy, over]) {
      await submit(ECHO, id);
    }
    const runAt = clock.now() + 60_000;
    value(await jobOf(later).submit({ job_id: later, name: ECHO, payload: null, runAt }));
    await claim(busy);
    await jobOf(over).kill("enough");
    const ids = [first, second, first, beside(first), busy, over, later, second];
    const claimed = await openIntake(objectEnv, first).claim(ids, WORKER);
    expect(claimed.map(({ job_id }) => job_id)).toEqual([first, second]);
    expect(await stateOf(over)).toBe("failed");
    expect(await stateOf(later)).toBe("queued");
    for (const id of [first, second, busy, over]) {
      mailbox.takeOfJob(id);
    }
  });
});

describe("the same id twice", () => {
  it("is a conflict for another task, while it waits and when it is over", async ({ expect }) => {
    const jobId = await submit(ECHO);
    const again = { job_id: jobId, name: PATIENT_ECHO, payload: null, runAt: null };
    const conflict = { ok: false, refusal: { code: "conflict", message: expect.stringContaining(jobId) } };
    expect(await jobOf(jobId).submit(again)).toMatchObject(conflict);
    await deliver(mailbox.takeOfJob(jobId));
    expect(await jobOf(jobId).submit(again)).toMatchObject(conflict);
    expect(value(await jobOf(jobId).submit({ ...again, name: ECHO }))).toMatchObject({
      created: false,
      job: { state: "success" },
    });
  });
});

describe("a message of a standalone job", () => {
  it("that is lost is sent again after 10 s, and one whose queue moves is not", async ({ expect }) => {
    const lost = await submit(ECHO);
    const [waiting, taken] = [beside(lost), beside(lost)];
    expect(mailbox.takeOfJob(lost)).toHaveLength(1);
    await fireAlarm(stubOf("INTAKE", lost));
    expect(mailbox.takeOfJob(lost)).toEqual([{ job_id: lost }]);
    await deliver([{ job_id: lost }]);

    await submit(ECHO, waiting);
    await submit(ECHO, taken);
    expect(mailbox.takeOfJob(waiting)).toHaveLength(1);
    clock.advance(9000);
    await deliver(mailbox.takeOfJob(taken));
    await fireAlarm(stubOf("INTAKE", lost));
    expect(mailbox.takeOfJob(waiting)).toEqual([]);
    // Since then no worker took anything.
    const asked = clock.now();
    while (mailbox.takeOfJob(waiting).length === 0) {
      await fireAlarm(stubOf("INTAKE", lost));
      expect(clock.now()).toBeLessThanOrEqual(asked + 10_000);
    }
    expect(await stateOf(waiting)).toBe("queued");
  });

  it("that lived in memory is sent once more when its object wakes, and runs once", async ({ expect }) => {
    const { definition, ran } = counting();
    const first = await submit(definition.id);
    const second = await submit(definition.id, beside(first));
    const before = [...mailbox.takeOfJob(first), ...mailbox.takeOfJob(second)];
    await evictDurableObject(stubOf("INTAKE", first));
    await stateOf(first);
    await fireAlarm(stubOf("INTAKE", first));
    const begun = clock.now();
    const after = [...mailbox.takeOfJob(first), ...mailbox.takeOfJob(second)];
    expect(after).toEqual(before);
    expect(begun).toBeLessThanOrEqual(Date.UTC(2100, 0, 1) + 1);
    await fireAlarm(stubOf("INTAKE", first));
    expect(clock.now()).toBeGreaterThanOrEqual(begun + 9_999);
    await deliver([...before, ...after, ...mailbox.takeOfJob(first), ...mailbox.takeOfJob(second)]);
    expect(ran()).toBe(2);
  });
});

describe("an intake object that lost its alarm", () => {
  it("is woken by the sweeper, does what is due, and is forgotten once all its jobs are over", async ({ expect }) => {
    const jobId = await submit(ECHO);
    mailbox.takeOfJob(jobId);
    const name = intakeName(jobId);
    await runInDurableObject(stubOf("INTAKE", jobId), (_intake, state) => state.storage.deleteAlarm());
    await evictDurableObject(stubOf("INTAKE", jobId));
    const watched = () => watchedOf(name);
    expect(await watched()).toBeDefined();
    clock.advance(180_000);
    await wakeLate(objectEnv, new Map());
    const sent = mailbox.takeOfJob(jobId);
    expect(sent).toEqual([{ job_id: jobId }]);
    expect(await alarmOf(stubOf("INTAKE", jobId))).toBeGreaterThan(clock.now());
    expect((await watched())?.due_at).toEqual(expect.any(Number));
    await deliver(sent);
    clock.advance(180_000);
    await wakeLate(objectEnv, new Map());
    expect((await watched())?.due_at ?? null).toBeNull();
  });
});
