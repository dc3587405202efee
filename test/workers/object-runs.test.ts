import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { ulid } from "ulid";
import { describe, it } from "vitest";
import { FREE_WORKER_LOSSES } from "../../src/engine/liveness.ts";
import { batchKey } from "../../src/engine/batch-ids.ts";
import { RescheduleError, task, type NamedTaskOptions, type TaskContext } from "../../src/sdk/index.ts";
import type { RunRequest } from "../../src/engine/objects.ts";
import type { Json } from "../../src/engine/spec.ts";
import type { ClaimedTask, JobView, TaskInstanceView } from "../../src/engine/work.ts";
import { breakOnce } from "./faults.ts";
import {
  alarmOf,
  claimOne,
  clock,
  dagOf,
  deliver,
  deliverSent,
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
  UNTIL_ENDED_MS,
  value,
  watchOf,
  WORKER,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, addTask, fresh, step } from "./registry.ts";
import type { Job } from "./worker.ts";

stopClock();

/** What a test and the handlers of its task know of each other. A handler must not await what a test resolves: it looks. */
class Stage {
  begun = 0;
  aborted = 0;
  cleanedUp = 0;
  /** Handlers that wait end once this is set. */
  isOpen = false;

  /** A task that runs in its object, and ends with its input once the stage is open. */
  waiting(options: Omit<NamedTaskOptions, "id"> = {}) {
    return this.task(options, async (_ctx, input: Json) => input);
  }

  /** The same, with another end. */
  task<Out extends Json>(options: Omit<NamedTaskOptions, "id">, end: (ctx: TaskContext, input: Json) => Promise<Out>) {
    return addTask(
      task({ id: fresh("long"), runIn: "object", ...options }, async (ctx, input: Json) => {
        this.begun += 1;
        try {
          while (!this.isOpen && !ctx.signal.aborted) {
            await scheduler.wait(1);
          }
          this.aborted += Number(ctx.signal.aborted);
          return await end(ctx, input);
        } finally {
          this.cleanedUp += 1;
        }
      }),
    );
  }

  /** Waits until so many handlers have begun. */
  async hasBegun(count = 1): Promise<void> {
    while (this.begun < count) {
      await scheduler.wait(1);
    }
  }

  async hasCleanedUp(count = 1): Promise<void> {
    while (this.cleanedUp < count) {
      await scheduler.wait(1);
    }
  }
}

async function submit(name: string, payload: Json = null): Promise<string> {
  const jobId = newJobId();
  value(await jobOf(jobId).submit({ job_id: jobId, name, payload, runAt: null }));
  return jobId;
}

/** Submits a job and has a consumer take it. */
async function begin(name: string, payload: Json = null): Promise<string> {
  const jobId = await submit(name, payload);
  await deliverSent(mailbox.takeSentOfJob(jobId));
  return jobId;
}

async function ended(jobId: string): Promise<JobView> {
  return value(await jobOf(jobId).get(UNTIL_ENDED_MS));
}

/** Waits until a task instance is in a state that its object's calls bring it to. */
async function isIn(state: string, dagId: string, runId: string, taskId: string): Promise<TaskInstanceView> {
  for (;;) {
    const instance = await instanceOf(dagId, runId, taskId);
    if (instance.state === state) {
      return instance;
    }
    await scheduler.wait(1);
  }
}

async function jobIsIn(state: string, jobId: string): Promise<JobView> {
  for (;;) {
    const job = value(await jobOf(jobId).get(0));
    if (job.state === state) {
      return job;
    }
    await scheduler.wait(1);
  }
}

/** What a consumer asks of the object of a claimed attempt. */
function requestOf(dagId: string | null, claimed: ClaimedTask): RunRequest {
  const { try_number, max_tries, token, handler, heartrateMs } = claimed;
  const attempt = { ...keyOf(claimed), try_number, max_tries, token, handler, heartrateMs };
  return { dag_id: dagId, ...attempt, startDate: clock.now(), worker: WORKER, progress: null, task: claimed };
}

/** Waits until the objects of a DAG's attempt and of a job have beaten at this time. */
async function beatIs(dagId: string, jobId: string): Promise<void> {
  const rows = (name: "DAG" | "INTAKE", owner: string, query: string) => rowsOf(stubOf(name, owner), query);
  for (;;) {
    const [worker] = await rows("DAG", dagId, "SELECT MAX(latest_heartbeat) AS at FROM worker");
    const [job] = await rows("INTAKE", jobId, `SELECT latest_heartbeat AS at FROM job WHERE id = '${jobId}'`);
    if (worker?.["at"] === clock.now() && job?.["at"] === clock.now()) {
      return;
    }
    await scheduler.wait(1);
  }
}

/** Ends the object of a job with all that runs in it, as a reset of the platform does. */
async function crash(jobId: string): Promise<void> {
  const call = runInDurableObject(stubOf("JOB", jobId), (_object, state) => state.abort("crashed on purpose"));
  await call.catch(() => undefined);
}

/** Alarms of objects until a task instance or a job has left a state. */
async function alarmsWhile(state: string, stub: DurableObjectStub, look: () => Promise<{ state: string | null }>) {
  while ((await look()).state === state) {
    await fireAlarm(stub);
  }
}

describe("a task that runs in its object", () => {
  it("does not hold the batch that brought it, and ends with its value", async ({ expect }) => {
    const stage = new Stage();
    // This comes back although the handler goes on.
    const jobId = await begin(stage.waiting().id, { n: 7 });
    await stage.hasBegun();
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "running", try_number: 1 });
    stage.isOpen = true;
    expect(await ended(jobId)).toMatchObject({ state: "success", result: { n: 7 } });
    expect(stage.begun).toBe(1);
  });

  it("lets what stands behind it in its batch run", async ({ expect }) => {
    const stage = new Stage();
    const short = addTask(task({ id: fresh("short") }, () => "short"));
    const ids = [await submit(stage.waiting().id), await submit(short.id)];
    await deliver(
      ids.map((job_id) => ({ job_id })),
      "heavy",
    );
    expect(value(await jobOf(ids[1] ?? "").get(0))).toMatchObject({ state: "success", result: "short" });
    expect(value(await jobOf(ids[0] ?? "").get(0))).toMatchObject({ state: "running" });
    stage.isOpen = true;
    expect(await ended(ids[0] ?? "")).toMatchObject({ state: "success" });
  });

  it("has its XComs, large values, job and log in a DAG, and what follows goes by message", async ({ expect }) => {
    const stage = new Stage();
    const long = stage.task({}, async (ctx) => {
      ctx.log.info("found", { job: ctx.jobId });
      ctx.xcomPush("seen", await ctx.xcomPull({ taskId: "before" }));
      return "x".repeat(200_000);
    });
    const dagId = addDag({}, (d) => {
      const before = d.run(addTask(task({ id: "before" }, () => 5)));
      const object = d.run(long, null, { id: "object" });
      const after = d.run(addTask(task({ id: fresh("after") }, (_ctx, { text }: { text: string }) => text.length)), {
        text: object,
      });
      d.after(before, object);
      d.after(object, after);
    });
    const runId = await start(dagId);
    await deliverSent(mailbox.takeSentOf(dagId));
    await stage.hasBegun();
    const { job_id: jobId, hostname } = await instanceOf(dagId, runId, "object");
    expect(value(await jobOf(jobId ?? "").get(0))).toMatchObject({ state: "running", dag_id: dagId, hostname });
    expect(value(await jobOf(jobId ?? "").why()).reason).toContain("its job's object runs it");
    const key = { run_id: runId, task_id: "object", map_index: -1 };
    expect(value(await dagOf(dagId).why(key)).reason).toContain("its job's object runs it");
    stage.isOpen = true;
    await isIn("success", dagId, runId, "object");
    await mailbox.arrived(dagId, 1);
    await deliverSent(mailbox.takeSentOf(dagId));
    expect(await runOf(dagId, runId)).toMatchObject({ state: "success" });
    expect(value(await dagOf(dagId).getXCom(key, "seen"))).toEqual({ json: "5" });
    expect(value(await dagOf(dagId).getXCom(key, "return_value"))).toMatchObject({ bytes: 200_002 });
    expect(value(await dagOf(dagId).readLog(key, 1, 0, 0)).lines).toMatchObject([
      { event: "found", data: { job: jobId } },
    ]);
    expect(await watchOf(jobId ?? "").get(UNTIL_ENDED_MS)).toMatchObject({ value: { state: "success" } });
  });

  it("brings progress and log lines to its job while it runs", async ({ expect }) => {
    const stage = new Stage();
    const { id } = addTask(
      task({ id: fresh("telling"), runIn: "object", heartrate: "1s" }, async (ctx) => {
        ctx.log.info("first");
        ctx.heartbeat({ step: "half", fraction: 0.5 });
        stage.begun += 1;
        while (!stage.isOpen) {
          await scheduler.wait(1);
        }
      }),
    );
    const jobId = await begin(id);
    await stage.hasBegun();
    const follows = jobOf(jobId).readLog(1, 0, UNTIL_ENDED_MS);
    clock.advance(1000);
    expect(value(await follows).lines).toMatchObject([{ event: "first" }]);
    expect(value(await jobOf(jobId).get(0))).toMatchObject({
      state: "running",
      progress: { step: "half", fraction: 0.5 },
      latest_heartbeat: clock.now(),
    });
    expect(value(await jobOf(jobId).why()).reason).toContain("its job's object runs it");
    stage.isOpen = true;
    expect(await ended(jobId)).toMatchObject({ state: "success" });
  });

  it("fails and is tried again in the same object", async ({ expect }) => {
    const stage = new Stage();
    stage.isOpen = true;
    const { id } = stage.task({ retries: 1, retryDelay: "30s" }, async (ctx) => {
      if (ctx.ti.tryNumber === 1) {
        throw new Error("first");
      }
      return "second";
    });
    const jobId = await begin(id);
    expect(await jobIsIn("up_for_retry", jobId)).toMatchObject({ error: { message: "first" } });
    await alarmsWhile("up_for_retry", stubOf("INTAKE", jobId), async () => value(await jobOf(jobId).get(0)));
    await deliverSent(mailbox.takeSentOfJob(jobId));
    expect(await ended(jobId)).toMatchObject({ state: "success", try_number: 2, result: "second" });
  });

  it("comes back later when it asks for that", async ({ expect }) => {
    const stage = new Stage();
    stage.isOpen = true;
    const { id } = stage.task({}, async () => {
      if (stage.begun === 1) {
        throw new RescheduleError({ fromNow: "1m" });
      }
      return "later";
    });
    const jobId = await begin(id);
    await jobIsIn("up_for_reschedule", jobId);
    await alarmsWhile("up_for_reschedule", stubOf("INTAKE", jobId), async () => value(await jobOf(jobId).get(0)));
    await deliverSent(mailbox.takeSentOfJob(jobId));
    expect(await ended(jobId)).toMatchObject({ state: "success", try_number: 1, result: "later" });
  });

  it("times out", async ({ expect }) => {
    const stage = new Stage();
    const jobId = await begin(stage.waiting({ executionTimeout: "20ms" }).id);
    expect(await ended(jobId)).toMatchObject({ state: "failed", error: { type: "TaskTimeout" } });
    await stage.hasCleanedUp();
    expect(stage.aborted).toBe(1);
  });

  it("is alive for those who ask for a job of a bulk submission", async ({ expect }) => {
    const stage = new Stage();
    const { id } = stage.waiting({ heartrate: "1s" });
    const batchId = ulid();
    const name = `@batch:${batchKey(batchId)}`;
    value(await dagOf(name).submitBatch(batchId, [{ name: id, payload: 9, runAt: null }]));
    await deliverSent(mailbox.takeSentOf(name));
    await stage.hasBegun();
    clock.advance(30_000);
    const running = value(await dagOf(name).getMember(0, 0));
    expect(running).toMatchObject({ state: "running", latest_heartbeat: clock.now() });
    stage.isOpen = true;
    expect(value(await dagOf(name).getMember(0, UNTIL_ENDED_MS))).toMatchObject({ state: "success", result: 9 });
  });

  it("writes a row whenever its object looks at itself, and nothing else while it says nothing", async ({ expect }) => {
    const stage = new Stage();
    const jobId = await begin(stage.waiting().id);
    await stage.hasBegun();
    const rows = () => runInDurableObject(stubOf("JOB", jobId), (job: object) => (job as Job).rowsWritten());
    const before = await rows();
    for (let looks = 0; looks < 3; looks += 1) {
      const at = clock.now();
      await fireAlarm(stubOf("JOB", jobId));
      expect(clock.now() - at).toBe(10_000);
    }
    expect((await rows()) - before).toBe(3);
    stage.isOpen = true;
    expect(await ended(jobId)).toMatchObject({ state: "success" });
  });

  it("fails when no deployed code has its handler", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("gone", { runIn: "object" })));
    const runId = await start(dagId);
    const claimed = { ...(await claimOne(dagId, runId, "gone")), handler: "no such handler" };
    await watchOf(ulid()).run(requestOf(dagId, claimed));
    expect(await isIn("failed", dagId, runId, "gone")).toMatchObject({ error: { type: "UnknownHandler" } });
  });
});

describe("a stop of a task that runs in its object", () => {
  it("reaches a standalone one that is killed", async ({ expect }) => {
    const stage = new Stage();
    const jobId = await begin(stage.waiting().id);
    await stage.hasBegun();
    expect(value(await jobOf(jobId).kill("enough"))).toMatchObject({ state: "failed", error: { type: "Killed" } });
    await stage.hasCleanedUp();
    expect(stage.aborted).toBe(1);
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "failed", late_results: 0 });
  });

  it("reaches it by the id of its job", async ({ expect }) => {
    const stage = new Stage();
    const { dagId, runId, jobId } = await beginInDag(stage);
    value(await jobOf(jobId).kill("enough"));
    await stage.hasCleanedUp();
    expect(stage.aborted).toBe(1);
    expect(await isIn("failed", dagId, runId, "a")).toMatchObject({ error: { type: "Killed" } });
  });

  it("has it run again when it was cleared", async ({ expect }) => {
    const stage = new Stage();
    const { dagId, runId, jobId } = await beginInDag(stage);
    value(await dagOf(dagId).clear({ run_id: runId, task_ids: ["a"] }));
    await stage.hasCleanedUp();
    await isIn("queued", dagId, runId, "a");
    stage.isOpen = true;
    await mailbox.arrived(dagId, 1);
    await deliverSent(mailbox.takeSentOf(dagId));
    const again = await isIn("success", dagId, runId, "a");
    expect(again.job_id).not.toBe(jobId);
    expect(stage).toMatchObject({ begun: 2, aborted: 1 });
  });

  it("comes when it is marked as a success", async ({ expect }) => {
    const stage = new Stage();
    const { dagId, runId } = await beginInDag(stage);
    value(await dagOf(dagId).mark({ run_id: runId, task_id: "a", map_index: null, new_state: "success" }));
    await stage.hasCleanedUp();
    expect(stage.aborted).toBe(1);
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "success", late_results: 0 });
  });

  it("that was lost comes with the answer to a beat", async ({ expect }) => {
    const stage = new Stage();
    const { id } = stage.waiting({ heartrate: "1s" });
    const jobId = await submit(id);
    const claimed = (await jobOf(jobId).claim(WORKER)) ?? expect.fail("expected a claim");
    await watchOf(jobId).run(requestOf(null, claimed));
    await stage.hasBegun();
    // The job is given up without a word to the object.
    await jobOf(jobId).report(claimed.token, success("other"), { from: 0, lines: [] });
    clock.advance(60_000);
    await stage.hasCleanedUp();
    expect(stage.aborted).toBe(1);
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "success", result: "other" });
  });
});

describe("handing an attempt to its object", () => {
  it("twice runs its handler once, and an older token is refused", async ({ expect }) => {
    const stage = new Stage();
    const jobId = await submit(stage.waiting().id, 3);
    const claimed = (await jobOf(jobId).claim(WORKER)) ?? expect.fail("expected a claim");
    const request = requestOf(null, claimed);
    const answers = await Promise.all([watchOf(jobId).run(request), watchOf(jobId).run(request)]);
    await stage.hasBegun();
    answers.push(await watchOf(jobId).run(request));
    expect(answers.map(({ verdict }) => verdict)).toEqual(["continue", "continue", "continue"]);
    const old = { ...request, token: claimed.token - 1, task: { ...claimed, token: claimed.token - 1 } };
    expect(await watchOf(jobId).run(old)).toMatchObject({ verdict: "stop" });
    stage.isOpen = true;
    expect(await ended(jobId)).toMatchObject({ state: "success", result: 3 });
    expect(await watchOf(jobId).run(request)).toMatchObject({ verdict: "stop" });
    expect(stage.begun).toBe(1);
  });

  it("to two objects runs its handler in one of them", async ({ expect }) => {
    const stage = new Stage();
    const long = stage.waiting();
    const dagId = addDag({}, (d) => void d.run(long, 1, { id: "a" }));
    const runId = await start(dagId);
    const request = requestOf(dagId, await claimOne(dagId, runId, "a"));
    const [one, other] = [ulid(), ulid()];
    await watchOf(one).run(request);
    await stage.hasBegun();
    await watchOf(other).run(request);
    expect(value(await watchOf(other).get(UNTIL_ENDED_MS))).toMatchObject({
      state: "failed",
      error: { type: "Stopped", message: "another job runs the attempt" },
    });
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "running", job_id: one });
    stage.isOpen = true;
    await isIn("success", dagId, runId, "a");
    expect(stage.begun).toBe(1);
  });

  it("is done again when it failed", async ({ expect }) => {
    const stage = new Stage();
    stage.isOpen = true;
    const long = stage.waiting();
    const dagId = addDag({}, (d) => void d.run(long, 1, { id: "a" }));
    const runId = await start(dagId);
    const failed = breakOnce(dagId, "run");
    await deliverSent(mailbox.takeSentOf(dagId));
    await failed;
    await isIn("success", dagId, runId, "a");
    expect(stage.begun).toBe(1);
  });

  it("of an attempt that is no longer the current one begins nothing", async ({ expect }) => {
    const stage = new Stage();
    const jobId = await submit(stage.waiting().id);
    const claimed = (await jobOf(jobId).claim(WORKER)) ?? expect.fail("expected a claim");
    value(await jobOf(jobId).kill("enough"));
    await watchOf(jobId).run(requestOf(null, claimed));
    expect(value(await watchOf(jobId).get(UNTIL_ENDED_MS))).toMatchObject({
      state: "failed",
      error: { type: "Stopped" },
    });
    expect(stage.begun).toBe(0);
  });

  it("waits for an owner that does not answer", async ({ expect }) => {
    const stage = new Stage();
    stage.isOpen = true;
    const long = stage.waiting();
    const dagId = addDag({}, (d) => void d.run(long, 1, { id: "a" }));
    const runId = await start(dagId);
    const failed = breakOnce(dagId, "beat");
    const reported = breakOnce(dagId, "report");
    await deliverSent(mailbox.takeSentOf(dagId));
    await Promise.all([failed, reported]);
    await isIn("success", dagId, runId, "a");
    expect(stage.begun).toBe(1);
  });
});

describe("the owner of an attempt that its object runs", () => {
  it("has no alarm before the object's next beat", async ({ expect }) => {
    const stage = new Stage();
    const jobId = await begin(stage.waiting({ heartrate: 5 }).id, 1);
    await stage.hasBegun();
    expect(((await alarmOf(stubOf("INTAKE", jobId))) ?? 0) - clock.now()).toBeGreaterThan(60_000);
    const { dagId } = await beginInDag(new Stage());
    expect(((await alarmOf(stubOf("DAG", dagId))) ?? 0) - clock.now()).toBeGreaterThan(60_000);
  });
});

describe("the death of an object that runs a task", () => {
  for (const heartrate of [0.05, 0.3, 5]) {
    it(`with a heartrate of ${heartrate} s is found by its alarm, and a standalone task is tried again`, async ({
      expect,
    }) => {
      const stage = new Stage();
      const { id } = stage.waiting({ retries: 1, retryDelay: "30s", heartrate });
      const jobId = await begin(id, 1);
      await stage.hasBegun();
      for (let looks = 0; looks < 5; looks += 1) {
        await fireAlarm(stubOf("JOB", jobId));
        expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "running", latest_heartbeat: clock.now() });
      }
      const died = clock.now();
      await crash(jobId);
      await fireAlarm(stubOf("JOB", jobId));
      expect(clock.now()).toBeLessThanOrEqual(died + heartrate * 2100 + 1000);
      const job = value(await jobOf(jobId).get(0));
      expect(job).toMatchObject({ state: "up_for_retry", error: { type: "Zombie" } });
      expect(job.error?.message).toContain("try 2 follows at once");
      await alarmsWhile("up_for_retry", stubOf("INTAKE", jobId), async () => value(await jobOf(jobId).get(0)));
      stage.isOpen = true;
      await deliverSent(mailbox.takeSentOfJob(jobId));
      expect(await ended(jobId)).toMatchObject({ state: "success", try_number: 2, result: 1, late_results: 0 });
      expect(stage.begun).toBe(2);
    });
  }

  it("fails a task instance that has no try left at the third in a row", async ({ expect }) => {
    const stage = new Stage();
    const { dagId, runId, jobId: first } = await beginInDag(stage);
    let jobId = first;
    for (let losses = 1; losses <= FREE_WORKER_LOSSES; losses += 1) {
      await crash(jobId);
      await fireAlarm(stubOf("JOB", jobId));
      expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "queued", try_number: losses + 1 });
      await deliverSent(mailbox.takeSentOf(dagId));
      await stage.hasBegun(losses + 1);
      jobId = (await instanceOf(dagId, runId, "a")).job_id ?? "";
    }
    await crash(jobId);
    await fireAlarm(stubOf("JOB", jobId));
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "failed", error: { type: "Zombie" } });
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "failed", error: { type: "Zombie" } });
    expect(await runOf(dagId, runId)).toMatchObject({ state: "failed" });
  });

  it("is found by whatever asks for the job first", async ({ expect }) => {
    const stage = new Stage();
    const { dagId, runId, jobId } = await beginInDag(stage, { retries: 1 });
    await crash(jobId);
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "failed", error: { type: "Zombie" } });
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "queued", try_number: 2 });
  });

  it("lets a cleared task instance run again at once", async ({ expect }) => {
    const stage = new Stage();
    const { dagId, runId, jobId } = await beginInDag(stage);
    await crash(jobId);
    value(await dagOf(dagId).clear({ run_id: runId, task_ids: ["a"] }));
    await isIn("queued", dagId, runId, "a");
    expect(stage.begun).toBe(1);
  });

  it("is noticed by the owner when not even the object comes back", async ({ expect }) => {
    const stage = new Stage();
    const { dagId, runId, jobId } = await beginInDag(stage, { retries: 1 });
    const begun = clock.now();
    await crash(jobId);
    await alarmsWhile("running", stubOf("DAG", dagId), () => instanceOf(dagId, runId, "a"));
    expect(clock.now()).toBeGreaterThan(begun + 2 * 60_000);
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "queued", error: { type: "Zombie" } });
  });

  it("does not follow from the silence between two beats, while both objects leave memory", async ({ expect }) => {
    const stage = new Stage();
    const { dagId, runId } = await beginInDag(stage, { heartrate: "1s" });
    const standalone = await begin(stage.waiting({ heartrate: "1s" }).id);
    await stage.hasBegun(2);
    for (let beats = 0; beats < 5; beats += 1) {
      clock.advance(60_000);
      await beatIs(dagId, standalone);
      for (const stub of [stubOf("DAG", dagId), stubOf("INTAKE", standalone)]) {
        await evictDurableObject(stub);
        if (((await alarmOf(stub)) ?? Infinity) <= clock.now()) {
          await fireAlarm(stub);
        }
      }
    }
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "running" });
    expect(value(await jobOf(standalone).get(0))).toMatchObject({ state: "running" });
    stage.isOpen = true;
    await isIn("success", dagId, runId, "a");
    expect(await ended(standalone)).toMatchObject({ state: "success", try_number: 1 });
  });

  it("leaves nothing for a late result to change", async ({ expect }) => {
    const stage = new Stage();
    const long = stage.waiting({ retries: 1, retryDelay: "1s" });
    const dagId = addDag({}, (d) => void d.run(long, 1, { id: "a" }));
    const runId = await start(dagId);
    const claimed = await claimOne(dagId, runId, "a");
    const jobId = ulid();
    await watchOf(jobId).run(requestOf(dagId, claimed));
    await stage.hasBegun();
    await crash(jobId);
    await fireAlarm(stubOf("JOB", jobId));
    expect(await report(dagId, claimed, success("late"))).toBe("late");
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "queued", late_results: 1 });
  });
});

/** A run whose one task runs in its object. */
async function beginInDag(
  stage: Stage,
  options: Omit<NamedTaskOptions, "id"> = {},
): Promise<{ dagId: string; runId: string; jobId: string }> {
  const long = stage.waiting(options);
  const dagId = addDag({}, (d) => void d.run(long, 1, { id: "a" }));
  const runId = await start(dagId);
  await deliverSent(mailbox.takeSentOf(dagId));
  await stage.hasBegun();
  const { job_id: jobId } = await instanceOf(dagId, runId, "a");
  return { dagId, runId, jobId: jobId ?? "" };
}
