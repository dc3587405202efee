import { beforeEach, describe, expect, it, vi } from "vitest";
import { ledgerName } from "../../src/engine/permits/names.ts";
import type { WhyView } from "../../src/engine/objects.ts";
import { task } from "../../src/sdk/index.ts";
import {
  adopt,
  claimOne,
  claimQueued,
  clock,
  dagOf,
  failure,
  fireAlarm,
  jobOf,
  report,
  start,
  stopClock,
  stubOf,
  success,
  value,
} from "./lab.ts";
import { permitCalls } from "./permit-calls.ts";
import { poolOf } from "./pool-support.ts";
import { addDag, addTask, fresh, inOrder, step } from "./registry.ts";

stopClock();
beforeEach(() => void vi.spyOn(console, "warn").mockReturnValue());

async function why(dagId: string, runId: string, taskId: string, mapIndex = -1): Promise<WhyView> {
  await permitCalls.quiet();
  return value(await dagOf(dagId).why({ run_id: runId, task_id: taskId, map_index: mapIndex }));
}

async function reason(dagId: string, runId: string, taskId: string, mapIndex = -1): Promise<string> {
  return (await why(dagId, runId, taskId, mapIndex)).reason;
}

describe("why a task instance does not run: its run", () => {
  it("its DAG is paused", async () => {
    const dagId = addDag({}, (d) => void inOrder(d, "work"));
    value(await dagOf(dagId).setPaused(true));
    const runId = await start(dagId);
    expect(await why(dagId, runId, "work")).toMatchObject({
      reason: `DAG '${dagId}' is paused`,
      causes: [{ name: "Dag Not Paused" }, { name: "Dagrun Running" }],
    });
  });

  it("as many runs are running as may", async () => {
    const dagId = addDag({ maxActiveRuns: 1 }, (d) => void inOrder(d, "work"));
    await start(dagId);
    expect(await reason(dagId, await start(dagId), "work")).toBe(
      "Task instance's dagrun was not in the 'running' state but in the state 'queued': the DAG has 1 of at most 1 active runs.",
    );
  });

  it("the time of its run has not come", async () => {
    const dagId = addDag({}, (d) => void inOrder(d, "work"));
    const runId = await start(dagId, { run_after: clock.now() + 90_000 });
    expect(await reason(dagId, runId, "work")).toContain("its run_after is 2100-01-01T00:01:30.000Z, in 90 s");
  });

  it("the run before it has not succeeded", async () => {
    const dagId = addDag({}, (d) => void d.run(step("work"), undefined, { dependsOnPast: true }));
    await start(dagId, { logical_date: Date.UTC(2099, 0, 1) });
    const runId = await start(dagId, { logical_date: Date.UTC(2099, 0, 2) });
    const { reason: said, causes } = await why(dagId, runId, "work");
    expect(causes[0]?.name).toBe("Previous Dagrun State");
    expect(said).toContain("depends_on_past is true for this task");
  });
});

describe("why a task instance does not run: what is upstream", () => {
  it("is not over, with how many are in which state", async () => {
    const dagId = addDag({}, (d) => {
      const work = d.run(step("work"));
      d.after([d.run(step("a")), d.run(step("b")), d.run(step("c"))], work);
    });
    const runId = await start(dagId);
    await report(dagId, await claimOne(dagId, runId, "a"), success());
    const { reason: said, causes } = await why(dagId, runId, "work");
    expect(causes.map(({ name }) => name)).toEqual(["Trigger Rule"]);
    expect(said).toBe(
      "Task's trigger rule 'all_success' requires all upstream tasks to have succeeded, but found success=1, skipped=0, " +
        "failed=0, upstream_failed=0, removed=0, done=1 of 3 upstream task instances. Not over: 'b' (queued), 'c' (queued).",
    );
  });

  it("is retried later", async () => {
    const dagId = addDag({}, (d) => void d.run(step("work", { retries: 1, retryDelay: "30s" })));
    const runId = await start(dagId);
    await report(dagId, await claimOne(dagId, runId, "work"), failure("no"));
    expect(await reason(dagId, runId, "work")).toMatch(/^The next retry is at 2100-01-01T00:00:30\.\d+Z, in 30/u);
  });
});

describe("why a task instance does not run: limits", () => {
  it("max_active_tasks of the run", async () => {
    const dagId = addDag({ maxActiveTasks: 1 }, (d) => {
      d.run(step("first"));
      d.run(step("second"));
    });
    const runId = await start(dagId);
    expect(await why(dagId, runId, "second")).toEqual({
      state: "scheduled",
      reason: "1 of at most 1 task instances of the run are on their way (max_active_tasks)",
      causes: [
        {
          name: "Task Instance Slots Available",
          reason: "1 of at most 1 task instances of the run are on their way (max_active_tasks)",
        },
      ],
    });
  });

  it("max_active_tis_per_dagrun of the task", async () => {
    const dagId = addDag({}, (d) => void d.expand(step("work", { maxActiveTisPerDagrun: 1 }), { item: [1, 2] }));
    expect(await reason(dagId, await start(dagId), "work", 1)).toBe(
      "1 of at most 1 instances of 'work' in the run are on their way (max_active_tis_per_dagrun)",
    );
  });

  it("max_active_tis_per_dag of the task", async () => {
    const dagId = addDag({}, (d) => void d.run(step("work", { maxActiveTisPerDag: 1 })));
    await start(dagId);
    expect(await reason(dagId, await start(dagId), "work")).toBe(
      "1 of at most 1 instances of 'work' over all runs are on their way (max_active_tis_per_dag)",
    );
  });

  it("a pool without a free slot, with who holds them", async () => {
    const pool = fresh("db");
    value(await poolOf(ledgerName("pool", pool)).configure({ slots: 1 }));
    const dagId = addDag({}, (d) => void d.run(step("work", { pool })));
    const holder = await start(dagId);
    await permitCalls.quiet();
    expect(await why(dagId, await start(dagId), "work")).toMatchObject({
      state: "scheduled",
      reason: `pool \`${pool}\` has 1 of 1 slot held by work of run "${holder}" of DAG "${dagId}"; it is 1st of 1 in line`,
      causes: [{ name: "Pool Slots Available" }],
    });
  });

  it("a pool that nobody has made, or that is too small", async () => {
    const pool = fresh("pool");
    const dagId = addDag({}, (d) => void d.run(step("work", { pool, poolSlots: 3 })));
    const runId = await start(dagId);
    expect(await reason(dagId, runId, "work")).toBe(`pool \`${pool}\` does not exist`);
    value(await poolOf(ledgerName("pool", pool)).configure({ slots: 2 }));
    expect(await reason(dagId, runId, "work")).toBe(`pool \`${pool}\` has 2 slots in all, and it asks for 3`);
  });

  it("a concurrency key that is taken", async () => {
    const id = fresh("call");
    const call = addTask(
      task({ id, concurrency: { limit: 2, key: ({ tenant }: { tenant: number }) => `tenant-${tenant}` } }, () => null),
    );
    const dagId = addDag({}, (d) => void d.expand(call, { tenant: [7, 7, 7] }));
    const { reason: said, causes } = await why(dagId, await start(dagId), id, 2);
    expect(causes.map(({ name }) => name)).toEqual(["Concurrency Key"]);
    expect(said).toMatch(`concurrency key \`${id}:tenant-7\` has 2 of 2 slots held by ${id}[0] of run`);
  });

  it("a rate limit, with when it may start", async () => {
    const id = fresh("call");
    const call = addTask(task({ id, rateLimit: { limit: 1, per: "5s" } }, (_ctx, _input: { item: number }) => null));
    const dagId = addDag({}, (d) => void d.expand(call, { item: [1, 2] }));
    const runId = await start(dagId);
    await permitCalls.quiet();
    clock.advance(1800);
    expect(await why(dagId, runId, id, 1)).toMatchObject({
      reason: `rate limit \`${id}\` (1 per 5 s) lets it start in 3.2 s, at 2100-01-01T00:00:05.000Z`,
      causes: [{ name: "Rate Limit" }],
    });
  });
});

describe("why a task instance does not run: workers", () => {
  it("no worker was heard on its queue", async () => {
    const dagId = addDag({}, (d) => void d.run(step("work", { queue: "heavy" })));
    expect(await why(dagId, await start(dagId), "work")).toMatchObject({
      state: "queued",
      reason: "no worker heard on queue `heavy`; its message was sent once",
      causes: [{ name: "Worker Available" }],
    });
  });

  it("runs, with when it was heard of last", async () => {
    const dagId = addDag({}, (d) => void inOrder(d, "work"));
    const runId = await start(dagId);
    const claimed = await claimOne(dagId, runId, "work");
    expect(await reason(dagId, runId, "work")).toMatch(
      /^It is running on test-host since .*taken for dead if nothing/u,
    );
    const jobId = "01JZZZZZZZZZZZZZZZZZZZZZZ9";
    await adopt(dagId, jobId, claimed);
    clock.advance(2000);
    expect(await reason(dagId, runId, "work")).toMatch(/try 1 of 1; its last heartbeat was 2 s ago\.$/u);
  });

  it("is over", async () => {
    const dagId = addDag({}, (d) => void inOrder(d, "work"));
    const runId = await start(dagId);
    for (const claimed of await claimQueued(dagId, runId)) {
      await report(dagId, claimed, failure("the disk is full"));
    }
    expect(await why(dagId, runId, "work")).toEqual({
      state: "failed",
      reason: "It is over since 2100-01-01T00:00:00.000Z in the state 'failed': the disk is full.",
      causes: [],
    });
  });
});

describe("why a job does not run", () => {
  it("its pool is full, its time has not come, it is retried later", async () => {
    const pool = fresh("pool");
    value(await poolOf(ledgerName("pool", pool)).configure({ slots: 1 }));
    const work = addTask(task({ id: fresh("work"), pool, retries: 1, retryDelay: "10s" }, () => null));
    const [first, second, third] = ["A", "B", "C"].map((end) => `01JYYYYYYYYYYYYYYYYYYYYYY${end}`) as [
      string,
      string,
      string,
    ];
    const submit = async (job_id: string, runAt: number | null): Promise<void> =>
      void value(await jobOf(job_id).submit({ job_id, name: work.id, payload: null, runAt }));
    const said = async (jobId: string): Promise<string> => {
      await permitCalls.quiet();
      return value(await jobOf(jobId).why()).reason;
    };
    await submit(first, null);
    await permitCalls.quiet();
    await submit(second, null);
    await submit(third, clock.now() + 60_000);
    expect(await said(first)).toMatch(/its message was sent once, and no worker has taken it\.$/u);
    expect(await said(second)).toBe(`pool \`${pool}\` has 1 of 1 slot held by job ${first}; it is 1st of 1 in line`);
    expect(await said(third)).toBe("It was submitted for 2100-01-01T00:01:00.000Z, in 60 s.");
    const claimed = await jobOf(first).claim({ hostname: "h", unixname: "u" });
    await jobOf(first).report(claimed?.token ?? 0, failure("no"), { from: 0, lines: [] });
    expect(await said(first)).toMatch(/^The next retry is at 2100-01-01T00:00:1/u);
    expect(await said(second)).toMatch(/its message was sent once/u);
    // The first alarm is the one that was set when it asked for its permits.
    await fireAlarm(stubOf("INTAKE", first));
    await fireAlarm(stubOf("INTAKE", first));
    expect(await said(first)).toMatch(/^pool .* held by job/u);
  });
});
