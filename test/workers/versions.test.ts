/**
 * Versions of DAGs that another release stored, and what changed between two of them.
 */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { exports } from "cloudflare:workers";
import { describe, it } from "vitest";
import { dagOf, drive, rowsOf, start, stopClock, stubOf, success, value } from "./lab.ts";
import { addDag, deploy, ECHO, fresh, inOrder } from "./registry.ts";

stopClock();

async function call(method: string, path: string, json?: unknown): Promise<{ status: number; body: unknown }> {
  const response = await exports.default.fetch(`https://jobbers.test${path}`, {
    method,
    headers: { authorization: "Bearer test-key", "content-type": "application/json" },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  return { status: response.status, body: await response.json() };
}

/** Changes what is stored of a DAG's first version, as if another release had written it, and lets the object sleep. */
async function storedOtherwise(dagId: string, change: string, hash = "of another release"): Promise<void> {
  await runInDurableObject(stubOf("DAG", dagId), (_dag, state) => {
    state.storage.sql.exec(`UPDATE dag_version SET dag_hash = ?, spec = ${change} WHERE version_number = 1`, hash);
  });
  await evictDurableObject(stubOf("DAG", dagId));
}

async function versionsOf(dagId: string): Promise<unknown[]> {
  return rowsOf(stubOf("DAG", dagId), "SELECT version_number, dag_hash FROM dag_version ORDER BY version_number");
}

describe("a version that another release stored", () => {
  it("with or without fields that equal their defaults is the same version", async ({ expect }) => {
    const dagId = addDag({ tags: ["old"] }, (d) => void inOrder(d, "a", "b"));
    const present = value(await dagOf(dagId).describe());
    const before = await versionsOf(dagId);
    const stored = await rowsOf(stubOf("DAG", dagId), "SELECT spec FROM dag_version");
    expect(JSON.stringify(stored)).not.toMatch(/retries|catchup|pool_slots/);
    for (const spec of [
      "json_set(spec, '$.catchup', json('false'), '$.tasks[0].retries', 0, '$.tasks[1].pool_slots', 1)",
      "json_remove(spec, '$.tasks[0].retries', '$.tasks[1].pool_slots')",
      // A release before had no defaults of these: it kept them where they were written out.
      "json_set(spec, '$.tasks[0].queue', 'default', '$.tasks[1].input', json('null'))",
    ]) {
      await storedOtherwise(dagId, spec);
      expect(value(await dagOf(dagId).describe())).toEqual(present);
      expect(await versionsOf(dagId)).toEqual(before);
    }
    const runId = await start(dagId);
    await evictDurableObject(stubOf("DAG", dagId));
    expect(await drive(dagId, runId, () => success())).toMatchObject({ state: "success", dag_version: 1 });
  });

  it("and hashed in another way is looked at once: then it has the hash of this release", async ({ expect }) => {
    const dagId = addDag({}, (d) => void inOrder(d, "a"));
    await dagOf(dagId).describe();
    const before = await versionsOf(dagId);
    await storedOtherwise(dagId, "spec");
    await dagOf(dagId).describe();
    expect(await versionsOf(dagId)).toEqual(before);
    await evictDurableObject(stubOf("DAG", dagId));
    await dagOf(dagId).describe();
    expect(await versionsOf(dagId)).toEqual(before);
  });

  it("that means something else gives way to a new version", async ({ expect }) => {
    const dagId = addDag({}, (d) => void inOrder(d, "a"));
    await dagOf(dagId).describe();
    await storedOtherwise(dagId, "json_set(spec, '$.max_active_runs', 25)");
    expect(value(await dagOf(dagId).describe())).toMatchObject({ version: 2, spec: { max_active_runs: 16 } });
    expect((await call("GET", `/api/v2/dags/${dagId}/dagVersions/2/changes`)).body).toMatchObject({
      is_same: false,
      fields: [{ field: "max_active_runs", before: 25, after: 16 }],
      tasks: { added: [], removed: [], changed: [], reordered: false },
    });
  });

  it("that came over HTTP is the same when it is put again", async ({ expect }) => {
    const dagId = fresh("registered");
    const spec = { dag_id: dagId, tasks: [{ task_id: "a", handler: ECHO }] };
    expect((await call("PUT", `/api/v2/dags/${dagId}`, spec)).status).toBe(201);
    await storedOtherwise(dagId, "json_set(spec, '$.fail_fast', json('false'), '$.tasks[0].retries', 0)");
    expect((await call("PUT", `/api/v2/dags/${dagId}`, spec)).status).toBe(200);
    expect(await versionsOf(dagId)).toHaveLength(1);
    expect((await call("PUT", `/api/v2/dags/${dagId}`, { ...spec, catchup: true })).status).toBe(200);
    expect(await versionsOf(dagId)).toHaveLength(2);
  });
});

describe("what changed between two versions", () => {
  it("is told of any two, and of nothing", async ({ expect }) => {
    const dagId = addDag({ tags: ["one"] }, (d) => void inOrder(d, "a", "b"));
    await dagOf(dagId).describe();
    await evictDurableObject(stubOf("DAG", dagId));
    deploy(dagId, { tags: ["two"] }, (d) => void inOrder(d, "a", "b", "c"));
    await dagOf(dagId).describe();
    const path = `/api/v2/dags/${dagId}/dagVersions`;
    const edge = { upstream_task_id: "b", downstream_task_id: "c" };
    expect(await call("GET", `${path}/2/changes`)).toMatchObject({
      status: 200,
      body: {
        dag_id: dagId,
        version_number: 2,
        since: 1,
        is_same: false,
        fields: [{ field: "tags", before: ["one"], after: ["two"] }],
        tasks: { added: ["c"], removed: [], changed: [] },
        edges: { added: [edge], removed: [] },
      },
    });
    expect((await call("GET", `${path}/1/changes?since=2`)).body).toMatchObject({
      tasks: { added: [], removed: ["c"] },
      edges: { added: [], removed: [edge] },
    });
    expect((await call("GET", `${path}/2/changes?since=2`)).body).toMatchObject({ is_same: true, fields: [] });
    expect((await call("GET", `${path}/1/changes`)).body).toMatchObject({
      since: 0,
      fields: [{ field: "tags", before: [], after: ["one"] }],
      tasks: { added: ["a", "b"] },
    });
  });

  it("is a 404 for versions that are not there, and a 422 for what is no number", async ({ expect }) => {
    const dagId = addDag({}, (d) => void inOrder(d, "a"));
    await dagOf(dagId).describe();
    const path = `/api/v2/dags/${dagId}/dagVersions`;
    for (const unknown of [
      `${path}/2/changes`,
      `${path}/0/changes`,
      `${path}/-1/changes`,
      `${path}/1/changes?since=2`,
    ]) {
      expect(await call("GET", unknown)).toMatchObject({
        status: 404,
        body: { detail: expect.stringContaining("was not found") as unknown },
      });
    }
    expect((await call("GET", "/api/v2/dags/no_such_dag/dagVersions/1/changes")).status).toBe(404);
    for (const since of ["x", "-1", "1.5", "", "1e3", "9".repeat(20)]) {
      expect(await call("GET", `${path}/1/changes?since=${since}`)).toMatchObject({
        status: 422,
        body: { detail: [{ loc: ["query", "since"] }] },
      });
    }
    expect((await call("GET", `${path}/one/changes`)).status).toBe(422);
  });
});
