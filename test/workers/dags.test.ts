import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { ulid } from "ulid";
import { describe, it } from "vitest";
import { batchKey } from "../../src/engine/batch-ids.ts";
import {
  alarmOf,
  claimOne,
  claimQueued,
  clock,
  dagOf,
  drive,
  fireAlarm,
  jobOf,
  newJobId,
  report,
  request,
  rowsOf,
  runOf,
  start,
  statesOf,
  stopClock,
  stubOf,
  success,
  value,
  watchOf,
  NO_LOGS,
  WORKER,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, deploy, fresh, step } from "./registry.ts";

stopClock();

describe("a paused DAG", () => {
  it("takes runs and does not start them; unpausing starts them", async ({ expect }) => {
    const dagId = addDag({ isPausedUponCreation: true }, (d) => void d.run(step("a")));
    const runs = [await start(dagId, { run_id: "one" }), await start(dagId, { run_id: "two" })];
    for (const runId of runs) {
      expect(await runOf(dagId, runId)).toMatchObject({ state: "queued", start_date: null });
      expect(await statesOf(dagId, runId)).toEqual({ a: "none" });
    }
    expect(mailbox.takeOf(dagId)).toEqual([]);
    expect(await alarmOf(stubOf("DAG", dagId))).toBeNull();

    clock.advance(1000);
    expect(value(await dagOf(dagId).setPaused(false))).toMatchObject({ is_paused: false });

    for (const runId of runs) {
      expect(await runOf(dagId, runId)).toMatchObject({ state: "running", start_date: clock.now() });
    }
    expect(mailbox.takeOf(dagId)).toHaveLength(2);
  });

  it("lets what runs go on, and queues nothing new until it is unpaused, also after an eviction", async ({
    expect,
  }) => {
    const dagId = addDag({}, (d) => d.after(d.run(step("a")), d.run(step("b"))));
    const runId = await start(dagId);
    const a = await claimOne(dagId, runId, "a");
    value(await dagOf(dagId).setPaused(true));
    expect(
      await dagOf(dagId).report(
        [{ run_id: runId, task_id: "a", map_index: -1, token: a.token, outcome: success() }],
        WORKER,
        10,
      ),
    ).toEqual({
      verdicts: ["accepted"],
      followUps: [],
    });
    expect(await statesOf(dagId, runId)).toEqual({ a: "success", b: "scheduled" });
    await evictDurableObject(stubOf("DAG", dagId));
    expect(value(await dagOf(dagId).describe())).toMatchObject({ is_paused: true });
    expect(await statesOf(dagId, runId)).toEqual({ a: "success", b: "scheduled" });

    value(await dagOf(dagId).setPaused(false));
    expect(await drive(dagId, runId, () => success())).toMatchObject({ state: "success" });
  });
});

describe("triggering a run", () => {
  it("in the future makes a queued run that starts at its time", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a")));
    const runAfter = clock.now() + 3_600_000;
    const runId = await start(dagId, { run_after: runAfter });
    expect(await runOf(dagId, runId)).toMatchObject({ state: "queued", run_after: runAfter });
    expect(await claimQueued(dagId, runId)).toEqual([]);

    expect(await fireAlarm(stubOf("DAG", dagId))).toBe(runAfter);
    expect(await runOf(dagId, runId)).toMatchObject({ state: "running", start_date: runAfter });
    expect(await claimQueued(dagId, runId)).toHaveLength(1);
  });

  it("with a run_id or a logical_date that the DAG has is a conflict and changes nothing", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a")));
    const logicalDate = Date.UTC(2026, 0, 1);
    await start(dagId, { run_id: "one", logical_date: logicalDate });

    const sameId = await dagOf(dagId).trigger(request({ run_id: "one" }));
    expect(sameId).toMatchObject({ ok: false, refusal: { code: "conflict", loc: ["body", "dag_run_id"] } });
    const sameDate = await dagOf(dagId).trigger(request({ logical_date: logicalDate }));
    expect(sameDate).toMatchObject({ ok: false, refusal: { code: "conflict", loc: ["body", "logical_date"] } });

    const list = await dagOf(dagId).listRuns({ limit: 10, offset: 0, order_by: [] });
    expect(value(list)).toMatchObject({ total: 1, items: [{ run_id: "one", logical_date: logicalDate }] });
  });

  it("with dedupe answers the run that exists, also when both come at once", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a")));
    const delivery = request({ run_id: "delivery-1", dedupe: true, triggered_by: "webhook", conf: { n: 1 } });
    const [one, two] = await Promise.all([dagOf(dagId).trigger(delivery), dagOf(dagId).trigger(delivery)]);
    expect(one).toEqual(two);
    expect(mailbox.takeOf(dagId)).toHaveLength(1);
    const other = await dagOf(dagId).trigger({ ...delivery, conf: { n: 2 } });
    expect(value(other)).toMatchObject({ run_id: "delivery-1", conf: { n: 1 } });
  });

  it("twice in one millisecond without a name makes two runs", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a")));
    const ids = [await start(dagId), await start(dagId), await start(dagId)];
    expect(new Set(ids).size).toBe(3);
  });
});

describe("a new version of the code", () => {
  it("makes a new version of the DAG for new runs, while a running run stays on its own", async ({ expect }) => {
    const dagId = addDag({}, (d) => d.after(d.run(step("a")), d.run(step("b"))));
    const old = await start(dagId);
    await report(dagId, await claimOne(dagId, old, "a"), success());

    deploy(dagId, {}, (d) => d.after(d.run(step("x")), d.run(step("y"))));
    await evictDurableObject(stubOf("DAG", dagId));

    expect(value(await dagOf(dagId).describe())).toMatchObject({
      version: 2,
      spec: { tasks: [{ task_id: "x" }, { task_id: "y" }] },
    });
    const young = await start(dagId);
    expect(await drive(dagId, old, () => success())).toMatchObject({ state: "success", dag_version: 1 });
    expect(await drive(dagId, young, () => success())).toMatchObject({ state: "success", dag_version: 2 });
    expect(await statesOf(dagId, old)).toEqual({ a: "success", b: "success" });
    expect(await statesOf(dagId, young)).toEqual({ x: "success", y: "success" });
  });

  it("that says the same makes no new version", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a")));
    await start(dagId);
    deploy(dagId, {}, (d) => void d.run(step("a")));
    await evictDurableObject(stubOf("DAG", dagId));
    expect(value(await dagOf(dagId).describe())).toMatchObject({ version: 1 });
    expect(await rowsOf(stubOf("DAG", dagId), "SELECT version_number FROM dag_version")).toEqual([
      { version_number: 1 },
    ]);
  });
});

describe("what does not exist", () => {
  const report0 = { run_id: "r", task_id: "a", map_index: -1, token: 1, outcome: success() };
  const key = { run_id: "r", task_id: "a", map_index: -1 };

  it("leaves nothing behind in the object of an unknown DAG, whatever it is asked", async ({ expect }) => {
    const name = fresh("unknown");
    const dag = dagOf(name);
    const refused = [
      await dag.describe(),
      await dag.setPaused(true),
      await dag.trigger(request()),
      await dag.listRuns({ limit: 1, offset: 0, order_by: [] }),
      await dag.getRun("r", 0),
      await dag.listTaskInstances("r", { limit: 1, offset: 0, order_by: [] }),
      await dag.getTaskInstance(key),
      await dag.getXCom(key, "return_value"),
      await dag.getXComs("r", "a", "return_value"),
      await dag.clear({ run_id: "r", task_ids: null, only_failed: false }),
      await dag.submitBatch(ulid(), [{ name: "echo", payload: null, runAt: null }]),
    ];
    expect(refused.map((answer) => (answer.ok ? answer : answer.refusal.code))).toEqual(refused.map(() => "not_found"));
    expect(await dag.claim([{ ...key, try_number: 1 }], WORKER)).toEqual([]);
    expect(await dag.report([report0], WORKER, 10)).toEqual({ verdicts: ["late"], followUps: [] });
    expect(await dag.beat([{ ...key, token: 1 }], WORKER)).toMatchObject([{ verdict: "stop" }]);
    expect(await dag.attemptStanding(key, 1, null)).toMatchObject({ state: "failed" });
    expect(await dag.attemptEnded(key, 1, success())).toBe("late");
    await expectNothing(expect, stubOf("DAG", name));
  });

  it("leaves nothing behind in the object of an unknown batch, nor of one with an unknown task", async ({ expect }) => {
    const batchId = ulid();
    const name = `@batch:${batchKey(batchId)}`;
    expect(await dagOf(name).getBatch(0)).toMatchObject({ ok: false, refusal: { code: "not_found" } });
    expect(await dagOf(name).getMember(0, 0)).toMatchObject({ ok: false });
    expect(await dagOf(name).killMember(0, "x")).toMatchObject({ ok: false });
    expect(await dagOf(name).submitBatch(batchId, [{ name: "nobody", payload: null, runAt: null }])).toMatchObject({
      ok: false,
    });
    await expectNothing(expect, stubOf("DAG", name));
  });

  it("leaves nothing behind in the object of an unknown job, nor of one of an unknown task", async ({ expect }) => {
    const jobId = newJobId();
    const job = jobOf(jobId);
    const refused = [await job.get(0), await job.kill("x"), await job.heartbeat(null)];
    refused.push(await job.get(0));
    expect(refused.map((answer) => (answer.ok ? answer : answer.refusal.code))).toEqual(refused.map(() => "not_found"));
    expect(await job.claim(WORKER)).toBeNull();
    expect(await job.report(1, success(), NO_LOGS)).toBe("late");
    expect(await job.beat(1, null)).toMatchObject({ verdict: "stop" });
    const watch = watchOf(jobId);
    expect(await watch.get(0)).toMatchObject({ ok: false, refusal: { code: "not_found" } });
    expect(await watch.beat(1, null)).toMatchObject({ verdict: "stop" });
    await watch.stop("x");
    await watch.complete(1, "success", null);
    expect(await job.submit({ job_id: jobId, name: "nobody", payload: null, runAt: null })).toMatchObject({
      ok: false,
    });
    await expectNothing(expect, stubOf("JOB", jobId));
    await expectNothing(expect, stubOf("INTAKE", jobId));
  });

  it("leaves a known DAG as it was: an unknown run, task or map index", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a")));
    const runId = await start(dagId);
    const before = await runOf(dagId, runId);
    const dag = dagOf(dagId);
    expect(
      await dag.claim(
        [
          { ...key, try_number: 1 },
          { run_id: runId, task_id: "b", map_index: -1, try_number: 1 },
        ],
        WORKER,
      ),
    ).toEqual([]);
    expect(await dag.claim([{ run_id: runId, task_id: "a", map_index: 3, try_number: 1 }], WORKER)).toEqual([]);
    expect((await dag.report([report0], WORKER, 10)).verdicts).toEqual(["late"]);
    expect(await dag.getTaskInstance({ run_id: runId, task_id: "a", map_index: 3 })).toMatchObject({ ok: false });
    expect(await runOf(dagId, runId)).toEqual(before);
  });
});

async function expectNothing(
  expect: (actual: unknown) => { toEqual(expected: unknown): void },
  stub: DurableObjectStub,
): Promise<void> {
  const tables = await runInDurableObject(stub, (_object, state) =>
    state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'").toArray(),
  );
  expect(tables).toEqual([]);
  expect(await alarmOf(stub)).toEqual(null);
}
