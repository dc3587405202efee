/** One DAG whose object cannot be opened, among others that can. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { describe, it } from "vitest";
import { settle, start, stopClock, stubOf } from "./lab.ts";
import { ECHO, fresh } from "./registry.ts";

stopClock();

interface Answer {
  status: number;
  body: Record<string, unknown> | null;
}

async function call(method: string, path: string, json?: unknown): Promise<Answer> {
  const response = await exports.default.fetch(`https://jobbers.test/api/v2/${path}`, {
    method,
    headers: { authorization: "Bearer test-key", "content-type": "application/json" },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : (JSON.parse(text) as Answer["body"]) };
}

async function registered(tag: string): Promise<string> {
  const dagId = fresh("readable");
  const spec = { tags: [tag, dagId], tasks: [{ task_id: "a", handler: ECHO, input: 1 }] };
  const { status } = await call("PUT", `dags/${dagId}`, spec);
  if (status !== 201) {
    throw new Error(`expected ${dagId} to be registered, got ${status}`);
  }
  await settle(dagId, await start(dagId, { run_id: "one" }));
  return dagId;
}

/** Takes a column away from under an object. */
async function breakDag(dagId: string): Promise<void> {
  const stub = stubOf("DAG", dagId);
  await runInDurableObject(
    stub,
    (_object, state) => void state.storage.sql.exec("ALTER TABLE dag_version RENAME COLUMN spec TO spoilt"),
  );
  await evictDurableObject(stub);
}

describe("a DAG whose object cannot be opened", () => {
  it("is named by every list over many DAGs, which has what the others have", async ({ expect }) => {
    const tag = fresh("tag");
    const [whole, broken] = [await registered(tag), await registered(tag)];
    await breakDag(broken);
    const unavailable = [{ dag_id: broken, error: "internal error; see the log" }];
    const lists: [method: string, path: string, field: string, json?: object][] = [
      ["GET", `dags?tags=${tag}`, "dags"],
      ["GET", `dags?tags=${tag}&order_by=last_run_state`, "dags"],
      ["PATCH", `dags?dag_id_pattern=~&tags=${tag}`, "dags", { is_paused: false }],
      ["GET", `dagStats?dag_ids=${whole}&dag_ids=${broken}`, "dags"],
      ["GET", "dags/~/dagRuns?dag_id_pattern=readable&limit=100", "dag_runs"],
      ["POST", "dags/~/dagRuns/list", "dag_runs", { dag_ids: [whole, broken] }],
      ["GET", "dags/~/dagRuns/~/taskInstances?dag_id_pattern=readable&limit=100", "task_instances"],
      ["POST", "dags/~/dagRuns/~/taskInstances/list", "task_instances", { dag_ids: [whole, broken] }],
      [
        "GET",
        "dags/~/dagRuns/~/taskInstances/~/xcomEntries?dag_display_name_pattern=readable&limit=100",
        "xcom_entries",
      ],
      ["GET", "dags/~/dagVersions?limit=100&order_by=-id", "dag_versions"],
    ];
    for (const [method, path, field, json] of lists) {
      const { status, body } = await call(method, path, json);
      expect({ path, status, unavailable: body?.["unavailable"] }).toEqual({ path, status: 200, unavailable });
      expect(JSON.stringify(body?.[field]), path).toContain(whole);
      expect(JSON.stringify(body?.[field]), path).not.toContain(broken);
    }
    expect(await call("GET", `dagTags?tag_name_pattern=${whole}`)).toMatchObject({
      status: 200,
      body: { tags: [whole], unavailable },
    });
    expect(await call("GET", "jobs")).toMatchObject({ status: 200, body: { unavailable } });
    expect((await call("GET", `dags/${broken}`)).status).toBe(500);

    expect((await call("DELETE", `dags/${broken}`)).status).toBe(204);
    expect((await call("GET", `dags/${broken}`)).status).toBe(404);
    expect(await env.CATALOG.getByName("catalog").list()).not.toContain(broken);
    const after = await call("GET", `dags?tags=${tag}`);
    expect(after.body).toMatchObject({ dags: [{ dag_id: whole }], total_entries: 1 });
    expect(after.body).not.toHaveProperty("unavailable");
    expect((await call("PUT", `dags/${broken}`, { tasks: [] })).status).toBe(201);
  });
});
