import { ulid } from "ulid";
import { afterEach, beforeEach, describe, it } from "vitest";
import { task } from "../../src/sdk/index.ts";
import { dagOf, deliver, instanceOf, jobOf, newJobId, settle, start, stopClock, value, UNTIL_ENDED_MS } from "./lab.ts";
import { breakOnce, nextCall } from "./faults.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, addTask, counting, fresh } from "./registry.ts";

/** Milliseconds a long poll waits at most; the answers come as soon as there is one. */
describe("through the platform's own queue and alarms", () => {
  beforeEach(() => {
    mailbox.live = true;
  });
  afterEach(() => {
    mailbox.live = false;
  });

  it("a job runs, and whoever waits for it is answered when it ends", async ({ expect }) => {
    const { definition } = counting();
    const jobId = newJobId();
    value(await jobOf(jobId).submit({ job_id: jobId, name: definition.id, payload: null, runAt: null }));
    expect(value(await jobOf(jobId).get(UNTIL_ENDED_MS))).toMatchObject({ state: "success", result: 1 });
  });

  it("a delayed job starts by its alarm", async ({ expect }) => {
    const { definition } = counting();
    const jobId = ulid();
    const runAt = Date.now() + 200;
    value(await jobOf(jobId).submit({ job_id: jobId, name: definition.id, payload: null, runAt }));
    const job = value(await jobOf(jobId).get(UNTIL_ENDED_MS));
    expect(job).toMatchObject({ state: "success", result: 1 });
    expect(job.start_date).toBeGreaterThanOrEqual(runAt);
  });

  it("a DAG runs: a list known at run time, its elements, a retry by the alarm, and what collects them", async ({
    expect,
  }) => {
    const list = task({ id: fresh("list") }, () => [1, 2, 3]);
    const each = task({ id: fresh("each"), retries: 1, retryDelay: "0.05s" }, (ctx, { n }: { n: number }) => {
      if (n === 2 && ctx.ti.tryNumber === 1) {
        throw new Error("the first try of the second element fails");
      }
      return n * n;
    });
    const sum = task({ id: fresh("sum") }, (_ctx, { all }: { all: number[] }) => all.reduce((a, b) => a + b, 0));
    const dagId = addDag({}, (d) => void d.run(sum, { all: d.expand(each, { n: d.run(list) }) }));
    const runId = await start(dagId);
    expect(value(await dagOf(dagId).getRun(runId, UNTIL_ENDED_MS))).toMatchObject({ state: "success" });
    const key = { run_id: runId, task_id: sum.id, map_index: -1 };
    expect(value(await dagOf(dagId).getXCom(key, "return_value"))).toEqual({ json: "14" });
    expect(await instanceOf(dagId, runId, each.id, 1)).toMatchObject({ state: "success", try_number: 2 });
  });

  it("a task that outlives its first heartbeats is watched by a job, with its progress", async ({ expect }) => {
    const { promise: watched, resolve: end } = Promise.withResolvers<void>();
    const long = addTask(
      task({ id: fresh("long"), heartrate: "5s" }, async (ctx) => {
        ctx.heartbeat({ step: "waiting", fraction: 0.5 });
        await watched;
        return ctx.jobId;
      }),
    );
    const dagId = addDag({}, (d) => void d.run(long));
    const adoption = nextCall(dagId, "adopt");
    const runId = await start(dagId);
    await adoption;
    // The job is named with the beat that follows.
    await nextCall(dagId, "beat");
    const { job_id: jobId } = await instanceOf(dagId, runId, long.id);
    const running = value(await jobOf(jobId ?? "").get(0));
    expect(running).toMatchObject({ state: "running", dag_id: dagId, run_id: runId, task_id: long.id, heartrate: 5 });
    expect(running.progress).toEqual({ step: "waiting", fraction: 0.5 });
    end();

    expect(value(await dagOf(dagId).getRun(runId, UNTIL_ENDED_MS))).toMatchObject({ state: "success" });
    expect(value(await jobOf(jobId ?? "").get(UNTIL_ENDED_MS))).toMatchObject({ state: "success" });
  });
});

describe("the consumer", () => {
  stopClock();

  it("asks for a message again whose owner could not be reached, and acknowledges all others", async ({ expect }) => {
    const { definition, ran } = counting();
    const [sick, well] = [addDag({}, (d) => void d.run(definition)), addDag({}, (d) => void d.run(definition))];
    const runs = [await start(sick), await start(well)];
    const messages = [...mailbox.takeOf(sick), ...mailbox.takeOf(well)];
    const broken = breakOnce(sick, "claim");

    const result = await deliver(messages);
    await broken;

    expect(result.retryMessages).toHaveLength(1);
    expect(ran()).toBe(1);
    await deliver(messages.slice(0, 1));
    expect(ran()).toBe(2);
    expect(await settle(sick, runs[0] ?? "")).toMatchObject({ state: "success" });
  });

  it("reports again when a report did not arrive, and nothing runs twice", async ({ expect }) => {
    const { definition, ran } = counting({ heartrate: "5s" });
    const dagId = addDag({}, (d) => void d.run(definition));
    const runId = await start(dagId);
    const broken = breakOnce(dagId, "report");
    await deliver(mailbox.takeOf(dagId));
    await broken;
    expect(await instanceOf(dagId, runId, definition.id)).toMatchObject({ state: "success", try_number: 1 });
    expect(ran()).toBe(1);
  });
});
