import { describe, it } from "vitest";
import type { CatalogObject, DagObject, DagStatsView, DagView, Result } from "../../src/engine/objects.ts";
import { dagSpecSchema, type DagSpecInput, type Json } from "../../src/engine/spec.ts";
import { SPEC_BYTES } from "../../src/api/dag-spec.ts";
import { isoDuration, timeDeltaJson } from "../../src/api/schemas/duration.ts";
import { containing, listWith } from "./api-matchers.ts";
import { NOW, ok, testApi, testRegistry, type TestApi, type TestApiOptions } from "./api-support.ts";

const NO_DAG: Result<never> = { ok: false, refusal: { code: "not_found", message: "there is no such DAG" } };

function view(spec: DagSpecInput, fields: Partial<DagView> = {}): DagView {
  return {
    dag_id: spec.dag_id,
    is_paused: false,
    is_registered: true,
    version: 1,
    version_created_at: NOW,
    next_dagrun: null,
    spec: dagSpecSchema.parse(spec),
    ...fields,
  };
}

function stats(dagId: string, runs: Partial<DagStatsView["runs"]> = {}, latest: DagStatsView["latest"] = null) {
  return ok({ dag_id: dagId, runs: { queued: 0, running: 0, success: 0, failed: 0, ...runs }, latest });
}

/** An API that has DAGs beside those of the code: `by_hand`, and `ghost`, which the catalog names and nobody stored. */
function withRegistered(dag: Partial<DagObject> = {}, more: Partial<TestApiOptions> = {}): TestApi & { log: string[] } {
  const log: string[] = [];
  const ids = new Set(["by_hand", "ghost"]);
  const catalog: Partial<CatalogObject> = {
    has: async (dagId) => ids.has(dagId),
    list: async () => [...ids].toSorted(),
    add: async (dagId) => {
      log.push(`add ${dagId}`);
      ids.add(dagId);
    },
    remove: async (dagId) => {
      log.push(`remove ${dagId}`);
      ids.delete(dagId);
    },
  };
  return { log, ...testApi({ catalog, dag, ...more }) };
}

/** Objects that describe themselves by their id. The fake gives every object the same methods, so each DAG has its API. */
function describing(specs: DagSpecInput[], paused: string[] = []): TestApi {
  const registry = testRegistry();
  const known = new Map(specs.map((spec) => [spec.dag_id, view(spec)]));
  for (const [dagId, { spec }] of registry.dags) {
    known.set(dagId, { ...view(spec), is_registered: false });
  }
  const calls: TestApi["calls"] = [];
  const object = (dagId: string): Record<string, unknown> => {
    const described = known.get(dagId);
    const say = (isPaused: boolean): Result<DagView> =>
      described === undefined ? NO_DAG : ok({ ...described, is_paused: isPaused });
    const record = <T>(method: string, args: unknown[], answer: T): T => {
      calls.push({ object: `DAG ${dagId}`, method, args });
      return answer;
    };
    return {
      describe: async () => record("describe", [], say(paused.includes(dagId))),
      setPaused: async (isPaused: boolean) => record("setPaused", [isPaused], say(isPaused)),
      stats: async () => record("stats", [], described === undefined ? NO_DAG : (LATEST[dagId] ?? stats(dagId))),
    };
  };
  const api = testApi({
    registry,
    catalog: {
      has: async (dagId) => dagId !== "elt",
      list: async () => [...specs.map((spec) => spec.dag_id), "ghost"],
    },
    env: { DAG: { getByName: object } },
  });
  return { ...api, calls };
}

const BY_HAND: DagSpecInput = { dag_id: "by_hand", tags: ["mine"], owner: "ada", tasks: [] };

const LATEST: Record<string, Result<DagStatsView>> = {
  etl: stats("etl", { success: 2 }, { state: "success", start_date: NOW - 5000, end_date: NOW }),
  by_hand: stats("by_hand", { failed: 1, running: 1 }, { state: "running", start_date: NOW, end_date: null }),
};

describe("PUT of a DAG", () => {
  const register = async (spec: DagView["spec"]): Promise<Result<DagView>> => ok(view(spec));

  it("registers a new DAG under the id of the path: first in the catalog, then in its object", async ({ expect }) => {
    const api = withRegistered({ register, describe: async () => NO_DAG });
    const json = { tags: ["mine"], tasks: [{ task_id: "a", handler: "hello" }] };
    const { status, body } = await api.send("PUT", "/api/v2/dags/new_one", { json });
    expect(status).toBe(201);
    expect(body).toMatchObject({ dag_id: "new_one", is_registered: true, tags: [{ name: "mine" }] });
    expect(api.calls).toEqual([
      { object: "DAG new_one", method: "register", args: [dagSpecSchema.parse({ dag_id: "new_one", ...json })] },
    ]);
    expect(api.log[0]).toBe("add new_one");
  });

  it("answers 200 for a DAG that is there, and 201 for one that only the catalog knows", async ({ expect }) => {
    const json = { dag_id: "by_hand", tasks: [] };
    const there = withRegistered({ register, describe: async () => ok(view(BY_HAND)) });
    expect((await there.send("PUT", "/api/v2/dags/by_hand", { json })).status).toBe(200);
    const ghost = withRegistered({ register, describe: async () => NO_DAG });
    expect((await ghost.send("PUT", "/api/v2/dags/by_hand", { json })).status).toBe(201);
  });

  it("takes an id in any script", async ({ expect }) => {
    const api = withRegistered({ register });
    const { status, body } = await api.send("PUT", `/api/v2/dags/${encodeURIComponent("日報_1.été")}`, {
      json: { tasks: [] },
    });
    expect([status, body]).toMatchObject([201, { dag_id: "日報_1.été" }]);
  });

  it("gives a task the operator of its handler", async ({ expect }) => {
    const registry = testRegistry();
    const tasks = new Map([...registry.tasks, ["choose", { operator: "branch" as const }]]);
    const api = withRegistered({ register }, { registry: { ...registry, tasks } });
    const { status } = await api.send("PUT", "/api/v2/dags/new_one", {
      json: {
        tasks: [
          { task_id: "a", handler: "choose" },
          { task_id: "b", handler: "any name", operator: "empty" },
        ],
      },
    });
    expect(status).toBe(201);
    expect(api.calls.at(-1)?.args).toMatchObject([{ tasks: [{ operator: "branch" }, { operator: "empty" }] }]);
  });

  const task = { task_id: "a", handler: "hello" };
  it.for<[string, string, unknown, (string | number)[], string]>([
    ["another id", "new_one", { dag_id: "other", tasks: [] }, ["body", "dag_id"], "expected the id in the path"],
    ["an id of null", "new_one", { dag_id: null, tasks: [] }, ["body", "dag_id"], "expected the id in the path"],
    ["an object's name", "@batch:1", { tasks: [] }, ["body", "dag_id"], "expected letters, digits"],
    ["the word for all", "~", { tasks: [] }, ["body", "dag_id"], "expected letters, digits"],
    ["a zero byte", "a%00b", { tasks: [] }, ["body", "dag_id"], "expected letters, digits"],
    ["a slash", "a%2Fb", { tasks: [] }, ["body", "dag_id"], "expected letters, digits"],
    ["a long id", "x".repeat(251), { tasks: [] }, ["body", "dag_id"], "expected at most 250 characters"],
    ["no tasks", "new_one", {}, ["body", "tasks"], "expected an array"],
    ["tasks that are no list", "new_one", { tasks: "all" }, ["body", "tasks"], "expected an array"],
    ["a task that is none", "new_one", { tasks: [null] }, ["body", "tasks", 0], "expected an object"],
    ["an unknown field", "new_one", { tasks: [], frequency: "@daily" }, ["body", "frequency"], "expected no field"],
    [
      "an unknown handler",
      "new_one",
      { tasks: [task, { task_id: "b", handler: "helo" }] },
      ["body", "tasks", 1, "handler"],
      'expected the name of a registered task; did you mean "hello"?',
    ],
    [
      "a handler that Jobbers carries out itself",
      "new_one",
      { tasks: [{ task_id: "b", handler: "join" }] },
      ["body", "tasks", 0, "handler"],
      "expected the name of a registered task",
    ],
    [
      "an operator that is not the handler's",
      "new_one",
      { tasks: [{ ...task, operator: "branch" }] },
      ["body", "tasks", 0, "operator"],
      'expected "task", the operator of the task "hello"',
    ],
    [
      "a cycle",
      "new_one",
      { tasks: [{ ...task, upstream_task_ids: ["a"] }] },
      ["body", "tasks", 0, "upstream_task_ids"],
      "expected",
    ],
    [
      "more tasks than a DAG may have",
      "new_one",
      { tasks: Array.from({ length: 5001 }, () => 0) },
      ["body", "tasks"],
      "expected at most 5000 elements, got 5001",
    ],
    ["a list", "new_one", [], ["body"], "expected an object"],
    ["null", "new_one", null, ["body"], "expected an object"],
  ])("with %s is a 422 with its place, and leaves nothing behind", async ([, id, json, loc, text], { expect }) => {
    const api = withRegistered({ register });
    const { status, body } = await api.send("PUT", `/api/v2/dags/${id}`, { json });
    expect(status).toBe(422);
    expect(body).toMatchObject({ detail: listWith({ loc }) });
    expect(JSON.stringify(body).replaceAll('\\"', '"')).toContain(text);
    expect([api.calls, api.log]).toEqual([[], []]);
  });

  const many = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));
  const nested = (levels: number): unknown[] =>
    many(levels, (n) => ({ group_id: `g${n}`, ...(n === 0 ? {} : { parent_group_id: `g${n - 1}` }) }));
  it.for<[string, Record<string, unknown>, (string | number)[]]>([
    ["tags", { tasks: [], tags: many(101, (n) => `t${n}`) }, ["body", "tags"]],
    ["params", { tasks: [], params: Object.fromEntries(many(1001, (n) => [`p${n}`, {}])) }, ["body", "params"]],
    ["groups", { tasks: [], task_groups: many(5001, () => 0) }, ["body", "task_groups"]],
    ["levels of groups", { tasks: [], task_groups: nested(102) }, ["body", "task_groups", 101, "parent_group_id"]],
    [
      "upstream ids",
      { tasks: [{ ...task, upstream_task_ids: many(300_000, () => 1) }] },
      ["body", "tasks", 0, "upstream_task_ids"],
    ],
    [
      "sources",
      { tasks: [{ ...task, expand: { type: "expand", kwargs: { a: { zip: many(100_000, () => ({})) } } } }] },
      ["body", "tasks", 0, "expand"],
    ],
    [
      "sources of a group",
      { tasks: [], task_groups: [{ group_id: "g", expand: { source: { concat: many(1001, () => ({})) } } }] },
      ["body", "task_groups", 0, "expand"],
    ],
  ])("with too many %s is a 422 before they are looked at", async ([, json, loc], { expect }) => {
    const { status, body } = await withRegistered().send("PUT", "/api/v2/dags/new_one", { json });
    expect([status, body]).toMatchObject([422, { detail: [{ loc, type: "too_long" }] }]);
  });

  it("with 101 levels of groups, or groups in a circle, is read on", async ({ expect }) => {
    const api = withRegistered({ register });
    const put = (groups: unknown[]) =>
      api.send("PUT", "/api/v2/dags/new_one", { json: { tasks: [], task_groups: groups } });
    expect((await put(nested(101))).status).toBe(201);
    const circle = [
      { group_id: "a", parent_group_id: "b" },
      { group_id: "b", parent_group_id: "a" },
    ];
    expect(JSON.stringify((await put(circle)).body)).toContain("expected groups not to contain themselves");
  });

  it("with more problems than can be listed is a 422 all the same", async ({ expect }) => {
    const tasks = many(60, (n) => ({ ...task, task_id: `t${n}`, upstream_task_ids: many(5000, () => 1) }));
    expect((await withRegistered().send("PUT", "/api/v2/dags/new_one", { json: { tasks } })).status).toBe(422);
  });

  it.for<[string, Record<string, Json>]>([
    ["pattern", { type: "string", pattern: "^(a+)+$" }],
    ["pattern of elements", { anyOf: [{ pattern: "(a*)*y" }] }],
    ["pattern behind a reference", { $ref: "#/$defs/text", $defs: { text: { pattern: "^(a|a)*$" } } }],
    ["pattern of many optional parts", { pattern: `^${"a?".repeat(60)}${"a".repeat(60)}$` }],
  ])("with a default that takes too long to check against a %s is a 422", async ([, schema], { expect }) => {
    const api = withRegistered({ register });
    const { status, body } = await api.send("PUT", "/api/v2/dags/new_one", {
      json: { tasks: [], params: { p: { default: `${"a".repeat(60)}!`, schema } } },
    });
    expect([status, body]).toMatchObject([
      422,
      { detail: [{ loc: ["body", "params", "p"], msg: containing("checked in at most 500000 steps") }] },
    ]);
    expect(api.calls).toEqual([]);
  });

  it("with usual patterns is taken, and one that is none is refused by the schema's own check", async ({ expect }) => {
    const put = (schema: unknown) =>
      withRegistered({ register }).send("PUT", "/api/v2/dags/new_one", {
        json: { tasks: [], params: { p: { schema } } },
      });
    const patterns = [
      "^[a-z]+$",
      "^\\d{4}-\\d{2}-\\d{2}$",
      "^\\p{L}+$",
      "(?<year>\\d+)",
      "^[^\\s@]+@[^\\s@]+$",
      "a".repeat(500),
    ];
    for (const pattern of patterns) {
      expect((await put({ pattern })).status).toBe(201);
      expect((await put({ patternProperties: { [pattern]: {} } })).status).toBe(201);
    }
    expect((await put({ properties: { pattern: { type: "string" } } })).status).toBe(201);
    const { status, body } = await put({ pattern: "(" });
    expect(status).toBe(422);
    expect(JSON.stringify(body)).toContain(String.raw`format \"regex\"`);
  });

  it("names up to twenty problems at once", async ({ expect }) => {
    const tasks = Array.from({ length: 30 }, (_, n) => ({ task_id: `t${n}`, handler: "nope" }));
    const { body } = await withRegistered().send("PUT", "/api/v2/dags/new_one", { json: { tasks } });
    expect(body).toMatchObject({ detail: { length: 20 } });
  });

  it("with a key __proto__ is a 422", async ({ expect }) => {
    const api = withRegistered({ register });
    const { status, body } = await api.send("PUT", "/api/v2/dags/new_one", {
      raw: '{"tasks": [{"task_id": "a", "handler": "hello", "input": {"__proto__": {"x": 1}}}]}',
      headers: { "content-type": "application/json" },
    });
    expect([status, body]).toMatchObject([422, { detail: [{ loc: ["body", "tasks", 0, "input", "__proto__"] }] }]);
    expect(api.log).toEqual([]);
  });

  it("that would not fit into a row is a 413, and leaves nothing behind", async ({ expect }) => {
    // Sent in five characters, stored in 22.
    const input = `[${Array.from({ length: 150_000 }, () => "1e20").join(",")}]`;
    const raw = `{"tasks": [{"task_id": "a", "handler": "hello", "input": ${input}}]}`;
    expect(JSON.stringify(JSON.parse(raw)).length).toBeGreaterThan(SPEC_BYTES);
    const api = withRegistered({ register });
    const { status, body } = await api.send("PUT", "/api/v2/dags/new_one", {
      raw,
      headers: { "content-type": "application/json" },
    });
    expect([status, body]).toMatchObject([413, { detail: containing("expected a spec of at most 1800000 bytes") }]);
    expect([api.calls, api.log]).toEqual([[], []]);
  });

  it("of 5,000 plain tasks fits", async ({ expect }) => {
    const tasks = Array.from({ length: 5000 }, (_, n) => ({ task_id: `t${n}`, handler: "hello" }));
    const api = withRegistered({ register });
    expect((await api.send("PUT", "/api/v2/dags/new_one", { json: { tasks } })).status).toBe(201);
  });

  it("of a DAG that the code defines is a 409, whatever the body", async ({ expect }) => {
    const api = withRegistered({ register });
    const { status, body } = await api.send("PUT", "/api/v2/dags/etl", { json: { tasks: [] } });
    expect(status).toBe(409);
    expect(body).toEqual({ detail: 'expected the id of a DAG that the deployed code does not define, got "etl"' });
    expect([api.calls, api.log]).toEqual([[], []]);
  });
});

describe("DELETE of a DAG", () => {
  it("deletes at the object, then takes it out of the catalog", async ({ expect }) => {
    const api = withRegistered({ deleteDag: async () => ok(null), describe: async () => NO_DAG });
    expect((await api.send("DELETE", "/api/v2/dags/by_hand")).status).toBe(204);
    expect(api.calls.map(({ method }) => method)).toEqual(["deleteDag", "describe"]);
    expect(api.log).toEqual(["remove by_hand"]);
  });

  it("puts it back into the catalog if it was registered again meanwhile", async ({ expect }) => {
    const api = withRegistered({ deleteDag: async () => ok(null), describe: async () => ok(view(BY_HAND)) });
    expect((await api.send("DELETE", "/api/v2/dags/by_hand")).status).toBe(204);
    expect(api.log).toEqual(["remove by_hand", "add by_hand"]);
  });

  it("of one that only the catalog knows is a 404, and it is out of the catalog then", async ({ expect }) => {
    const api = withRegistered({ deleteDag: async () => NO_DAG, describe: async () => NO_DAG });
    expect((await api.send("DELETE", "/api/v2/dags/ghost")).status).toBe(404);
    expect(api.log).toEqual(["remove ghost"]);
  });

  it("while a task instance runs is a 409 in Airflow's words, and it stays in the catalog", async ({ expect }) => {
    const message = "Task instances of dag with id: 'by_hand' are still running";
    const api = withRegistered({ deleteDag: async () => ({ ok: false, refusal: { code: "conflict", message } }) });
    expect(await api.send("DELETE", "/api/v2/dags/by_hand")).toMatchObject({ status: 409, body: { detail: message } });
    expect(api.log).toEqual([]);
  });

  it("of a DAG of the code asks its object only", async ({ expect }) => {
    const api = withRegistered({ deleteDag: async () => ok(null) });
    expect((await api.send("DELETE", "/api/v2/dags/etl")).status).toBe(204);
    expect(api.calls).toEqual([{ object: "DAG etl", method: "deleteDag", args: [] }]);
    expect(api.log).toEqual([]);
  });
});

describe("a DAG that is unknown", () => {
  it.for([
    ["GET", "/dags/by_hend"],
    ["GET", "/dags/by_hend/details"],
    ["PATCH", "/dags/by_hend"],
    ["DELETE", "/dags/by_hend"],
    ["GET", "/dags/by_hend/tasks"],
    ["GET", "/dags/by_hend/tasks/a"],
    ["GET", "/dags/by_hend/dagVersions"],
    ["GET", "/dags/by_hend/dagVersions/1"],
    ["GET", "/dagSources/by_hend"],
  ] as const)(
    "%s %s answers 404 with the nearest, registered ones too, and asks no object",
    async (call, { expect }) => {
      const [method, path] = call;
      const api = withRegistered();
      const answer = await api.send(method, `/api/v2${path}`, method === "PATCH" ? { json: { is_paused: true } } : {});
      expect(answer.status).toBe(404);
      expect(answer.body).toEqual({ detail: 'The Dag with ID: `by_hend` was not found; did you mean "by_hand"?' });
      expect(api.calls).toEqual([]);
    },
  );

  it("is not looked up if its name cannot be one", async ({ expect }) => {
    const asked: string[] = [];
    const api = testApi({ catalog: { has: async (dagId) => asked.push(dagId) > 0 } });
    for (const id of ["@batch:1", "~", "a%00b", "x".repeat(300), "%F0%9F%92%A5"]) {
      expect((await api.send("GET", `/api/v2/dags/${id}`)).status).toBe(404);
    }
    expect(asked).toEqual([]);
    expect(api.calls).toEqual([]);
  });
});

describe("the list of DAGs", () => {
  it.for<[string, string[]]>([
    ["", ["by_hand", "etl", "on_push", "reports"]],
    ["?order_by=-dag_display_name", ["reports", "on_push", "etl", "by_hand"]],
    ["?tags=mine", ["by_hand"]],
    ["?owners=AD", ["by_hand"]],
    ["?tags=example&paused=false", ["etl"]],
    ["?paused=true", ["by_hand", "reports"]],
    ["?dag_display_name_pattern=hand|push", ["by_hand", "on_push"]],
    ["?last_dag_run_state=running", ["by_hand"]],
    ["?dag_run_state=success&dag_run_state=failed", ["etl"]],
    ["?dag_run_state=none", ["on_push", "reports"]],
    ["?last_dag_run_state=running&dag_run_state=success", []],
    ["?dag_run_start_date_gte=2026-01-31T06:00:00Z", ["by_hand"]],
    ["?dag_run_start_date_lt=2026-01-31T06:00:00Z", ["etl"]],
    ["?dag_run_end_date_gte=2020-01-31T06:00:00Z", ["etl"]],
    ["?order_by=last_run_state", ["by_hand", "etl", "on_push", "reports"]],
    ["?order_by=-last_run_start_date", ["reports", "on_push", "by_hand", "etl"]],
    ["?order_by=last_run_start_date&order_by=-dag_id", ["etl", "by_hand", "reports", "on_push"]],
    ["?order_by=next_dagrun", ["by_hand", "etl", "on_push", "reports"]],
    ["?has_import_errors=false&has_asset_schedule=false&is_favorite=false", ["by_hand", "etl", "on_push", "reports"]],
    ["?has_import_errors=true", []],
    ["?has_asset_schedule=true", []],
    ["?is_favorite=true", []],
  ])("GET /dags%s has %j, and none that nobody stored", async ([query, ids], { expect }) => {
    const { status, body } = await describing([BY_HAND], ["by_hand", "reports"]).send("GET", `/api/v2/dags${query}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ dags: ids.map((id) => ({ dag_id: id })), total_entries: ids.length });
    expect(body).toMatchObject({ dags: { length: ids.length } });
  });

  it("fills the place of one that nobody stored", async ({ expect }) => {
    const { body } = await describing([BY_HAND]).send("GET", "/api/v2/dags?offset=1&limit=2");
    expect(body).toMatchObject({ dags: [{ dag_id: "etl" }, { dag_id: "on_push" }], total_entries: 4 });
  });

  it.for(["bundle_name=x", "bundle_version=x", "asset_dependency=x", "timetable_type=x", "dag_id_prefix_pattern=x"])(
    "?%s is a filter that is not served",
    async (query, { expect }) => {
      expect((await testApi().send("GET", `/api/v2/dags?${query}`)).status).toBe(400);
    },
  );

  it.for(["last_dag_run_state=nope", "dag_run_state=nope", "dag_run_start_date_gte=2026-1-31", "is_favorite=x"])(
    "?%s is a 422",
    async (query, { expect }) => {
      expect((await testApi().send("GET", `/api/v2/dags?${query}`)).status).toBe(422);
    },
  );
});

describe("PATCH of DAGs by pattern", () => {
  const send = (api: TestApi, query: string) =>
    api.send("PATCH", `/api/v2/dags${query}`, { json: { is_paused: true } });

  it("changes all that fit, and answers a page of them", async ({ expect }) => {
    const api = describing([BY_HAND]);
    const { status, body } = await send(api, "?dag_id_pattern=~&limit=1&offset=1");
    expect(status).toBe(200);
    expect(body).toMatchObject({ dags: [{ dag_id: "etl", is_paused: true }], total_entries: 4 });
    const changed = api.calls.filter(({ method }) => method === "setPaused").map(({ object }) => object);
    expect(changed).toEqual(["DAG by_hand", "DAG etl", "DAG ghost", "DAG on_push", "DAG reports"]);
  });

  it("obeys the other filters as they were before", async ({ expect }) => {
    const { body } = await send(describing([BY_HAND], ["reports"]), "?dag_id_pattern=~&tags=example&paused=false");
    expect(body).toMatchObject({ dags: [{ dag_id: "etl", is_paused: true }], total_entries: 1 });
  });

  it("changes none without a pattern, as Airflow", async ({ expect }) => {
    const api = describing([BY_HAND]);
    expect(await send(api, "?tags=mine")).toMatchObject({ status: 200, body: { dags: [], total_entries: 0 } });
    expect(api.calls).toEqual([]);
  });

  it.for([
    ["?dag_id_pattern=~&update_mask=tags", 400],
    ["?dag_id_pattern=~&update_mask=is_paused&update_mask=tags", 400],
    ["?dag_id_prefix_pattern=e", 400],
    ["?dag_id_pattern=~&paused=maybe", 422],
  ] as const)("%s is refused with %d and changes nothing", async ([query, status], { expect }) => {
    const api = describing([BY_HAND]);
    expect((await send(api, query)).status).toBe(status);
    expect(api.calls).toEqual([]);
  });
});

describe("the details of a DAG", () => {
  it("have all of Airflow's fields", async ({ expect }) => {
    const spec: DagSpecInput = {
      dag_id: "by_hand",
      doc_md: "# Mine",
      dagrun_timeout: 90_061.5,
      params: { year: { default: 2026, schema: { type: "integer" } }, name: { description: "whose" } },
      tasks: [],
    };
    const api = withRegistered({
      describe: async () => ok(view(spec, { version: 3 })),
      stats: async () => stats("by_hand", { queued: 2, running: 1, failed: 7 }),
    });
    const { status, body } = await api.send("GET", "/api/v2/dags/by_hand/details");
    expect(status).toBe(200);
    expect(body).toMatchObject({
      dag_id: "by_hand",
      is_registered: true,
      catchup: false,
      dag_run_timeout: "P1DT1H1M1.5S",
      asset_expression: null,
      doc_md: "# Mine",
      is_paused_upon_creation: false,
      params: {
        year: { value: 2026, description: null, schema: { type: "integer" } },
        name: { value: null, description: "whose", schema: {} },
      },
      timezone: "UTC",
      last_parsed: "2026-01-31T06:00:00Z",
      is_favorite: false,
      active_runs_count: 3,
      latest_dag_version: { version_number: 3, dag_id: "by_hand" },
      concurrency: 20_000,
      max_active_tasks: 20_000,
    });
  });
});

describe("the tasks of a DAG", () => {
  const spec: DagSpecInput = {
    dag_id: "by_hand",
    owner: "ada",
    tasks: [
      { task_id: "b", handler: "hello", retries: 2, retry_delay: 90_000.25, execution_timeout: 60, doc_md: "Says it" },
      {
        task_id: "c",
        handler: "hello",
        upstream_task_ids: ["b"],
        expand: { type: "expand", kwargs: { n: { literal: [1] } } },
      },
      { task_id: "a", handler: "join", operator: "empty", upstream_task_ids: ["b"], trigger_rule: "all_done" },
    ],
  };
  const api = () => withRegistered({ describe: async () => ok(view(spec)) });

  it("have all of Airflow's fields", async ({ expect }) => {
    const { status, body } = await api().send("GET", "/api/v2/dags/by_hand/tasks/b");
    expect(status).toBe(200);
    expect(body).toStrictEqual({
      class_ref: { module_path: null, class_name: "task" },
      task_id: "b",
      task_display_name: "b",
      owner: "ada",
      start_date: null,
      end_date: null,
      trigger_rule: "all_success",
      depends_on_past: false,
      wait_for_downstream: false,
      retries: 2,
      queue: "default",
      pool: "default_pool",
      pool_slots: 1,
      execution_timeout: { __type: "TimeDelta", days: 0, seconds: 60, microseconds: 0 },
      retry_delay: { __type: "TimeDelta", days: 1, seconds: 3600, microseconds: 250_000 },
      retry_exponential_backoff: 0,
      priority_weight: 1,
      weight_rule: "downstream",
      ui_color: null,
      ui_fgcolor: null,
      template_fields: [],
      downstream_task_ids: ["a", "c"],
      params: {},
      doc_md: "Says it",
      is_mapped: false,
      extra_links: [],
      operator_name: "task",
      handler: "hello",
    });
  });

  it.for<[string, string[]]>([
    ["", ["a", "b", "c"]],
    ["?order_by=-task_id", ["c", "b", "a"]],
    ["?order_by=-retries&order_by=task_id", ["b", "a", "c"]],
    ["?order_by=trigger_rule&order_by=-task_id", ["a", "c", "b"]],
  ])("come in order: %s gives %j", async ([query, ids], { expect }) => {
    const { body } = await api().send("GET", `/api/v2/dags/by_hand/tasks${query}`);
    expect(body).toMatchObject({ tasks: ids.map((id) => ({ task_id: id })), total_entries: 3 });
  });

  it("tell what is mapped, and what has no handler", async ({ expect }) => {
    const { body } = await api().send("GET", "/api/v2/dags/by_hand/tasks");
    expect(body).toMatchObject({
      tasks: [
        { is_mapped: false, handler: null, operator_name: "empty", execution_timeout: null },
        { is_mapped: false },
        { is_mapped: true, handler: "hello" },
      ],
    });
  });

  it("refuse an order of no field, and a task that is not there", async ({ expect }) => {
    expect((await api().send("GET", "/api/v2/dags/by_hand/tasks?order_by=__proto__")).status).toBe(400);
    expect(await api().send("GET", "/api/v2/dags/by_hand/tasks/nope")).toMatchObject({
      status: 404,
      body: { detail: "Task with id nope was not found" },
    });
  });
});

describe("the versions of a DAG", () => {
  const one = { dag_id: "by_hand", version_number: 2, created_at: NOW };
  const noVersion: Result<never> = { ok: false, refusal: { code: "not_found", message: "no such version" } };
  const api = () =>
    withRegistered({
      listVersions: async () => ok({ items: [one], total: 5 }),
      getVersion: async (version) => (version === 2 ? ok({ ...one, spec: view(BY_HAND).spec }) : noVersion),
    });

  it("are listed by page and order", async ({ expect }) => {
    const asked = api();
    const path = "/api/v2/dags/by_hand/dagVersions?limit=1&offset=3&order_by=-version_number";
    const { status, body } = await asked.send("GET", path);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      dag_versions: [{ version_number: 2, dag_id: "by_hand", created_at: "2026-01-31T06:00:00Z", bundle_name: null }],
      total_entries: 5,
    });
    expect(asked.calls).toEqual([{ object: "DAG by_hand", method: "listVersions", args: [1, 3, true] }]);
  });

  it.for([
    ["?version_number=2", 1],
    ["?version_number=9", 0],
  ] as const)("%s lists %d", async ([query, total], { expect }) => {
    const { body } = await api().send("GET", `/api/v2/dags/by_hand/dagVersions${query}`);
    expect(body).toMatchObject({ dag_versions: { length: total }, total_entries: total });
  });

  it("of all DAGs are merged", async ({ expect }) => {
    const asked = withRegistered({ listVersions: async () => ok({ items: [one], total: 1 }) });
    const { body } = await asked.send("GET", "/api/v2/dags/~/dagVersions");
    expect(body).toMatchObject({ dag_versions: { length: 5 }, total_entries: 5 });
  });

  it("one by its number, or a 404", async ({ expect }) => {
    expect((await api().send("GET", "/api/v2/dags/by_hand/dagVersions/2")).body).toMatchObject({ version_number: 2 });
    expect((await api().send("GET", "/api/v2/dags/by_hand/dagVersions/3")).status).toBe(404);
    expect((await api().send("GET", "/api/v2/dags/by_hand/dagVersions/two")).status).toBe(422);
    expect((await api().send("GET", "/api/v2/dags/by_hand/dagVersions?version_number=1.5")).status).toBe(422);
    expect((await api().send("GET", "/api/v2/dags/by_hand/dagVersions?order_by=spec")).status).toBe(400);
    expect((await api().send("GET", "/api/v2/dags/by_hand/dagVersions?bundle_name=x")).status).toBe(400);
  });
});

describe("the source of a DAG", () => {
  const { spec } = view(BY_HAND);
  const noVersion: Result<never> = { ok: false, refusal: { code: "not_found", message: "no such version" } };
  const api = () =>
    withRegistered({
      describe: async () => ok(view(BY_HAND, { version: 4 })),
      getVersion: async (version) =>
        version > 4 ? noVersion : ok({ dag_id: "by_hand", version_number: version, created_at: NOW, spec }),
    });

  it.for([undefined, "*/*", "application/json", "application/json, text/plain"])(
    "is a field of JSON with Accept: %s",
    async (accept, { expect }) => {
      const headers = accept === undefined ? {} : { accept };
      const answer = await api().send("GET", "/api/v2/dagSources/by_hand", { headers });
      expect(answer.headers.get("content-type")).toMatch("application/json");
      expect(answer.body).toEqual({
        content: JSON.stringify(spec, null, 2),
        dag_id: "by_hand",
        version_number: 4,
        dag_display_name: "by_hand",
      });
    },
  );

  it("is text as it is with Accept: text/plain", async ({ expect }) => {
    const headers = { accept: "text/plain" };
    const answer = await api().send("GET", "/api/v2/dagSources/by_hand?version_number=1", { headers });
    expect(answer.headers.get("content-type")).toMatch("text/plain");
    expect(answer.body).toEqual(spec);
  });

  it("is a 406 for other types, a 404 for a version that is not, a 422 for one that is no number", async ({
    expect,
  }) => {
    const answer = await api().send("GET", "/api/v2/dagSources/by_hand", { headers: { accept: "text/html" } });
    expect(answer).toMatchObject({
      status: 406,
      body: { detail: "Only application/json or text/plain is supported" },
    });
    expect(await api().send("GET", "/api/v2/dagSources/by_hand?version_number=9")).toMatchObject({
      status: 404,
      body: { detail: "The source code of the DAG by_hand, version_number 9 was not found" },
    });
    expect((await api().send("GET", "/api/v2/dagSources/by_hand?version_number=x")).status).toBe(422);
  });
});

describe("counts of runs", () => {
  it("name every state, of the DAGs that were named and have runs", async ({ expect }) => {
    const query = "?dag_ids=by_hand&dag_ids=reports&dag_ids=unknown&dag_ids=ghost";
    const api = describing([BY_HAND]);
    expect((await api.send("GET", `/api/v2/dagStats${query}`)).body).toEqual({
      dags: [
        {
          dag_id: "by_hand",
          dag_display_name: "by_hand",
          stats: [
            { state: "queued", count: 0 },
            { state: "running", count: 1 },
            { state: "success", count: 0 },
            { state: "failed", count: 1 },
          ],
        },
      ],
      total_entries: 1,
    });
    expect(api.calls.map(({ object }) => object)).toEqual(["DAG by_hand", "DAG ghost", "DAG reports"]);
  });

  it("are of all DAGs if none is named", async ({ expect }) => {
    const { body } = await describing([BY_HAND]).send("GET", "/api/v2/dagStats");
    expect(body).toMatchObject({ dags: [{ dag_id: "by_hand" }, { dag_id: "etl" }], total_entries: 2 });
  });
});

describe("the tags of all DAGs", () => {
  it.for<[string, string[], number]>([
    ["", ["example", "mine", "nightly"], 3],
    ["?order_by=-name&limit=2", ["nightly", "mine"], 3],
    ["?tag_name_pattern=MI|night", ["mine", "nightly"], 2],
    ["?offset=2", ["nightly"], 3],
  ])("GET /dagTags%s", async ([query, tags, total], { expect }) => {
    const { body } = await describing([BY_HAND]).send("GET", `/api/v2/dagTags${query}`);
    expect(body).toEqual({ tags, total_entries: total });
  });

  it("take no other order", async ({ expect }) => {
    expect((await testApi().send("GET", "/api/v2/dagTags?order_by=dag_id")).status).toBe(400);
  });
});

describe("durations", () => {
  it.for([
    [0, "PT0S", [0, 0, 0]],
    [0.000001, "PT0.000001S", [0, 0, 1]],
    [59.999999, "PT59.999999S", [0, 59, 999_999]],
    [3600, "PT1H", [0, 3600, 0]],
    [86_400, "P1D", [1, 0, 0]],
    [90_061.5, "P1DT1H1M1.5S", [1, 3661, 500_000]],
    [0.9999999, "PT1S", [0, 1, 0]],
  ] as const)("%d seconds are %s", ([seconds, text, [days, rest, microseconds]], { expect }) => {
    expect(isoDuration(seconds)).toBe(text);
    expect(timeDeltaJson(seconds)).toEqual({ __type: "TimeDelta", days, seconds: rest, microseconds });
  });
});

describe("a webhook of a registered DAG", () => {
  it("takes deliveries: without a configured secret it is a 401, without a webhook there is none", async ({
    expect,
  }) => {
    const spec: DagSpecInput = { ...BY_HAND, webhook: { provider: "github", secret: "NO_SECRET" } };
    const post = { json: {}, key: null };
    const withHook = withRegistered({ describe: async () => ok(view(spec)) });
    expect((await withHook.send("POST", "/webhooks/by_hand", post)).status).toBe(401);
    const without = withRegistered({ describe: async () => ok(view(BY_HAND)) });
    expect((await without.send("POST", "/webhooks/by_hand", post)).status).toBe(404);
    expect((await without.send("POST", "/webhooks/unknown", post)).status).toBe(404);
  });
});
