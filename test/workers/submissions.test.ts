import { exports } from "cloudflare:workers";
import { ulid } from "ulid";
import { describe, it } from "vitest";
import { batchKey, memberIds, parseMemberId } from "../../src/engine/batch-ids.ts";
import type { Json } from "../../src/engine/spec.ts";
import {
  claimQueued,
  clock,
  dagOf,
  deliver,
  fireAlarm,
  jobOf,
  report,
  settleJob,
  stopClock,
  stubOf,
  success,
  value,
  WORKER,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { counting, ECHO, PATIENT_ECHO } from "./registry.ts";

stopClock();

describe("the same client ULID twice", () => {
  it("is one job, answered as it stands", async ({ expect }) => {
    const { definition, ran } = counting();
    const submission = { job_id: ulid(), name: definition.id, payload: { n: 1 }, runAt: null };
    const first = value(await jobOf(submission.job_id).submit(submission));
    const again = value(await jobOf(submission.job_id).submit(submission));

    expect([first.created, again.created]).toEqual([true, false]);
    expect(again.job).toEqual(first.job);
    expect(await settleJob(submission.job_id)).toMatchObject({ state: "success", result: 1 });
    expect(value(await jobOf(submission.job_id).submit(submission))).toMatchObject({
      created: false,
      job: { state: "success" },
    });
    expect(mailbox.takeOfJob(submission.job_id)).toEqual([]);
    expect(ran()).toBe(1);
  });

  it("is one job when ten submissions come at once", async ({ expect }) => {
    const { definition, ran } = counting();
    const submission = { job_id: ulid(), name: definition.id, payload: null, runAt: null };
    const answers = await Promise.all(Array.from({ length: 10 }, () => jobOf(submission.job_id).submit(submission)));

    expect(answers.filter((answer) => value(answer).created)).toHaveLength(1);
    await deliver(mailbox.takeOfJob(submission.job_id));
    expect(ran()).toBe(1);
  });

  it("is one job over HTTP: 202, then 200, also at once", async ({ expect }) => {
    const id = ulid();
    const answers = await Promise.all([1, 2, 3].map(() => post(`/tasks/${ECHO}`, { id, payload: "hello" })));

    expect(answers.map(({ status }) => status)).toEqual(expect.arrayContaining([200, 202]));
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
    expect(answers.map(({ json }) => json["id"])).toEqual([id, id, id]);
    const messages = mailbox.takeOfJob(id);
    expect(messages).toHaveLength(1);
    await deliver(messages);
    const again = await post(`/tasks/${ECHO}`, { id, payload: "another payload" });
    expect(again).toMatchObject({
      status: 200,
      json: { state: "success", result: "hello", try_number: 1, created: false },
    });
    expect(mailbox.takeOfJob(id)).toEqual([]);
  });

  it("is refused over HTTP for another task", async ({ expect }) => {
    const id = ulid();
    await post(`/tasks/${ECHO}`, { id });
    const refused = await post(`/tasks/${PATIENT_ECHO}`, { id });
    expect(refused.status).toBe(409);
    expect(JSON.stringify(refused.json)).toContain(id);
  });
});

describe("a bulk submission", () => {
  it("is one batch when the same id comes twice, also at once", async ({ expect }) => {
    const body = { id: ulid(), tasks: [1, 2, 3].map((n) => ({ name: ECHO, payload: { n } })) };
    const answers = await Promise.all([post("/tasks", body), post("/tasks", body)]);

    expect(answers.map(({ status }) => status)).toEqual([202, 202]);
    expect(answers[0]?.json).toEqual(answers[1]?.json);
    const messages = mailbox.takeOf(batchName(body.id));
    expect(messages).toHaveLength(3);
    await deliver(messages);
    expect(await get(`/batches/${body.id}`)).toMatchObject({ status: 200, json: { state: "success", total: 3 } });
    expect((await post("/tasks", body)).json["state"]).toBe("success");
    expect(mailbox.takeOf(batchName(body.id))).toEqual([]);
  });

  it("shows its members as jobs, each with its own payload and result", async ({ expect }) => {
    const names = [0, 1, 0, 1, 1].map((which) => (which === 0 ? ECHO : PATIENT_ECHO));
    const id = ulid();
    const submitted = await post("/tasks", { id, tasks: names.map((name, n) => ({ name, payload: { n } })) });
    const jobIds = memberIds(id, 0, names.length);
    expect(submitted.json["job_ids"]).toEqual(jobIds);

    for (const claimed of await claimQueued(batchName(id), "bulk")) {
      await report(batchName(id), claimed, success({ echo: claimed.input, by: claimed.handler }));
    }

    for (const [n, jobId] of jobIds.entries()) {
      const job = { id: jobId, name: names[n], state: "success", dag_id: null, result: { echo: { n }, by: names[n] } };
      expect(await get(`/jobs/${jobId}`)).toMatchObject({ status: 200, json: job });
    }
  });

  it("has a member killed by its job id while it runs", async ({ expect }) => {
    const id = ulid();
    await post("/tasks", { id, tasks: [{ name: PATIENT_ECHO }, { name: PATIENT_ECHO }] });
    const [first, second] = memberIds(id, 0, 2);
    const [, running] = await claimQueued(batchName(id), "bulk");

    expect(await post(`/jobs/${second}/kill`, {})).toMatchObject({ status: 200, json: { state: "failed" } });
    expect(await report(batchName(id), running ?? expect.fail("expected two members"), success())).toBe("late");
    const killed = { state: "failed", late_results: 1, result: null, error: { type: "Killed" } };
    expect(await get(`/jobs/${second}`)).toMatchObject({ json: killed });
    expect(await get(`/jobs/${first}`)).toMatchObject({ json: { state: "running" } });
  });

  it("has a member killed by its job id before anybody claimed it, which nobody can then", async ({ expect }) => {
    const id = ulid();
    await post("/tasks", { id, tasks: [{ name: PATIENT_ECHO }, { name: PATIENT_ECHO }] });
    const messages = mailbox.takeOf(batchName(id));
    expect(await post(`/jobs/${memberIds(id, 0, 1)[0]}/kill`, {})).toMatchObject({ json: { state: "failed" } });

    expect(await dagOf(batchName(id)).claim(messages, WORKER)).toMatchObject([{ map_index: 1 }]);
  });

  it("runs a member at the time it asks for, and the others before", async ({ expect }) => {
    const id = ulid();
    const later = clock.now() + 60_000;
    const entries = [null, later].map((runAt) => ({ name: ECHO, payload: null, runAt }));
    value(await dagOf(batchName(id)).submitBatch(id, entries));
    const claimed = await claimQueued(batchName(id), "bulk");
    expect(claimed).toMatchObject([{ map_index: 0 }]);
    for (const one of claimed) {
      await report(batchName(id), one, success());
    }
    expect(value(await dagOf(batchName(id)).getMember(1, 0))).toMatchObject({ state: "queued", run_at: later });

    while ((await claimQueued(batchName(id), "bulk")).length === 0) {
      expect(clock.now()).toBeLessThan(later);
      await fireAlarm(stubOf("DAG", batchName(id)));
    }
    expect(clock.now()).toBe(later);
  });

  it("leaves a job alone whose id looks like that of a member", async ({ expect }) => {
    const [lookalike = ""] = memberIds(ulid(), 7, 8);
    expect(parseMemberId(lookalike)).toMatchObject({ index: 7 });
    expect(await post(`/tasks/${ECHO}`, { id: lookalike })).toMatchObject({ status: 202, json: { id: lookalike } });
    await deliver(mailbox.takeOfJob(lookalike));
    expect(await get(`/jobs/${lookalike}`)).toMatchObject({ status: 200, json: { state: "success", id: lookalike } });
  });
});

interface Answer {
  status: number;
  json: Record<string, Json>;
}

function batchName(batchId: string): string {
  return `@batch:${batchKey(batchId)}`;
}

async function post(path: string, body: Json): Promise<Answer> {
  return call(path, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
}

async function get(path: string): Promise<Answer> {
  return call(path, {});
}

async function call(
  path: string,
  init: { method?: string; body?: string; headers?: Record<string, string> },
): Promise<Answer> {
  const headers = { authorization: "Bearer test-key", ...init.headers };
  const response = await exports.default.fetch(`https://jobbers.test${path}`, { ...init, headers });
  return { status: response.status, json: await response.json() };
}
