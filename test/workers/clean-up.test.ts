import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, it, vi } from "vitest";
import { openCatalog } from "../../durable-objects/env.ts";
import { task } from "../../src/sdk/index.ts";
import type { NamedTaskOptions } from "../../src/sdk/index.ts";
import { dagOf, instanceOf, jobOf, newJobId, objectEnv, start, UNTIL_ENDED_MS, value } from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, addTask, fresh } from "./registry.ts";

// The real queue, whose consumer is an event that the runtime ends, with all its I/O, when nothing keeps it any more.
beforeEach(() => void (mailbox.live = true));
afterEach(() => void (mailbox.live = false));

/** Longer than it takes to report, and much less than the five seconds that a handler has. */
const CLEAN_UP_MS = 500;

/** A task that waits for its signal, then calls an object in `catch` and puts into the bucket in `finally`. */
function cleaning(options: Omit<NamedTaskOptions, "id"> = {}) {
  const name = fresh("cleaning");
  const definition = task({ id: name, heartrate: "0.05s", ...options }, async ({ signal }) => {
    try {
      await new Promise((_resolve, reject) => {
        const cut = (): void => reject(new Error("cut", { cause: signal.reason }));
        signal.addEventListener("abort", cut);
        if (signal.aborted) {
          cut();
        }
      });
    } catch (error) {
      await scheduler.wait(CLEAN_UP_MS);
      value(await openCatalog(objectEnv).addPool(name));
      throw error;
    } finally {
      await env.PAYLOADS.put(`clean-up/${name}`, "put by finally");
    }
  });
  return {
    definition: addTask(definition),
    /** What of it has arrived, once the last of it has. */
    arrived: async () => {
      const put = await vi.waitFor(
        async () => (await env.PAYLOADS.get(`clean-up/${name}`)) ?? Promise.reject(new Error("nothing was put")),
        UNTIL_ENDED_MS,
      );
      return { put: await put.text(), pool: (await openCatalog(objectEnv).findPool(name))?.name };
    },
    expected: { put: "put by finally", pool: name },
  };
}

/** Waits until a worker has it. Asked and not called: what runs on from an event of the queue ends with it. */
async function running(stateOf: () => Promise<string | null>): Promise<void> {
  await vi.waitFor(async () => {
    const state = await stateOf();
    if (state !== "running") {
      throw new Error(`expected it to run, it is ${state}`);
    }
  }, UNTIL_ENDED_MS);
}

describe("what a handler does in catch and finally arrives", () => {
  it("if its job was killed", async ({ expect }) => {
    const { definition, arrived, expected } = cleaning();
    const jobId = newJobId();
    value(await jobOf(jobId).submit({ job_id: jobId, name: definition.id, payload: null, runAt: null }));
    await running(async () => value(await jobOf(jobId).get(0)).state);
    value(await jobOf(jobId).kill("enough"));
    expect(await arrived()).toEqual(expected);
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "failed", error: { message: "enough" } });
  });

  it("if its DAG run was marked failed", async ({ expect }) => {
    const { definition, arrived, expected } = cleaning();
    const dagId = addDag({}, (d) => void d.run(definition));
    const runId = await start(dagId);
    await running(async () => (await instanceOf(dagId, runId, definition.id)).state);
    value(await dagOf(dagId).patchRun(runId, { state: "failed" }));
    expect(await arrived()).toEqual(expected);
    expect(value(await dagOf(dagId).getRun(runId, UNTIL_ENDED_MS))).toMatchObject({ state: "failed" });
  });

  it.for(["in a DAG", "by itself"] as const)("if it timed out %s", async (where, { expect }) => {
    const { definition, arrived, expected } = cleaning({ executionTimeout: "0.1s" });
    if (where === "in a DAG") {
      const dagId = addDag({}, (d) => void d.run(definition));
      const runId = await start(dagId);
      expect(value(await dagOf(dagId).getRun(runId, UNTIL_ENDED_MS))).toMatchObject({ state: "failed" });
    } else {
      const jobId = newJobId();
      value(await jobOf(jobId).submit({ job_id: jobId, name: definition.id, payload: null, runAt: null }));
      const job = value(await jobOf(jobId).get(UNTIL_ENDED_MS));
      expect(job).toMatchObject({ state: "failed", error: { type: "TaskTimeout" } });
    }
    expect(await arrived()).toEqual(expected);
  });
});
