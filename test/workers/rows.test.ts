import { env } from "cloudflare:workers";
import { ulid } from "ulid";
import { describe, it } from "vitest";
import { batchKey } from "../../src/engine/batch-ids.ts";
import { task } from "../../src/sdk/index.ts";
import {
  claimQueued,
  clock,
  dagOf,
  deliver,
  jobOf,
  report,
  reportOf,
  runOf,
  start,
  stopClock,
  success,
  value,
  WORKER,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, ECHO, step } from "./registry.ts";

stopClock();

/** Rows that a run writes for itself, however many task instances it has: its own row, indexes of it, alarms. */
const ROWS_PER_RUN = 8;
const SMALL = 100;
const LARGE = 200;

/** Rows an object wrote since it woke, alarms included: what the platform bills. */
function rowsWritten(dagId: string): Promise<number> {
  return env.DAG.getByName(dagId).rowsWritten();
}

/** Rows of one run of a DAG that has been described before, worked off by `work`. */
async function rowsOfRun(dagId: string, work: (runId: string) => Promise<void>): Promise<number> {
  value(await dagOf(dagId).describe());
  const before = await rowsWritten(dagId);
  const runId = await start(dagId);
  await work(runId);
  const { state } = await runOf(dagId, runId);
  return state === "success" ? (await rowsWritten(dagId)) - before : Number.NaN;
}

function chain(length: number): Promise<number> {
  const dagId = addDag({}, (d) => {
    const tasks = Array.from({ length }, (_, n) => d.run(step(`t${n}`)));
    tasks.slice(1).forEach((next, index) => d.after(tasks[index] ?? [], next));
  });
  return rowsOfRun(dagId, async (runId) => {
    let work = await claimQueued(dagId, runId);
    while (work.length > 0) {
      clock.advance(1);
      const reports = work.map((one) => reportOf(one, success(one.task_id)));
      work = (await dagOf(dagId).report(reports, WORKER, 10)).followUps;
    }
  });
}

function fanOut(width: number, together: boolean): Promise<number> {
  const n = Array.from({ length: width }, (_, index) => index);
  const dagId = addDag(
    {},
    (d) =>
      void d.expand(
        task({ id: "each" }, (_ctx, input: { n: number }) => input.n),
        { n },
      ),
  );
  return rowsOfRun(dagId, async (runId) => {
    const work = await claimQueued(dagId, runId);
    clock.advance(1);
    if (together) {
      const reports = work.map((one) => reportOf(one, success(one.map_index)));
      await dagOf(dagId).report(reports, WORKER, 10);
    }
    for (const one of together ? [] : work) {
      await report(dagId, one, success(one.map_index));
    }
  });
}

async function bulk(size: number): Promise<number> {
  const batchId = ulid();
  const name = `@batch:${batchKey(batchId)}`;
  const entries = Array.from({ length: size }, (_, n) => ({ name: ECHO, payload: n, runAt: null }));
  value(await dagOf(name).submitBatch(batchId, entries));
  await deliver(mailbox.takeOf(name));
  const { state } = value(await dagOf(name).getBatch(0));
  return state === "success" ? rowsWritten(name) : Number.NaN;
}

describe("rows written", () => {
  it("are two for a task instance that runs inline, beside those of its run", async ({ expect }) => {
    const [small, large] = [await chain(SMALL), await chain(LARGE)];
    expect((large - small) / (LARGE - SMALL)).toBeLessThanOrEqual(2);
    expect(small - 2 * SMALL).toBeLessThanOrEqual(ROWS_PER_RUN);
  });

  it("are three for one that goes through the queue, beside those of its run, reported together or alone", async ({
    expect,
  }) => {
    for (const together of [true, false]) {
      const [small, large] = [await fanOut(SMALL, together), await fanOut(LARGE, together)];
      expect((large - small) / (LARGE - SMALL)).toBeLessThanOrEqual(3);
      expect(small - 3 * SMALL).toBeLessThanOrEqual(ROWS_PER_RUN);
    }
  });

  it("are three for a task of a bulk submission, and one more for each hundred of them: their payloads", async ({
    expect,
  }) => {
    const [small, large] = [await bulk(SMALL), await bulk(LARGE)];
    expect((large - small) / (LARGE - SMALL)).toBeLessThanOrEqual(3 + 1 / 100);
  });

  it("are six for a standalone job", async ({ expect }) => {
    const jobId = ulid();
    await jobOf(jobId).submit({ job_id: jobId, name: ECHO, payload: { n: 1 }, runAt: null });
    await deliver(mailbox.takeOfJob(jobId));
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "success" });
    expect(await env.JOB.getByName(jobId).rowsWritten()).toBeLessThanOrEqual(6);
  });

  it("are one for a heartbeat, which leaves the alarm alone", async ({ expect }) => {
    const jobId = ulid();
    await jobOf(jobId).submit({ job_id: jobId, name: ECHO, payload: null, runAt: null });
    mailbox.takeOfJob(jobId);
    const claimed = await jobOf(jobId).claim(WORKER);
    const before = await env.JOB.getByName(jobId).rowsWritten();
    for (let beat = 0; beat < 10; beat += 1) {
      clock.advance(5000);
      await jobOf(jobId).beat(claimed?.token ?? Number.NaN, { fraction: beat / 10 });
    }
    expect((await env.JOB.getByName(jobId).rowsWritten()) - before).toBe(10);
  });
});
