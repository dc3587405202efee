import { describe, it } from "vitest";
import type { DagObject } from "../../src/engine/objects.ts";
import { containing, listWith, matching } from "./api-matchers.ts";
import { NOW, ok, runView, testApi } from "./api-support.ts";

const RUNS = "/api/v2/dags/etl/dagRuns";
const RUN = "manual__2026-01-31T06:00:00+00:00";

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
      partition_date: null,
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
            triggering_user_name: null,
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
        triggering_user_name: null,
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
      "a logical_date that is no time",
      { logical_date: true },
      ["body", "logical_date"],
      "expected an ISO 8601 date-time with a time zone, such as 2026-01-31T06:00:00Z, or seconds since 1970, got true",
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
      "a run id that is a way in a path",
      { logical_date: null, dag_run_id: ".." },
      ["body", "dag_run_id"],
      "expected a run id other than ., .., ~",
    ],
    [
      "the run id that stands for all",
      { logical_date: null, dag_run_id: "~" },
      ["body", "dag_run_id"],
      "expected a run id other than ., .., ~",
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

  it.for([
    ["my run", `The run_id provided "my run" does not match regex pattern '^[A-Za-z0-9_.~:+-]+$'`],
    ["../x", `The run_id provided "../x" does not match regex pattern '^[A-Za-z0-9_.~:+-]+$'`],
    ["a\0b", String.raw`The run_id provided "a\u0000b" does not match regex pattern '^[A-Za-z0-9_.~:+-]+$'`],
    ["scheduled__2026", 'A manual DAG run cannot use ID "scheduled__2026" since it is reserved for scheduled runs'],
    ["backfill__1", 'A manual DAG run cannot use ID "backfill__1" since it is reserved for backfill runs'],
    ["webhook__github__1", 'A manual DAG run cannot use ID "webhook__github__1" since it is reserved for webhook runs'],
  ] as const)("refuses the run id %j with 400, as Airflow does", async ([runId, detail], { expect }) => {
    const api = testApi({ dag: triggering });
    const json = { logical_date: null, dag_run_id: runId };
    const { status, body } = await api.send("POST", "/api/v2/dags/etl/dagRuns", { json });
    expect(status).toBe(400);
    expect(body).toEqual({ detail });
    expect(api.calls).toEqual([]);
  });

  it("answers 400 and names the param for conf that violates params", async ({ expect }) => {
    const refusal = {
      code: "invalid",
      message: 'expected an integer at conf.year, got "x"',
      loc: ["body", "conf", "year"],
    } as const;
    const api = testApi({
      dag: { trigger: async () => ({ ok: false, refusal: { ...refusal, loc: [...refusal.loc] } }) },
    });
    const { status, body } = await api.send("POST", "/api/v2/dags/etl/dagRuns", {
      json: { logical_date: null, conf: { year: "x" } },
    });
    expect(status).toBe(400);
    expect(body).toEqual({ detail: 'Invalid input for param year: expected an integer at conf.year, got "x"' });
  });

  it("answers 422 at the place an object names for anything else", async ({ expect }) => {
    const refusal = { code: "invalid" as const, message: "expected a later time", loc: ["body", "run_after"] };
    const api = testApi({ dag: { trigger: async () => ({ ok: false, refusal }) } });
    const { status, body } = await api.send("POST", "/api/v2/dags/etl/dagRuns", { json: { logical_date: null } });
    expect(status).toBe(422);
    expect(body).toEqual({
      detail: [{ loc: ["body", "run_after"], msg: "expected a later time", type: "value_error" }],
    });
  });

  it("takes an empty note for none", async ({ expect }) => {
    const api = testApi({ dag: triggering });
    await api.send("POST", "/api/v2/dags/etl/dagRuns", { json: { logical_date: null, note: "" } });
    expect(api.calls[0]?.args).toMatchObject([{ note: null }]);
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

  it("shows the name of the user who asked for it", async ({ expect }) => {
    const api = testApi({ dag: { trigger: async () => ok(runView({ triggering_user_name: "ada" })) } });
    const { body } = await api.send("POST", "/api/v2/dags/etl/dagRuns", { json: { logical_date: null } });
    expect(body).toMatchObject({ triggered_by: "rest_api", triggering_user_name: "ada" });
  });
});

describe("one run", () => {
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

  it("has no note if the note is empty", async ({ expect }) => {
    const api = testApi({ dag: { getRun: async () => ok(runView({ note: "" })) } });
    expect((await api.send("GET", RUNS + "/r1")).body).toMatchObject({ note: null });
  });
});

describe("patching a run", () => {
  const patched: Partial<DagObject> = {
    getRun: async () => ok(runView()),
    patchRun: async (_id, patch) => ok(runView({ note: patch.note ?? null, state: patch.state ?? "running" })),
  };

  it.for([
    ["a state", "", { state: "failed" }, { state: "failed" }],
    ["a note", "", { note: "looked at" }, { note: "looked at" }],
    ["both", "", { state: "success", note: "by hand" }, { state: "success", note: "by hand" }],
    ["a note of null, which removes it", "", { note: null }, { note: null }],
    ["an empty note, which removes it", "", { note: "" }, { note: null }],
    ["what the mask names", "?update_mask=note", { state: "failed", note: "x" }, { note: "x" }],
    ["what the mask names twice", "?update_mask=note&update_mask=state", { state: "queued" }, { state: "queued" }],
    [
      "what the mask names beside what is no field",
      "?update_mask=conf&update_mask=state",
      { state: "queued" },
      { state: "queued" },
    ],
  ] as const)("sets %s", async ([, query, json, patch], { expect }) => {
    const api = testApi({ dag: patched });
    const { status, body } = await api.send("PATCH", `${RUNS}/r1${query}`, { json });
    expect(status).toBe(200);
    expect(body).toMatchObject(patch);
    expect(api.calls).toEqual([{ object: "DAG etl", method: "patchRun", args: ["r1", patch] }]);
  });

  it.for([
    ["an empty body", "", {}],
    ["a state of null", "", { state: null }],
    ["a mask that names nothing of the body", "?update_mask=state", { note: "x" }],
    ["a mask of other fields", "?update_mask=conf", { state: "failed" }],
  ] as const)("changes nothing by %s, and answers the run", async ([, query, json], { expect }) => {
    const api = testApi({ dag: patched });
    const { status, body } = await api.send("PATCH", `${RUNS}/r1${query}`, { json });
    expect(status).toBe(200);
    expect(body).toMatchObject({ dag_run_id: RUN });
    expect(api.calls).toEqual([{ object: "DAG etl", method: "getRun", args: ["r1", 0] }]);
  });

  it.for([
    ["a state nobody can give", { state: "running" }, ["body", "state"]],
    ["a state that is none", { state: "done" }, ["body", "state"]],
    ["a long note", { note: "x".repeat(1001) }, ["body", "note"]],
    ["a note that is no text", { note: 5 }, ["body", "note"]],
    ["an unknown field", { conf: {} }, ["body", "conf"]],
  ] as const)("is refused for %s", async ([, json, loc], { expect }) => {
    const api = testApi({ dag: patched });
    const { status, body } = await api.send("PATCH", `${RUNS}/r1`, { json });
    expect(status).toBe(422);
    expect(body).toMatchObject({ detail: listWith({ loc }) });
    expect(api.calls).toEqual([]);
  });
});

describe("deleting a run", () => {
  it("answers 204 and nothing", async ({ expect }) => {
    const api = testApi({ dag: { deleteRun: async () => ok(null) } });
    expect(await api.send("DELETE", `${RUNS}/r1`)).toMatchObject({ status: 204, body: null });
    expect(api.calls).toEqual([{ object: "DAG etl", method: "deleteRun", args: ["r1"] }]);
  });

  it.for([
    ["not_found", 404],
    ["conflict", 409],
  ] as const)("answers what the object says: %s is %d", async ([code, status], { expect }) => {
    const message = "The DagRun with dag_id: `etl` and run_id: `r1` cannot be deleted in running state";
    const api = testApi({ dag: { deleteRun: async () => ({ ok: false, refusal: { code, message } }) } });
    expect(await api.send("DELETE", `${RUNS}/r1`)).toMatchObject({ status, body: { detail: message } });
  });
});

describe("what runs have nothing of", () => {
  const dag: Partial<DagObject> = {
    getRun: async (id) =>
      id === "r1" ? ok(runView()) : { ok: false, refusal: { code: "not_found", message: `no run ${id}` } },
  };

  it.for([
    ["upstreamAssetEvents", { asset_events: [], total_entries: 0 }],
    ["hitlDetails", { hitl_details: [], total_entries: 0 }],
  ] as const)("%s is empty for a run that is there, and 404 for one that is not", async ([path, empty], { expect }) => {
    const api = testApi({ dag });
    expect(await api.send("GET", `${RUNS}/r1/${path}`)).toMatchObject({ status: 200, body: empty });
    expect(await api.send("GET", `${RUNS}/r2/${path}`)).toMatchObject({ status: 404, body: { detail: "no run r2" } });
    expect((await api.send("GET", `/api/v2/dags/elt/dagRuns/r1/${path}`)).status).toBe(404);
  });

  it.for([
    ["/api/v2/dags/~/dagRuns/~/hitlDetails", 200],
    ["/api/v2/dags/etl/dagRuns/~/hitlDetails", 200],
    ["/api/v2/dags/elt/dagRuns/~/hitlDetails", 404],
  ] as const)("%s answers %d", async ([path, status], { expect }) => {
    expect((await testApi({ dag }).send("GET", path)).status).toBe(status);
  });
});
