import { describe, it } from "vitest";
import type { ClearRequest, DagObject, Result } from "../../src/engine/objects.ts";
import type { TaskInstanceView } from "../../src/engine/work.ts";
import { containing, listWith } from "./api-matchers.ts";
import { instanceView, ok, runView, testApi } from "./api-support.ts";

const CLEAR = "/api/v2/dags/etl/dagRuns/r1/clear";
const CLEAR_RUNS = "/api/v2/dags/etl/clearDagRuns";

const noRun = (id: string) => ({
  ok: false as const,
  refusal: {
    code: "not_found" as const,
    message: `The DagRun with dag_id: \`etl\` and run_id: \`${id}\` was not found`,
  },
});

/** A DAG whose runs are those whose id begins with r. */
const dag: Partial<DagObject> = {
  getRun: async (id) => (id.startsWith("r") ? ok(runView({ run_id: id, state: "queued", note: null })) : noRun(id)),
  clear: async ({ run_id: id }: ClearRequest): Promise<Result<TaskInstanceView[]>> =>
    id?.startsWith("r") === true ? ok([instanceView({ run_id: id })]) : noRun(id ?? ""),
};

describe("clearing a run", () => {
  it.for([
    ["{}", {}, { only_failed: false, run_on_latest_version: false, dry_run: true }],
    ["only_failed", { only_failed: true }, { only_failed: true, run_on_latest_version: false, dry_run: true }],
    [
      "a note, which a dry run leaves out",
      { note: "x", run_on_latest_version: null },
      { only_failed: false, run_on_latest_version: false, dry_run: true },
    ],
  ] as const)("only lists by default: %s", async ([, json, options], { expect }) => {
    const api = testApi({ dag });
    const { status, body } = await api.send("POST", CLEAR, { json });
    expect(status).toBe(200);
    expect(body).toMatchObject({ task_instances: [{ task_id: "extract", dag_run_id: "r1" }], total_entries: 1 });
    expect(api.calls).toEqual([
      { object: "DAG etl", method: "clear", args: [{ run_id: "r1", task_ids: null, ...options }] },
    ]);
  });

  it("clears with dry_run false, and answers the run as it is then", async ({ expect }) => {
    const api = testApi({ dag });
    const json = { dry_run: false, run_on_latest_version: true, note: "again" };
    const { status, body } = await api.send("POST", CLEAR, { json });
    expect(status).toBe(200);
    expect(body).toMatchObject({ dag_run_id: "r1", state: "queued" });
    const request = { only_failed: false, run_on_latest_version: true, dry_run: false, note: "again" };
    expect(api.calls).toEqual([
      { object: "DAG etl", method: "clear", args: [{ run_id: "r1", task_ids: null, ...request }] },
      { object: "DAG etl", method: "getRun", args: ["r1", 0] },
    ]);
  });

  it("hands an empty note on, which removes the note", async ({ expect }) => {
    const api = testApi({ dag });
    await api.send("POST", CLEAR, { json: { dry_run: false, note: "" } });
    expect(api.calls[0]?.args).toMatchObject([{ note: "" }]);
  });

  it.for([
    ["only_new, which is not served", { only_new: true }, 400, "got only_new"],
    ["only_new with only_failed", { only_new: true, only_failed: true }, 422, "only one of only_new and only_failed"],
    ["dry_run that is no boolean", { dry_run: "yes" }, 422, "dry_run"],
    ["a long note", { note: "x".repeat(1001) }, 422, "at most 1000 characters"],
    ["an unknown field", { include_upstream: true }, 422, "include_upstream"],
  ] as const)("is refused for %s", async ([, json, status, text], { expect }) => {
    const api = testApi({ dag });
    const answer = await api.send("POST", CLEAR, { json });
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).toContain(text);
    expect(api.calls).toEqual([]);
  });

  it("answers 404 for a run that is not", async ({ expect }) => {
    expect(await testApi({ dag }).send("POST", CLEAR.replace("r1", "x"), { json: {} })).toMatchObject({
      status: 404,
      body: { detail: "The DagRun with dag_id: `etl` and run_id: `x` was not found" },
    });
  });
});

describe("clearing many runs", () => {
  it("lists what it would clear of all of them by default", async ({ expect }) => {
    const api = testApi({ dag });
    const json = { dag_runs: [{ dag_run_id: "r1" }, { dag_run_id: "r2", dag_id: "etl" }, { dag_run_id: "r1" }] };
    const { status, body } = await api.send("POST", CLEAR_RUNS, { json });
    expect(status).toBe(200);
    expect(body).toMatchObject({ task_instances: [{ dag_run_id: "r1" }, { dag_run_id: "r2" }], total_entries: 2 });
  });

  it("looks for all runs before it clears the first", async ({ expect }) => {
    const api = testApi({ dag });
    const json = {
      dry_run: false,
      only_failed: true,
      note: "n",
      dag_runs: [{ dag_run_id: "r2" }, { dag_run_id: "r1" }],
    };
    const { status, body } = await api.send("POST", CLEAR_RUNS, { json });
    expect(status).toBe(200);
    expect(body).toMatchObject({ dag_runs: [{ dag_run_id: "r2" }, { dag_run_id: "r1" }], total_entries: 2 });
    const request = { task_ids: null, only_failed: true, run_on_latest_version: false, dry_run: false, note: "n" };
    expect(api.calls.map(({ method, args }) => [method, ...args])).toEqual([
      ["getRun", "r2", 0],
      ["getRun", "r1", 0],
      ["clear", { run_id: "r2", ...request }],
      ["getRun", "r2", 0],
      ["clear", { run_id: "r1", ...request }],
      ["getRun", "r1", 0],
    ]);
  });

  it("clears none if one is not there", async ({ expect }) => {
    const api = testApi({ dag });
    const json = { dry_run: false, dag_runs: [{ dag_run_id: "r1" }, { dag_run_id: "x" }] };
    expect(await api.send("POST", CLEAR_RUNS, { json })).toMatchObject({
      status: 404,
      body: { detail: containing("run_id: `x` was not found") },
    });
    expect(api.calls.map(({ method }) => method)).not.toContain("clear");
  });

  it("takes the DAG of each run from the body under ~", async ({ expect }) => {
    const api = testApi({ dag });
    const json = {
      dry_run: false,
      dag_runs: [
        { dag_id: "reports", dag_run_id: "r1" },
        { dag_id: "etl", dag_run_id: "r1" },
      ],
    };
    const { status, body } = await api.send("POST", "/api/v2/dags/~/clearDagRuns", { json });
    expect(status).toBe(200);
    expect(body).toMatchObject({ total_entries: 2 });
    expect(api.calls.filter(({ method }) => method === "clear").map(({ object }) => object)).toEqual([
      "DAG reports",
      "DAG etl",
    ]);
  });

  it.for([
    ["~", [{ dag_run_id: "r1" }], 400, "dag_id must be specified in request body for dag_run_id: r1"],
    ["~", [{ dag_run_id: "r1", dag_id: "~" }], 400, "dag_id must be specified in request body for dag_run_id: r1"],
    ["etl", [{ dag_run_id: "r1", dag_id: "reports" }], 400, "expected the dag_id of the path, etl"],
    ["~", [{ dag_run_id: "r1", dag_id: "elt" }], 404, "The Dag with ID: `elt` was not found"],
    ["etl", [{ dag_run_id: 1 }], 422, "dag_run_id"],
    ["etl", [], 422, "expected exactly one of dag_runs"],
    ["etl", Array.from({ length: 251 }, (_, index) => ({ dag_run_id: `r${index}` })), 422, "at most 250 items"],
  ] as const)("under %s of %j is refused with %d", async ([dagId, dagRuns, status, text], { expect }) => {
    const api = testApi({ dag });
    const answer = await api.send("POST", `/api/v2/dags/${dagId}/clearDagRuns`, {
      json: { dry_run: false, dag_runs: dagRuns },
    });
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).toContain(text);
    expect(api.calls).toEqual([]);
  });

  it.for([
    [{ partition_key: "eu" }, 400],
    [{ partition_date_start: "2026-01-01T00:00:00Z" }, 400],
    [{ partition_key: "eu", dag_runs: [{ dag_run_id: "r1" }] }, 422],
    [{ only_new: true, dag_runs: [{ dag_run_id: "r1" }] }, 400],
    [{ only_new: true, only_failed: true, dag_runs: [{ dag_run_id: "r1" }] }, 422],
  ] as const)("by %j is refused with %d", async ([json, status], { expect }) => {
    const api = testApi({ dag });
    const answer = await api.send("POST", CLEAR_RUNS, { json });
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).toContain("expected");
    expect(api.calls).toEqual([]);
  });

  it("refuses a list of more task instances than one answer may have", async ({ expect }) => {
    const many = Array.from({ length: 30_000 }, () => instanceView());
    const api = testApi({ dag: { ...dag, clear: async () => ok(many) } });
    const json = { dag_runs: [{ dag_run_id: "r1" }, { dag_run_id: "r2" }] };
    expect(await api.send("POST", CLEAR_RUNS, { json })).toMatchObject({
      status: 413,
      body: { detail: containing("at most 50000 task instances") },
    });
  });

  it("names the field that is wrong", async ({ expect }) => {
    const { body } = await testApi({ dag }).send("POST", CLEAR_RUNS, { json: { dag_runs: [{ dag_id: "etl" }] } });
    expect(body).toMatchObject({ detail: listWith({ loc: ["body", "dag_runs", 0, "dag_run_id"], type: "missing" }) });
  });
});
