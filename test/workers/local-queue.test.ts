import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { exports } from "cloudflare:workers";
import { describe, it } from "vitest";
import type { ConsumerSettings } from "../../queues/memory-queue.ts";
import { task } from "../../src/sdk/index.ts";
import { jobOf, newJobId, stubOf, value } from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addTask, ECHO, fresh } from "./registry.ts";
import { deliveries } from "./worker.ts";

/** As `npm start` binds it, in the place of the platform's queue. */
const openQueue = () =>
  exports.LocalQueue({
    props: { queue: "jobbers-tasks", maxBatchSize: 100, maxRetries: 10, retryDelay: 5 } satisfies ConsumerSettings,
  });

async function submit(name: string): Promise<string> {
  const jobId = newJobId();
  value(await jobOf(jobId).submit({ job_id: jobId, name, payload: { n: 1 }, runAt: null }));
  return jobId;
}

describe("the local queue", () => {
  it("carries a message to the consumer, which runs the task", async ({ expect }) => {
    const jobId = await submit(ECHO);
    await openQueue().sendBatch(mailbox.takeOfJob(jobId).map((body) => ({ body })));
    expect(value(await jobOf(jobId).get(60_000))).toMatchObject({ state: "success", try_number: 1 });
  });

  it("runs a task that was sent twice once", async ({ expect }) => {
    const jobId = await submit(ECHO);
    const [body] = mailbox.takeOfJob(jobId);
    if (body === undefined) {
      throw new Error("expected a message to be sent, there was none");
    }
    const queue = openQueue();
    await Promise.all([queue.sendBatch([{ body }, { body }]), queue.sendBatch([{ body }])]);
    expect(value(await jobOf(jobId).get(60_000))).toMatchObject({ state: "success", try_number: 1, late_results: 0 });
  });

  it("consumes each batch in an event of its own, so that none waits for what another does", async ({ expect }) => {
    deliveries.length = 0;
    const narrow = exports.LocalQueue({
      props: {
        queue: "jobbers-tasks-narrow",
        maxBatchSize: 1,
        maxRetries: 10,
        retryDelay: 5,
      } satisfies ConsumerSettings,
    });
    const jobIds = [await submit(ECHO), await submit(ECHO), await submit(ECHO)];
    await narrow.sendBatch(jobIds.flatMap((jobId) => mailbox.takeOfJob(jobId)).map((body) => ({ body })));
    for (const jobId of jobIds) {
      expect(value(await jobOf(jobId).get(60_000))).toMatchObject({ state: "success" });
    }
    expect(deliveries.length).toBe(3);
    expect(new Set(deliveries).size).toBe(3);
  });

  it("goes on running what was sent by an object that is evicted meanwhile", async ({ expect }) => {
    // The handler runs in an event of its own, which must not wait for a promise of the test's.
    const gate = { isOpen: false };
    const gated = task({ id: fresh("gated") }, async () => {
      while (!gate.isOpen) {
        // oxlint-disable-next-line no-await-in-loop
        await scheduler.wait(1);
      }
      return "done";
    });
    addTask(gated);
    const jobId = await submit(gated.id);
    const messages = mailbox.takeOfJob(jobId).map((body) => ({ body }));
    const stub = stubOf("INTAKE", jobId);
    await runInDurableObject(stub, () => openQueue().sendBatch(messages));
    while (value(await jobOf(jobId).get(0)).state !== "running") {
      // oxlint-disable-next-line no-await-in-loop
      await scheduler.wait(1);
    }
    await evictDurableObject(stub);
    gate.isOpen = true;
    expect(value(await jobOf(jobId).get(60_000))).toMatchObject({ state: "success", try_number: 1, result: "done" });
  });
});
