import { describe, it } from "vitest";
import type { DagObject, MarkRequest, Page, Result } from "../../src/engine/objects.ts";
import { dagSpecSchema } from "../../src/engine/spec.ts";
import type { TaskInstanceView } from "../../src/engine/work.ts";
import { instanceView, ok, runView, testApi, testRegistry } from "./api-support.ts";

const RUN = "/api/v2/dags/etl/dagRuns/r1";
const BASE = `${RUN}/taskInstances`;

const NOWHERE = {
  include_upstream: false,
  include_downstream: false,
  include_future: false,
  include_past: false,
} as const;

function missing(message = "not here"): Result<never> {
  return { ok: false, refusal: { code: "not_found", message } };
}

/** A run that has these task instances, and changes them as a mark of theirs says. */
function having(instances: TaskInstanceView[], more: Partial<DagObject> = {}): Partial<DagObject> {
  let present = instances;
  return {
    getRun: async () => ok(runView()),
    listTaskInstances: async (_run, query): Promise<Result<Page<TaskInstanceView>>> => {
      const items = present.filter(
        (each) =>
          (query.task_ids?.includes(each.task_id) ?? true) && (query.map_index?.includes(each.map_index) ?? true),
      );
      return ok({ items: items.slice(query.offset, query.offset + query.limit), total: items.length });
    },
    mark: async ({ task_id, map_index, new_state, dry_run }) => {
      const isNamed = (each: TaskInstanceView) =>
        [task_id].flat().includes(each.task_id) &&
        (map_index === null || each.map_index === map_index) &&
        each.state !== new_state;
      const changed = present.filter(isNamed);
      if (dry_run === true) {
        return ok(changed);
      }
      present = present.map((each) => (isNamed(each) ? { ...each, state: new_state } : each));
      return ok(changed.map((each) => ({ ...each, state: new_state })));
    },
    setNote: async (_run, task_id, map_index, note) => {
      present = present.map((each) =>
        each.task_id === task_id && (map_index === null || each.map_index === map_index) ? { ...each, note } : each,
      );
      return ok(present.filter((each) => each.task_id === task_id && (map_index ?? each.map_index) === each.map_index));
    },
    deleteTaskInstance: async () => ok(null),
    ...more,
  };
}

const clean = [0, 1, 2].map((index) => instanceView({ task_id: "clean", map_index: index, state: "failed" }));

/** What the object was asked, lists left out. */
function asked(calls: { method: string; args: unknown[] }[]): unknown[] {
  return calls.filter(({ method }) => method !== "listTaskInstances").map(({ method, args }) => [method, ...args]);
}

describe("a patch of a task instance", () => {
  it("marks it first, then sets its note, and answers it as it is then", async ({ expect }) => {
    const api = testApi({ dag: having([instanceView()]) });
    const { status, body } = await api.send("PATCH", `${BASE}/extract`, { json: { note: "why", new_state: "failed" } });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      task_instances: [{ task_id: "extract", state: "failed", note: "why" }],
      total_entries: 1,
    });
    expect(asked(api.calls)).toEqual([
      ["mark", { run_id: "r1", task_id: "extract", map_index: null, new_state: "failed", ...NOWHERE }],
      ["setNote", "r1", "extract", null, "why"],
    ]);
  });

  it("passes on what lies around it, and answers only itself", async ({ expect }) => {
    const around = { include_upstream: true, include_downstream: true, include_future: true, include_past: true };
    const both = [instanceView(), instanceView({ task_id: "clean" })];
    const api = testApi({ dag: having([instanceView()], { mark: async () => ok(both) }) });
    const { body } = await api.send("PATCH", `${BASE}/extract`, { json: { new_state: "skipped", ...around } });
    expect(body).toMatchObject({ task_instances: [{ task_id: "extract" }], total_entries: 1 });
    expect(asked(api.calls)).toEqual([
      ["mark", { run_id: "r1", task_id: "extract", map_index: null, new_state: "skipped", ...around }],
    ]);
  });

  it("without a map index changes every instance of a mapped task", async ({ expect }) => {
    const api = testApi({ dag: having(clean) });
    const { body } = await api.send("PATCH", `${BASE}/clean`, { json: { new_state: "success" } });
    expect(body).toMatchObject({
      task_instances: [0, 1, 2].map((index) => ({ map_index: index, state: "success" })),
      total_entries: 3,
    });
  });

  it.for(["clean/1?", "clean?map_index=1&"])("under %s changes that one", async (path, { expect }) => {
    const api = testApi({ dag: having(clean) });
    const { body } = await api.send("PATCH", `${BASE}/${path}`, { json: { new_state: "success", note: "one" } });
    expect(body).toMatchObject({ task_instances: [{ map_index: 1, state: "success", note: "one" }], total_entries: 1 });
    expect(asked(api.calls)).toMatchObject([
      ["mark", { map_index: 1 }],
      ["setNote", "r1", "clean", 1, "one"],
    ]);
  });

  it.for([
    ["that has the state already", "success"],
    ["that has it in capitals", "SUCCESS"],
  ] as const)("%s is a 409 in Airflow's words, and leaves the note", async ([, state], { expect }) => {
    const api = testApi({ dag: having([instanceView()]) });
    expect(await api.send("PATCH", `${BASE}/extract`, { json: { new_state: state, note: "x" } })).toMatchObject({
      status: 409,
      body: { detail: "Task id extract is already in success state" },
    });
    expect(asked(api.calls)).toMatchObject([["mark", { new_state: "success" }]]);
  });

  it.for([
    [
      "a note in the mask",
      "?update_mask=note",
      { new_state: "failed", note: "n" },
      [["setNote", "r1", "extract", null, "n"]],
    ],
    [
      "a state in the mask",
      "?update_mask=new_state",
      { new_state: "failed", note: "n" },
      [["mark", { new_state: "failed" }]],
    ],
    ["another field in the mask", "?update_mask=pool", { new_state: "failed", note: "n" }, []],
    [
      "both in the mask",
      "?update_mask=note&update_mask=new_state",
      { note: "n" },
      [["setNote", "r1", "extract", null, "n"]],
    ],
    ["a note of null", "", { note: null }, []],
    ["a note of null in the mask", "?update_mask=note", { note: null }, [["setNote", "r1", "extract", null, null]]],
    ["an empty note", "", { note: "" }, [["setNote", "r1", "extract", null, null]]],
    ["nothing", "", {}, []],
    ["only neighbours", "", { include_upstream: true }, []],
  ] as const)("with %s changes only that", async ([, query, json, expected], { expect }) => {
    const api = testApi({ dag: having([instanceView()]) });
    const { status, body } = await api.send("PATCH", `${BASE}/extract${query}`, { json });
    expect(status).toBe(200);
    expect(body).toMatchObject({ task_instances: [{ task_id: "extract" }], total_entries: 1 });
    expect(asked(api.calls)).toMatchObject(expected.map((call) => [...call]));
  });

  it.for([
    ["no state that users may give", { new_state: "running" }, "new_state"],
    ["a state of null", { new_state: null }, "new_state"],
    ["a state that is no text", { new_state: 1 }, "new_state"],
    ["a long note", { note: "x".repeat(1001) }, "note"],
    ["a flag that is none", { include_past: "yes" }, "include_past"],
    ["an unknown field", { state: "failed" }, "state"],
    ["a prototype for a field", JSON.parse('{"__proto__": {"new_state": "failed"}}') as object, "__proto__"],
  ] as const)("with %s is a 422", async ([, json, name], { expect }) => {
    const api = testApi({ dag: having([instanceView()]) });
    for (const path of ["extract", "extract/dry_run", "clean/0", "clean/0/dry_run"]) {
      const { status, body } = await api.send("PATCH", `${BASE}/${path}`, { json });
      expect([path, status]).toEqual([path, 422]);
      expect(body).toMatchObject({ detail: [{ loc: ["body", name] }] });
    }
    expect(api.calls).toEqual([]);
  });

  const where = "dag_id: `etl`, run_id: `r1`, task_id: `clean`";
  it.for([
    ["no_such", {}, "Task 'no_such' not found in DAG 'etl'"],
    ["clean/9", {}, `The Task Instance with ${where} and map_index: \`9\` was not found`],
    ["clean/9/dry_run", {}, `The Task Instance with ${where} and map_index: \`9\` was not found`],
    ["extract", { getRun: async () => missing("no run"), listTaskInstances: async () => missing() }, "no run"],
  ] as const)("of %s, which is not there, is a 404, and changes nothing", async ([path, more, detail], { expect }) => {
    const api = testApi({ dag: having(clean, more) });
    const json = { new_state: "success", include_downstream: true, note: "x" };
    expect(await api.send("PATCH", `${BASE}/${path}`, { json })).toMatchObject({ status: 404, body: { detail } });
    expect(api.calls.map(({ method }) => method)).not.toContain("mark");
    expect(api.calls.map(({ method }) => method)).not.toContain("setNote");
  });

  it("of more than may be marked at once is a 413", async ({ expect }) => {
    const refusal = {
      code: "too_large",
      message: "expected at most 20000 task instances in one call, got 20001",
    } as const;
    const api = testApi({ dag: having(clean, { mark: async () => ({ ok: false, refusal }) }) });
    const { status } = await api.send("PATCH", `${BASE}/clean`, { json: { new_state: "success" } });
    expect(status).toBe(413);
  });
});

describe("a dry run of a patch", () => {
  it.for([
    ["extract/dry_run", null],
    ["extract/dry_run?map_index=-1", -1],
    ["extract/-1/dry_run", -1],
  ] as const)("%s answers what would change, and changes nothing", async ([path, mapIndex], { expect }) => {
    const api = testApi({ dag: having([instanceView()]) });
    const json = { new_state: "failed", include_upstream: true, note: "not set" };
    expect(await api.send("PATCH", `${BASE}/${path}`, { json })).toMatchObject({
      status: 200,
      body: { task_instances: [{ task_id: "extract", state: "success", note: null }], total_entries: 1 },
    });
    const mark: MarkRequest = {
      run_id: "r1",
      task_id: "extract",
      map_index: mapIndex,
      new_state: "failed",
      dry_run: true,
    };
    expect(asked(api.calls)).toEqual([["mark", { ...mark, ...NOWHERE, include_upstream: true }]]);
  });

  it("of what has the state already is empty", async ({ expect }) => {
    const api = testApi({ dag: having([instanceView()]) });
    expect(await api.send("PATCH", `${BASE}/extract/dry_run`, { json: { new_state: "success" } })).toMatchObject({
      status: 200,
      body: { task_instances: [], total_entries: 0 },
    });
  });

  it("of a note answers what it would be put on", async ({ expect }) => {
    const api = testApi({ dag: having(clean) });
    const { body } = await api.send("PATCH", `${BASE}/clean/dry_run`, { json: { note: "n" } });
    expect(body).toMatchObject({ task_instances: [{ note: null }, { note: null }, { note: null }], total_entries: 3 });
    expect(asked(api.calls)).toEqual([]);
  });
});

describe("a bulk change of task instances", () => {
  const update = (entities: unknown[], more = {}) => ({ actions: [{ action: "update", entities, ...more }] });
  const remove = (entities: unknown[], more = {}) => ({ actions: [{ action: "delete", entities, ...more }] });

  it("marks and notes one or all instances of a task", async ({ expect }) => {
    const api = testApi({ dag: having([...clean, instanceView()]) });
    const entities = [
      { task_id: "clean", map_index: 1, new_state: "success", note: "one" },
      { task_id: "clean", new_state: "skipped", include_downstream: true },
      { task_id: "extract", map_index: null, note: "only this" },
    ];
    expect((await api.send("PATCH", BASE, { json: update(entities) })).body).toEqual({
      create: null,
      update: {
        success: ["etl.r1.clean[1]", "etl.r1.clean[0]", "etl.r1.clean[1]", "etl.r1.clean[2]", "etl.r1.extract[-1]"],
        errors: [],
      },
      delete: null,
    });
    expect(asked(api.calls)).toMatchObject([
      ["mark", { task_id: "clean", map_index: 1, new_state: "success" }],
      ["setNote", "r1", "clean", 1, "one"],
      ["mark", { task_id: "clean", map_index: null, new_state: "skipped", include_downstream: true }],
      ["setNote", "r1", "extract", null, "only this"],
    ]);
  });

  it("goes on after one that is refused", async ({ expect }) => {
    const api = testApi({ dag: having([instanceView()]) });
    const entities = [
      { task_id: "extract", new_state: "success" },
      { task_id: "no_such", new_state: "success" },
      { task_id: "extract", dag_id: "no_such_dag", new_state: "failed" },
      { task_id: "extract", new_state: "failed" },
    ];
    expect((await api.send("PATCH", BASE, { json: update(entities) })).body).toMatchObject({
      update: {
        success: ["etl.r1.extract[-1]"],
        errors: [
          { error: "Task id extract is already in success state", status_code: 409 },
          { error: "Task 'no_such' not found in DAG 'etl'", status_code: 404 },
          { error: "The Dag with ID: `no_such_dag` was not found", status_code: 404 },
        ],
      },
    });
  });

  it("passes over what is not there if it is told so", async ({ expect }) => {
    const api = testApi({ dag: having([]) });
    const json = update([{ task_id: "no_such", note: "n" }], { action_on_non_existence: "skip" });
    expect((await api.send("PATCH", BASE, { json })).body).toMatchObject({ update: { success: [], errors: [] } });
  });

  it("minds its mask, and takes a note of null for none", async ({ expect }) => {
    const api = testApi({ dag: having([instanceView()]) });
    const entities = [
      { task_id: "extract", new_state: "failed", note: "n" },
      { task_id: "extract", new_state: "failed", note: null },
    ];
    await api.send("PATCH", BASE, { json: update(entities, { update_mask: ["note"] }) });
    expect(asked(api.calls)).toEqual([["setNote", "r1", "extract", null, "n"]]);
  });

  it("deletes by name, all instances of a task or one", async ({ expect }) => {
    const api = testApi({ dag: having(clean) });
    const json = remove(["clean", { task_id: "clean", map_index: 2 }]);
    expect((await api.send("PATCH", BASE, { json })).body).toMatchObject({
      update: null,
      delete: { success: ["etl.r1.clean[0]", "etl.r1.clean[1]", "etl.r1.clean[2]", "etl.r1.clean[2]"], errors: [] },
    });
    expect(asked(api.calls)).toEqual(
      [0, 1, 2, 2].map((index) => ["deleteTaskInstance", { run_id: "r1", task_id: "clean", map_index: index }]),
    );
  });

  it("deletes at most a thousand", async ({ expect }) => {
    const many = Array.from({ length: 1001 }, (_, index) => instanceView({ task_id: "clean", map_index: index }));
    const api = testApi({ dag: having(many) });
    expect((await api.send("PATCH", BASE, { json: remove(["clean"]) })).body).toMatchObject({
      delete: { success: [], errors: [{ status_code: 413 }] },
    });
    expect(asked(api.calls)).toEqual([]);
  });

  it("with a map index that no instance can have misses that one alone", async ({ expect }) => {
    const api = testApi({ dag: having([instanceView()]) });
    const json = update([
      { task_id: "extract", map_index: -2, new_state: "failed" },
      { task_id: "extract", new_state: "failed" },
    ]);
    expect(await api.send("PATCH", BASE, { json })).toMatchObject({
      status: 200,
      body: { update: { success: ["etl.r1.extract[-1]"], errors: [{ status_code: 404 }] } },
    });
  });

  it("creates nothing", async ({ expect }) => {
    const json = { actions: [{ action: "create", entities: [{ task_id: "extract" }] }] };
    expect(await testApi().send("PATCH", BASE, { json })).toMatchObject({
      status: 200,
      body: { create: { errors: [{ error: "Task instances bulk create is not supported", status_code: 405 }] } },
    });
  });

  it("under ~ takes DAG and run of each entity, and misses what is left open", async ({ expect }) => {
    const api = testApi({ dag: having([instanceView()]) });
    const whole = { task_id: "extract", dag_id: "etl", dag_run_id: "r7", note: "n" };
    const json = {
      actions: [
        {
          action: "update",
          entities: [whole, { task_id: "extract", dag_id: "etl" }, { task_id: "extract", dag_run_id: "r7" }],
        },
        { action: "delete", entities: ["extract"] },
      ],
    };
    const place = "When using wildcard in path, dag_id and dag_run_id must be specified";
    expect((await api.send("PATCH", "/api/v2/dags/~/dagRuns/~/taskInstances", { json })).body).toMatchObject({
      update: {
        success: ["etl.r7.extract[-1]"],
        errors: [
          { error: `${place} in request body for task_id: extract`, status_code: 400 },
          { error: `${place} in request body for task_id: extract`, status_code: 400 },
        ],
      },
      delete: {
        success: [],
        errors: [
          { error: `${place} in BulkTaskInstanceBody object, not as string for task_id: extract`, status_code: 400 },
        ],
      },
    });
  });

  it.for([
    ["a state that users may not give", update([{ task_id: "extract", new_state: "queued" }])],
    ["no task", update([{ new_state: "failed" }])],
    ["a map index that is no whole number", update([{ task_id: "extract", map_index: 0.5 }])],
    ["an unknown action", { actions: [{ action: "destroy", entities: [] }] }],
    ["an unknown field of an entity", update([{ task_id: "extract", pool: "p" }])],
    ["too many entities", remove(Array.from({ length: 501 }, () => "extract"))],
    ["no actions", {}],
  ] as const)("with %s is a 422", async ([, json], { expect }) => {
    const api = testApi({ dag: having([instanceView()]) });
    expect((await api.send("PATCH", BASE, { json })).status).toBe(422);
    expect(api.calls).toEqual([]);
  });
});

describe("a patch of a task group", () => {
  const spec = dagSpecSchema.parse({
    dag_id: "grouped",
    task_groups: [{ group_id: "outer" }, { group_id: "outer.inner", parent_group_id: "outer" }, { group_id: "hollow" }],
    tasks: [
      { task_id: "before", handler: "h" },
      { task_id: "outer.a", handler: "h", task_group_id: "outer", upstream_task_ids: ["before"] },
      { task_id: "outer.inner.c", handler: "h", task_group_id: "outer.inner", upstream_task_ids: ["outer.b"] },
      { task_id: "outer.b", handler: "h", task_group_id: "outer", upstream_task_ids: ["outer.a"] },
    ],
  });
  const registry = testRegistry([["grouped", { spec }]]);
  const group = "/api/v2/dags/grouped/dagRuns/r1/taskGroupInstances";
  const members = ["outer.a", "outer.b", "outer.inner.c"].map((id) =>
    instanceView({ dag_id: "grouped", task_id: id, state: "failed" }),
  );

  it("marks every task of it and its sub-groups in one call, and notes them", async ({ expect }) => {
    const api = testApi({ registry, dag: having(members) });
    const json = { new_state: "success", note: "all", include_past: true };
    const { status, body } = await api.send("PATCH", `${group}/outer`, { json });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      task_instances: members.map(({ task_id }) => ({ task_id, state: "success", note: "all" })),
      total_entries: 3,
    });
    expect(asked(api.calls).filter((call) => (call as unknown[])[0] === "mark")).toEqual([
      [
        "mark",
        {
          run_id: "r1",
          task_id: ["outer.a", "outer.inner.c", "outer.b"],
          map_index: null,
          new_state: "success",
          ...NOWHERE,
          include_past: true,
          dry_run: false,
        },
      ],
    ]);
  });

  it("that has the state already is a 409", async ({ expect }) => {
    const api = testApi({ registry, dag: having(members) });
    expect(await api.send("PATCH", `${group}/outer`, { json: { new_state: "failed" } })).toMatchObject({
      status: 409,
      body: { detail: "All task instances in the group are already in failed state" },
    });
  });

  it("as a dry run changes nothing", async ({ expect }) => {
    const api = testApi({ registry, dag: having(members) });
    const { body } = await api.send("PATCH", `${group}/outer/dry_run`, { json: { new_state: "success" } });
    expect(body).toMatchObject({ task_instances: [{ state: "failed" }, { state: "failed" }, { state: "failed" }] });
    expect(api.calls.filter(({ method }) => method === "mark")).toMatchObject([{ args: [{ dry_run: true }] }]);
  });

  it("notes alone, or only what the mask names", async ({ expect }) => {
    const api = testApi({ registry, dag: having(members) });
    const json = { new_state: "success", note: "n" };
    expect((await api.send("PATCH", `${group}/outer?update_mask=note`, { json })).body).toMatchObject({
      task_instances: members.map(({ task_id }) => ({ task_id, note: "n", state: "failed" })),
    });
    expect(api.calls.map(({ method }) => method)).not.toContain("mark");
  });

  it.for([
    ["no_such", members, "Task group 'no_such' not found in DAG 'grouped'"],
    ["hollow", [], "No task instances found for task group 'hollow' in dag run 'r1'"],
  ] as const)("%s is a 404 in Airflow's words", async ([id, present, detail], { expect }) => {
    for (const path of [`${group}/${id}`, `${group}/${id}/dry_run`]) {
      const api = testApi({ registry, dag: having([...present]) });
      expect(await api.send("PATCH", path, { json: { new_state: "failed" } })).toMatchObject({
        status: 404,
        body: { detail },
      });
    }
  });
});
