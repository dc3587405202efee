import { describe, it } from "vitest";
import type { ClearRequest, Refusal } from "../../src/engine/objects.ts";
import { instanceView, NOW, ok, testApi, type TestApi } from "./api-support.ts";

const PATH = "/api/v2/dags/etl/clearTaskInstances";

function clearing(): TestApi {
  return testApi({
    dag: { clear: async () => ok([instanceView({ state: null }), instanceView({ task_id: "clean", map_index: 1 })]) },
  });
}

function refusing(refusal: Refusal): TestApi {
  return testApi({ dag: { clear: async () => ({ ok: false, refusal }) } });
}

/** What a clear asks if its body says nothing. */
const DEFAULTS: ClearRequest = {
  run_id: null,
  start_date: null,
  end_date: null,
  task_ids: null,
  only_failed: true,
  only_running: false,
  reset_dag_runs: true,
  include_upstream: false,
  include_downstream: false,
  include_future: false,
  include_past: false,
  run_on_latest_version: false,
  prevent_running_task: false,
  dry_run: true,
};

describe("clearing task instances", () => {
  it("answers them as a collection", async ({ expect }) => {
    expect(await clearing().send("POST", PATH, { json: { dry_run: false, dag_run_id: "r1" } })).toMatchObject({
      status: 200,
      body: {
        task_instances: [
          { task_id: "extract", state: null },
          { task_id: "clean", map_index: 1 },
        ],
        total_entries: 2,
      },
    });
  });

  it.for<[string, object, Partial<ClearRequest>]>([
    ["nothing", {}, {}],
    ["a run", { dag_run_id: "r1", dry_run: false }, { run_id: "r1", dry_run: false }],
    ["tasks and instances", { task_ids: ["a", ["b", 3], ["c", -1]] }, { task_ids: ["a", ["b", 3], ["c", -1]] }],
    [
      "dates",
      { start_date: "2026-01-31T06:00:00Z", end_date: "2026-01-31T07:00:00+01:00" },
      { start_date: NOW, end_date: NOW },
    ],
    [
      "a date and the past",
      { end_date: "2026-01-31T06:00:00Z", include_past: true },
      { end_date: NOW, include_past: true },
    ],
    [
      "dates, the past and the future",
      {
        start_date: "2026-01-31T06:00:00Z",
        end_date: "2026-01-31T06:00:00Z",
        include_past: true,
        include_future: true,
      },
      { include_past: true, include_future: true },
    ],
    [
      "neighbours",
      { dag_run_id: "r1", include_upstream: true, include_downstream: true },
      { run_id: "r1", include_upstream: true, include_downstream: true },
    ],
    ["those that run", { only_failed: false, only_running: true }, { only_failed: false, only_running: true }],
    ["all states", { only_failed: false }, { only_failed: false }],
    ["runs that stay as they are", { reset_dag_runs: false }, { reset_dag_runs: false }],
    ["the newest version", { run_on_latest_version: true }, { run_on_latest_version: true }],
    ["null where Airflow allows it", { run_on_latest_version: null, task_ids: null, dag_run_id: null, note: null }, {}],
    ["a note", { dry_run: false, note: "again" }, { dry_run: false, note: "again", note_on_instances: true }],
    ["a note in a dry run", { note: "again" }, {}],
    ["no running ones", { dry_run: false, prevent_running_task: true }, { dry_run: false, prevent_running_task: true }],
    ["no running ones in a dry run", { prevent_running_task: true }, {}],
  ])("with %s asks the object for that", async ([, json, expected], { expect }) => {
    const api = clearing();
    expect((await api.send("POST", PATH, { json })).status).toBe(200);
    expect(api.calls).toEqual([{ object: "DAG etl", method: "clear", args: [{ ...DEFAULTS, ...expected }] }]);
  });

  it.for([
    [
      "failed and running at once",
      { only_failed: true, only_running: true },
      "only_failed and only_running both are set to True",
    ],
    [
      "dates turned round",
      { start_date: "2026-02-01T00:00:00Z", end_date: "2026-01-01T00:00:00Z" },
      "end_date is sooner than start_date",
    ],
    ["a run and a start", { dag_run_id: "r1", start_date: "2026-02-01T00:00:00Z" }, "Exactly one of dag_run_id or"],
    ["a run and an end", { dag_run_id: "r1", end_date: "2026-02-01T00:00:00Z" }, "Exactly one of dag_run_id or"],
    ["no task", { task_ids: [] }, "task_ids list should have at least 1 element."],
    ["a task that is a number", { task_ids: [1] }, "a task id, or a pair of a task id and a map index"],
    ["a task of three parts", { task_ids: [["a", 1, 2]] }, "a task id, or a pair"],
    ["a map index that is none", { task_ids: [["a", -2]] }, "expected a map index: -1, or a whole number, got -2"],
    ["half a map index", { task_ids: [["a", 1.5]] }, "a task id, or a pair"],
    ["too many tasks", { task_ids: Array.from({ length: 2001 }, String) }, "at most 2000 items"],
    ["a date without a zone", { start_date: "2026-02-01T00:00:00" }, "with a time zone"],
    ["a date of day 99", { end_date: "2026-02-99T00:00:00Z" }, "date-time"],
    ["a flag that is text", { dry_run: "false" }, "expected a boolean"],
    ["a flag of null", { only_failed: null }, "expected a boolean"],
    ["a long note", { note: "x".repeat(1001) }, "at most 1000 characters"],
    ["an unknown field", { dag_id: "etl" }, 'no field \\"dag_id\\"'],
    ["a list", [], "expected an object"],
    ["null", null, "expected an object"],
  ] as const)("with %s is a 422", async ([, json, text], { expect }) => {
    const api = clearing();
    const { status, body } = await api.send("POST", PATH, { json });
    expect(status).toBe(422);
    expect(JSON.stringify(body)).toContain(text);
    expect(api.calls).toEqual([]);
  });

  it.for<[string, Refusal, object, number, string]>([
    [
      "a run that is not there",
      { code: "not_found", message: "no run r1" },
      { dag_run_id: "r1" },
      404,
      "Dag Run id r1 not found in dag etl",
    ],
    [
      "the past of a run without a date",
      { code: "invalid", message: "Cannot use include_past or include_future with no logical_date", loc: ["body"] },
      { dag_run_id: "r1", include_past: true },
      400,
      "Cannot use include_past or include_future with no logical_date",
    ],
    [
      "one that runs",
      { code: "conflict", message: "extract is running" },
      { dag_run_id: "r1" },
      409,
      "extract is running",
    ],
    ["too many", { code: "too_large", message: "expected at most 1000 runs" }, {}, 413, "expected at most 1000 runs"],
  ])("%s is refused as in Airflow", async ([, refusal, json, status, detail], { expect }) => {
    expect(await refusing(refusal).send("POST", PATH, { json })).toMatchObject({ status, body: { detail } });
  });

  it("of a DAG that is not there is a 404, and asks no object", async ({ expect }) => {
    const api = clearing();
    const { status, body } = await api.send("POST", "/api/v2/dags/elt/clearTaskInstances", { json: {} });
    expect([status, body]).toEqual([404, { detail: 'The Dag with ID: `elt` was not found; did you mean "etl"?' }]);
    expect(api.calls).toEqual([]);
  });

  it.for([
    ["no body but its type", { raw: "", headers: { "content-type": "application/json" } }, 400],
    ["a body that is no JSON", { raw: "{", headers: { "content-type": "application/json" } }, 400],
    ["a body that is declared as text", { raw: "{}", headers: { "content-type": "text/plain" } }, 415],
  ] as const)("with %s is refused", async ([, options, status], { expect }) => {
    expect((await clearing().send("POST", PATH, options)).status).toBe(status);
  });
});
