/**
 * DAGs that come over HTTP and go again, as a client sees them and as their objects keep them.
 */
import { evictDurableObject, listDurableObjectIds, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { ulid } from "ulid";
import { describe, it } from "vitest";
import type { ClaimedTask } from "../../src/engine/work.ts";
import type { Json } from "../../src/sdk/index.ts";
import {
  adopt,
  alarmOf,
  claimOne,
  clock,
  dagOf,
  deliver,
  instanceOf,
  jobOf,
  keyOf,
  objectEnv,
  report,
  reportOf,
  rowsOf,
  runOf,
  settle,
  start,
  statesOf,
  stopClock,
  stubOf,
  success,
  value,
  WORKER,
  UNTIL_ENDED_MS,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, deploy, ECHO, fresh, step } from "./registry.ts";
import { jobbers } from "./worker.ts";

stopClock();

interface Answer {
  status: number;
  body: unknown;
}

async function call(method: string, path: string, json?: unknown): Promise<Answer> {
  const response = await exports.default.fetch(`https://jobbers.test${path}`, {
    method,
    headers: { authorization: "Bearer test-key", "content-type": "application/json" },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

/** A first task that answers 20, and a second one that answers that beside a number. */
function spec(dagId: string, b: number): Record<string, Json> {
  return {
    dag_id: dagId,
    tags: [dagId],
    tasks: [
      { task_id: "first", handler: ECHO, input: 20 },
      { task_id: "second", handler: ECHO, input: { a: { $ref: "xcom", task_id: "first" }, b } },
    ],
  };
}

async function put(dagId: string, b = 1): Promise<Answer> {
  return call("PUT", `/api/v2/dags/${dagId}`, spec(dagId, b));
}

async function registered(): Promise<string> {
  const dagId = fresh("registered");
  const { status, body } = await put(dagId);
  if (status !== 201) {
    throw new Error(`expected ${dagId} to be registered, got ${status} ${JSON.stringify(body)}`);
  }
  return dagId;
}

async function valueOf(dagId: string, runId: string, taskId: string): Promise<unknown> {
  const stored = value(await dagOf(dagId).getXCom({ run_id: runId, task_id: taskId, map_index: -1 }, "return_value"));
  return "json" in stored ? JSON.parse(stored.json) : stored;
}

/** Tables of an object, the platform's own left out. */
async function tablesOf(stub: DurableObjectStub): Promise<unknown[]> {
  return (await rowsOf(stub, "SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'")).map(
    ({ name }) => name,
  );
}

const catalog = (): DurableObjectStub => env.CATALOG.getByName("catalog");

async function inCatalog(dagId: string): Promise<boolean> {
  return (await env.CATALOG.getByName("catalog").list()).includes(dagId);
}

async function idsOf(namespace: DurableObjectNamespace): Promise<string[]> {
  return (await listDurableObjectIds(namespace)).map(String);
}

describe("a DAG that is put", () => {
  it("runs with the handlers of the Worker, evicted between any two calls", async ({ expect }) => {
    const dagId = fresh("registered");
    expect(await put(dagId)).toMatchObject({ status: 201, body: { dag_id: dagId, is_registered: true } });
    await evictDurableObject(stubOf("DAG", dagId));
    await evictDurableObject(catalog());

    const triggered = await call("POST", `/api/v2/dags/${dagId}/dagRuns`, { logical_date: null, dag_run_id: "one" });
    expect(triggered).toMatchObject({ status: 200, body: { state: "running", dag_versions: [{ version_number: 1 }] } });
    await evictDurableObject(stubOf("DAG", dagId));
    expect(await settle(dagId, "one")).toMatchObject({ state: "success" });
    expect(await valueOf(dagId, "one", "second")).toEqual({ a: 20, b: 1 });
    await evictDurableObject(stubOf("DAG", dagId));

    expect(await call("GET", `/api/v2/dags/${dagId}`)).toMatchObject({ status: 200, body: { is_registered: true } });
    expect((await call("GET", `/api/v2/dags?tags=${dagId}`)).body).toMatchObject({
      dags: [{ dag_id: dagId }],
      total_entries: 1,
    });
    expect((await call("GET", `/api/v2/dagTags?tag_name_pattern=${dagId}`)).body).toMatchObject({ tags: [dagId] });
    expect((await call("GET", `/api/v2/dagStats?dag_ids=${dagId}`)).body).toMatchObject({
      dags: [{ stats: [{ count: 0 }, { count: 0 }, { state: "success", count: 1 }, { count: 0 }] }],
    });
  });

  it("again the same makes no version; another one does, and a run in flight keeps its own", async ({ expect }) => {
    const dagId = await registered();
    const runId = await start(dagId, { run_id: "old" });
    const first = await claimOne(dagId, runId, "first");
    expect(await put(dagId)).toMatchObject({ status: 200 });
    expect(value(await dagOf(dagId).listVersions(10, 0, false)).total).toBe(1);

    clock.advance(1000);
    expect(await put(dagId, 100)).toMatchObject({ status: 200 });
    await evictDurableObject(stubOf("DAG", dagId));
    await report(dagId, first, success(20));
    expect(await settle(dagId, runId)).toMatchObject({ state: "success", dag_version: 1 });
    expect(await valueOf(dagId, runId, "second")).toEqual({ a: 20, b: 1 });
    expect(await settle(dagId, await start(dagId, { run_id: "new" }))).toMatchObject({ dag_version: 2 });
    expect(await valueOf(dagId, "new", "second")).toEqual({ a: 20, b: 100 });

    const versions = await call("GET", `/api/v2/dags/${dagId}/dagVersions?order_by=-version_number`);
    expect(versions.body).toMatchObject({
      dag_versions: [{ version_number: 2, created_at: iso(clock.now()) }, { version_number: 1 }],
      total_entries: 2,
    });
    expect((await call("GET", `/api/v2/dagSources/${dagId}?version_number=1`)).body).toMatchObject({
      version_number: 1,
    });
    expect((await call("GET", `/api/v2/dags/${dagId}/dagVersions/3`)).status).toBe(404);
  });

  it("with is_paused_upon_creation begins paused, and stays as it is when it is put again", async ({ expect }) => {
    const dagId = fresh("registered");
    const json = { ...spec(dagId, 1), is_paused_upon_creation: true };
    expect((await call("PUT", `/api/v2/dags/${dagId}`, json)).body).toMatchObject({ is_paused: true });
    await call("PATCH", `/api/v2/dags/${dagId}`, { is_paused: false });
    expect((await call("PUT", `/api/v2/dags/${dagId}`, { ...json, description: "anew" })).body).toMatchObject({
      is_paused: false,
      description: "anew",
    });
  });

  it("under the id of a DAG of the code is a 409; the object refuses it too", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a")));
    expect((await put(dagId)).status).toBe(409);
    const { spec: ours } = value(await dagOf(dagId).describe());
    expect(await dagOf(dagId).register(ours)).toMatchObject({ ok: false, refusal: { code: "conflict" } });
    expect(await inCatalog(dagId)).toBe(false);
    expect(value(await dagOf(dagId).describe())).toMatchObject({ is_registered: false, version: 1 });
  });

  it("is the code's as long as the code has it, with its runs", async ({ expect }) => {
    const dagId = await registered();
    await settle(dagId, await start(dagId, { run_id: "one" }));
    deploy(dagId, {}, (d) => void d.run(step("only")));
    await evictDurableObject(stubOf("DAG", dagId));
    expect((await call("GET", `/api/v2/dags/${dagId}`)).body).toMatchObject({ is_registered: false });
    expect(value(await dagOf(dagId).describe())).toMatchObject({ version: 2 });
    expect(await runOf(dagId, "one")).toMatchObject({ state: "success", dag_version: 1 });
    expect((await put(dagId)).status).toBe(409);
  });

  it("that is refused leaves nothing behind", async ({ expect }) => {
    const dagId = fresh("registered");
    const before = await idsOf(env.DAG);
    const answer = await call("PUT", `/api/v2/dags/${dagId}`, { tasks: [{ task_id: "a", handler: "no_such_task" }] });
    expect(answer.status).toBe(422);
    expect(await idsOf(env.DAG)).toEqual(before);
    expect(await inCatalog(dagId)).toBe(false);
  });

  it("by the platform's limits is refused before it is stored", async ({ expect }) => {
    const dagId = fresh("registered");
    const json = { tasks: [{ task_id: "a", handler: ECHO, input: "x".repeat(1024 * 1024) }] };
    expect((await call("PUT", `/api/v2/dags/${dagId}`, json)).status).toBe(413);
    expect((await call("GET", `/api/v2/dags/${dagId}`)).status).toBe(404);
  });

  it("with a default that cannot be matched against its pattern in time is refused, whatever the pattern", async ({
    expect,
  }) => {
    const dagId = fresh("registered");
    const withPattern = (pattern: string) =>
      call("PUT", `/api/v2/dags/${dagId}`, {
        tasks: [],
        params: { p: { default: `${"a".repeat(80)}!`, schema: { type: "string", pattern } } },
      });
    expect(await withPattern("^(a+)+$")).toMatchObject({
      status: 422,
      body: { detail: [{ loc: ["body", "params", "p"], msg: expect.stringContaining("checked in at most") }] },
    });
    expect((await withPattern("^(a+)+!$")).status).toBe(201);
  });

  it("with as many tasks as a DAG may have is stored, described and run", async ({ expect }) => {
    const dagId = fresh("registered");
    const tasks = Array.from({ length: 5000 }, (_, n) => ({ task_id: `t${n}`, handler: "none", operator: "empty" }));
    expect((await call("PUT", `/api/v2/dags/${dagId}`, { tasks })).status).toBe(201);
    const { body } = await call("GET", `/api/v2/dags/${dagId}/tasks`);
    expect(body).toMatchObject({ total_entries: 5000 });
    expect(await runOf(dagId, await start(dagId))).toMatchObject({ state: "success" });
  });
});

describe("the sweeper", () => {
  it("wakes registered DAGs, and is not stopped by one that nobody stored", async ({ expect }) => {
    const dagId = await registered();
    await start(dagId, { run_id: "one" });
    await env.CATALOG.getByName("catalog").add(fresh("ghost"));
    const stub = stubOf("DAG", dagId);
    await runInDurableObject(stub, (_object, state) => state.storage.deleteAlarm());
    await evictDurableObject(stub);
    await jobbers.handler.scheduled({ cron: "", scheduledTime: 0, noRetry: () => undefined }, objectEnv);
    expect(await alarmOf(stub)).toBeGreaterThan(clock.now());
  });
});

describe("a DAG that is deleted", () => {
  it("is unknown, and nothing of it is left", async ({ expect }) => {
    const dagId = await registered();
    await settle(dagId, await start(dagId, { run_id: "one" }));
    await start(dagId, { run_id: "two" });
    expect((await call("DELETE", `/api/v2/dags/${dagId}`)).status).toBe(204);

    const stub = stubOf("DAG", dagId);
    expect(await tablesOf(stub)).toEqual([]);
    expect(await alarmOf(stub)).toBeNull();
    expect(await inCatalog(dagId)).toBe(false);
    for (const path of ["", "/details", "/tasks", "/dagVersions", "/dagRuns", "/dagRuns/one"]) {
      expect((await call("GET", `/api/v2/dags/${dagId}${path}`)).status).toBe(404);
    }
    expect((await call("GET", `/api/v2/dags?tags=${dagId}`)).body).toMatchObject({ total_entries: 0 });
    expect((await call("DELETE", `/api/v2/dags/${dagId}`)).status).toBe(404);
    expect(await tablesOf(stub)).toEqual([]);
  });

  it("elsewhere, is unknown at once too, although this isolate takes it for known for half a minute", async ({
    expect,
  }) => {
    const dagId = await registered();
    expect((await call("GET", `/api/v2/dags/${dagId}`)).status).toBe(200);
    value(await dagOf(dagId).deleteDag());
    await env.CATALOG.getByName("catalog").remove(dagId);
    const paths = ["", "/details", "/tasks", "/dagVersions", "/dagRuns", "/dagRuns/one", "/dagRuns/~/taskInstances"];
    for (const path of paths) {
      expect([path, (await call("GET", `/api/v2/dags/${dagId}${path}`)).status]).toEqual([path, 404]);
    }
    const trigger = { logical_date: null, dag_run_id: "one" };
    expect((await call("POST", `/api/v2/dags/${dagId}/dagRuns`, trigger)).status).toBe(404);
    expect((await call("PATCH", `/api/v2/dags/${dagId}`, { is_paused: true })).status).toBe(404);
    expect((await call("DELETE", `/api/v2/dags/${dagId}`)).status).toBe(404);
    expect(await tablesOf(stubOf("DAG", dagId))).toEqual([]);
    expect((await put(dagId)).status).toBe(201);
    expect((await call("GET", `/api/v2/dags/${dagId}`)).status).toBe(200);
  });

  it("stays deleted whatever comes late, and nothing of that throws", async ({ expect }) => {
    const dagId = await registered();
    const runId = await start(dagId, { run_id: "one" });
    const task: ClaimedTask = await claimOne(dagId, runId, "first");
    await dagOf(dagId).attemptEnded(keyOf(task), task.token, {
      state: "failed",
      error: { type: "Error", message: "lost" },
      retryable: false,
    });
    expect(await statesOf(dagId, runId)).toEqual({ first: "failed", second: "upstream_failed" });
    const messages = mailbox.takeOf(dagId);
    value(await dagOf(dagId).deleteDag());

    const dag = dagOf(dagId);
    expect(await dag.report([reportOf(task, success(20))], WORKER, 10)).toEqual({ verdicts: ["late"], followUps: [] });
    expect(await dag.claim([{ ...keyOf(task), try_number: 1 }], WORKER)).toEqual([]);
    expect(await adopt(dagId, ulid(), task)).toBe("stop");
    expect(await dag.attemptEnded(keyOf(task), task.token, success(20))).toBe("late");
    expect(await dag.setPaused(true)).toMatchObject({ ok: false, refusal: { code: "not_found" } });
    await deliver(messages);
    await runInDurableObject(stubOf("DAG", dagId), (object) => object.alarm?.());
    expect(await tablesOf(stubOf("DAG", dagId))).toEqual([]);
  });

  it("put again is another one: what was answered for the old one is not answered again", async ({ expect }) => {
    const dagId = await registered();
    const runId = await start(dagId, { run_id: "one" });
    const old = await claimOne(dagId, runId, "first");
    const answer = await dagOf(dagId).report([reportOf(old, success(20))], WORKER, 10);
    const [second] = answer.followUps;
    await dagOf(dagId).report(
      answer.followUps.map((one) => reportOf(one, success(21))),
      WORKER,
      0,
    );
    expect(second?.task_id).toBe("second");
    expect((await call("DELETE", `/api/v2/dags/${dagId}`)).status).toBe(204);

    expect((await put(dagId, 5)).status).toBe(201);
    expect(value(await dagOf(dagId).describe())).toMatchObject({ version: 1, is_registered: true });
    await start(dagId, { run_id: "one" });
    const anew = await claimOne(dagId, runId, "first");
    expect(reportOf(anew, success(1))).toEqual(reportOf(old, success(1)));
    const again = await dagOf(dagId).report([reportOf(anew, success(1))], WORKER, 10);
    expect(again).toMatchObject({ verdicts: ["accepted"], followUps: [{ task_id: "second", input: { a: 1, b: 5 } }] });
    await evictDurableObject(stubOf("DAG", dagId));
    expect(value(await dagOf(dagId).describe())).toMatchObject({ is_registered: true });
  });

  it("is not, while a task instance runs, and has lost nothing", async ({ expect }) => {
    const dagId = await registered();
    const runId = await start(dagId, { run_id: "one" });
    const first = await claimOne(dagId, runId, "first");
    expect(await call("DELETE", `/api/v2/dags/${dagId}`)).toEqual({
      status: 409,
      body: { detail: `Task instances of dag with id: '${dagId}' are still running` },
    });
    expect(await inCatalog(dagId)).toBe(true);
    await report(dagId, first, success(20));
    expect(await settle(dagId, runId)).toMatchObject({ state: "success" });
    expect((await call("DELETE", `/api/v2/dags/${dagId}`)).status).toBe(204);
  });

  it("is not, while a cleared task instance waits for its worker to stop", async ({ expect }) => {
    const dagId = await registered();
    const runId = await start(dagId, { run_id: "one" });
    const first = await claimOne(dagId, runId, "first");
    await adopt(dagId, ulid(), first);
    value(await dagOf(dagId).clear({ run_id: runId, task_ids: ["first"] }));
    expect(await instanceOf(dagId, runId, "first")).toMatchObject({ state: "restarting" });
    expect((await call("DELETE", `/api/v2/dags/${dagId}`)).status).toBe(409);
  });

  it("has told workers to stop, also those it could not reach before", async ({ expect }) => {
    const dagId = await registered();
    const runId = await start(dagId, { run_id: "one" });
    const first = await claimOne(dagId, runId, "first");
    const watcher = ulid();
    await adopt(dagId, watcher, first);
    value(await dagOf(dagId).patchRun(runId, { state: "failed" }));
    const stub = stubOf("DAG", dagId);
    // As if the order had not arrived, and were due again in an hour.
    await runInDurableObject(stub, (_object, { storage }) => {
      storage.sql.exec(
        "INSERT INTO stop_order (job_id, reason, due_at) VALUES (?, 'marked', ?)",
        watcher,
        clock.now() + 3_600_000,
      );
    });
    expect((await call("DELETE", `/api/v2/dags/${dagId}`)).status).toBe(204);
    expect(await tablesOf(stub)).toEqual([]);
    expect(await jobOf(watcher).beat(first.token, null)).toMatchObject({ verdict: "stop" });
  });

  it("wakes whoever waits for the end of a run", async ({ expect }) => {
    const dagId = await registered();
    const runId = await start(dagId, { run_id: "one" });
    const waiting = dagOf(dagId).getRun(runId, UNTIL_ENDED_MS);
    // Calls arrive in the order they are made, so the waiting one waits by now.
    await dagOf(dagId).describe();
    value(await dagOf(dagId).deleteDag());
    expect(await waiting).toMatchObject({ ok: false, refusal: { code: "not_found" } });
  });

  it("and is of the code begins anew, without runs", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a")));
    value(await dagOf(dagId).setPaused(true));
    deploy(dagId, {}, (d) => void d.run(step("b")));
    await evictDurableObject(stubOf("DAG", dagId));
    await start(dagId, { run_id: "one" });
    expect(value(await dagOf(dagId).describe())).toMatchObject({ version: 2, is_paused: true });
    expect((await call("DELETE", `/api/v2/dags/${dagId}`)).status).toBe(204);
    expect(await tablesOf(stubOf("DAG", dagId))).toEqual([]);

    expect(value(await dagOf(dagId).describe())).toMatchObject({ version: 1, is_paused: false });
    expect((await call("GET", `/api/v2/dags/${dagId}/dagRuns`)).body).toMatchObject({ total_entries: 0 });
    await start(dagId, { run_id: "one" });
    const [claimed] = [await claimOne(dagId, "one", "b")];
    await report(dagId, claimed, success());
    expect(await runOf(dagId, "one")).toMatchObject({ state: "success" });
    await evictDurableObject(stubOf("DAG", dagId));
    expect(await runOf(dagId, "one")).toMatchObject({ state: "success" });
  });
});

describe("asking for a DAG that is unknown", () => {
  it("makes no object", async ({ expect }) => {
    await registered();
    const before = await idsOf(env.DAG);
    const dagId = fresh("nobody");
    for (const [method, path, json] of [
      ["GET", ""],
      ["GET", "/details"],
      ["GET", "/tasks"],
      ["GET", "/tasks/a"],
      ["GET", "/dagVersions"],
      ["GET", "/dagVersions/1"],
      ["PATCH", "", { is_paused: true }],
      ["DELETE", ""],
      ["GET", "/dagRuns"],
      ["POST", "/dagRuns", { logical_date: null }],
    ] as const) {
      expect((await call(method, `/api/v2/dags/${dagId}${path}`, json)).status).toBe(404);
    }
    expect((await call("GET", `/api/v2/dagSources/${dagId}`)).status).toBe(404);
    expect((await call("GET", `/api/v2/dagStats?dag_ids=${dagId}`)).body).toEqual({ dags: [], total_entries: 0 });
    expect((await call("POST", `/webhooks/${dagId}`, {})).status).toBe(404);
    expect(await idsOf(env.DAG)).toEqual(before);
  });
});

describe("the catalog", () => {
  it("has no tables until something is added, and adds and removes as often as it is told", async ({ expect }) => {
    const stub = env.CATALOG.getByName(fresh("catalog"));
    expect([await stub.has("a"), await stub.list(), await stub.remove("a")]).toEqual([false, [], undefined]);
    expect(await tablesOf(stub)).toEqual([]);
    for (const dagId of ["b", "a", "b", "é", "Z"]) {
      await stub.add(dagId);
    }
    await evictDurableObject(stub);
    expect([await stub.has("a"), await stub.list()]).toEqual([true, ["Z", "a", "b", "é"]]);
    await stub.remove("a");
    await stub.remove("a");
    expect([await stub.has("a"), await stub.list()]).toEqual([false, ["Z", "b", "é"]]);
  });
});

function iso(at: number): string {
  return new Date(at).toISOString().replace(".000Z", "Z");
}
