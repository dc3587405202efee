import { ulid } from "ulid";
import { beforeAll, describe, it } from "vitest";
import { task } from "../../src/sdk/index.ts";
import type { TaskContext } from "../../src/sdk/index.ts";
import {
  adopt,
  claimOne,
  clock,
  dagOf,
  deliver,
  fireAlarm,
  instanceOf,
  instancesOf,
  jobOf,
  report,
  runOf,
  settle,
  start,
  stopClock,
  stubOf,
  success,
  value,
} from "./lab.ts";
import { backgroundOver, watchBackground } from "./background.ts";
import { breakOnce, nextCall } from "./faults.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, addTask, fresh, step } from "./registry.ts";

stopClock();
beforeAll(watchBackground);

/** The least a spec allows: a runner looks at the clock that often, and beats when a test has moved it as far. */
const HEARTRATE_MS = 50;
const HEARTRATE = "0.05s";

/** A task that begins, and then waits for its signal. What it answers after that must count for nothing. */
function waiting(): {
  definition: ReturnType<typeof task<unknown, string>>;
  begun: Promise<TaskContext>;
  reasons: string[];
} {
  const { promise: begun, resolve } = Promise.withResolvers<TaskContext>();
  const reasons: string[] = [];
  const definition = task({ id: fresh("waiting"), heartrate: HEARTRATE }, async (ctx) => {
    if (ctx.ti.tryNumber > 1) {
      return "second try";
    }
    resolve(ctx);
    await new Promise((stop) => {
      ctx.signal.addEventListener("abort", stop);
    });
    reasons.push(ctx.signal.reason instanceof Error ? ctx.signal.reason.message : "none");
    return "too late";
  });
  return { definition: addTask(definition), begun, reasons };
}

describe("a cleared or killed running task", () => {
  it("that no job watches yet is told to stop by its first heartbeat, and may run again at once", async ({
    expect,
  }) => {
    const dagId = addDag({}, (d) => void d.run(step("a", { heartrate: "1s" })));
    const runId = await start(dagId);
    const cleared = await claimOne(dagId, runId, "a");
    value(await dagOf(dagId).clear({ run_id: runId, task_ids: null, only_failed: false }));
    mailbox.takeOf(dagId);

    expect(await adopt(dagId, ulid(), cleared)).toBe("stop");

    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "queued", try_number: 2 });
    expect(mailbox.takeOf(dagId)).toHaveLength(1);
    expect(await report(dagId, cleared, success("late"))).toBe("late");
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "queued", late_results: 1 });
  });

  it("that a job watches is told to stop by its next beat, and may run again at once", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a", { heartrate: "1s" })));
    const runId = await start(dagId);
    const cleared = await claimOne(dagId, runId, "a");
    const jobId = ulid();
    await adopt(dagId, jobId, cleared);
    expect(await jobOf(jobId).beat(cleared.token, null)).toEqual({ verdict: "continue" });

    value(await dagOf(dagId).clear({ run_id: runId, task_ids: null, only_failed: false }));
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "restarting" });
    await backgroundOver();

    expect(await jobOf(jobId).beat(cleared.token, null)).toMatchObject({
      verdict: "stop",
      reason: "the task instance was cleared",
    });
    await backgroundOver();
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "queued" });
    expect(await report(dagId, cleared, success("late"))).toBe("late");
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "failed", error: { type: "Stopped" } });
  });

  it("runs again after its grace period even if its worker never beats again", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a", { heartrate: "1s" })));
    const runId = await start(dagId);
    await claimOne(dagId, runId, "a");
    value(await dagOf(dagId).clear({ run_id: runId, task_ids: null, only_failed: false }));
    await fireAlarm(stubOf("DAG", dagId));
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "queued" });
  });

  it("fires the signal of a handler that really runs, before a job watches it", async ({ expect }) => {
    const { definition, begun, reasons } = waiting();
    const dagId = addDag({}, (d) => void d.run(definition));
    const runId = await start(dagId);
    const delivered = deliver(mailbox.takeOf(dagId));
    const ctx = await begun;
    expect(ctx.jobId).toBeNull();
    value(await dagOf(dagId).clear({ run_id: runId, task_ids: null, only_failed: false }));
    clock.advance(HEARTRATE_MS);
    await delivered;

    expect(reasons).toEqual([expect.stringContaining("no longer the current one")]);
    expect(await settle(dagId, runId)).toMatchObject({ state: "success" });
    const key = { run_id: runId, task_id: definition.id, map_index: -1 };
    expect(value(await dagOf(dagId).getXCom(key, "return_value"))).toEqual({ json: '"second try"' });
    expect(await instanceOf(dagId, runId, definition.id)).toMatchObject({ try_number: 2, late_results: 0 });
  });

  it("fires the signal of a handler that really runs, while a job watches it", async ({ expect }) => {
    const { definition, begun, reasons } = waiting();
    const dagId = addDag({}, (d) => void d.run(definition));
    const runId = await start(dagId);
    const delivered = deliver(mailbox.takeOf(dagId));
    await begun;
    const jobId = await adopted(dagId, runId);
    value(await dagOf(dagId).clear({ run_id: runId, task_ids: null, only_failed: false }));
    await backgroundOver();
    clock.advance(HEARTRATE_MS);
    await delivered;

    expect(reasons).toEqual(["the task instance was cleared"]);
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "failed", task_id: definition.id, run_id: runId });
    expect(await settle(dagId, runId)).toMatchObject({ state: "success" });
    expect(await instanceOf(dagId, runId, definition.id)).toMatchObject({ try_number: 2 });
  });

  it("fires the signal of a killed job's handler, and what the handler answers changes nothing", async ({ expect }) => {
    const { definition, begun, reasons } = waiting();
    const jobId = ulid();
    value(await jobOf(jobId).submit({ job_id: jobId, name: definition.id, payload: null, runAt: null }));
    const delivered = deliver(mailbox.takeOfJob(jobId));
    await begun;
    value(await jobOf(jobId).kill("no longer needed"));
    clock.advance(HEARTRATE_MS);
    await delivered;

    expect(reasons).toEqual(["no longer needed"]);
    const killed = {
      state: "failed",
      error: { type: "Killed", message: "no longer needed" },
      result: null,
      try_number: 1,
    };
    expect(value(await jobOf(jobId).get(0))).toMatchObject(killed);
  });
});

describe("killing the job of an adopted task instance", () => {
  it("ends the task instance and its run, whatever tries are left", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a", { retries: 3 })));
    const runId = await start(dagId);
    const claimed = await claimOne(dagId, runId, "a");
    const jobId = ulid();
    await adopt(dagId, jobId, claimed);
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ job_id: jobId });

    value(await jobOf(jobId).kill("enough"));
    await backgroundOver();

    expect(await instanceOf(dagId, runId, "a")).toMatchObject({
      state: "failed",
      error: { type: "Killed", message: "enough" },
    });
    expect(await runOf(dagId, runId)).toMatchObject({ state: "failed", reason: "task_failure" });
    expect(await jobOf(jobId).beat(claimed.token, null)).toMatchObject({ verdict: "stop", reason: "enough" });
    expect(await report(dagId, claimed, success())).toBe("late");
  });

  it("stops the handler that really runs", async ({ expect }) => {
    const { definition, begun, reasons } = waiting();
    const dagId = addDag({}, (d) => void d.run(definition));
    const runId = await start(dagId);
    const delivered = deliver(mailbox.takeOf(dagId));
    await begun;
    const jobId = await adopted(dagId, runId);
    value(await jobOf(jobId).kill("enough"));
    clock.advance(HEARTRATE_MS);
    await delivered;

    expect(reasons).toEqual(["enough"]);
    expect(await runOf(dagId, runId)).toMatchObject({ state: "failed" });
    expect(await instanceOf(dagId, runId, definition.id)).toMatchObject({
      state: "failed",
      try_number: 1,
      late_results: 0,
    });
  });

  it("reaches the task instance by the job's alarm if telling its DAG failed at first", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a")));
    const runId = await start(dagId);
    const claimed = await claimOne(dagId, runId, "a");
    const jobId = ulid();
    await adopt(dagId, jobId, claimed);
    const reached = breakOnce(dagId, "attemptEnded");

    value(await jobOf(jobId).kill("enough"));
    await reached;
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "running" });
    await fireAlarm(stubOf("JOB", jobId));
    await backgroundOver();

    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "failed", error: { type: "Killed" } });
  });
});

describe("a task that ends while its first heartbeat is on its way", () => {
  it("leaves no job behind that runs on", async ({ expect }) => {
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    const dagIds: string[] = [];
    const definition = task({ id: fresh("brief"), heartrate: HEARTRATE }, async () => {
      const adoption = nextCall(dagIds[0] ?? "", "adopt");
      resolve();
      await adoption;
      return "brief";
    });
    const dagId = addDag({}, (d) => void d.run(definition));
    dagIds.push(dagId);
    const runId = await start(dagId);
    const delivered = deliver(mailbox.takeOf(dagId));
    await begun;
    clock.advance(HEARTRATE_MS);
    await delivered;

    const instance = await instanceOf(dagId, runId, definition.id);
    expect(instance).toMatchObject({ state: "success", job_id: expect.any(String) });
    expect(value(await jobOf(instance.job_id ?? "").get(0))).toMatchObject({ state: "success" });
  });
});

/** Lets the first heartbeat come, which makes a job watch the run's only task instance. Gives the job's id. */
async function adopted(dagId: string, runId: string): Promise<string> {
  const adoption = nextCall(dagId, "adopt");
  clock.advance(HEARTRATE_MS);
  await adoption;
  const [instance] = await instancesOf(dagId, runId);
  if (typeof instance?.job_id !== "string") {
    throw new Error("expected a job to watch the task instance, there is none");
  }
  return instance.job_id;
}
