import { describe, it } from "vitest";
import type { RunQuery } from "../../src/engine/objects.ts";
import type { DagRunView } from "../../src/engine/work.ts";
import { listWith } from "./api-matchers.ts";
import { NOW, ok, runView, testApi } from "./api-support.ts";

const RUNS = "/api/v2/dags/etl/dagRuns";
const ALL_RUNS = "/api/v2/dags/~/dagRuns";
const LIST = `${ALL_RUNS}/list`;

const empty = { dag: { listRuns: async () => ok({ items: [], total: 0 }) } };

/** An API whose DAGs have these runs each, in the order in which an object answers them. */
function apiWith(runs: Record<string, Partial<DagRunView>[]>) {
  const asked: [string, RunQuery][] = [];
  const getByName = (name: string) => ({
    listRuns: async (query: RunQuery) => {
      asked.push([name, query]);
      const items = (runs[name] ?? []).map((fields) => runView({ dag_id: name, ...fields }));
      return ok({ items: items.slice(query.offset, query.offset + query.limit), total: items.length });
    },
  });
  return { ...testApi({ env: { DAG: { getByName } } }), asked };
}

describe("the runs of one DAG", () => {
  it("are listed by page, order and state", async ({ expect }) => {
    const api = testApi({
      dag: { listRuns: async () => ok({ items: [runView({ run_id: "r1" }), runView({ run_id: "r2" })], total: 7 }) },
    });
    const { status, body } = await api.send(
      "GET",
      `${RUNS}?limit=2&offset=4&order_by=-run_after&order_by=dag_run_id&state=failed&state=success`,
    );
    expect(status).toBe(200);
    expect(body).toMatchObject({ dag_runs: [{ dag_run_id: "r1" }, { dag_run_id: "r2" }], total_entries: 7 });
    const query = { limit: 2, offset: 4, order_by: ["-run_after", "run_id"], state: ["failed", "success"] };
    expect(api.calls).toEqual([{ object: "DAG etl", method: "listRuns", args: [query] }]);
  });

  it("are listed in order of creation, fifty at a time, if nothing is said", async ({ expect }) => {
    const api = testApi(empty);
    expect((await api.send("GET", RUNS)).body).toEqual({ dag_runs: [], total_entries: 0 });
    expect(api.calls[0]?.args).toEqual([{ limit: 50, offset: 0, order_by: ["id"] }]);
  });

  it.for([
    ["state=none", { state: ["none"] }],
    ["run_type=manual&run_type=scheduled", { run_type: ["manual", "scheduled"] }],
    ["dag_version=1&dag_version=3", { dag_version: [1, 3] }],
    ["run_id_pattern=manual%25", { run_id_pattern: "manual%" }],
    ["triggering_user_name_pattern=a|b", { triggering_user_name_pattern: "a|b" }],
    ["conf_contains=2026", { conf_contains: "2026" }],
    ["run_after_gte=2026-01-31T06:00:00Z", { run_after: { gte: NOW } }],
    ["logical_date_gt=2026-01-31T07:00:00%2B01:00", { logical_date: { gt: NOW } }],
    [
      "start_date_gte=2026-01-31T06:00:00Z&start_date_lt=2026-01-31T06:00:01Z",
      { start_date: { gte: NOW, lt: NOW + 1000 } },
    ],
    ["end_date_lte=2026-01-31T06:00:00Z", { end_date: { lte: NOW } }],
    ["end_date_gt=2026-01-31%2006:00:00", { end_date: { gt: NOW } }],
    ["updated_at_lt=2026-01-31T06:00:00Z", { updated_at: { lt: NOW } }],
    ["duration_gte=1.5&duration_lte=60", { duration: { gte: 1.5, lte: 60 } }],
    ["dag_id_pattern=E%25L", {}],
    ["something_airflow_does_not_know=1", {}],
  ] as const)("?%s asks the object for just that", async ([query, filter], { expect }) => {
    const api = testApi(empty);
    expect((await api.send("GET", `${RUNS}?${query}`)).status).toBe(200);
    expect(api.calls[0]?.args).toEqual([{ limit: 50, offset: 0, order_by: ["id"], ...filter }]);
  });

  it.for([
    "id",
    "state",
    "dag_id",
    "run_id",
    "dag_run_id",
    "logical_date",
    "run_after",
    "start_date",
    "end_date",
    "updated_at",
    "conf",
    "duration",
  ])("can be sorted by %s, both ways", async (field, { expect }) => {
    const api = testApi(empty);
    expect((await api.send("GET", `${RUNS}?order_by=-${field}&order_by=${field}`)).status).toBe(200);
    const name = field === "dag_run_id" ? "run_id" : field;
    expect(api.calls[0]?.args).toMatchObject([{ order_by: [`-${name}`, name] }]);
  });

  it.for([
    ["state=done", 422],
    ["state=success&state=done", 422],
    ["run_type=webhook", 422],
    ["dag_version=one", 422],
    ["start_date_gte=2026-01-01T25:00:00", 422],
    ["start_date_gte=yesterday", 422],
    ["duration_gt=-1", 422],
    ["limit=-1", 422],
    [`run_id_pattern=${"x".repeat(251)}`, 422],
    [`conf_contains=${"x".repeat(1001)}`, 422],
    ["order_by=bundle_version", 400],
    ["order_by=--id", 400],
    ["bundle_version=1", 400],
    ["partition_key_pattern=x", 400],
    ["run_id_prefix_pattern=x", 400],
    ["cursor=", 400],
  ] as const)("?%s is refused with %d, and no object is asked", async ([query, status], { expect }) => {
    const api = testApi(empty);
    const answer = await api.send("GET", `${RUNS}?${query}`);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).toContain("expected");
    expect(api.calls).toEqual([]);
  });

  it("are none if the DAG does not fit the pattern", async ({ expect }) => {
    const api = testApi(empty);
    expect(await api.send("GET", `${RUNS}?dag_id_pattern=reports`)).toMatchObject({
      status: 200,
      body: { dag_runs: [], total_entries: 0 },
    });
    expect(api.calls).toEqual([]);
  });
});

describe("the runs of all DAGs", () => {
  const runs = {
    etl: [
      { run_id: "e1", created_at: NOW, run_after: NOW + 5 },
      { run_id: "e2", created_at: NOW + 20, run_after: NOW + 7 },
    ],
    on_push: [{ run_id: "p1", created_at: NOW + 10, run_after: NOW + 7 }],
    reports: [{ run_id: "r1", created_at: NOW + 10, run_after: NOW + 6 }],
  };

  it.for([
    ["", ["e1", "p1", "r1", "e2"], 4],
    ["?limit=2&offset=1", ["p1", "r1"], 4],
    ["?order_by=run_after", ["e1", "r1", "e2", "p1"], 4],
    ["?dag_id_pattern=P", ["p1", "r1"], 2],
    ["?dag_id_pattern=nothing", [], 0],
    ["?limit=0", [], 4],
  ] as const)("GET %s lists %j of %d", async ([query, ids, total], { expect }) => {
    const { status, body } = await apiWith(runs).send("GET", `${ALL_RUNS}${query}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ dag_runs: ids.map((id) => ({ dag_run_id: id })), total_entries: total });
    expect(body).toMatchObject({ dag_runs: { length: ids.length } });
  });

  it("are asked of every object with the filter, from the first one on", async ({ expect }) => {
    const api = apiWith(runs);
    await api.send("GET", `${ALL_RUNS}?state=failed&limit=2&offset=1&order_by=-start_date`);
    const query = { limit: 3, offset: 0, order_by: ["-start_date"], state: ["failed"] };
    expect(api.asked).toEqual([
      ["reports", query],
      ["on_push", query],
      ["etl", query],
    ]);
  });

  it("are refused where they lie too deep to be merged", async ({ expect }) => {
    const answer = await apiWith(runs).send("GET", `${ALL_RUNS}?offset=999999999`);
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.body)).toContain("expected offset and limit of at most 10000 together");
  });

  it("include those of DAGs that were registered", async ({ expect }) => {
    const api = testApi({
      catalog: { list: async () => ["extra"] },
      dag: { listRuns: async () => ok({ items: [], total: 1 }) },
    });
    expect((await api.send("GET", ALL_RUNS)).body).toMatchObject({ total_entries: 4 });
    expect(api.calls.map(({ object }) => object)).toContain("DAG extra");
  });

  it("are listed by body, only of the DAGs named that there are", async ({ expect }) => {
    const api = apiWith(runs);
    const json = {
      dag_ids: ["reports", "etl", "nothing", "__proto__", "reports"],
      states: ["failed", null],
      order_by: "run_after",
      page_limit: 500,
      page_offset: 1,
      conf_contains: "x",
      run_after_gte: "2026-01-31T06:00:00Z",
      run_after_lt: null,
      duration_gt: 1.5,
    };
    const { status, body } = await api.send("POST", LIST, { json });
    expect(status).toBe(200);
    expect(body).toMatchObject({ dag_runs: [{ dag_run_id: "r1" }, { dag_run_id: "e2" }], total_entries: 3 });
    const query = {
      limit: 100,
      offset: 0,
      order_by: ["run_after"],
      state: ["failed", "none"],
      conf_contains: "x",
      run_after: { gte: NOW },
      duration: { gt: 1.5 },
    };
    expect(api.asked).toEqual([
      ["etl", query],
      ["reports", query],
    ]);
  });

  it.for([[{}], [{ dag_ids: null, states: null, order_by: null, conf_contains: null }], [{ dag_ids: [], states: [] }]])(
    "are all of them for the body %j",
    async ([json], { expect }) => {
      const { status, body } = await apiWith(runs).send("POST", LIST, { json });
      expect(status).toBe(200);
      expect(body).toMatchObject({ total_entries: 4 });
    },
  );

  it("are none if no DAG named is there", async ({ expect }) => {
    const api = apiWith(runs);
    const { body } = await api.send("POST", LIST, { json: { dag_ids: ["nothing"] } });
    expect(body).toEqual({ dag_runs: [], total_entries: 0 });
    expect(api.asked).toEqual([]);
  });

  it.for([
    [{ page_limit: -1 }, ["body", "page_limit"]],
    [{ page_offset: 1.5 }, ["body", "page_offset"]],
    [{ page_limit: "10" }, ["body", "page_limit"]],
    [{ states: ["done"] }, ["body", "states", 0]],
    [{ dag_ids: "etl" }, ["body", "dag_ids"]],
    [{ order_by: ["id"] }, ["body", "order_by"]],
    [{ start_date_gte: "2026-01-31T06:00:00" }, ["body", "start_date_gte"]],
    [{ duration_gte: "1" }, ["body", "duration_gte"]],
    [{ updated_at_gte: "2026-01-31T06:00:00Z" }, ["body", "updated_at_gte"]],
    [{ limit: 5 }, ["body", "limit"]],
  ] as const)("are refused for the body %j", async ([json, loc], { expect }) => {
    const api = apiWith(runs);
    const { status, body } = await api.send("POST", LIST, { json });
    expect(status).toBe(422);
    expect(body).toMatchObject({ detail: listWith({ loc }) });
    expect(api.asked).toEqual([]);
  });

  it("are refused by body under the path of one DAG, and sorted by what is no field", async ({ expect }) => {
    const api = apiWith(runs);
    const refused = await api.send("POST", `${RUNS}/list`, { json: {} });
    expect(refused.status).toBe(422);
    expect(refused.body).toMatchObject({ detail: listWith({ loc: ["path", "dag_id"] }) });
    expect((await api.send("POST", LIST, { json: { order_by: "fileloc" } })).status).toBe(400);
    expect(api.asked).toEqual([]);
  });
});
