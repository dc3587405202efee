/**
 * How many DAGs may be registered, and how many versions one may have.
 */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { describe, it } from "vitest";
import { MAX_REGISTERED_DAGS, MAX_VERSIONS } from "../../src/engine/objects.ts";
import { dagOf, rowsOf, start, stopClock, stubOf, value } from "./lab.ts";
import { addDag, deploy, ECHO, fresh, step } from "./registry.ts";

stopClock();

async function put(dagId: string, input: number): Promise<{ status: number; body: unknown }> {
  const response = await exports.default.fetch(`https://jobbers.test/api/v2/dags/${dagId}`, {
    method: "PUT",
    headers: { authorization: "Bearer test-key", "content-type": "application/json" },
    body: JSON.stringify({ tasks: [{ task_id: "only", handler: ECHO, input }] }),
  });
  return { status: response.status, body: await response.json() };
}

/** Copies the newest version until there are as many as may be, each with a hash of its own. */
async function fill(dagId: string): Promise<void> {
  await runInDurableObject(stubOf("DAG", dagId), (_object, { storage }) => {
    storage.sql.exec(
      `WITH RECURSIVE n (n) AS (SELECT max(version_number) + 1 FROM dag_version UNION ALL SELECT n + 1 FROM n WHERE n < ?)
       INSERT INTO dag_version SELECT n, 'hash ' || n, spec, created_at FROM n, (SELECT * FROM dag_version LIMIT 1)`,
      MAX_VERSIONS,
    );
  });
}

/** Makes a run on each version but the first. */
async function runOnEach(dagId: string): Promise<void> {
  await runInDurableObject(stubOf("DAG", dagId), (_object, { storage }) => {
    storage.sql.exec(
      `INSERT INTO dag_run (run_id, run_type, state, reason, run_after, end_date, triggered_by, conf, params, version_number)
       SELECT 'on ' || version_number, 'manual', 'success', 'success', 0, 0, 'test', '{}', '{}', version_number
       FROM dag_version WHERE version_number > 1`,
    );
  });
}

async function versionsOf(dagId: string): Promise<number[]> {
  const rows = await rowsOf(stubOf("DAG", dagId), "SELECT version_number FROM dag_version ORDER BY 1");
  return rows.map((row) => Number(row["version_number"]));
}

describe("versions of a registered DAG", () => {
  it("beyond the most there may be take the place of the oldest that no run is on", async ({ expect }) => {
    const dagId = fresh("versions");
    expect((await put(dagId, 1)).status).toBe(201);
    const runId = await start(dagId);
    await fill(dagId);
    expect((await put(dagId, 2)).status).toBe(200);
    expect((await put(dagId, 2)).status).toBe(200);
    const versions = await versionsOf(dagId);
    expect(versions).toHaveLength(MAX_VERSIONS);
    expect([versions[0], versions[1], versions.at(-1)]).toEqual([1, 3, MAX_VERSIONS + 1]);
    expect(value(await dagOf(dagId).getRun(runId, 0))).toMatchObject({ dag_version: 1 });
  });

  it("are refused if runs are on all of them, and the newest may be put again", async ({ expect }) => {
    const dagId = fresh("versions");
    expect((await put(dagId, 1)).status).toBe(201);
    await start(dagId, { run_id: "one" });
    await fill(dagId);
    await runOnEach(dagId);
    expect(await put(dagId, 2)).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining(`at most ${MAX_VERSIONS} versions of a DAG that runs are on`) },
    });
    expect(await versionsOf(dagId)).toHaveLength(MAX_VERSIONS);
    value(await dagOf(dagId).deleteRun("on 7"));
    expect((await put(dagId, 2)).status).toBe(200);
    expect(await versionsOf(dagId)).not.toContain(7);
  });

  it("of the code are stored all the same: a deployment cannot be refused", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("only")));
    await start(dagId, { run_id: "one" });
    await fill(dagId);
    await runOnEach(dagId);
    deploy(dagId, {}, (d) => void d.run(step("another")));
    await evictDurableObject(stubOf("DAG", dagId));
    expect(value(await dagOf(dagId).describe())).toMatchObject({ version: MAX_VERSIONS + 1 });
    expect(await versionsOf(dagId)).toHaveLength(MAX_VERSIONS + 1);
  });
});

describe("registered DAGs", () => {
  it("beyond the most there may be are refused and leave nothing; those that are there may be replaced", async ({
    expect,
  }) => {
    const there = fresh("there");
    expect((await put(there, 1)).status).toBe(201);
    await runInDurableObject(env.CATALOG.getByName("catalog"), (_object, { storage }) => {
      storage.sql.exec(
        `WITH RECURSIVE n (n) AS (SELECT count(*) + 1 FROM registered_dag UNION ALL SELECT n + 1 FROM n WHERE n < ?)
         INSERT INTO registered_dag SELECT 'filler_' || n, 0 FROM n`,
        MAX_REGISTERED_DAGS,
      );
    });
    const one = fresh("one_more");
    expect(await put(one, 1)).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining(`at most ${MAX_REGISTERED_DAGS} registered DAGs`) },
    });
    expect(await dagOf(one).describe()).toMatchObject({ ok: false, refusal: { code: "not_found" } });
    expect((await put(there, 2)).status).toBe(200);
  });
});
