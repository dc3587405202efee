import { env } from "cloudflare:workers";
import { ulid } from "ulid";
import { describe, it } from "vitest";
import { batchKey } from "../../src/engine/batch-ids.ts";
import { task } from "../../src/sdk/index.ts";
import { adopt, claimOne, claimQueued, clock, dagOf, deliver, jobOf, report, reportOf, runOf, settle, start, stopClock, success, value, WORKER } from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, addTask, ECHO, fresh, step } from "./registry.ts";

stopClock();

const COUNT = 100;

/** Rows an object wrote so far, alarms included. */
function rowsWritten(dagId: string): Promise<number> {
  return env.DAG.getByName(dagId).rowsWritten();
}

describe("rows written", () => {
  it("inline", async ({ expect }) => {
    const dagId = addDag({}, (d) => {
      let last = d.run(step("t0"));
      for (let n = 1; n < COUNT; n += 1) {
        const next = d.run(step(`t${n}`));
        d.after(last, next);
        last = next;
      }
    });
    value(await dagOf(dagId).describe());
    const before = await rowsWritten(dagId);
    const runId = await start(dagId);
    let work = await claimQueued(dagId, runId);
    while (work.length > 0) {
      clock.advance(1);
      work = (await dagOf(dagId).report(work.map((one) => reportOf(one, success(1))), WORKER, 10)).followUps;
    }
    console.log("inline", ((await rowsWritten(dagId)) - before) / COUNT, (await runOf(dagId, runId)).state);
    expect(1).toBe(1);
  });
  it("queued", async ({ expect }) => {
    for (const batched of [true, false]) {
    const dagId = addDag({}, (d) => {
      d.expand(task({ id: "each" }, (_ctx, { n }: { n: number }) => n), { n: Array.from({ length: COUNT }, (_, n) => n) });
    });
    value(await dagOf(dagId).describe());
    const before = await rowsWritten(dagId);
    const runId = await start(dagId);
    const work = await claimQueued(dagId, runId);
    clock.advance(1);
    if (batched) await dagOf(dagId).report(work.map((one) => reportOf(one, success(1))), WORKER, 10);
    else for (const one of work) { await report(dagId, one, success(1)); }
    console.log("queued", batched, ((await rowsWritten(dagId)) - before) / COUNT, (await runOf(dagId, runId)).state);
    }
    const id = ulid();
    const name = `@batch:${batchKey(id)}`;
    await dagOf(name).submitBatch(id, Array.from({ length: COUNT }, (_, n) => ({ name: ECHO, payload: n, runAt: null })));
    await deliver(mailbox.takeOf(name));
    console.log("bulk", (await rowsWritten(name)) / COUNT, value(await dagOf(name).getBatch(0)).state);
    expect(1).toBe(1);
  });
  it("job", async ({ expect }) => {
    const jobId = ulid();
    await jobOf(jobId).submit({ job_id: jobId, name: ECHO, payload: { n: 1 }, runAt: null });
    await deliver(mailbox.takeOfJob(jobId));
    console.log("job", await env.JOB.getByName(jobId).rowsWritten());
    expect(1).toBe(1);
  });
});
