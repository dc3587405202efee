import { evictDurableObject } from "cloudflare:test";
import { describe, it } from "vitest";
import {
  alarmOf,
  claimOne,
  claimQueued,
  clock,
  dagOf,
  deliver,
  fireAlarm,
  instanceOf,
  jobOf,
  newJobId,
  report,
  reportOf,
  rowsOf,
  runOf,
  start,
  statesOf,
  stopClock,
  stubOf,
  success,
  value,
  WORKER,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, counting, step } from "./registry.ts";

stopClock();

describe("duplicated, reordered and lost messages", () => {
  it("runs a task instance once whose message is delivered three times at once", async ({ expect }) => {
    const { definition, ran } = counting();
    const dagId = addDag({}, (d) => void d.run(definition));
    const runId = await start(dagId);
    const messages = mailbox.takeOf(dagId);
    const first = { dag_id: dagId, run_id: runId, task_id: definition.id, map_index: -1, try_number: 1 };
    expect(messages).toEqual([first]);

    await deliver([...messages, ...messages, ...messages]);

    expect(ran()).toBe(1);
    expect(await runOf(dagId, runId)).toMatchObject({ state: "success" });
  });

  it("runs nothing for a message that comes again while its task runs, and after it ended", async ({ expect }) => {
    const { definition, ran } = counting();
    const dagId = addDag({}, (d) => void d.run(definition));
    const runId = await start(dagId);
    const messages = mailbox.takeOf(dagId);
    const running = await claimOne(dagId, runId, definition.id);

    await deliver(messages);
    expect(await report(dagId, running, success(7))).toBe("accepted");
    await deliver(messages);

    expect(ran()).toBe(0);
    const end = { state: "success", try_number: 1, late_results: 0 };
    expect(await instanceOf(dagId, runId, definition.id)).toMatchObject(end);
  });

  it("runs a job once whose message is delivered three times, at once and later", async ({ expect }) => {
    const { definition, ran } = counting();
    const jobId = newJobId();
    await jobOf(jobId).submit({ job_id: jobId, name: definition.id, payload: null, runAt: null });
    const messages = mailbox.takeOfJob(jobId);
    expect(messages).toEqual([{ job_id: jobId }]);

    await Promise.all([deliver([...messages, ...messages]), deliver(messages)]);
    await deliver(messages);

    expect(ran()).toBe(1);
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "success", result: 1, try_number: 1 });
  });

  it("ends a run alike in whatever order its reports come, and however often", async ({ expect }) => {
    const orders = [
      [0, 1, 2],
      [2, 1, 0],
      [1, 1, 2, 0, 2, 1, 0],
    ];
    for (const order of orders) {
      const dagId = addDag({}, (d) =>
        d.after([d.run(step("a")), d.run(step("b")), d.run(step("c"))], d.run(step("join"))),
      );
      const runId = await start(dagId);
      const claimed = await claimQueued(dagId, runId);
      const verdicts = new Map<number, unknown[]>();
      for (const index of order) {
        const task = claimed[index] ?? expect.fail("expected three tasks to be queued");
        verdicts.set(index, [...(verdicts.get(index) ?? []), await report(dagId, task, success(task.task_id))]);
      }
      for (const [first, ...others] of verdicts.values()) {
        expect(first).toBe("accepted");
        expect(others.every((verdict) => verdict === "duplicate")).toBe(true);
      }
      await report(dagId, await claimOne(dagId, runId, "join"), success());

      expect(await runOf(dagId, runId)).toMatchObject({ state: "success" });
      expect(await statesOf(dagId, runId)).toEqual({ a: "success", b: "success", c: "success", join: "success" });
    }
  });

  it("gives the same follow-up work again to a worker whose report's answer was lost, also with the object's memory", async ({
    expect,
  }) => {
    const dagId = addDag({}, (d) => d.after(d.run(step("a")), d.run(step("b"))));
    const runId = await start(dagId);
    const reports = [reportOf(await claimOne(dagId, runId, "a"), success())];
    clock.advance(100);
    const { followUps } = await dagOf(dagId).report(reports, WORKER, 10);
    expect(followUps).toMatchObject([{ task_id: "b", try_number: 1 }]);

    clock.advance(100);
    expect((await dagOf(dagId).report(reports, WORKER, 10)).followUps).toEqual(followUps);
    await evictDurableObject(stubOf("DAG", dagId));
    expect((await dagOf(dagId).report(reports, WORKER, 10)).followUps).toEqual(followUps);
    expect((await dagOf(dagId).report(reports, { ...WORKER, hostname: "other" }, 10)).followUps).toEqual([]);

    await dagOf(dagId).report(
      followUps.map((one) => reportOf(one, success())),
      WORKER,
      10,
    );
    expect(await runOf(dagId, runId)).toMatchObject({ state: "success" });
  });

  it("gives a worker that reports twice nothing again that it was given with the task it reports", async ({
    expect,
  }) => {
    const dagId = addDag({}, (d) => [step("a"), step("b"), step("c")].forEach((one) => d.run(one)));
    const runId = await start(dagId);
    const [a, b] = await claimQueued(dagId, runId);
    for (const [one, delayMs] of [[a, 0] as const, [b, 100] as const]) {
      clock.advance(delayMs);
      const reports = [reportOf(one ?? expect.fail("expected tasks to be queued"), success())];
      await dagOf(dagId).report(reports, WORKER, 10);
      await evictDurableObject(stubOf("DAG", dagId));
      expect(await dagOf(dagId).report(reports, WORKER, 10)).toEqual({ verdicts: ["duplicate"], followUps: [] });
    }
  });

  it("runs a task instance once whose message was lost and sent again by the alarm", async ({ expect }) => {
    const { definition, ran } = counting();
    const dagId = addDag({}, (d) => void d.run(definition));
    const runId = await start(dagId);
    const lost = mailbox.takeOf(dagId);

    await fireAlarm(stubOf("DAG", dagId));
    const sentAgain = mailbox.takeOf(dagId);
    expect(sentAgain).toEqual(lost);
    await deliver(sentAgain);
    await deliver(lost);

    expect(ran()).toBe(1);
    expect(await instanceOf(dagId, runId, definition.id)).toMatchObject({ state: "success", try_number: 1 });
  });

  it("runs a job once whose message was lost and sent again by the alarm", async ({ expect }) => {
    const { definition, ran } = counting();
    const jobId = newJobId();
    await jobOf(jobId).submit({ job_id: jobId, name: definition.id, payload: null, runAt: null });
    const lost = mailbox.takeOfJob(jobId);

    await fireAlarm(stubOf("INTAKE", jobId));
    await deliver([...mailbox.takeOfJob(jobId), ...lost]);

    expect(ran()).toBe(1);
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "success", try_number: 1 });
  });
});

describe("a stuck queued task", () => {
  it("is sent again after 10 s, then after twice as long each time up to two minutes", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a")));
    const begun = clock.now();
    const runId = await start(dagId);
    const stub = stubOf("DAG", dagId);
    const seconds = [];
    for (let sends = 1; sends <= 6; sends += 1) {
      expect(mailbox.takeOf(dagId)).toHaveLength(1);
      const [row] = await rowsOf(stub, "SELECT detail ->> 'sends' AS sends FROM task_instance");
      expect(row).toEqual({ sends });
      seconds.push(((await fireAlarm(stub)) - begun) / 1000);
    }
    expect(seconds).toEqual([10, 30, 70, 150, 270, 390]);
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "queued", try_number: 1 });
  });

  it("fails as stuck after half an hour without a claim", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a", { retries: 2 })));
    const begun = clock.now();
    const runId = await start(dagId);
    while ((await runOf(dagId, runId)).state === "running") {
      await fireAlarm(stubOf("DAG", dagId));
    }
    expect(await instanceOf(dagId, runId, "a")).toMatchObject({ state: "failed", error: { type: "StuckInQueued" } });
    const waitedMs = clock.now() - begun;
    expect(waitedMs).toBeGreaterThanOrEqual(1_800_000);
    expect(waitedMs).toBeLessThan(1_800_000 + 120_000);
  });

  it("is, as a job, sent again likewise, and fails after half an hour", async ({ expect }) => {
    const { definition } = counting();
    const jobId = newJobId();
    const begun = clock.now();
    await jobOf(jobId).submit({ job_id: jobId, name: definition.id, payload: null, runAt: null });
    const seconds = [];
    while (value(await jobOf(jobId).get(0)).state === "queued") {
      expect(mailbox.takeOfJob(jobId)).toHaveLength(1);
      seconds.push(((await fireAlarm(stubOf("INTAKE", jobId))) - begun) / 1000);
    }
    expect(seconds.slice(0, 6)).toEqual([10, 30, 70, 150, 270, 390]);
    expect(seconds.at(-1)).toBeGreaterThanOrEqual(1800);
    expect(value(await jobOf(jobId).get(0))).toMatchObject({ state: "failed", error: { type: "StuckInQueued" } });
    expect(mailbox.takeOfJob(jobId)).toEqual([]);
    expect(await alarmOf(stubOf("INTAKE", jobId))).toBeNull();
  });
});
