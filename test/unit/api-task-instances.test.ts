import { describe, it } from "vitest";
import type { DagObject, Result } from "../../src/engine/objects.ts";
import { matching } from "./api-matchers.ts";
import { instanceView, NOW, ok, runView, testApi } from "./api-support.ts";

const BASE = "/api/v2/dags/etl/dagRuns/r1/taskInstances";

/** What an object says of what it has not. */
function missing(message = "not here"): Result<never> {
  return { ok: false, refusal: { code: "not_found", message } };
}

/** An object that has the run and none of its task instances. */
const EMPTY_RUN: Partial<DagObject> = {
  getRun: async () => ok(runView()),
  getTaskInstance: async () => missing(),
  listTaskInstances: async () => ok({ items: [], total: 0 }),
  listTries: async () => missing(),
  dependencies: async () => missing(),
  deleteTaskInstance: async () => missing(),
};

const NO_RUN: Partial<DagObject> = {
  ...EMPTY_RUN,
  getRun: async () => missing("The DagRun with dag_id: `etl` and run_id: `r1` was not found"),
  listTaskInstances: async () => missing(),
};

describe("a task instance", () => {
  it("has all of Airflow's fields", async ({ expect }) => {
    const api = testApi({ dag: { getTaskInstance: async () => ok(instanceView()) } });
    const { status, body } = await api.send("GET", `${BASE}/extract`);
    expect(status).toBe(200);
    expect(body).toStrictEqual({
      id: matching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      task_id: "extract",
      dag_id: "etl",
      dag_run_id: "r1",
      map_index: -1,
      logical_date: null,
      run_after: "2026-01-31T06:00:00Z",
      start_date: "2026-01-31T06:00:00.020Z",
      end_date: "2026-01-31T06:00:01.520Z",
      duration: 1.5,
      state: "success",
      try_number: 1,
      max_tries: 2,
      task_display_name: "extract",
      dag_display_name: "etl",
      hostname: "worker-1",
      unixname: "jobbers",
      pool: "default_pool",
      pool_slots: 1,
      queue: "default",
      priority_weight: null,
      operator: "task",
      operator_name: "task",
      queued_when: "2026-01-31T06:00:00.010Z",
      scheduled_when: "2026-01-31T06:00:00Z",
      pid: null,
      executor: null,
      executor_config: "{}",
      note: null,
      rendered_map_index: null,
      rendered_fields: {},
      trigger: null,
      triggerer_job: null,
      dag_version: null,
      job_id: null,
      error: null,
      late_results: 0,
    });
    expect(api.calls[0]?.args).toEqual([{ run_id: "r1", task_id: "extract", map_index: -1 }]);
  });

  it("of another try has another id, of the same try the same", async ({ expect }) => {
    const ids: unknown[] = [];
    for (const tryNumber of [1, 1, 2]) {
      const api = testApi({ dag: { getTaskInstance: async () => ok(instanceView({ try_number: tryNumber })) } });
      const { body } = await api.send("GET", `${BASE}/extract`);
      ids.push(body instanceof Object && "id" in body ? body.id : null);
    }
    expect(ids[0]).toBe(ids[1]);
    expect(ids[0]).not.toBe(ids[2]);
  });

  it("shows the version of its DAG, and a note that was emptied as none", async ({ expect }) => {
    const view = instanceView({ note: "", dag_version: 3, dag_version_created_at: NOW });
    const api = testApi({ dag: { getTaskInstance: async () => ok(view) } });
    expect((await api.send("GET", `${BASE}/extract`)).body).toMatchObject({
      note: null,
      dag_version: { version_number: 3, dag_id: "etl", created_at: "2026-01-31T06:00:00Z" },
    });
  });

  it("of a mapped task is answered under its map index", async ({ expect }) => {
    const api = testApi({ dag: { getTaskInstance: async () => ok(instanceView({ task_id: "clean", map_index: 3 })) } });
    const { body } = await api.send("GET", `${BASE}/clean/3`);
    expect(body).toMatchObject({ map_index: 3, rendered_map_index: "3" });
    expect(api.calls[0]?.args).toEqual([{ run_id: "r1", task_id: "clean", map_index: 3 }]);
  });

  it("of a mapped task without an index is a 404 that says to add it", async ({ expect }) => {
    const items = [instanceView({ task_id: "clean", map_index: 0 })];
    const api = testApi({ dag: { ...EMPTY_RUN, listTaskInstances: async () => ok({ items, total: 5 }) } });
    expect(await api.send("GET", `${BASE}/clean`)).toMatchObject({
      status: 404,
      body: { detail: "Task instance is mapped, add the map_index value to the URL" },
    });
  });

  const where = "dag_id: `etl`, run_id: `r1`";
  it.for([
    ["GET", "nothing", `The Task Instance with ${where} and task_id: \`nothing\` was not found`],
    ["GET", "t/4", `The Mapped Task Instance with ${where}, task_id: \`t\` and map_index: \`4\` was not found`],
    ["GET", "t/tries", `The Task Instance with ${where}, task_id: \`t\` and map_index: \`-1\` was not found`],
    ["GET", "t/4/tries", `The Task Instance with ${where}, task_id: \`t\` and map_index: \`4\` was not found`],
    ["GET", "t/tries/2", `The Task Instance with ${where}, task_id: \`t\` and map_index: \`-1\` was not found`],
    ["GET", "t/dependencies", `The Task Instance with ${where}, task_id: \`t\` and map_index: \`-1\` was not found`],
    ["GET", "t/4/dependencies", `The Task Instance with ${where}, task_id: \`t\` and map_index: \`4\` was not found`],
    [
      "GET",
      "t/links?map_index=4",
      `The Task Instance with ${where}, task_id: \`t\` and map_index: \`4\` was not found`,
    ],
    ["DELETE", "t?map_index=4", `The Task Instance with ${where}, task_id: \`t\` and map_index: \`4\` was not found`],
  ] as const)("%s %s that is not there is a 404 in Airflow's words", async ([method, path, detail], { expect }) => {
    const api = testApi({ dag: EMPTY_RUN });
    expect(await api.send(method, `${BASE}/${path}`)).toMatchObject({ status: 404, body: { detail } });
  });

  it.for([
    ["GET", "extract"],
    ["GET", "clean/3"],
    ["GET", "extract/tries"],
    ["GET", "extract/tries/1"],
    ["GET", "extract/dependencies"],
    ["GET", "extract/links"],
    ["DELETE", "extract"],
  ] as const)("%s %s of a run that is not there says so", async ([method, path], { expect }) => {
    const api = testApi({ dag: NO_RUN });
    expect(await api.send(method, `${BASE}/${path}`)).toMatchObject({
      status: 404,
      body: { detail: "The DagRun with dag_id: `etl` and run_id: `r1` was not found" },
    });
  });

  it.for([
    ["GET", "clean/x", "map_index"],
    ["GET", "clean/-2", "map_index"],
    ["GET", "clean/1.5", "map_index"],
    ["GET", "clean/9999999999", "map_index"],
    ["GET", "clean/x/tries", "map_index"],
    ["GET", "clean/tries?map_index=one", "map_index"],
    ["GET", "clean/tries/one", "task_try_number"],
    ["GET", "clean/tries/-1", "task_try_number"],
    ["GET", "clean/0/tries/99999999999", "task_try_number"],
    ["GET", "clean/dependencies?map_index=0x1", "map_index"],
    ["GET", "clean/links?map_index=", "map_index"],
    ["GET", "clean/externalLogUrl/0", "try_number"],
    ["DELETE", "clean?map_index=1e3", "map_index"],
  ] as const)("%s %s is refused with 422 about its %s", async ([method, path, name], { expect }) => {
    const api = testApi();
    const { status, body } = await api.send(method, `${BASE}/${path}`);
    expect(status).toBe(422);
    expect(body).toMatchObject({ detail: [{ loc: [matching(/^(?:path|query)$/), name] }] });
    expect(api.calls).toEqual([]);
  });
});

describe("tries", () => {
  const views = [
    instanceView({ try_number: 1, state: "failed", error: { type: "Error", message: "boom", stack: "secret" } }),
    instanceView({ try_number: 2, state: "running", end_date: null }),
  ];

  it("are listed, oldest first, in Airflow's fields of a history", async ({ expect }) => {
    const api = testApi({ dag: { listTries: async () => ok(views) } });
    const { status, body } = await api.send("GET", `${BASE}/extract/tries`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ task_instances: [{ try_number: 1 }, { try_number: 2 }], total_entries: 2 });
    expect(JSON.stringify(body)).not.toContain("secret");
    expect(api.calls[0]?.args).toEqual([{ run_id: "r1", task_id: "extract", map_index: -1 }]);
  });

  it("one has all of Airflow's fields, and none that only the present one has", async ({ expect }) => {
    const api = testApi({ dag: { listTries: async () => ok(views) } });
    expect((await api.send("GET", `${BASE}/clean/3/tries/1`)).body).toStrictEqual({
      task_id: "extract",
      dag_id: "etl",
      dag_run_id: "r1",
      map_index: -1,
      start_date: "2026-01-31T06:00:00.020Z",
      end_date: "2026-01-31T06:00:01.520Z",
      duration: 1.5,
      state: "failed",
      try_number: 1,
      max_tries: 2,
      task_display_name: "extract",
      dag_display_name: "etl",
      hostname: "worker-1",
      unixname: "jobbers",
      pool: "default_pool",
      pool_slots: 1,
      queue: "default",
      priority_weight: null,
      operator: "task",
      operator_name: "task",
      queued_when: "2026-01-31T06:00:00.010Z",
      scheduled_when: "2026-01-31T06:00:00Z",
      pid: null,
      executor: null,
      executor_config: "{}",
      dag_version: null,
      job_id: null,
      error: { type: "Error", message: "boom" },
      late_results: 0,
    });
    expect(api.calls[0]?.args).toEqual([{ run_id: "r1", task_id: "clean", map_index: 3 }]);
  });

  it("of one number that is there twice the present one is answered", async ({ expect }) => {
    const tries = [instanceView({ state: "failed" }), instanceView({ state: null })];
    const api = testApi({ dag: { listTries: async () => ok(tries) } });
    expect((await api.send("GET", `${BASE}/extract/tries/1`)).body).toMatchObject({ state: null });
  });

  it("one that never was is a 404 that names it", async ({ expect }) => {
    const api = testApi({ dag: { listTries: async () => ok(views), getRun: async () => ok(runView()) } });
    expect(await api.send("GET", `${BASE}/extract/tries/3?map_index=0`)).toMatchObject({
      status: 404,
      body: {
        detail:
          "The Task Instance with dag_id: `etl`, run_id: `r1`, task_id: `extract`, try_number: `3` and map_index: `0` was not found",
      },
    });
  });
});

describe("what hangs on a task instance", () => {
  it.for([
    ["extract/dependencies", { run_id: "r1", task_id: "extract", map_index: -1 }],
    ["clean/dependencies?map_index=2", { run_id: "r1", task_id: "clean", map_index: 2 }],
    ["clean/2/dependencies", { run_id: "r1", task_id: "clean", map_index: 2 }],
  ] as const)("%s lists what keeps it from being scheduled", async ([path, key], { expect }) => {
    const dependencies = [{ name: "Trigger Rule", reason: "one upstream is not done" }];
    const api = testApi({ dag: { dependencies: async () => ok(dependencies) } });
    expect(await api.send("GET", `${BASE}/${path}`)).toMatchObject({ status: 200, body: { dependencies } });
    expect(api.calls[0]?.args).toEqual([key]);
  });

  it("has no extra links", async ({ expect }) => {
    const api = testApi({ dag: { getTaskInstance: async () => ok(instanceView()) } });
    const { status, body } = await api.send("GET", `${BASE}/extract/links`);
    expect([status, body]).toEqual([200, { extra_links: {}, total_entries: 0 }]);
  });

  it("has no log elsewhere", async ({ expect }) => {
    expect(await testApi().send("GET", `${BASE}/extract/externalLogUrl/1`)).toMatchObject({
      status: 400,
      body: { detail: "Task log handler does not support external logs." },
    });
  });
});

describe("deleting a task instance", () => {
  it.for([
    ["extract", -1],
    ["extract?map_index=7", 7],
  ] as const)("%s answers null", async ([path, mapIndex], { expect }) => {
    const api = testApi({ dag: { deleteTaskInstance: async () => ok(null) } });
    const { status, body } = await api.send("DELETE", `${BASE}/${path}`);
    expect([status, body]).toEqual([200, null]);
    expect(api.calls[0]).toMatchObject({
      method: "deleteTaskInstance",
      args: [{ run_id: "r1", task_id: "extract", map_index: mapIndex }],
    });
  });
});

it("ids that look like paths, prototypes and patterns reach the object as they are", async ({ expect }) => {
  for (const id of ["__proto__", "..%2F..", "a%2Fb", "constructor", "%25", "%F0%9F%98%80", "a%00b"]) {
    const api = testApi({ dag: { getTaskInstance: async () => ok(instanceView()) } });
    expect((await api.send("GET", `${BASE}/${id}`)).status).toBe(200);
    expect(api.calls[0]?.args).toEqual([{ run_id: "r1", task_id: decodeURIComponent(id), map_index: -1 }]);
  }
});
