import { runInDurableObject } from "cloudflare:test";
import { ulid } from "ulid";
import { describe, it } from "vitest";
import { createJobClass } from "../../durable-objects/job.ts";
import { objectEnv, stubOf } from "./lab.ts";
import { ECHO, registry } from "./registry.ts";

describe("queues that cannot be used", () => {
  it("keep a job's object from being made, so that no job fails for it", async ({ expect }) => {
    const jobId = ulid();
    await runInDurableObject(stubOf("JOB", jobId), async (_job, state) => {
      const Job = createJobClass(registry);
      expect(() => new Job(state, { ...objectEnv, QUEUES: { heavy: { binding: "TASKS", queue: "q" } } })).toThrow(
        'QUEUES: expected a queue of the name "default"',
      );
      const job = new Job(state, objectEnv);
      const answer = await job.submit({ job_id: jobId, name: ECHO, payload: null, runAt: null });
      expect(answer).toMatchObject({ ok: true, value: { job: { state: "queued" } } });
    });
  });
});
