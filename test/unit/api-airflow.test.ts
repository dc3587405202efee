import { describe, it } from "vitest";
import type { DagObject } from "../../src/engine/objects.ts";
import { containing, listWith, matching } from "./api-matchers.ts";
import { instanceView, NOW, ok, runView, testApi } from "./api-support.ts";

const RUN = "manual__2026-01-31T06:00:00+00:00";

describe("version and health", () => {
  it("answer Airflow's shapes", async ({ expect }) => {
    const api = testApi();
    expect((await api.send("GET", "/api/v2/version")).body).toStrictEqual({ version: "1.2.3", git_version: null });
    expect((await api.send("GET", "/api/v2/monitor/health")).body).toStrictEqual({
      metadatabase: { status: "healthy" },
      scheduler: { status: "healthy", latest_scheduler_heartbeat: "2026-01-31T06:00:00Z" },
      triggerer: { status: null, latest_triggerer_heartbeat: null },
      dag_processor: { status: null, latest_dag_processor_heartbeat: null },
    });
  });
});

describe("DAGs", () => {
  it("a DAG has all of Airflow's fields", async ({ expect }) => {
    const { status, body } = await testApi().send("GET", "/api/v2/dags/etl");
    expect(status).toBe(200);
    expect(body).toStrictEqual({
      dag_id: "etl",
      dag_display_name: "etl",
      is_paused: false,
      is_stale: false,
      last_parsed_time: "2026-01-31T06:00:00Z",
      last_parse_duration: null,
      last_expired: null,
      bundle_name: null,
      bundle_version: null,
      relative_fileloc: null,
      fileloc: "",
      description: "Extract, transform, load",
      timetable_summary: null,
      timetable_description: "Never, external triggers only",
      timetable_partitioned: false,
      tags: [
        { name: "example", dag_id: "etl", dag_display_name: "etl" },
        { name: "nightly", dag_id: "etl", dag_display_name: "etl" },
      ],
      max_active_tasks: 20_000,
      max_active_runs: null,
      max_consecutive_failed_dag_runs: 0,
      has_task_concurrency_limits: false,
      has_import_errors: false,
      next_dagrun_logical_date: null,
      next_dagrun_data_interval_start: null,
      next_dagrun_data_interval_end: null,
      next_dagrun_run_after: null,
      allowed_run_types: null,
      owners: ["data"],
      file_token: "",
    });
  });

  it.for([
    ["", ["etl", "on_push", "reports"], 3],
    ["?order_by=-dag_id", ["reports", "on_push", "etl"], 3],
    ["?limit=1&offset=1", ["on_push"], 3],
    ["?limit=0", [], 3],
    ["?limit=1000", ["etl", "on_push", "reports"], 3],
    ["?dag_id_pattern=E%25S", ["reports"], 1],
    ["?dag_id_pattern=push|etl", ["etl", "on_push"], 2],
    ["?dag_id_pattern=~", ["etl", "on_push", "reports"], 3],
    ["?tags=example", ["etl", "reports"], 2],
    ["?tags=example&tags=nightly", ["etl", "reports"], 2],
    ["?tags=example&tags=nightly&tags_match_mode=all", ["etl"], 1],
    ["?owners=FIN", ["reports"], 1],
    ["?paused=true", ["reports"], 1],
    ["?paused=false&limit=1", ["etl"], 2],
    ["?exclude_stale=true&something_airflow_does_not_know=1", ["etl", "on_push", "reports"], 3],
  ] as const)("GET /dags%s lists %j of %d", async ([query, ids, total], { expect }) => {
    const { status, body } = await testApi().send("GET", `/api/v2/dags${query}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ dags: ids.map((id) => ({ dag_id: id })), total_entries: total });
    expect(body).toMatchObject({ dags: { length: ids.length } });
  });

  it("asks only the objects of the page", async ({ expect }) => {
    const api = testApi();
    await api.send("GET", "/api/v2/dags?limit=1");
    expect(api.calls).toEqual([{ object: "DAG etl", method: "describe", args: [] }]);
  });

  it.for([
    ["?limit=-1", 422, "expected a whole number, 0 or more"],
    ["?offset=x", 422, "expected a whole number, 0 or more"],
    ["?paused=maybe", 422, 'expected \\"true\\" or \\"false\\"'],
    ["?tags_match_mode=some", 422, 'expected one of \\"any\\", \\"all\\"'],
    ["?order_by=fileloc", 400, "Ordering with 'fileloc' is disallowed or the attribute does not exist on the model"],
    [
      `?${Array.from({ length: 11 }, () => "order_by=dag_id").join("&")}`,
      400,
      "Ordering with more than 10 parameters is not allowed",
    ],
    ["?last_dag_run_state=failed", 400, "expected a filter that this list serves, got last_dag_run_state"],
  ] as const)("GET /dags%s is refused with %d", async ([query, status, text], { expect }) => {
    const api = testApi();
    const answer = await api.send("GET", `/api/v2/dags${query}`);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).toContain(text);
    expect(api.calls).toEqual([]);
  });

  it("PATCH pauses and unpauses", async ({ expect }) => {
    const api = testApi();
    const { status, body } = await api.send("PATCH", "/api/v2/dags/etl?update_mask=is_paused", {
      json: { is_paused: true },
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ dag_id: "etl", is_paused: true });
    expect(api.calls).toEqual([{ object: "DAG etl", method: "setPaused", args: [true] }]);
  });

  it.for([
    ["another field in the mask", "?update_mask=tags", { is_paused: true }, 400],
    ["an unknown field", "", { is_paused: true, tags: [] }, 422],
    ["a wrong type", "", { is_paused: "yes" }, 422],
    ["nothing", "", {}, 422],
  ] as const)("PATCH with %s is refused", async ([, query, json, status], { expect }) => {
    const api = testApi();
    expect((await api.send("PATCH", `/api/v2/dags/etl${query}`, { json })).status).toBe(status);
    expect(api.calls).toEqual([]);
  });

  it.for([
    ["GET", "/api/v2/dags/elt"],
    ["PATCH", "/api/v2/dags/elt"],
    ["GET", "/api/v2/dags/elt/dagRuns"],
    ["POST", "/api/v2/dags/elt/dagRuns"],
    ["GET", "/api/v2/dags/elt/dagRuns/r1"],
    ["GET", "/api/v2/dags/elt/dagRuns/r1/taskInstances"],
    ["GET", "/api/v2/dags/elt/dagRuns/r1/taskInstances/t/0"],
  ] as const)("%s %s answers 404 with the nearest DAG, and asks no object", async ([method, path], { expect }) => {
    const api = testApi();
    const json = method === "PATCH" ? { is_paused: true } : { logical_date: null };
    const { status, body } = await api.send(method, path, method === "GET" ? {} : { json });
    expect(status).toBe(404);
    expect(body).toEqual({ detail: 'The Dag with ID: `elt` was not found; did you mean "etl"?' });
    expect(api.calls).toEqual([]);
  });
});

describe("triggering a run", () => {
  const triggering: Partial<DagObject> = {
    trigger: async ({ run_id: runId }) => ok(runView({ run_id: runId ?? RUN })),
  };

  it("answers 200 and all of Airflow's fields", async ({ expect }) => {
    const view = runView({
      logical_date: NOW,
      end_date: NOW + 1500,
      state: "success",
      reason: "success",
      conf: { year: 2026 },
      note: "by hand",
      counts: { success: 2 },
      dag_version_created_at: NOW,
    });
    const api = testApi({ dag: { trigger: async () => ok(view) } });
    const { status, body } = await api.send("POST", "/api/v2/dags/etl/dagRuns", { json: { logical_date: null } });
    expect(status).toBe(200);
    expect(body).toStrictEqual({
      dag_run_id: RUN,
      dag_id: "etl",
      dag_display_name: "etl",
      logical_date: "2026-01-31T06:00:00Z",
      queued_at: "2026-01-31T06:00:00Z",
      start_date: "2026-01-31T06:00:00Z",
      end_date: "2026-01-31T06:00:01.500Z",
      duration: 1.5,
      data_interval_start: null,
      data_interval_end: null,
      run_after: "2026-01-31T06:00:00Z",
      last_scheduling_decision: null,
      run_type: "manual",
      state: "success",
      triggered_by: "rest_api",
      triggering_user_name: null,
      conf: { year: 2026 },
      note: "by hand",
      dag_versions: [
        {
          id: matching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
          version_number: 1,
          dag_id: "etl",
          bundle_name: null,
          bundle_version: null,
          created_at: "2026-01-31T06:00:00Z",
          dag_display_name: "etl",
          bundle_url: null,
        },
      ],
      bundle_version: null,
      partition_key: null,
      reason: "success",
      task_instance_counts: { success: 2 },
    });
  });

  it("passes the smallest body on as a run of now", async ({ expect }) => {
    const api = testApi({ dag: triggering });
    await api.send("POST", "/api/v2/dags/etl/dagRuns", { json: { logical_date: null } });
    expect(api.calls).toEqual([
      {
        object: "DAG etl",
        method: "trigger",
        args: [
          {
            run_id: null,
            logical_date: null,
            data_interval_start: null,
            data_interval_end: null,
            run_after: null,
            conf: {},
            note: null,
            triggered_by: "rest_api",
          },
        ],
      },
    ]);
  });

  it("passes everything on, times as epoch milliseconds", async ({ expect }) => {
    const api = testApi({ dag: triggering });
    const json = {
      logical_date: "2026-01-31T06:00:00Z",
      dag_run_id: "my-run:1~a+b.c_d",
      data_interval_start: "2026-01-30T06:00:00.000000Z",
      data_interval_end: "2026-01-31T06:00:00+00:00",
      run_after: "2026-01-31T07:00:00+01:00",
      conf: { year: 2026, ["__proto__"]: 1 },
      note: "by hand",
      partition_key: null,
    };
    expect((await api.send("POST", "/api/v2/dags/etl/dagRuns", { json })).status).toBe(200);
    expect(api.calls[0]?.args).toEqual([
      {
        run_id: "my-run:1~a+b.c_d",
        logical_date: NOW,
        data_interval_start: NOW - 86_400_000,
        data_interval_end: NOW,
        run_after: NOW,
        conf: { year: 2026, ["__proto__"]: 1 },
        note: "by hand",
        triggered_by: "rest_api",
      },
    ]);
  });

  it("leaves a data interval out where there is no logical date", async ({ expect }) => {
    const api = testApi({ dag: triggering });
    const json = {
      logical_date: null,
      data_interval_start: "2026-01-30T06:00:00Z",
      data_interval_end: "2026-01-31T06:00:00Z",
    };
    await api.send("POST", "/api/v2/dags/etl/dagRuns", { json });
    expect(api.calls[0]?.args).toMatchObject([{ data_interval_start: null, data_interval_end: null }]);
  });

  it.for([
    [
      "no logical_date",
      {},
      ["body", "logical_date"],
      "field required: expected an ISO 8601 date-time with a time zone",
    ],
    [
      "a logical_date without a zone",
      { logical_date: "2026-01-31T06:00:00" },
      ["body", "logical_date"],
      "expected an ISO 8601 date-time with a time zone",
    ],
    [
      "a logical_date that is a number",
      { logical_date: 5 },
      ["body", "logical_date"],
      "expected an ISO 8601 date-time with a time zone, such as 2026-01-31T06:00:00Z, got 5",
    ],
    [
      "a time that no alarm reaches",
      { logical_date: null, run_after: "2100-01-01T00:00:00Z" },
      ["body", "run_after"],
      "expected a date-time before the year 2100",
    ],
    [
      "half a data interval",
      { logical_date: null, data_interval_start: "2026-01-31T06:00:00Z" },
      ["body", "data_interval_start"],
      "expected both data_interval_start and data_interval_end, or neither",
    ],
    [
      "a data interval that ends before it starts",
      { logical_date: null, data_interval_start: "2026-01-31T06:00:00Z", data_interval_end: "2026-01-30T06:00:00Z" },
      ["body", "data_interval_end"],
      "expected an end that is not before the start",
    ],
    [
      "a run id with a space",
      { logical_date: null, dag_run_id: "my run" },
      ["body", "dag_run_id"],
      "expected a run id of the characters",
    ],
    [
      "a run id with a slash",
      { logical_date: null, dag_run_id: "../x" },
      ["body", "dag_run_id"],
      "expected a run id of the characters",
    ],
    [
      "an empty run id",
      { logical_date: null, dag_run_id: "" },
      ["body", "dag_run_id"],
      "expected at least one character",
    ],
    [
      "a run id of 251 characters",
      { logical_date: null, dag_run_id: "x".repeat(251) },
      ["body", "dag_run_id"],
      "expected at most 250 characters",
    ],
    [
      "a run id of a scheduled run",
      { logical_date: null, dag_run_id: "scheduled__2026" },
      ["body", "dag_run_id"],
      "expected a run id that does not start like those of other types",
    ],
    [
      "a run id of a webhook's run",
      { logical_date: null, dag_run_id: "webhook__github__1" },
      ["body", "dag_run_id"],
      "expected a run id that does not start like those of other types",
    ],
    ["conf that is a list", { logical_date: null, conf: [1] }, ["body", "conf"], "expected an object, got [1]"],
    ["conf that is text", { logical_date: null, conf: "a=1" }, ["body", "conf"], 'expected an object, got "a=1"'],
    [
      "a note that is too long",
      { logical_date: null, note: "x".repeat(1001) },
      ["body", "note"],
      "expected at most 1000 characters",
    ],
    [
      "a partition key",
      { logical_date: null, partition_key: "eu" },
      ["body", "partition_key"],
      'expected null: runs are not partitioned, got "eu"',
    ],
    [
      "an unknown field",
      { logical_date: null, execution_date: null },
      ["body", "execution_date"],
      'expected no field "execution_date" here, got null',
    ],
  ] as const)("refuses %s with 422", async ([, json, loc, text], { expect }) => {
    const api = testApi({ dag: triggering });
    const { status, body } = await api.send("POST", "/api/v2/dags/etl/dagRuns", { json });
    expect(status).toBe(422);
    expect(JSON.stringify(body)).toContain(JSON.stringify(loc));
    expect(body).toMatchObject({
      detail: listWith({ loc, msg: containing(text) }),
    });
    expect(api.calls).toEqual([]);
  });

  it("answers 422 at the place the object names for conf that violates params", async ({ expect }) => {
    const refusal = {
      code: "invalid",
      message: 'expected an integer, got "x"',
      loc: ["body", "conf", "year"],
    } as const;
    const api = testApi({
      dag: { trigger: async () => ({ ok: false, refusal: { ...refusal, loc: [...refusal.loc] } }) },
    });
    const { status, body } = await api.send("POST", "/api/v2/dags/etl/dagRuns", {
      json: { logical_date: null, conf: { year: "x" } },
    });
    expect(status).toBe(422);
    expect(body).toEqual({
      detail: [{ loc: ["body", "conf", "year"], msg: 'expected an integer, got "x"', type: "value_error" }],
    });
  });

  it("answers 409 for a run id or logical date that is taken", async ({ expect }) => {
    const api = testApi({
      dag: { trigger: async () => ({ ok: false, refusal: { code: "conflict", message: "run r1 exists" } }) },
    });
    const { status, body } = await api.send("POST", "/api/v2/dags/etl/dagRuns", {
      json: { logical_date: null, dag_run_id: "r1" },
    });
    expect(status).toBe(409);
    expect(body).toEqual({ detail: "run r1 exists" });
  });

  it("shows a webhook's run as Airflow's clients know triggers", async ({ expect }) => {
    const api = testApi({
      dag: { trigger: async () => ok(runView({ triggered_by: "webhook", run_type: "webhook" })) },
    });
    const { body } = await api.send("POST", "/api/v2/dags/etl/dagRuns", { json: { logical_date: null } });
    expect(body).toMatchObject({
      triggered_by: "rest_api",
      triggering_user_name: "webhook",
      run_type: "manual",
      dag_versions: [],
    });
  });
});

describe("DAG runs", () => {
  it("are listed by page, order and state", async ({ expect }) => {
    const api = testApi({
      dag: { listRuns: async () => ok({ items: [runView(), runView({ run_id: "r2" })], total: 7 }) },
    });
    const { status, body } = await api.send(
      "GET",
      "/api/v2/dags/etl/dagRuns?limit=2&offset=4&order_by=-run_after&order_by=dag_run_id&state=failed&state=success",
    );
    expect(status).toBe(200);
    expect(body).toMatchObject({ dag_runs: [{ dag_run_id: RUN }, { dag_run_id: "r2" }], total_entries: 7 });
    const query = { limit: 2, offset: 4, order_by: ["-run_after", "run_id"], state: ["failed", "success"] };
    expect(api.calls).toEqual([{ object: "DAG etl", method: "listRuns", args: [query] }]);
  });

  it("are listed in order of creation, fifty at a time, if nothing is said", async ({ expect }) => {
    const api = testApi({ dag: { listRuns: async () => ok({ items: [], total: 0 }) } });
    expect((await api.send("GET", "/api/v2/dags/etl/dagRuns")).body).toEqual({ dag_runs: [], total_entries: 0 });
    expect(api.calls[0]?.args).toEqual([{ limit: 50, offset: 0, order_by: ["id"] }]);
  });

  it.for([
    ["state=done", 422],
    ["state=success&state=done", 422],
    ["order_by=conf", 400],
    ["run_type=manual", 400],
    ["start_date_gte=2026-01-01T00:00:00Z", 400],
  ] as const)("?%s is refused with %d", async ([query, status], { expect }) => {
    const api = testApi();
    const answer = await api.send("GET", `/api/v2/dags/etl/dagRuns?${query}`);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).toContain("expected");
    expect(api.calls).toEqual([]);
  });

  it("one is answered under its id, at once or after waiting", async ({ expect }) => {
    const api = testApi({ dag: { getRun: async () => ok(runView()) } });
    expect((await api.send("GET", `/api/v2/dags/etl/dagRuns/${encodeURIComponent(RUN)}?wait=30`)).body).toMatchObject({
      dag_run_id: RUN,
    });
    await api.send("GET", `/api/v2/dags/etl/dagRuns/${RUN}`);
    expect(api.calls.map(({ args }) => args)).toEqual([
      [RUN, 30_000],
      [RUN, 0],
    ]);
  });

  it("one that is not answers 404", async ({ expect }) => {
    const api = testApi({
      dag: { getRun: async () => ({ ok: false, refusal: { code: "not_found", message: "no run x" } }) },
    });
    expect(await api.send("GET", "/api/v2/dags/etl/dagRuns/x")).toMatchObject({
      status: 404,
      body: { detail: "no run x" },
    });
  });
});

describe("task instances", () => {
  const BASE = "/api/v2/dags/etl/dagRuns/r1/taskInstances";
  const notFound = { ok: false, refusal: { code: "not_found", message: "no such task instance" } } as const;

  it("one has all of Airflow's fields", async ({ expect }) => {
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
      queue: null,
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

  it("another try is another id, the same try the same", async ({ expect }) => {
    const ids: unknown[] = [];
    for (const tryNumber of [1, 1, 2]) {
      const api = testApi({ dag: { getTaskInstance: async () => ok(instanceView({ try_number: tryNumber })) } });
      const { body } = await api.send("GET", `${BASE}/extract`);
      ids.push(body instanceof Object && "id" in body ? body.id : null);
    }
    expect(ids[0]).toBe(ids[1]);
    expect(ids[0]).not.toBe(ids[2]);
  });

  it("are listed by page, order, task and state", async ({ expect }) => {
    const api = testApi({ dag: { listTaskInstances: async () => ok({ items: [instanceView()], total: 1 }) } });
    const { body } = await api.send(
      "GET",
      `${BASE}?task_id=extract&state=none&state=failed&order_by=-rendered_map_index&order_by=run_after&limit=500`,
    );
    expect(body).toMatchObject({ task_instances: [{ task_id: "extract" }], total_entries: 1 });
    expect(api.calls[0]?.args).toEqual([
      "r1",
      { limit: 100, offset: 0, order_by: ["-map_index"], task_id: "extract", state: ["none", "failed"] },
    ]);
  });

  it.for([
    ["state=null", 422],
    ["order_by=pool", 400],
    ["pool=default_pool", 400],
    ["duration_gte=1", 400],
  ] as const)("?%s is refused with %d", async ([query, status], { expect }) => {
    const api = testApi();
    expect((await api.send("GET", `${BASE}?${query}`)).status).toBe(status);
    expect((await api.send("GET", `${BASE}/clean/listMapped?${query}`)).status).toBe(status);
    expect(api.calls).toEqual([]);
  });

  it("one of a mapped task is answered under its map index", async ({ expect }) => {
    const api = testApi({ dag: { getTaskInstance: async () => ok(instanceView({ task_id: "clean", map_index: 3 })) } });
    const { body } = await api.send("GET", `${BASE}/clean/3`);
    expect(body).toMatchObject({ map_index: 3, rendered_map_index: "3" });
    expect(api.calls[0]?.args).toEqual([{ run_id: "r1", task_id: "clean", map_index: 3 }]);
  });

  it.for(["x", "-2", "1.5"])("a map index of %s is refused with 422", async (index, { expect }) => {
    const { status, body } = await testApi().send("GET", `${BASE}/clean/${index}`);
    expect(status).toBe(422);
    expect(body).toMatchObject({
      detail: [{ loc: ["path", "map_index"], msg: `expected a map index: -1, or a whole number, got "${index}"` }],
    });
  });

  it("asking for a mapped task without an index says to add it", async ({ expect }) => {
    const api = testApi({
      dag: {
        getTaskInstance: async () => notFound,
        listTaskInstances: async () => ok({ items: [instanceView({ task_id: "clean", map_index: 0 })], total: 5 }),
      },
    });
    expect(await api.send("GET", `${BASE}/clean`)).toMatchObject({
      status: 404,
      body: { detail: "Task instance is mapped, add the map_index value to the URL" },
    });
  });

  it("one that is not answers 404", async ({ expect }) => {
    const api = testApi({
      dag: { getTaskInstance: async () => notFound, listTaskInstances: async () => ok({ items: [], total: 0 }) },
    });
    expect(await api.send("GET", `${BASE}/nothing`)).toMatchObject({
      status: 404,
      body: { detail: "no such task instance" },
    });
    expect((await api.send("GET", `${BASE}/nothing/0`)).status).toBe(404);
  });

  it("listMapped lists the instances of a mapped task", async ({ expect }) => {
    const items = [0, 1].map((index) => instanceView({ task_id: "clean", map_index: index }));
    const api = testApi({ dag: { listTaskInstances: async () => ok({ items, total: 2 }) } });
    const { status, body } = await api.send("GET", `${BASE}/clean/listMapped`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ task_instances: [{ map_index: 0 }, { map_index: 1 }], total_entries: 2 });
    expect(api.calls[0]?.args).toEqual(["r1", { limit: 50, offset: 0, order_by: ["map_index"], task_id: "clean" }]);
  });

  it.for([
    ["a mapped task before it is expanded", "clean", [instanceView({ task_id: "clean", map_index: -1 })]],
    ["a mapped task that expanded to nothing", "clean", []],
    ["a task in a mapped group before it is expanded", "per_row.scrub", [instanceView({ map_index: -1 })]],
  ] as const)("listMapped of %s is empty", async ([, task, items], { expect }) => {
    const api = testApi({ dag: { listTaskInstances: async () => ok({ items: [...items], total: items.length }) } });
    const { status, body } = await api.send("GET", `${BASE}/${task}/listMapped`);
    expect(status).toBe(200);
    expect(body).toEqual({ task_instances: [], total_entries: 0 });
  });

  it.for([
    ["extract", [instanceView()], "Task id extract is not mapped"],
    ["nothing", [], "Task id nothing not found"],
  ] as const)("listMapped of %s answers 404", async ([task, items, detail], { expect }) => {
    const api = testApi({ dag: { listTaskInstances: async () => ok({ items: [...items], total: items.length }) } });
    expect(await api.send("GET", `${BASE}/${task}/listMapped`)).toMatchObject({ status: 404, body: { detail } });
  });
});
