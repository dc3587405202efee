import { describe, it } from "vitest";
import { testApi } from "./api-support.ts";

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
      timetable_periodic: false,
      tags: [
        { name: "example", dag_id: "etl", dag_display_name: "etl" },
        { name: "nightly", dag_id: "etl", dag_display_name: "etl" },
      ],
      max_active_tasks: 20_000,
      max_active_runs: 16,
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
      is_backfillable: false,
      is_registered: false,
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
    ["?bundle_name=main", 400, "expected a filter that this list serves, got bundle_name"],
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
