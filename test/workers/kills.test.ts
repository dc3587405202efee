import { exports } from "cloudflare:workers";
import { ulid } from "ulid";
import { describe, it } from "vitest";
import { batchKey, memberIds } from "../../src/engine/batch-ids.ts";
import type { Result } from "../../src/engine/objects.ts";
import type { JobView } from "../../src/engine/work.ts";
import {
  adopt,
  claimOne,
  claimQueued,
  dagOf,
  jobOf,
  newJobId,
  report,
  settleJob,
  start,
  stopClock,
  success,
  value,
  watchOf,
} from "./lab.ts";
import { addDag, ECHO, step } from "./registry.ts";

stopClock();

/** A job that is over, and how each object that keeps it is asked to kill it. */
interface Finished {
  jobId: string;
  state: "success" | "failed";
  kills: ((reason: string) => Promise<Result<JobView>>)[];
}

async function call(path: string, body?: object): Promise<{ status: number; json: unknown }> {
  const response = await exports.default.fetch(`https://jobbers.test${path}`, {
    headers: { authorization: "Bearer test-key", "content-type": "application/json" },
    ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
  });
  return { status: response.status, json: await response.json() };
}

async function submitted(): Promise<string> {
  const jobId = newJobId();
  value(await jobOf(jobId).submit({ job_id: jobId, name: ECHO, payload: "hello", runAt: null }));
  return jobId;
}

async function standalone(): Promise<Finished> {
  const jobId = await submitted();
  await settleJob(jobId);
  return { jobId, state: "success", kills: [(reason) => jobOf(jobId).kill(reason)] };
}

async function killed(): Promise<Finished> {
  const jobId = await submitted();
  value(await jobOf(jobId).kill("the first reason"));
  return { jobId, state: "failed", kills: [(reason) => jobOf(jobId).kill(reason)] };
}

async function member(): Promise<Finished> {
  const id = ulid();
  const dagId = `@batch:${batchKey(id)}`;
  // Over HTTP, where the id is linked first: an unknown one opens no batch.
  await call("/tasks", { id, tasks: [{ name: ECHO, payload: "hello" }] });
  for (const claimed of await claimQueued(dagId, "bulk")) {
    await report(dagId, claimed, success("hello"));
  }
  const [jobId = ""] = memberIds(id, 0, 1);
  return { jobId, state: "success", kills: [(reason) => dagOf(dagId).killMember(0, reason)] };
}

async function watched(): Promise<Finished> {
  const dagId = addDag({}, (d) => void d.run(step("a")));
  const claimed = await claimOne(dagId, await start(dagId), "a");
  const jobId = ulid();
  await adopt(dagId, jobId, claimed);
  await report(dagId, claimed, success("hello"));
  // As the worker does once its report was taken.
  await watchOf(jobId).complete(claimed.token, "success", null);
  return {
    jobId,
    state: "success",
    kills: [(reason) => watchOf(jobId).kill(reason), (reason) => jobOf(jobId).kill(reason)],
  };
}

describe("killing a job that is over", () => {
  it.for([
    ["a standalone task's", standalone],
    ["one that was killed before", killed],
    ["a member of a bulk submission", member],
    ["one that watched a task instance", watched],
  ] as const)("answers 200 with the job as it is, and changes nothing: %s", async ([, finish], { expect }) => {
    const { jobId, state, kills } = await finish();
    const before = await call(`/jobs/${jobId}`);
    expect(before).toMatchObject({ status: 200, json: { job_id: jobId, state } });
    for (const kill of kills) {
      const at = value(await kill("too late"));
      expect(at).toMatchObject({ id: jobId, state });
      expect(at.error?.message).not.toBe("too late");
    }
    expect(await call(`/jobs/${jobId}/kill`, { reason: "too late" })).toEqual(before);
    expect(await call(`/jobs/${jobId}`)).toEqual(before);
  });
});
