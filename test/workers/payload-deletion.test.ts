import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { exports } from "cloudflare:workers";
import { ulid } from "ulid";
import { afterEach, beforeEach, describe, it } from "vitest";
import { LIMITS } from "../../src/engine/spec.ts";
import { task } from "../../src/sdk/index.ts";
import {
  claimOne,
  clock,
  dagOf,
  deliver,
  drive,
  fireAlarm,
  jobOf,
  keyOf,
  NO_LOGS,
  objectEnv,
  reportOf,
  rowsOf,
  settle,
  start,
  stopClock,
  stubOf,
  success,
  value,
  WORKER,
} from "./lab.ts";
import { bucketFaults } from "./bucket.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, addTask, ECHO, fresh } from "./registry.ts";

stopClock();

/** Text whose JSON is just over what is kept in rows. */
const LARGE = "x".repeat(LIMITS.inlineValueBytes + 1);
const MINUTE_MS = 60_000;

async function call(method: string, path: string, json?: unknown): Promise<{ status: number }> {
  const response = await exports.default.fetch(`https://jobbers.test${path}`, {
    method,
    headers: { authorization: "Bearer test-key", "content-type": "application/json" },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  await response.text();
  return { status: response.status };
}

async function keys(): Promise<string[]> {
  return (await objectEnv.PAYLOADS.list()).objects.map(({ key }) => key);
}

beforeEach(async () => {
  await objectEnv.PAYLOADS.delete(await keys());
});
afterEach(() => {
  bucketFaults.break();
  bucketFaults.page = null;
});

/** A DAG whose one task returns a large value and pushes another. */
function leavingTwo(): string {
  return addDag({}, (d) => {
    const make = task({ id: "make", retries: 1, retryDelay: "1s" }, (ctx) => {
      ctx.xcomPush("pushed", LARGE);
      return LARGE;
    });
    d.run(make);
  });
}

/** A run that is over and left two large values. */
async function ended(): Promise<{
  dagId: string;
  runId: string;
  at: { run_id: string; task_id: string; map_index: number };
}> {
  const dagId = leavingTwo();
  const runId = await start(dagId);
  await settle(dagId, runId);
  return { dagId, runId, at: { run_id: runId, task_id: "make", map_index: -1 } };
}

/** What a worker does before it reports: puts a large value below the run's place. */
async function putFor(dagId: string, runId: string): Promise<{ r2: string; bytes: number }> {
  const r2 = `${value(await dagOf(dagId).payloadPlace(runId))}${crypto.randomUUID()}`;
  await objectEnv.PAYLOADS.put(r2, JSON.stringify(LARGE));
  return { r2, bytes: JSON.stringify(LARGE).length };
}

function outcomeOf(stored: { r2: string; bytes: number }): ReturnType<typeof success> {
  return { ...success(), value: stored };
}

const tablesOf = (stub: DurableObjectStub) =>
  rowsOf(stub, "SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'");

async function pendingOf(stub: DurableObjectStub): Promise<number> {
  const tables = await tablesOf(stub);
  return tables.some(({ name }) => name === "payload_deletion")
    ? (await rowsOf(stub, "SELECT key FROM payload_deletion")).length
    : 0;
}

/** Evicts an object and lets its alarm do what is due, as long as deletions are pending; there must be some. */
async function afterEviction(stub: DurableObjectStub): Promise<void> {
  let alarms = 0;
  while ((await pendingOf(stub)) > 0 && alarms < 5) {
    alarms += 1;
    await evictDurableObject(stub);
    await fireAlarm(stub);
  }
  if (alarms === 0) {
    throw new Error("expected deletions to be pending, there are none");
  }
}

describe("a large value is deleted in the bucket", () => {
  it("a minute after it was replaced, and after its run's next value it is the only one that went", async ({
    expect,
  }) => {
    const { dagId, runId, at } = await ended();
    const [first, second] = [await putFor(dagId, runId), await putFor(dagId, runId)];
    expect(await keys()).toHaveLength(4);
    const replacedAt = clock.now();
    value(await dagOf(dagId).setXCom(at, "return_value", first, null, "update"));
    value(await dagOf(dagId).setXCom(at, "pushed", second, null, "update"));
    expect(await keys()).toHaveLength(4);

    await afterEviction(stubOf("DAG", dagId));
    expect(clock.now()).toBe(replacedAt + MINUTE_MS);
    expect((await keys()).toSorted()).toEqual([first.r2, second.r2].toSorted());
  });

  it("that a small one replaced", async ({ expect }) => {
    const { dagId, at } = await ended();
    value(await dagOf(dagId).setXCom(at, "return_value", { json: "1" }, null, "update"));
    value(await dagOf(dagId).setXCom(at, "pushed", { json: "2" }, null, "update"));
    await afterEviction(stubOf("DAG", dagId));
    expect(await keys()).toEqual([]);
  });

  it("when it is deleted by its key", async ({ expect }) => {
    const { dagId, at } = await ended();
    value(await dagOf(dagId).deleteXCom(at, "return_value"));
    value(await dagOf(dagId).deleteXCom(at, "pushed"));
    await afterEviction(stubOf("DAG", dagId));
    expect(await keys()).toEqual([]);
  });

  it("when its task instance is cleared and runs again", async ({ expect }) => {
    const { dagId, runId } = await ended();
    value(await dagOf(dagId).clear({ run_id: runId, task_ids: null }));
    await drive(dagId, runId, () => success());
    await afterEviction(stubOf("DAG", dagId));
    expect(await keys()).toEqual([]);
  });

  it("when the try that pushed it failed and the next one begins", async ({ expect }) => {
    const dagId = leavingTwo();
    const runId = await start(dagId);
    const first = await claimOne(dagId, runId, "make");
    const pushed = await putFor(dagId, runId);
    const failed = { state: "failed", error: { type: "Error", message: "no" }, retryable: true } as const;
    const report = { ...reportOf(first, failed), xcoms: [{ key: "pushed", value: pushed }] };
    expect((await dagOf(dagId).report([report], WORKER, 0)).verdicts).toEqual(["accepted"]);
    expect(await keys()).toEqual([pushed.r2]);
    await drive(dagId, runId, () => success());
    await afterEviction(stubOf("DAG", dagId));
    expect(await keys()).toEqual([]);
  });

  it("when its task instance is deleted", async ({ expect }) => {
    const { dagId, at } = await ended();
    value(await dagOf(dagId).deleteTaskInstance(at));
    await afterEviction(stubOf("DAG", dagId));
    expect(await keys()).toEqual([]);
  });

  it("with its run, at once, and with it what a worker put there that died before it reported", async ({ expect }) => {
    const { dagId, runId } = await ended();
    await putFor(dagId, runId);
    expect(await keys()).toHaveLength(3);
    const deletedAt = clock.now();
    value(await dagOf(dagId).deleteRun(runId));
    await afterEviction(stubOf("DAG", dagId));
    expect(clock.now()).toBeLessThanOrEqual(deletedAt + 1);
    expect(await keys()).toEqual([]);
  });

  it("with its run, of which there are more than the bucket lists at a time, and not that of another run", async ({
    expect,
  }) => {
    const { dagId, runId } = await ended();
    const other = await start(dagId);
    await settle(dagId, other);
    const place = value(await dagOf(dagId).payloadPlace(runId));
    await Promise.all(Array.from({ length: 20 }, (_, index) => objectEnv.PAYLOADS.put(`${place}${index}`, "1")));
    bucketFaults.page = 3;
    value(await dagOf(dagId).deleteRun(runId));
    await afterEviction(stubOf("DAG", dagId));
    const otherPlace = value(await dagOf(dagId).payloadPlace(other));
    expect(otherPlace).not.toBe(place);
    const left = await keys();
    expect(left).toHaveLength(2);
    expect(left.filter((key) => !key.startsWith(otherPlace))).toEqual([]);
  });

  it("that an earlier release put elsewhere, with its run and with its DAG", async ({ expect }) => {
    for (const remove of [
      async (dagId: string, runId: string) => value(await dagOf(dagId).deleteRun(runId)),
      async (dagId: string) => value(await dagOf(dagId).deleteDag()),
    ]) {
      const { dagId, runId } = await ended();
      const old = `xcom/${crypto.randomUUID()}`;
      await objectEnv.PAYLOADS.put(old, "1");
      await runInDurableObject(stubOf("DAG", dagId), (_object, state) => {
        state.storage.sql.exec("UPDATE xcom SET value_r2 = ?", `1:${old}`);
      });
      await remove(dagId, runId);
      await evictDurableObject(stubOf("DAG", dagId));
      await runInDurableObject(stubOf("DAG", dagId), (object) => object.alarm?.());
      expect(await keys()).toEqual([]);
    }
  });

  it("with its DAG, before the answer, and nothing of the object stays", async ({ expect }) => {
    const { dagId, runId } = await ended();
    await putFor(dagId, runId);
    value(await dagOf(dagId).deleteDag());
    expect(await keys()).toEqual([]);
    expect(await tablesOf(stubOf("DAG", dagId))).toEqual([]);
  });
});

describe("a large value that its owner does not keep is deleted", () => {
  it("when its report comes late, and the value that is kept stays", async ({ expect }) => {
    const dagId = leavingTwo();
    const runId = await start(dagId);
    const late = await claimOne(dagId, runId, "make");
    value(await dagOf(dagId).clear({ run_id: runId, task_ids: null }));
    await dagOf(dagId).attemptEnded(keyOf(late), late.token, {
      state: "failed",
      error: { type: "Error", message: "" },
      retryable: true,
    });
    const newest = await claimOne(dagId, runId, "make");
    const [unkept, pushed, kept] = [await putFor(dagId, runId), await putFor(dagId, runId), await putFor(dagId, runId)];
    const report = { ...reportOf(late, outcomeOf(unkept)), xcoms: [{ key: "pushed", value: pushed }] };
    expect((await dagOf(dagId).report([reportOf(newest, outcomeOf(kept))], WORKER, 0)).verdicts).toEqual(["accepted"]);
    expect((await dagOf(dagId).report([report], WORKER, 0)).verdicts).toEqual(["late"]);
    await afterEviction(stubOf("DAG", dagId));
    expect(await keys()).toEqual([kept.r2]);
  });

  it("and not when a report that was taken comes again, as a duplicate or late", async ({ expect }) => {
    const dagId = leavingTwo();
    const runId = await start(dagId);
    const claimed = await claimOne(dagId, runId, "make");
    const kept = await putFor(dagId, runId);
    const report = { ...reportOf(claimed, outcomeOf(kept)), payloads: [kept.r2] };
    const again = async () => {
      await evictDurableObject(stubOf("DAG", dagId));
      return (await dagOf(dagId).report([report], WORKER, 0)).verdicts[0];
    };
    expect(await again()).toBe("accepted");
    expect(await again()).toBe("duplicate");
    value(await dagOf(dagId).mark({ run_id: runId, task_id: "make", map_index: null, new_state: "failed" }));
    expect(await again()).toBe("late");
    expect(await pendingOf(stubOf("DAG", dagId))).toBe(0);
    expect(await keys()).toEqual([kept.r2]);
  });

  it("when the report says that its try failed in the end", async ({ expect }) => {
    const dagId = leavingTwo();
    const runId = await start(dagId);
    const claimed = await claimOne(dagId, runId, "make");
    const { r2 } = await putFor(dagId, runId);
    const failed = { state: "failed", error: { type: "ReportError", message: "" }, retryable: false } as const;
    await dagOf(dagId).report([{ ...reportOf(claimed, failed), payloads: [r2] }], WORKER, 0);
    await afterEviction(stubOf("DAG", dagId));
    expect(await keys()).toEqual([]);
  });

  it("when its run, or its DAG, is not there any more", async ({ expect }) => {
    const { dagId, runId, at } = await ended();
    const [one, two] = [await putFor(dagId, runId), await putFor(dagId, runId)];
    value(await dagOf(dagId).deleteRun(runId));
    await afterEviction(stubOf("DAG", dagId));
    const late = { ...at, token: 1, outcome: success() };
    await objectEnv.PAYLOADS.put(one.r2, "1");
    await dagOf(dagId).report([{ ...late, payloads: [one.r2] }], WORKER, 0);
    await afterEviction(stubOf("DAG", dagId));
    expect(await keys()).toEqual([]);

    const gone = fresh("never");
    await objectEnv.PAYLOADS.put(two.r2, "1");
    bucketFaults.break("delete");
    expect(await dagOf(gone).report([{ ...late, payloads: [two.r2] }], WORKER, 0)).toEqual({
      verdicts: ["late"],
      followUps: [],
    });
    await evictDurableObject(stubOf("DAG", gone));
    bucketFaults.break();
    await fireAlarm(stubOf("DAG", gone));
    expect(await keys()).toEqual([]);
    expect(await tablesOf(stubOf("DAG", gone))).toEqual([]);
  });

  it("when another value of its try cannot be kept", async ({ expect }) => {
    const huge = task({ id: fresh("huge"), retries: 0 }, (ctx) => {
      ctx.xcomPush("large", LARGE);
      ctx.xcomPush("huge", "z".repeat(LIMITS.valueBytes + 1));
      return LARGE;
    });
    const dagId = addDag({}, (d) => void d.run(huge));
    const runId = await start(dagId);
    await settle(dagId, runId);
    await afterEviction(stubOf("DAG", dagId));
    expect(await keys()).toEqual([]);
  });

  it("of a standalone job, when a dead try reports late, and the result that is kept stays", async ({ expect }) => {
    const { id } = addTask(task({ id: fresh("large") }, () => LARGE));
    const jobId = ulid();
    value(await jobOf(jobId).submit({ job_id: jobId, name: id, payload: null, runAt: null }));
    await deliver(mailbox.takeOfJob(jobId));
    const { result_r2: result = "" } = value(await jobOf(jobId).get(0));
    expect(await keys()).toEqual([result]);

    const late = `xcom/${jobId}/late`;
    await objectEnv.PAYLOADS.put(late, "1");
    expect(await jobOf(jobId).report(0, outcomeOf({ r2: late, bytes: 1 }), NO_LOGS)).toBe("late");
    await afterEviction(stubOf("INTAKE", jobId));
    expect(await keys()).toEqual([result]);
  });

  it("and is not put at all where it would be refused", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(task({ id: "small" }, () => 1)));
    const runId = await start(dagId);
    const path = `/api/v2/dags/${dagId}/dagRuns/${runId}/taskInstances/small/xcomEntries`;
    expect(await call("POST", path, { key: "large", value: LARGE, map_index: 58 })).toMatchObject({ status: 404 });
    expect(await call("PATCH", `${path}/large`, { value: LARGE })).toMatchObject({ status: 404 });
    expect(await keys()).toEqual([]);
    expect(await rowsOf(stubOf("DAG", dagId), "SELECT * FROM payload_place")).toEqual([]);
  });

  it("when the API puts it and its key is taken", async ({ expect }) => {
    const { dagId, runId } = await ended();
    const before = await keys();
    const path = `/api/v2/dags/${dagId}/dagRuns/${runId}/taskInstances/make/xcomEntries`;
    expect(await call("POST", path, { key: "pushed", value: LARGE })).toMatchObject({ status: 409 });
    expect(await keys()).toEqual(before);
    expect(await call("POST", path, { key: "other", value: LARGE })).toMatchObject({ status: 201 });
    expect(await keys()).toHaveLength(before.length + 1);
    value(await dagOf(dagId).deleteRun(runId));
    await afterEviction(stubOf("DAG", dagId));
    expect(await keys()).toEqual([]);
  });
});

describe("a bucket that fails", () => {
  it("is asked again until it has deleted what it was to, evicted in between", async ({ expect }) => {
    const { dagId, runId } = await ended();
    bucketFaults.break("delete");
    value(await dagOf(dagId).deleteRun(runId));
    await afterEviction(stubOf("DAG", dagId));
    expect(await keys()).toHaveLength(2);
    bucketFaults.break("list");
    await afterEviction(stubOf("DAG", dagId));
    expect(await pendingOf(stubOf("DAG", dagId))).toBe(1);
    bucketFaults.break();
    await afterEviction(stubOf("DAG", dagId));
    expect(await keys()).toEqual([]);
    expect(await pendingOf(stubOf("DAG", dagId))).toBe(0);
  });

  it("keeps nothing of a DAG that was deleted but what is to be deleted, and a DAG made again keeps its values", async ({
    expect,
  }) => {
    const dagId = fresh("registered");
    const spec = { tasks: [{ task_id: "make", handler: ECHO, input: LARGE }] };
    expect(await call("PUT", `/api/v2/dags/${dagId}`, spec)).toMatchObject({ status: 201 });
    const oldRun = await start(dagId, { run_id: "one" });
    await settle(dagId, oldRun);
    const old = await keys();
    expect(old).toHaveLength(1);

    bucketFaults.break("delete", "list");
    expect(await call("DELETE", `/api/v2/dags/${dagId}`)).toMatchObject({ status: 204 });
    await evictDurableObject(stubOf("DAG", dagId));
    expect(await tablesOf(stubOf("DAG", dagId))).toEqual([{ name: "payload_deletion" }]);
    expect(await dagOf(dagId).describe()).toMatchObject({ ok: false, refusal: { code: "not_found" } });

    expect(await call("PUT", `/api/v2/dags/${dagId}`, spec)).toMatchObject({ status: 201 });
    const newRun = await start(dagId, { run_id: "one" });
    await settle(dagId, newRun);
    expect(await keys()).toHaveLength(2);
    bucketFaults.break();
    await afterEviction(stubOf("DAG", dagId));
    const left = await keys();
    expect(left).toHaveLength(1);
    expect(left).not.toEqual(old);
    expect(await pendingOf(stubOf("DAG", dagId))).toBe(0);
  });
});
