import { env } from "cloudflare:workers";
import { ulid } from "ulid";
import { describe, it } from "vitest";
import { batchKey } from "../../src/engine/batch-ids.ts";
import { intakeName } from "../../src/engine/intake.ts";
import { ledgerName } from "../../src/engine/permits/names.ts";
import { task, type NamedTaskOptions } from "../../src/sdk/index.ts";
import {
  claimQueued,
  clock,
  dagOf,
  deliver,
  fireAlarm,
  jobOf,
  newJobId,
  report,
  reportOf,
  runOf,
  start,
  stopClock,
  success,
  value,
  watchOf,
  WORKER,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { permitCalls } from "./permit-calls.ts";
import { poolOf } from "./pool-support.ts";
import { addDag, addTask, ECHO, fresh, step } from "./registry.ts";

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

/** Rows of a run whose task instances need something from outside: of the DAG's object, and of the one it asks. */
async function limited(
  width: number,
  options: Omit<NamedTaskOptions<{ n: number }>, "id">,
  rowsOfOther: () => Promise<number>,
): Promise<{ dag: number; other: number }> {
  const n = Array.from({ length: width }, (_, index) => index);
  const work = addTask(task({ id: fresh("work"), ...options }, (_ctx, input: { n: number }) => input.n));
  const dagId = addDag({}, (d) => void d.expand(work, { n }));
  const dag = await rowsOfRun(dagId, async (runId) => {
    for (let left = width; left > 0;) {
      await permitCalls.quiet();
      const claimed = await claimQueued(dagId, runId);
      clock.advance(1);
      await dagOf(dagId).report(
        claimed.map((one) => reportOf(one, success())),
        WORKER,
        0,
      );
      left -= claimed.length;
      if (claimed.length === 0) {
        await fireAlarm(env.DAG.getByName(dagId));
      }
    }
    await permitCalls.quiet();
  });
  return { dag, other: await rowsOfOther() };
}

async function pooled(width: number, slots: number): Promise<{ dag: number; other: number }> {
  const pool = fresh("pool");
  const ledger = ledgerName("pool", pool);
  value(await poolOf(ledger).configure({ slots }));
  return limited(width, { pool }, () => env.POOL.getByName(ledger).rowsWritten());
}

async function rated(width: number, limit: number): Promise<{ dag: number; other: number }> {
  const scope = fresh("scope");
  return limited(width, { rateLimit: { limit, per: "1s", burst: limit, scope } }, () =>
    env.RATE_LIMITER.getByName(ledgerName("key", scope)).rowsWritten(),
  );
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
    expect((large - small) / (LARGE - SMALL)).toBe(2);
    expect(small - 2 * SMALL).toBeLessThanOrEqual(ROWS_PER_RUN);
  });

  it("are three for one that goes through the queue, beside those of its run, reported together or alone", async ({
    expect,
  }) => {
    for (const together of [true, false]) {
      const [small, large] = [await fanOut(SMALL, together), await fanOut(LARGE, together)];
      expect((large - small) / (LARGE - SMALL)).toBe(3);
      expect(small - 3 * SMALL).toBeLessThanOrEqual(ROWS_PER_RUN);
    }
  });

  it("are three for a task of a bulk submission, and one more for each hundred of them: their payloads", async ({
    expect,
  }) => {
    const [small, large] = [await bulk(SMALL), await bulk(LARGE)];
    expect((large - small) / (LARGE - SMALL)).toBeLessThanOrEqual(3 + 1 / 100);
  });

  it("are three for a standalone job: its submission, its claim and its end; the alarm is shared", async ({
    expect,
  }) => {
    const first = newJobId();
    const intake = env.INTAKE.getByName(intakeName(first));
    const run = async (jobId: string): Promise<number> => {
      const before = await intake.rowsWritten();
      await jobOf(jobId).submit({ job_id: jobId, name: ECHO, payload: { n: 1 }, runAt: null });
      await deliver(mailbox.takeOfJob(jobId));
      expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "success" });
      return (await intake.rowsWritten()) - before;
    };
    expect(await run(first)).toBeLessThanOrEqual(4);
    for (let more = 0; more < 5; more += 1) {
      expect(await run(ulid().slice(0, -1) + first.slice(-1))).toBe(3);
    }
  });

  it("are half a one for a beat of a standalone job, the alarm that it moves, and one for what it brings to the job that watches it", async ({
    expect,
  }) => {
    const jobId = newJobId();
    await jobOf(jobId).submit({ job_id: jobId, name: ECHO, payload: null, runAt: null });
    mailbox.takeOfJob(jobId);
    const claimed = await jobOf(jobId).claim(WORKER);
    const token = claimed?.token ?? Number.NaN;
    // The first beat makes the watch, and the next one is the first to say so, which is kept in the job's row.
    await jobOf(jobId).beat(token, { fraction: 0 });
    await jobOf(jobId).beat(token, { fraction: 0 });
    const intake = env.INTAKE.getByName(intakeName(jobId));
    const watch = env.JOB.getByName(jobId);
    const before = [await intake.rowsWritten(), await watch.rowsWritten()] as const;
    for (let beat = 1; beat <= 10; beat += 1) {
      clock.advance(5000);
      expect(await intake.beat([{ job_id: jobId, token, is_watched: true }])).toEqual([{ verdict: "continue" }]);
      await watchOf(jobId).beat(token, { fraction: beat / 10 });
    }
    const after = [await intake.rowsWritten(), await watch.rowsWritten()] as const;
    expect([after[0] - before[0], after[1] - before[1]]).toEqual([5, 10]);
  });

  it("are one more for each that takes slots of a pool, and the pool's own: two if there is room, three if it waits", async ({
    expect,
  }) => {
    const [small, large] = [await pooled(SMALL, LARGE), await pooled(LARGE, LARGE)];
    expect((large.dag - small.dag) / (LARGE - SMALL)).toBe(4);
    expect((large.other - small.other) / (LARGE - SMALL)).toBe(2);
    const [shortLine, longLine] = [await pooled(SMALL, 1), await pooled(LARGE, 1)];
    expect((longLine.dag - shortLine.dag) / (LARGE - SMALL)).toBe(4);
    expect((longLine.other - shortLine.other) / (LARGE - SMALL)).toBe(3);
  });

  it("are one more for each under a rate limit, four if it waits for its time, and one of the limit for a whole call", async ({
    expect,
  }) => {
    const [small, large] = [await rated(SMALL, LARGE), await rated(LARGE, LARGE)];
    expect((large.dag - small.dag) / (LARGE - SMALL)).toBe(4);
    expect([small.other, large.other]).toEqual([1, 1]);
    const [shortWait, longWait] = [await rated(SMALL, 10), await rated(LARGE, 10)];
    expect((longWait.dag - shortWait.dag) / (LARGE - SMALL)).toBeLessThanOrEqual(7);
  });

  it("are one more for each that waits for room in its DAG", async ({ expect }) => {
    const rowsUnder = (width: number, options: { maxActiveTasks?: number }, limit: number | null): Promise<number> => {
      const n = Array.from({ length: width }, (_, index) => index);
      const work = task({ id: "each", maxActiveTisPerDag: limit }, (_ctx, input: { n: number }) => input.n);
      const dagId = addDag(options, (d) => void d.expand(work, { n }));
      return rowsOfRun(dagId, async (runId) => {
        for (let some = await claimQueued(dagId, runId); some.length > 0; some = await claimQueued(dagId, runId)) {
          const reports = some.map((one) => reportOf(one, success(one.map_index)));
          await dagOf(dagId).report(reports, WORKER, 0);
        }
      });
    };
    for (const [options, limit] of [
      [{ maxActiveTasks: 10 }, null],
      [{}, 10],
    ] as const) {
      const [small, large] = [await rowsUnder(SMALL, options, limit), await rowsUnder(LARGE, options, limit)];
      expect((large - small) / (LARGE - SMALL)).toBe(4);
    }
  });
});
