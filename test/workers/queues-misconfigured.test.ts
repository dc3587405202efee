import { runInDurableObject } from "cloudflare:test";
import { describe, it } from "vitest";
import { createIntakeClass } from "../../durable-objects/intake/intake.ts";
import { newJobId, objectEnv, stubOf } from "./lab.ts";
import { ECHO, registry } from "./registry.ts";

describe("queues that cannot be used", () => {
  it("keep an intake object from being made, so that no job fails for it", async ({ expect }) => {
    const jobId = newJobId();
    await runInDurableObject(stubOf("INTAKE", jobId), async (_intake, state) => {
      const Intake = createIntakeClass(registry);
      expect(() => new Intake(state, { ...objectEnv, QUEUES: { heavy: { binding: "TASKS", queue: "q" } } })).toThrow(
        'QUEUES: expected a queue of the name "default"',
      );
      const intake = new Intake(state, objectEnv);
      const [answer] = await intake.submit([{ job_id: jobId, name: ECHO, payload: null, runAt: null }]);
      expect(answer).toMatchObject({ ok: true, value: { job: { state: "queued" } } });
    });
  });
});
