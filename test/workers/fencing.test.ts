import { ulid } from "ulid";
import { describe, it } from "vitest";
import {
  adopt,
  claimOne,
  clock,
  dagOf,
  failure,
  fireAlarm,
  instanceOf,
  jobOf,
  keyOf,
  newJobId,
  report,
  rowsOf,
  runOf,
  start,
  stopClock,
  stubOf,
  success,
  value,
  NO_LOGS,
  WORKER,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, addTask, fresh, step } from "./registry.ts";

stopClock();

describe("a late report of a dead attempt", () => {
  it("of a task instance that was declared dead and waits to run again is refused and recorded", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a", { retries: 1, retryDelay: "60s", heartrate: "1s" })));
    const runId = await start(dagId);
    const dead = await claimOne(dagId, runId, "a");
    await fireAlarm(stubOf("DAG", dagId));
    const before = await instanceOf(dagId, runId, "a");
    expect(before).toMatchObject({ state: "queued", try_number: 2, late_results: 0 });

    expect(await report(dagId, dead, success("too late"))).toBe("late");

    expect(await instanceOf(dagId, runId, "a")).toEqual({ ...before, late_results: 1 });
    expect(
      await rowsOf(stubOf("DAG", dagId), "SELECT task_id, map_index, token, state, received_at FROM late_result"),
    ).toEqual([{ task_id: "a", map_index: -1, token: dead.token, state: "success", received_at: clock.now() }]);
    expect(await dagOf(dagId).getXCom(keyOf(dead), "return_value")).toMatchObject({ ok: false });
  });

  it("of a task instance that runs again by now changes nothing of the new try, nor of its end", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a", { retries: 1, retryDelay: "1s", heartrate: "1s" })));
    const runId = await start(dagId);
    const dead = await claimOne(dagId, runId, "a");
    await fireAlarm(stubOf("DAG", dagId));
    const alive = await claimOne(dagId, runId, "a");
    expect(alive).toMatchObject({ try_number: 2 });

    expect(await report(dagId, dead, failure("the dead speaks"))).toBe("late");
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({
      state: "running",
      try_number: 2,
      error: expect.anything(),
      late_results: 1,
    });
    expect(await report(dagId, alive, success("alive"))).toBe("accepted");
    expect(await report(dagId, dead, success("the dead again"))).toBe("late");

    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "success", try_number: 2, late_results: 2 });
    expect(value(await dagOf(dagId).getXCom(keyOf(alive), "return_value"))).toEqual({ json: '"alive"' });
    expect(await runOf(dagId, runId)).toMatchObject({ state: "success" });
    const late = await rowsOf(stubOf("DAG", dagId), "SELECT token, state FROM late_result ORDER BY id");
    expect(late).toEqual([
      { token: dead.token, state: "failed" },
      { token: dead.token, state: "success" },
    ]);
  });

  it("of an adopted task instance whose job found it dead is refused and recorded", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a", { retries: 1, retryDelay: "60s", heartrate: "1s" })));
    const runId = await start(dagId);
    const dead = await claimOne(dagId, runId, "a");
    const jobId = ulid();
    expect(await adopt(dagId, jobId, dead)).toBe("continue");
    await fireAlarm(stubOf("JOB", jobId));
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "queued", error: { type: "Zombie" } });

    expect(await report(dagId, dead, success())).toBe("late");

    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "queued", late_results: 1 });
    expect(await jobOf(jobId).beat(dead.token, null)).toMatchObject({ verdict: "stop" });
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "failed", error: { type: "Zombie" } });
  });

  it("of a cleared task instance is refused and recorded, and the cleared one runs", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a", { heartrate: "1s" })));
    const runId = await start(dagId);
    const dead = await claimOne(dagId, runId, "a");
    value(await dagOf(dagId).clear({ run_id: runId, task_ids: ["a"], only_failed: false }));
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "restarting" });

    expect(await report(dagId, dead, success("cleared"))).toBe("late");
    expect(await runOf(dagId, runId)).toMatchObject({ state: "running" });
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ late_results: 1 });

    await fireAlarm(stubOf("DAG", dagId));
    const again = await claimOne(dagId, runId, "a");
    expect(again.try_number).toBe(2);
    expect(await report(dagId, again, success("again"))).toBe("accepted");
    expect(value(await dagOf(dagId).getXCom(keyOf(again), "return_value"))).toEqual({ json: '"again"' });
  });

  it("of a job that was declared dead and waits to run again is refused and recorded", async ({ expect }) => {
    const { id } = addTask(step(fresh("job"), { retries: 1, retryDelay: "60s", heartrate: "1s" }));
    const { jobId, token } = await running(id);
    await lost(jobId);
    const before = value(await jobOf(jobId).get(0));
    expect(before).toMatchObject({ state: "queued", error: { type: "Zombie" }, late_results: 0 });

    expect(await jobOf(jobId).report(token, success("too late"), NO_LOGS)).toBe("late");

    expect(value(await jobOf(jobId).get(0))).toEqual({ ...before, late_results: 1 });
  });

  it("of a job that runs again by now changes nothing of the new try", async ({ expect }) => {
    const { id } = addTask(step(fresh("job"), { retries: 1, retryDelay: "1s", heartrate: "1s" }));
    const { jobId, token } = await running(id);
    await lost(jobId);
    const again = (await jobOf(jobId).claim(WORKER)) ?? expect.fail("expected the job to be queued again");

    expect(await jobOf(jobId).report(token, success("dead"), NO_LOGS)).toBe("late");
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "running", try_number: 2, late_results: 1 });
    expect(await jobOf(jobId).report(again.token, success("alive"), NO_LOGS)).toBe("accepted");
    expect(await jobOf(jobId).report(token, success("dead"), NO_LOGS)).toBe("late");

    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "success", result: "alive", late_results: 2 });
  });

  it("of a killed job is refused and recorded, and the job stays killed", async ({ expect }) => {
    const { id } = addTask(step(fresh("job"), { retries: 3 }));
    const { jobId, token } = await running(id);
    await jobOf(jobId).kill("enough");
    expect(await jobOf(jobId).report(token, success("alive!"), NO_LOGS)).toBe("late");
    expect(value(await jobOf(jobId).get(0))).toMatchObject({
      state: "failed",
      error: { type: "Killed", message: "enough" },
      result: null,
      late_results: 1,
    });
  });
});

/** A job of the task, claimed. */
async function running(name: string): Promise<{ jobId: string; token: number }> {
  const jobId = newJobId();
  value(await jobOf(jobId).submit({ job_id: jobId, name, payload: null, runAt: null }));
  mailbox.takeOfJob(jobId);
  const claimed = await jobOf(jobId).claim(WORKER);
  return { jobId, token: claimed?.token ?? Number.NaN };
}

/** Lets time pass until a job's worker, which says nothing any more, is taken for lost. */
async function lost(jobId: string): Promise<void> {
  while (value(await jobOf(jobId).get(0)).state === "running") {
    await fireAlarm(stubOf("INTAKE", jobId));
  }
}
