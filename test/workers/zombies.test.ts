import { ulid } from "ulid";
import { describe, it } from "vitest";
import { FREE_WORKER_LOSSES } from "../../src/engine/liveness.ts";
import type { JobState, TaskInstanceState } from "../../src/engine/states.ts";
import type { Progress } from "../../src/engine/work.ts";
import {
  adopt,
  alarmOf,
  claimOne,
  dagOf,
  clock,
  fireAlarm,
  instanceOf,
  keyOf,
  jobOf,
  newJobId,
  report,
  runOf,
  start,
  stopClock,
  stubOf,
  success,
  value,
  NO_LOGS,
  WORKER,
} from "./lab.ts";
import { addDag, addTask, fresh, step } from "./registry.ts";

stopClock();

/** Heart rates to try, in seconds: the least, one that does not divide well, the default. */
const HEARTRATES = [0.05, 0.3, 5];

/** How long silence may last before it is noticed, in milliseconds. */
function boundMs(heartrate: number): number {
  return heartrate * 1000 * 2.1 + 1000;
}

describe("a silent worker", () => {
  for (const heartrate of HEARTRATES) {
    it(`with a heartrate of ${heartrate} s is lost before any job watches it: twice its task runs again at once, then it is retried`, async ({
      expect,
    }) => {
      const options = { retries: 1, retryDelay: "30s", heartrate } as const;
      const dagId = addDag({}, (d) => void d.run(step("a", options)));
      const runId = await start(dagId);
      for (let losses = 0; losses <= FREE_WORKER_LOSSES; losses += 1) {
        expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "queued", try_number: losses + 1 });
        const begun = clock.now();
        await claimOne(dagId, runId, "a");
        await whileIn("running", dagId, runId);
        expect(clock.now()).toBeGreaterThan(begun + heartrate * 1000);
        expect(clock.now()).toBeLessThanOrEqual(begun + boundMs(heartrate));
      }
      const lost = {
        state: "up_for_retry",
        try_number: 3,
        error: { type: "Zombie", message: expect.stringContaining("test-host") },
      };
      expect(await instanceOf(dagId, runId, "a")).toMatchObject(lost);

      await whileIn("up_for_retry", dagId, runId);
      const again = await claimOne(dagId, runId, "a");
      expect(again.try_number).toBe(4);
      await report(dagId, again, success());
      expect(await runOf(dagId, runId)).toMatchObject({ state: "success" });
    });

    it(`with a heartrate of ${heartrate} s is lost while a job watches it, which says why, and its task runs again`, async ({
      expect,
    }) => {
      const options = { retries: 1, retryDelay: "30s", heartrate } as const;
      const dagId = addDag({}, (d) => void d.run(step("a", options)));
      const runId = await start(dagId);
      const claimed = await claimOne(dagId, runId, "a");
      const jobId = ulid();
      clock.advance(heartrate * 1000);
      await adopt(dagId, jobId, claimed);
      const one = { ...keyOf(claimed), token: claimed.token, job_id: jobId };
      const lastBeat = await beatFor(jobId, claimed.token, heartrate, async (progress) => {
        expect(await dagOf(dagId).beat([{ ...one, progress }], WORKER)).toEqual([{ verdict: "continue" }]);
      });

      await whileIn("running", dagId, runId);

      expect(clock.now()).toBeLessThanOrEqual(lastBeat + boundMs(heartrate));
      const job = value(await jobOf(jobId).get(0));
      expect(job).toMatchObject({ state: "failed", latest_heartbeat: lastBeat, error: { type: "Zombie" } });
      expect(job.error?.message).toContain(`last at ${new Date(lastBeat).toISOString()}`);
      expect(job.error?.message).toContain("Last progress: at step 'third', 75 %.");
      expect(await instanceOf(dagId, runId, "a")).toMatchObject({
        state: "queued",
        error: { type: "Zombie", message: job.error?.message },
      });
      expect(await claimOne(dagId, runId, "a")).toMatchObject({ try_number: 2 });
    });

    it(`with a heartrate of ${heartrate} s is lost when it ran a standalone job: twice the job runs again at once, then it is retried`, async ({
      expect,
    }) => {
      const { id } = addTask(step(fresh("job"), { retries: 1, retryDelay: "30s", heartrate }));
      const jobId = newJobId();
      value(await jobOf(jobId).submit({ job_id: jobId, name: id, payload: null, runAt: null }));
      for (let losses = 0; losses < FREE_WORKER_LOSSES; losses += 1) {
        expect(await jobOf(jobId).claim(WORKER)).toMatchObject({ try_number: losses + 1 });
        await silence(jobId);
        await whileJobIs("up_for_retry", jobId);
      }
      const token = (await jobOf(jobId).claim(WORKER))?.token ?? expect.fail("expected the job to be claimed");
      const lastBeat = await beatFor(jobId, token, heartrate);

      await silence(jobId);

      expect(clock.now()).toBeLessThanOrEqual(lastBeat + boundMs(heartrate));
      const job = value(await jobOf(jobId).get(0));
      expect(job).toMatchObject({ state: "up_for_retry", try_number: 3, error: { type: "Zombie" } });
      expect(job.error?.message).toContain("Last progress: at step 'third', 75 %.");
      await whileJobIs("up_for_retry", jobId);
      expect(await jobOf(jobId).claim(WORKER)).toMatchObject({ try_number: 4 });
    });
  }

  it("without tries left fails its task instance and the run at the third loss in a row", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a")));
    const runId = await start(dagId);
    for (let losses = 0; losses <= FREE_WORKER_LOSSES; losses += 1) {
      await claimOne(dagId, runId, "a");
      await whileIn("running", dagId, runId);
    }
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "failed", error: { type: "Zombie" } });
    expect(await runOf(dagId, runId)).toMatchObject({ state: "failed", reason: "task_failure" });
  });

  it("without tries left fails its job at the third loss in a row", async ({ expect }) => {
    const { id } = addTask(step(fresh("job")));
    const jobId = newJobId();
    value(await jobOf(jobId).submit({ job_id: jobId, name: id, payload: null, runAt: null }));
    for (let losses = 0; losses <= FREE_WORKER_LOSSES; losses += 1) {
      await jobOf(jobId).claim(WORKER);
      await silence(jobId);
      await whileJobIs("up_for_retry", jobId);
    }
    expect(value(await jobOf(jobId).get(0))).toMatchObject({
      state: "failed",
      error: { type: "Zombie" },
      end_date: clock.now(),
    });
  });

  it("is not what a worker is that beats in time, however long its task takes", async ({ expect }) => {
    const { id } = addTask(step(fresh("job"), { heartrate: 1 }));
    const jobId = newJobId();
    value(await jobOf(jobId).submit({ job_id: jobId, name: id, payload: null, runAt: null }));
    const token = (await jobOf(jobId).claim(WORKER))?.token ?? expect.fail("expected the job to be claimed");
    const stub = stubOf("INTAKE", jobId);
    for (let beats = 0; beats < 60; beats += 1) {
      clock.advance(2000);
      expect(await jobOf(jobId).beat(token, null)).toEqual({ verdict: "continue" });
      if (((await alarmOf(stub)) ?? Infinity) <= clock.now()) {
        await fireAlarm(stub);
      }
    }
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "running", try_number: 1 });
    expect(await jobOf(jobId).report(token, success("slow"), NO_LOGS)).toBe("accepted");
  });
});

/** Beats three times, each after a heart rate, with progress. Gives the time of the last beat. */
async function beatFor(
  jobId: string,
  token: number,
  heartrate: number,
  alsoTo: (progress: Progress) => Promise<void> = async () => undefined,
): Promise<number> {
  for (const [index, said] of ["first", "second", "third"].entries()) {
    clock.advance(heartrate * 1000);
    const progress = { step: said, fraction: (index + 1) / 4 };
    await alsoTo(progress);
    await jobOf(jobId).beat(token, progress);
  }
  return clock.now();
}

/** Lets nothing happen but the alarms of a job's intake object, until it no longer counts as running. */
async function silence(jobId: string): Promise<void> {
  while (value(await jobOf(jobId).get(0)).state === "running") {
    await fireAlarm(stubOf("INTAKE", jobId));
  }
}

/** Lets nothing happen but the alarms of a job's intake object, as long as the job is in a state. */
async function whileJobIs(state: JobState, jobId: string): Promise<void> {
  while (value(await jobOf(jobId).get(0)).state === state) {
    await fireAlarm(stubOf("INTAKE", jobId));
  }
}

/** Lets nothing happen but the alarms of a DAG, as long as its task "a" is in a state. */
async function whileIn(state: TaskInstanceState, dagId: string, runId: string): Promise<void> {
  while ((await instanceOf(dagId, runId, "a")).state === state) {
    await fireAlarm(stubOf("DAG", dagId));
  }
}
