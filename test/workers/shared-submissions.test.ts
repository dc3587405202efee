import { evictDurableObject } from "cloudflare:test";
import { exports } from "cloudflare:workers";
import { ulid } from "ulid";
import { afterEach, describe, it, vi } from "vitest";
import { openIntake } from "../../durable-objects/env.ts";
import type { JobSubmission } from "../../src/engine/work.ts";
import { deliver, jobOf, newJobId, objectEnv, rowsOf, settleJob, stopClock, stubOf, value } from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { counting, ECHO } from "./registry.ts";
import { Intake } from "./worker.ts";

stopClock();
afterEach(() => void vi.restoreAllMocks());

const MANY = 40;

/** Ids that one intake object keeps. */
function idsOfOne(count: number): string[] {
  const digit = newJobId().slice(-1);
  return Array.from({ length: count }, () => ulid().slice(0, -1) + digit);
}

function submission(jobId: string, name = ECHO): JobSubmission {
  return { job_id: jobId, name, payload: null, runAt: null };
}

function storedIds(jobId: string): Promise<Record<string, SqlStorageValue>[]> {
  return rowsOf(stubOf("INTAKE", jobId), "SELECT id FROM job ORDER BY id");
}

async function post(id: string, name: string): Promise<{ status: number; json: unknown }> {
  const response = await exports.default.fetch(`https://jobbers.test/tasks/${name}`, {
    method: "POST",
    headers: { authorization: "Bearer test-key", "content-type": "application/json" },
    body: JSON.stringify({ id }),
  });
  return { status: response.status, json: await response.json() };
}

/** How many submissions each call had that came to an intake object. */
function callSizes(): number[] {
  const sizes: number[] = [];
  const submit = Reflect.get(Intake.prototype, "submit");
  vi.spyOn(Intake.prototype, "submit").mockImplementation(function counted(
    this: Intake,
    submissions: readonly JobSubmission[],
  ) {
    sizes.push(submissions.length);
    return Reflect.apply(submit, this, [submissions]);
  });
  return sizes;
}

describe("one call with several submissions", () => {
  it("that has an id twice makes one job, queues it once and says so once", async ({ expect }) => {
    const { definition, ran } = counting();
    const [id = "", other = ""] = idsOfOne(2);
    const answers = await openIntake(objectEnv, id).submit([
      submission(id, definition.id),
      submission(other),
      submission(id, definition.id),
    ]);
    expect(answers.map((answer) => value(answer).created)).toEqual([true, true, false]);
    expect(answers.map((answer) => value(answer).job.id)).toEqual([id, other, id]);
    expect(await storedIds(id)).toEqual([id, other].toSorted().map((each) => ({ id: each })));
    const messages = mailbox.takeOfJob(id);
    expect(messages).toHaveLength(1);
    await deliver(messages);
    expect(ran()).toBe(1);
  });

  it("stores all of it or nothing", async ({ expect }) => {
    const [first = "", broken = "", last = ""] = idsOfOne(3);
    const intake = openIntake(objectEnv, first);
    // No time that a row can have, so that the second insert fails.
    const bad = { ...submission(broken), runAt: Date.now() + 1000.5 };
    const failure = await intake.submit([submission(first), bad, submission(last)]).then(() => "stored", String);
    expect(failure).toContain("cannot store REAL value in INTEGER column");
    expect(await storedIds(first)).toEqual([]);
    await deliver([...mailbox.takeOfJob(first), ...mailbox.takeOfJob(last)]);
    expect(await jobOf(first).get(0)).toMatchObject({ ok: false, refusal: { code: "not_found" } });

    const again = await intake.submit([submission(first), submission(last)]);
    expect(again.map((answer) => value(answer).created)).toEqual([true, true]);
    expect(await settleJob(first)).toMatchObject({ state: "success", try_number: 1 });
    expect(await settleJob(last)).toMatchObject({ state: "success", try_number: 1 });
  });

  it("makes each job once, also if the object is evicted in the middle and it comes again", async ({ expect }) => {
    const { definition, ran } = counting();
    const ids = idsOfOne(MANY);
    const [anyId = ""] = ids;
    const submissions = ids.map((id) => submission(id, definition.id));
    const call = openIntake(objectEnv, anyId).submit(submissions);
    const [first] = await Promise.allSettled([call, evictDurableObject(stubOf("INTAKE", anyId))]);
    const count = (await storedIds(anyId)).length;
    expect([0, MANY]).toContain(count);
    // What was answered is stored.
    expect(first.status === "fulfilled" ? count : MANY).toBe(MANY);

    await evictDurableObject(stubOf("INTAKE", anyId));
    const again = await openIntake(objectEnv, anyId).submit(submissions);
    expect(again.map((answer) => value(answer).created)).toEqual(ids.map(() => count === 0));
    for (const id of ids) {
      expect(await settleJob(id)).toMatchObject({ state: "success", try_number: 1 });
    }
    expect(ran()).toBe(MANY);
  });
});

describe("submissions over HTTP that come together", () => {
  it("share calls, and each is answered with its own job, which runs once", async ({ expect }) => {
    const ids = idsOfOne(MANY);
    const sizes = callSizes();
    const answers = await Promise.all(ids.map((id) => post(id, ECHO)));
    expect(answers).toEqual(ids.map((id) => ({ status: 202, json: expect.objectContaining({ id, created: true }) })));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(MANY);
    expect(Math.max(...sizes)).toBeGreaterThan(1);
    for (const id of ids) {
      expect(mailbox.takeOfJob(id)).toHaveLength(1);
    }
  });

  it("make one job of one id: one is answered with 202, the others with 200", async ({ expect }) => {
    const [id = ""] = idsOfOne(1);
    const sizes = callSizes();
    const answers = await Promise.all(Array.from({ length: MANY }, () => post(id, ECHO)));
    expect(Math.max(...sizes)).toBeGreaterThan(1);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      ...Array.from({ length: MANY - 1 }, () => 200),
      202,
    ]);
    expect(mailbox.takeOfJob(id)).toHaveLength(1);
  });
});
