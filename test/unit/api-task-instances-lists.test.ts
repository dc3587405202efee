import { describe, it } from "vitest";
import type { Page, Result } from "../../src/engine/objects.ts";
import type { TaskInstanceView } from "../../src/engine/work.ts";
import { instanceView, NOW, ok, testApi, type TestApi } from "./api-support.ts";

const BASE = "/api/v2/dags/etl/dagRuns/r1/taskInstances";
const ALL = "/api/v2/dags/~/dagRuns/~/taskInstances";

/** An API whose objects have these task instances, by DAG; DAGs that are left out have not the run. */
function listing(byDag: Record<string, TaskInstanceView[]>): TestApi {
  const api: TestApi = testApi({
    dag: {
      listTaskInstances: async (_run, { limit, offset }): Promise<Result<Page<TaskInstanceView>>> => {
        const items = byDag[api.calls.at(-1)?.object.replace("DAG ", "") ?? ""];
        return items === undefined
          ? { ok: false, refusal: { code: "not_found", message: "no such run" } }
          : ok({ items: items.slice(offset, offset + limit), total: items.length });
      },
    },
  });
  return api;
}

describe("a list of task instances", () => {
  it("asks for a page, by map index, if nothing is said", async ({ expect }) => {
    const api = listing({ etl: [instanceView()] });
    const { status, body } = await api.send("GET", BASE);
    expect(status).toBe(200);
    expect(body).toMatchObject({ task_instances: [{ task_id: "extract" }], total_entries: 1 });
    expect(api.calls).toEqual([
      {
        object: "DAG etl",
        method: "listTaskInstances",
        args: ["r1", { limit: 50, offset: 0, order_by: ["map_index"] }],
      },
    ]);
  });

  it.for([
    ["task_id=extract", { task_ids: ["extract"] }],
    ["task_display_name_pattern=ex%25", { task_display_name_pattern: "ex%" }],
    ["task_group_id=per_row", { task_group_id: "per_row" }],
    ["run_id_pattern=r%25", { runs: { run_id_pattern: "r%" } }],
    ["state=none&state=failed", { state: ["none", "failed"] }],
    ["state=no_status", { state: ["none"] }],
    ["state=awaiting_input", { state: ["awaiting_input"] }],
    ["pool=a&pool=b", { pool: ["a", "b"] }],
    ["pool_name_pattern=d", { pool_name_pattern: "d" }],
    ["queue=default", { queue: ["default"] }],
    ["queue_name_pattern=~", { queue_name_pattern: "~" }],
    ["executor=celery", { executor: ["celery"] }],
    ["version_number=1&version_number=2", { dag_version: [1, 2] }],
    ["try_number=3", { try_number: [3] }],
    ["operator=branch", { operator: ["branch"] }],
    ["operator_name_pattern=b|c", { operator_name_pattern: "b|c" }],
    ["map_index=0&map_index=-1", { map_index: [0, -1] }],
    ["run_after_gte=2026-01-31T06:00:00Z", { runs: { run_after: { gte: NOW } } }],
    ["logical_date_lt=2026-01-31T07:00:00%2B01:00", { runs: { logical_date: { lt: NOW } } }],
    ["start_date_gt=2026-01-31T06:00:00Z", { start_date: { gt: NOW } }],
    ["end_date_lte=2026-01-31T06:00:00Z", { end_date: { lte: NOW } }],
    ["duration_gte=1.5&duration_lt=3", { duration: { gte: 1.5, lt: 3 } }],
    ["something_airflow_does_not_know=1", {}],
  ] as const)("?%s is passed on", async ([query, filter], { expect }) => {
    const api = listing({ etl: [] });
    expect((await api.send("GET", `${BASE}?${query}`)).status).toBe(200);
    expect(api.calls[0]?.args).toEqual(["r1", { limit: 50, offset: 0, order_by: ["map_index"], ...filter }]);
  });

  it("is sorted by any of Airflow's keys, up to ten", async ({ expect }) => {
    const api = listing({ etl: [] });
    const keys = [
      "id",
      "-state",
      "duration",
      "start_date",
      "-end_date",
      "rendered_map_index",
      "try_number",
      "-operator",
    ];
    await api.send("GET", `${BASE}?${keys.map((key) => `order_by=${key}`).join("&")}&limit=500&offset=7`);
    expect(api.calls[0]?.args[1]).toEqual({
      limit: 100,
      offset: 7,
      order_by: ["id", "-state", "duration", "start_date", "-end_date", "map_index", "try_number", "-operator"],
    });
    await api.send("GET", `${BASE}?order_by=-run_after&order_by=logical_date&order_by=data_interval_start`);
    expect(api.calls[1]?.args[1]).toMatchObject({ order_by: ["-run_after", "logical_date", "data_interval_start"] });
  });

  it.for([
    ["state=null", 422],
    ["state=done&state=failed", 422],
    ["map_index=x", 422],
    ["try_number=1.5", 422],
    ["duration_gte=-1", 422],
    ["start_date_gte=2026-1-31", 422],
    ["start_date_gte=yesterday", 422],
    ["limit=-1", 422],
    [`pool_name_pattern=${"x".repeat(251)}`, 422],
    ["order_by=pool", 400],
    ["order_by=task_id", 400],
    ["order_by=constructor", 400],
    ["updated_at_gte=2026-01-31T06:00:00Z", 400],
    ["cursor=abc", 400],
    ["pool_name_prefix_pattern=a", 400],
    ["rendered_map_index_pattern=1", 400],
  ] as const)("?%s is refused with %d", async ([query, status], { expect }) => {
    const api = testApi();
    expect((await api.send("GET", `${BASE}?${query}`)).status).toBe(status);
    expect((await api.send("GET", `${BASE}/clean/listMapped?${query}`)).status).toBe(status);
    expect(api.calls).toEqual([]);
  });

  it("of a run that no DAG has is a 404", async ({ expect }) => {
    expect(await listing({}).send("GET", BASE)).toMatchObject({
      status: 404,
      body: { detail: "DagRun with run_id: `r1` was not found" },
    });
  });

  it("of a run without its DAG is a 400", async ({ expect }) => {
    const api = testApi();
    expect(await api.send("GET", "/api/v2/dags/~/dagRuns/r1/taskInstances")).toMatchObject({
      status: 400,
      body: { detail: "dag_id is required when dag_run_id is specified" },
    });
    expect(api.calls).toEqual([]);
  });

  it("with ~ for the run is one of all runs of the DAG", async ({ expect }) => {
    const api = listing({ etl: [instanceView(), instanceView({ run_id: "r2" })] });
    const { body } = await api.send("GET", "/api/v2/dags/etl/dagRuns/~/taskInstances");
    expect(body).toMatchObject({ task_instances: [{ dag_run_id: "r1" }, { dag_run_id: "r2" }], total_entries: 2 });
    expect(api.calls[0]?.args[0]).toBeNull();
  });
});

describe("a list of task instances of all DAGs", () => {
  const byDag = {
    etl: [instanceView({ start_date: NOW + 3 }), instanceView({ start_date: NOW + 1, task_id: "second" })],
    on_push: [
      instanceView({ dag_id: "on_push", start_date: NOW + 2 }),
      instanceView({ dag_id: "on_push", start_date: null }),
    ],
    reports: [],
  };

  it("is one list, in order", async ({ expect }) => {
    const sorted = { ...byDag, etl: byDag.etl.toReversed() };
    const { body } = await listing(sorted).send("GET", `${ALL}?order_by=start_date`);
    expect(body).toMatchObject({
      task_instances: [
        { dag_id: "etl", task_id: "second" },
        { dag_id: "on_push", start_date: "2026-01-31T06:00:00.002Z" },
        { dag_id: "etl", task_id: "extract" },
        { dag_id: "on_push", start_date: null },
      ],
      total_entries: 4,
    });
  });

  it("turns ties round if its first key is descending", async ({ expect }) => {
    const { body } = await listing(byDag).send("GET", `${ALL}?order_by=-state&limit=2`);
    expect(body).toMatchObject({ task_instances: [{ dag_id: "on_push" }, { dag_id: "on_push" }] });
  });

  it("has pages", async ({ expect }) => {
    const { body } = await listing(byDag).send("GET", `${ALL}?order_by=id&limit=2&offset=1`);
    expect(body).toMatchObject({ task_instances: [{ dag_id: "etl" }, { dag_id: "on_push" }], total_entries: 4 });
    expect(body).toMatchObject({ task_instances: { length: 2 } });
  });

  it("asks only the DAGs that fit a pattern", async ({ expect }) => {
    const api = listing(byDag);
    await api.send("GET", `${ALL}?dag_id_pattern=e%25l|push`);
    expect(api.calls.map(({ object }) => object)).toEqual(["DAG etl", "DAG on_push"]);
    expect((await api.send("GET", `${BASE}?dag_id_pattern=nothing`)).body).toEqual({
      task_instances: [],
      total_entries: 0,
    });
  });

  it("too deep is refused", async ({ expect }) => {
    const { status, body } = await listing(byDag).send("GET", `${ALL}?offset=10000`);
    expect(status).toBe(400);
    expect(JSON.stringify(body)).toContain("name one DAG");
  });
});

describe("a list by body", () => {
  it("passes on all it may say", async ({ expect }) => {
    const api = listing({ etl: [], on_push: [] });
    const json = {
      dag_ids: ["etl", "on_push", "no_such"],
      dag_run_ids: ["r1", "r2"],
      task_ids: ["extract"],
      state: ["failed", null],
      pool: ["default_pool"],
      queue: ["default"],
      executor: null,
      run_after_gte: "2026-01-31T06:00:00Z",
      logical_date_lt: null,
      start_date_gt: "2026-01-31T06:00:00Z",
      end_date_lte: "2026-01-31T06:00:00Z",
      duration_gte: 2,
      page_limit: 1000,
      page_offset: 0,
      order_by: "-start_date",
    };
    expect(await api.send("POST", `${ALL}/list`, { json })).toMatchObject({ status: 200, body: { total_entries: 0 } });
    const query = {
      limit: 100,
      offset: 0,
      order_by: ["-start_date"],
      runs: { run_ids: ["r1", "r2"], run_after: { gte: NOW } },
      task_ids: ["extract"],
      state: ["failed", "none"],
      pool: ["default_pool"],
      queue: ["default"],
      start_date: { gt: NOW },
      end_date: { lte: NOW },
      duration: { gte: 2 },
    };
    expect(api.calls).toEqual([
      { object: "DAG on_push", method: "listTaskInstances", args: [null, query] },
      { object: "DAG etl", method: "listTaskInstances", args: [null, query] },
    ]);
  });

  it("that says nothing lists everything", async ({ expect }) => {
    const api = listing({ etl: [instanceView()], on_push: [], reports: [] });
    expect((await api.send("POST", `${ALL}/list`, { json: { dag_ids: [], state: null } })).body).toMatchObject({
      task_instances: [{ dag_id: "etl" }],
      total_entries: 1,
    });
    expect(api.calls).toHaveLength(3);
    expect(api.calls[0]?.args).toEqual([null, { limit: 100, offset: 0, order_by: ["id"] }]);
  });

  it.for([
    ["a sort key it has not", { order_by: "try_number" }, 400],
    ["an unknown field", { colour: "red" }, 422],
    ["a state that is none", { state: ["done"] }, 422],
    ["ids that are no list", { dag_ids: "etl" }, 422],
    ["more ids than it compares with", { task_ids: Array.from({ length: 1001 }, String) }, 422],
    ["a negative page", { page_offset: -1 }, 422],
    ["half a page", { page_limit: 1.5 }, 422],
    ["a date without a zone", { start_date_gte: "2026-01-31T06:00:00" }, 422],
    ["a duration as text", { duration_gte: "1" }, 422],
    ["a list", [], 422],
    ["null", null, 422],
  ] as const)("with %s is refused", async ([, json, status], { expect }) => {
    const api = testApi();
    expect((await api.send("POST", `${ALL}/list`, { json })).status).toBe(status);
    expect(api.calls).toEqual([]);
  });

  it.for([BASE, "/api/v2/dags/~/dagRuns/r1/taskInstances", "/api/v2/dags/etl/dagRuns/~/taskInstances"])(
    "under %s is refused: the body names DAGs and runs",
    async (path, { expect }) => {
      const { status, body } = await testApi().send("POST", `${path}/list`, { json: {} });
      expect(status).toBe(422);
      expect(JSON.stringify(body)).toContain("the body names DAGs and runs");
    },
  );
});

describe("a list of the instances of a mapped task", () => {
  it("is that of the task, with the same filters", async ({ expect }) => {
    const items = [0, 1].map((index) => instanceView({ task_id: "clean", map_index: index }));
    const api = listing({ etl: items });
    const { status, body } = await api.send("GET", `${BASE}/clean/listMapped?state=failed&order_by=-map_index`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ task_instances: [{ map_index: 0 }, { map_index: 1 }], total_entries: 2 });
    expect(api.calls).toHaveLength(1);
    expect(api.calls[0]?.args).toEqual([
      "r1",
      { limit: 50, offset: 0, order_by: ["-map_index"], task_ids: ["clean"], state: ["failed"] },
    ]);
  });

  it.for([
    ["before it is expanded", "clean", [instanceView({ task_id: "clean", map_index: -1 })]],
    ["that expanded to nothing", "clean", []],
    ["in a mapped group before it is expanded", "per_row.scrub", [instanceView({ map_index: -1 })]],
  ] as const)("is empty for a task %s", async ([, task, items], { expect }) => {
    const { status, body } = await listing({ etl: [...items] }).send("GET", `${BASE}/${task}/listMapped`);
    expect([status, body]).toEqual([200, { task_instances: [], total_entries: 0 }]);
  });

  it("is empty on a page that lies behind the last", async ({ expect }) => {
    const items = [instanceView({ task_id: "gone_since", map_index: 0 })];
    const { status, body } = await listing({ etl: items }).send("GET", `${BASE}/gone_since/listMapped?offset=5`);
    expect([status, body]).toEqual([200, { task_instances: [], total_entries: 1 }]);
  });

  it.for([
    ["extract", [instanceView()], "Task id extract is not mapped"],
    ["nothing", [], "Task id nothing not found"],
  ] as const)("of %s is a 404", async ([task, items, detail], { expect }) => {
    const api = listing({ etl: [...items] });
    expect(await api.send("GET", `${BASE}/${task}/listMapped`)).toMatchObject({ status: 404, body: { detail } });
  });

  it("of a run that is not there is a 404", async ({ expect }) => {
    expect(await listing({}).send("GET", `${BASE}/clean/listMapped`)).toMatchObject({
      status: 404,
      body: { detail: "DagRun with run_id: `r1` was not found" },
    });
  });
});
