import { createExecutionContext } from "cloudflare:test";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ledgerName } from "../../src/engine/permits/names.ts";
import type { WhyView } from "../../src/engine/objects.ts";
import type { Outcome } from "../../src/engine/work.ts";
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
  objectEnv,
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
import { jobbers } from "./worker.ts";

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
      reason: `DAG \`${dagId}\` is paused.`,
      causes: [{ name: "Dag Not Paused" }, { name: "Dagrun Running" }],
    });
  });

  it("as many runs are running as may", async () => {
    const dagId = addDag({ maxActiveRuns: 1 }, (d) => void inOrder(d, "work"));
    const running = await start(dagId);
    const second = await start(dagId);
    const third = await start(dagId);
    expect(await reason(dagId, second, "work")).toBe(
      `Its run is queued: 1 of at most 1 runs is running (\`${running}\`).`,
    );
    expect(await reason(dagId, third, "work")).toBe(
      `Its run is queued: 1 of at most 1 runs is running (\`${running}\`); 1 queued run goes before it.`,
    );
  });

  it("/dependencies says it in Airflow's words", async () => {
    const dagId = addDag({ maxActiveRuns: 1 }, (d) => {
      d.after([d.run(step("first"))], d.run(step("work")));
    });
    const runId = await start(dagId);
    const key = { run_id: runId, task_id: "work", map_index: -1 };
    expect(value(await dagOf(dagId).dependencies(key))).toEqual([
      {
        name: "Trigger Rule",
        reason:
          "Task's trigger rule 'all_success' requires all upstream tasks to have succeeded, but found success=0, skipped=0, " +
          "failed=0, upstream_failed=0, removed=0, done=0 of 1 upstream task instance. Not over: 'first' (queued).",
      },
    ]);
    const queued = await start(dagId);
    expect(value(await dagOf(dagId).dependencies({ ...key, run_id: queued }))[0]?.reason).toMatch(
      /^Task instance's dagrun was not in the 'running' state but in the state 'queued': /u,
    );
  });

  it("its DAG paused itself after failures in a row", async () => {
    const dagId = addDag({ maxConsecutiveFailedDagRuns: 1 }, (d) => void inOrder(d, "work"));
    const runId = await start(dagId);
    await report(dagId, await claimOne(dagId, runId, "work"), failure("no", false));
    expect(await reason(dagId, await start(dagId), "work")).toBe(
      `DAG \`${dagId}\` paused itself after 1 failed run in a row (max_consecutive_failed_dag_runs).`,
    );
  });

  it("the time of its run has not come", async () => {
    const dagId = addDag({}, (d) => void inOrder(d, "work"));
    const runId = await start(dagId, { run_after: clock.now() + 90_000 });
    expect(await reason(dagId, runId, "work")).toContain("its run_after is 2100-01-01T00:01:30.000Z, in 90 s");
  });

  it("the run before it has not succeeded: that one failed, or waits in turn", async () => {
    const dagId = addDag({}, (d) => void d.run(step("work"), undefined, { dependsOnPast: true }));
    const [first, second, third] = await Promise.all(
      [1, 2, 3].map((day) => start(dagId, { logical_date: Date.UTC(2099, 0, day) })),
    );
    const { reason: said, causes } = await why(dagId, second ?? "", "work");
    expect(causes[0]?.name).toBe("Previous Dagrun State");
    expect(said).toBe(`It waits for \`work\` of run \`${first ?? ""}\` (2099-01-01), which is queued.`);
    expect(await reason(dagId, third ?? "", "work")).toBe(
      `It waits for \`work\` of run \`${second ?? ""}\` (2099-01-02), which has not started: \`work\` itself waits for run \`${first ?? ""}\`.`,
    );
    await report(dagId, await claimOne(dagId, first ?? "", "work"), failure("no", false));
    expect(await reason(dagId, second ?? "", "work")).toBe(
      `It waits for \`work\` of run \`${first ?? ""}\` (2099-01-01), which failed: clear or mark it.`,
    );
  });

  it("what is downstream in the run before is not over", async () => {
    const dagId = addDag({}, (d) => {
      const work = d.run(step("work"), undefined, { waitForDownstream: true });
      d.after([work], d.run(step("below")));
    });
    const first = await start(dagId, { logical_date: Date.UTC(2099, 0, 1) });
    const second = await start(dagId, { logical_date: Date.UTC(2099, 0, 2) });
    await report(dagId, await claimOne(dagId, first, "work"), success());
    expect(await reason(dagId, second, "work")).toBe(
      `It waits for \`below\` of run \`${first}\` (2099-01-01), downstream of \`work\` (wait_for_downstream), which is queued.`,
    );
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
      "It waits for `b` (queued) and `c` (queued): all 3 upstream instances must succeed, 1 has (all_success).",
    );
  });

  it("is mapped, or two steps up", async () => {
    const dagId = addDag({}, (d) => {
      const a = d.run(step("a"));
      const m = d.expand(step("m"), { item: [1, 2, 3] });
      const b = d.run(step("b"));
      d.after([a, m], b);
      d.after([b], d.run(step("c")));
    });
    const runId = await start(dagId);
    await claimQueued(dagId, runId);
    expect(await reason(dagId, runId, "b")).toBe(
      "It waits for `a` (running) and `m` (3 running): all 4 upstream instances must succeed, 0 have (all_success).",
    );
    expect(await reason(dagId, runId, "c")).toBe("It waits for `b`, which has not started.");
    const refused = await dagOf(dagId).why({ run_id: runId, task_id: "m", map_index: -1 });
    expect(refused).toMatchObject({
      ok: false,
      refusal: { code: "not_found", message: "`m` is mapped: name one of its 3 instances" },
    });
    const answer = await jobbers.handler.fetch(
      new Request(`http://jobbers.test/api/v2/dags/${dagId}/dagRuns/${runId}/taskInstances/m/why`, {
        headers: { authorization: "Bearer test-key" },
      }),
      objectEnv,
      createExecutionContext(),
    );
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ detail: "`m` is mapped: name one of its 3 instances" });
  });

  it("failed or was skipped, so that it never runs", async () => {
    const dagId = addDag({}, (d) => {
      d.after([d.run(step("f"))], d.run(step("after_f")));
      d.after([d.run(step("s"))], d.run(step("after_s")));
    });
    const runId = await start(dagId);
    await report(dagId, await claimOne(dagId, runId, "f"), failure("no", false));
    await report(dagId, await claimOne(dagId, runId, "s"), { state: "skipped" });
    expect(await reason(dagId, runId, "after_f")).toBe(
      "It is over since 2100-01-01T00:00:00.000Z in the state `upstream_failed`, because `f` failed.",
    );
    expect(await reason(dagId, runId, "after_s")).toBe(
      "It is over since 2100-01-01T00:00:00.000Z in the state `skipped`, because `s` was skipped.",
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
      reason: "1 of at most 1 task instances of the run is queued or running: `first` (max_active_tasks).",
      causes: [
        {
          name: "Task Instance Slots Available",
          reason: "1 of at most 1 task instances of the run is queued or running: `first` (max_active_tasks).",
        },
      ],
    });
  });

  it("max_active_tis_per_dagrun of the task", async () => {
    const dagId = addDag({}, (d) => void d.expand(step("work", { maxActiveTisPerDagrun: 1 }), { item: [1, 2] }));
    expect(await reason(dagId, await start(dagId), "work", 1)).toBe(
      "1 of at most 1 instances of `work` in the run is queued or running: `work[0]` (max_active_tis_per_dagrun).",
    );
  });

  it("max_active_tis_per_dag of the task", async () => {
    const dagId = addDag({}, (d) => void d.run(step("work", { maxActiveTisPerDag: 1 })));
    await start(dagId);
    expect(await reason(dagId, await start(dagId), "work")).toBe(
      "1 of at most 1 instances of `work` over all runs is queued or running (max_active_tis_per_dag).",
    );
    expect(await reason(dagId, await start(dagId), "work")).toBe(
      "1 of at most 1 instances of `work` over all runs is queued or running (max_active_tis_per_dag); 1 instance of earlier runs goes first.",
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
      reason: `Pool \`${pool}\` has 1 of 1 slot held by work of run "${holder}" of DAG "${dagId}"; it is 1st of 1 in line.`,
      causes: [{ name: "Pool Slots Available" }],
    });
  });

  it("a pool that nobody has made, or that is too small", async () => {
    const pool = fresh("pool");
    const dagId = addDag({}, (d) => void d.run(step("work", { pool, poolSlots: 3 })));
    const runId = await start(dagId);
    expect(await reason(dagId, runId, "work")).toBe(`Pool \`${pool}\` does not exist.`);
    value(await poolOf(ledgerName("pool", pool)).configure({ slots: 2 }));
    expect(await reason(dagId, runId, "work")).toBe(`Pool \`${pool}\` has 2 slots in all, and 3 are needed.`);
  });

  it("a concurrency key that is taken", async () => {
    const id = fresh("call");
    const call = addTask(
      task({ id, concurrency: { limit: 2, key: ({ tenant }: { tenant: number }) => `tenant-${tenant}` } }, () => null),
    );
    const dagId = addDag({}, (d) => void d.expand(call, { tenant: [7, 7, 7] }));
    const { reason: said, causes } = await why(dagId, await start(dagId), id, 2);
    expect(causes.map(({ name }) => name)).toEqual(["Concurrency Key"]);
    expect(said).toBe(
      `Concurrency key \`${id}:tenant-7\` has 2 of 2 slots held by ${id}[0] and ${id}[1]; it is 1st of 1 in line.`,
    );
  });

  it("a rate limit, with when it may start", async () => {
    const id = fresh("call");
    const call = addTask(task({ id, rateLimit: { limit: 1, per: "5s" } }, (_ctx, _input: { item: number }) => null));
    const dagId = addDag({}, (d) => void d.expand(call, { item: [1, 2] }));
    const runId = await start(dagId);
    await permitCalls.quiet();
    clock.advance(1800);
    expect(await why(dagId, runId, id, 1)).toMatchObject({
      reason: `Rate limit \`${id}\` (1 per 5 s) lets it start at 2100-01-01T00:00:05.000Z, in 3.2 s.`,
      causes: [{ name: "Rate Limit" }],
    });
  });

  it("a pool that was made smaller", async () => {
    const pool = fresh("pool");
    value(await poolOf(ledgerName("pool", pool)).configure({ slots: 2 }));
    const dagId = addDag({}, (d) => void d.expand(step("work", { pool }), { item: [1, 2, 3] }));
    const runId = await start(dagId);
    await permitCalls.quiet();
    value(await poolOf(ledgerName("pool", pool)).configure({ slots: 1 }));
    expect(await reason(dagId, runId, "work", 2)).toBe(
      `2 slots of pool \`${pool}\` are held, though it has 1 now; 2 must be given back first; it is 1st of 1 in line.`,
    );
  });

  it("a pool, held by what waits for its time, and a rate limit after it", async () => {
    const [id, pool] = [fresh("call"), fresh("pool")];
    value(await poolOf(ledgerName("pool", pool)).configure({ slots: 1 }));
    const rateLimit = { limit: 1, per: "2s" } as const;
    const call = addTask(task({ id, pool, rateLimit }, (_ctx, _input: { item: number }) => null));
    const dagId = addDag({}, (d) => void d.expand(call, { item: [1, 2, 3] }));
    const runId = await start(dagId);
    await permitCalls.quiet();
    await report(dagId, await claimOne(dagId, runId, id), success());
    expect(await reason(dagId, runId, id, 1)).toBe(
      `Rate limit \`${id}\` (1 per 2 s) lets it start at 2100-01-01T00:00:02.000Z, in 2 s.`,
    );
    expect(await reason(dagId, runId, id, 2)).toBe(
      `Pool \`${pool}\` has 1 of 1 slot held by ${id}[1] (waits for rate limit \`${id}\` until 2100-01-01T00:00:02.000Z); ` +
        `it is 1st of 1 in line; after that it needs a start of rate limit \`${id}\`.`,
    );
  });

  it("a time far ahead, before which it asks for its slots again", async () => {
    const [id, pool] = [fresh("call"), fresh("pool")];
    value(await poolOf(ledgerName("pool", pool)).configure({ slots: 2 }));
    const rateLimit = { limit: 1, per: "60s" } as const;
    const call = addTask(task({ id, pool, rateLimit }, (_ctx, _input: { item: number }) => null));
    const dagId = addDag({}, (d) => void d.expand(call, { item: [1, 2] }));
    const runId = await start(dagId);
    await permitCalls.quiet();
    expect(await reason(dagId, runId, id, 1)).toBe(
      `Rate limit \`${id}\` (1 per 60 s) lets it start at 2100-01-01T00:01:00.000Z, in 60 s; shortly before that it asks for pool \`${pool}\`.`,
    );
    expect(value(await poolOf(ledgerName("pool", pool)).describe())).toMatchObject({ occupied_slots: 1 });
  });

  it("a key that a handler has slowed down", async () => {
    const id = fresh("call");
    const call = addTask(task({ id, rateLimit: { limit: 1, per: "1s" } }, (_ctx, _input: { item: number }) => null));
    const dagId = addDag({}, (d) => void d.expand(call, { item: [1, 2] }));
    const runId = await start(dagId);
    await permitCalls.quiet();
    const claimed = await claimOne(dagId, runId, id);
    await report(dagId, claimed, { ...failure("429", false), retryAfterMs: 60_000 } as Outcome);
    await permitCalls.quiet();
    await fireAlarm(stubOf("DAG", dagId));
    expect(await reason(dagId, runId, id, 1)).toBe(
      `Rate limit \`${id}\` was slowed down by a handler until 2100-01-01T00:01:00.000Z; it starts then.`,
    );
  });
});

describe("why a task instance does not run: workers", () => {
  it("no worker was heard on its queue", async () => {
    const dagId = addDag({}, (d) => void d.run(step("work", { queue: "heavy" })));
    expect(await why(dagId, await start(dagId), "work")).toMatchObject({
      state: "queued",
      reason: "No worker heard on queue `heavy`; its message was sent once.",
      causes: [{ name: "Worker Available" }],
    });
  });

  it("runs, with when it was heard of last", async () => {
    const dagId = addDag({}, (d) => void inOrder(d, "work"));
    const runId = await start(dagId);
    const claimed = await claimOne(dagId, runId, "work");
    expect(await reason(dagId, runId, "work")).toMatch(
      /^It is running on test-host since .*no heartbeat yet; it counts as dead at 2100-01-01T00:00:\d\d\.\d+Z, in \d+(\.\d)? s, if none comes\.$/u,
    );
    const jobId = "01JZZZZZZZZZZZZZZZZZZZZZZ9";
    await adopt(dagId, jobId, claimed);
    clock.advance(2000);
    expect(await reason(dagId, runId, "work")).toMatch(
      /try 1 of 1; its last heartbeat was 2 s ago, expected every 5 s; without another it counts as dead at 2100-01-01T00:00:\d\d\.\d+Z\.$/u,
    );
  });

  it("is over", async () => {
    const dagId = addDag({}, (d) => void inOrder(d, "work"));
    const runId = await start(dagId);
    for (const claimed of await claimQueued(dagId, runId)) {
      await report(dagId, claimed, failure("the disk is full"));
    }
    expect(await why(dagId, runId, "work")).toEqual({
      state: "failed",
      reason: "It is over since 2100-01-01T00:00:00.000Z in the state `failed`: the disk is full.",
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
    expect(await said(first)).toMatch(/its message was sent once on `default`, and no worker has taken it\.$/u);
    expect(await said(second)).toBe(`Pool \`${pool}\` has 1 of 1 slot held by job ${first}; it is 1st of 1 in line.`);
    expect(await said(third)).toBe("It starts at 2100-01-01T00:01:00.000Z, in 60 s, as asked.");
    const claimed = await jobOf(first).claim({ hostname: "h", unixname: "u" });
    await jobOf(first).report(claimed?.token ?? 0, failure("no"), { from: 0, lines: [] });
    expect(await said(first)).toMatch(/^The next retry is at 2100-01-01T00:00:1/u);
    expect(await said(second)).toMatch(/its message was sent once/u);
    // The first alarm is the one that was set when it asked for its permits.
    await fireAlarm(stubOf("INTAKE", first));
    await fireAlarm(stubOf("INTAKE", first));
    expect(await said(first)).toMatch(/^Pool .* held by job/u);
  });

  it("there is no queue of its name, so that nothing was sent", async () => {
    const queue = fresh("nowhere");
    const { id } = addTask(task({ id: fresh("work"), queue }, () => null));
    const job_id = "01JYYYYYYYYYYYYYYYYYYYYYYN";
    value(await jobOf(job_id).submit({ job_id, name: id, payload: null, runAt: null }));
    expect(value(await jobOf(job_id).why())).toEqual({
      state: "queued",
      reason: `There is no queue or role \`${queue}\`: nothing is sent; it fails at 2100-01-01T00:30:00.000Z unless one is made.`,
      causes: [{ name: "Worker Available", reason: expect.any(String) as string }],
    });
  });
});
