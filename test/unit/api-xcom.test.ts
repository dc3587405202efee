import { describe, test } from "vitest";
import type { DagObject, XComQuery, XComView } from "../../src/engine/objects.ts";
import type { StoredValue } from "../../src/engine/work.ts";
import { NOW, ok, testApi } from "./api-support.ts";

const ENTRIES = "/api/v2/dags/etl/dagRuns/r1/taskInstances/extract/xcomEntries";
const PATH = `${ENTRIES}/return_value`;

const AT = { run_id: "r1", task_id: "extract", map_index: -1 };

function view(fields: Partial<XComView> = {}): XComView {
  return { ...AT, key: "return_value", timestamp: NOW, logical_date: null, run_after: NOW, ...fields };
}

/** An object that has one value. */
function having(stored: StoredValue, fields: Partial<XComView> = {}): Partial<DagObject> {
  return { getXCom: async () => ok(stored), listXComs: async () => ok({ items: [view(fields)], total: 1 }) };
}

/** A bucket that remembers what happens to it. */
function bucket() {
  const kept = new Map<string, string>();
  return {
    kept,
    PAYLOADS: {
      get: async (key: string) => ({ text: async () => kept.get(key) ?? "null" }),
      put: async (key: string, value: string) => kept.set(key, value),
      delete: async (key: string) => void kept.delete(key),
    },
  };
}

describe("a value of a task instance", () => {
  test("is given in Airflow's fields", async ({ expect }) => {
    const api = testApi({ dag: having({ json: '{"rows":[1,2]}' }, { logical_date: NOW - 1000 }) });
    const answer = await api.send("GET", PATH);
    expect(answer).toMatchObject({
      status: 200,
      body: {
        key: "return_value",
        timestamp: "2026-01-31T06:00:00Z",
        logical_date: "2026-01-31T05:59:59Z",
        run_after: "2026-01-31T06:00:00Z",
        dag_id: "etl",
        dag_display_name: "etl",
        run_id: "r1",
        task_id: "extract",
        task_display_name: "extract",
        map_index: -1,
        value: { rows: [1, 2] },
      },
    });
    expect(Object.keys(answer.body as object)).toHaveLength(11);
  });

  test("may have a key with slashes, in the path as they are", async ({ expect }) => {
    for (const key of ["a/b", "a%2Fb"]) {
      const api = testApi({ dag: having({ json: "7" }, { key: "a/b" }) });
      expect((await api.send("GET", `${ENTRIES}/${key}`)).body).toMatchObject({ key: "a/b", value: 7 });
      expect(api.calls.find(({ method }) => method === "getXCom")?.args).toContain("a/b");
    }
  });

  test("of a mapped task is asked for by its map index", async ({ expect }) => {
    const api = testApi({ dag: having({ json: "7" }, { map_index: 3 }) });
    const answer = await api.send("GET", `${PATH}?map_index=3`);
    expect(answer.body).toMatchObject({ map_index: 3, value: 7 });
    const asked = api.calls.find(({ method }) => method === "getXCom");
    expect(asked?.args).toEqual([{ run_id: "r1", task_id: "extract", map_index: 3 }, "return_value"]);
  });

  test("is text if it is asked for so, and JSON otherwise", async ({ expect }) => {
    for (const [json, text] of [
      ['{"a":[1]}', '{"a":[1]}'],
      ['"plain"', "plain"],
      ["7", "7"],
      ["null", null],
    ] as const) {
      const api = testApi({ dag: having({ json }) });
      expect((await api.send("GET", `${PATH}?stringify=true`)).body).toHaveProperty("value", text);
      for (const query of ["", "?stringify=false", "?deserialize=true"]) {
        expect((await api.send("GET", `${PATH}${query}`)).body).toHaveProperty("value", JSON.parse(json));
      }
    }
  });

  test("that is large is fetched from the bucket", async ({ expect }) => {
    const { kept, ...env } = bucket();
    kept.set("xcom/1", '{"large": true}');
    const api = testApi({ dag: having({ r2: "xcom/1", bytes: 200_000 }), env });
    expect((await api.send("GET", PATH)).body).toMatchObject({ value: { large: true } });
  });

  test("that is not there, or lies nowhere any more, is not found", async ({ expect }) => {
    const refusal = { code: "not_found", message: "no value" } as const;
    const none = testApi({ dag: { ...having({ json: "1" }), getXCom: async () => ({ ok: false, refusal }) } });
    expect(await none.send("GET", `${ENTRIES}/a%2Fb`)).toMatchObject({
      status: 404,
      body: { detail: "XCom entry with key: `a/b` not found" },
    });
    const gone = testApi({
      dag: having({ r2: "xcom/1", bytes: 9 }),
      env: { PAYLOADS: { get: async () => null } },
    });
    expect((await gone.send("GET", PATH)).status).toBe(404);
    const meanwhile = testApi({
      dag: { ...having({ json: "1" }), listXComs: async () => ok({ items: [], total: 0 }) },
    });
    expect((await meanwhile.send("GET", PATH)).status).toBe(404);
    expect((await none.send("GET", `${PATH}?map_index=x`)).status).toBe(422);
    expect((await none.send("GET", `${PATH}?map_index=-2`)).status).toBe(422);
    expect((await none.send("GET", PATH.replace("/etl/", "/nope/"))).status).toBe(404);
  });
});

describe("a value that a user leaves", () => {
  function taking(): { dag: Partial<DagObject>; taken: unknown[] } {
    const taken: unknown[] = [];
    return {
      taken,
      dag: {
        setXCom: async (...args) => {
          taken.push(args);
          return ok(view({ ...args[0], key: args[1] }));
        },
      },
    };
  }

  test("is created with a 201 and replaced with a 200", async ({ expect }) => {
    const { dag, taken } = taking();
    const api = testApi({ dag });
    const created = await api.send("POST", ENTRIES, { json: { key: "a b", value: { n: [1] }, map_index: 2 } });
    expect(created).toMatchObject({ status: 201, body: { key: "a b", map_index: 2, value: { n: [1] } } });
    const updated = await api.send("PATCH", `${ENTRIES}/a%20b`, { json: { value: null } });
    expect(updated).toMatchObject({ status: 200, body: { key: "a b", map_index: -1, value: null } });
    await api.send("PATCH", `${ENTRIES}/list`, { json: { value: [1, 2, 3], map_index: 0 } });
    expect(taken).toEqual([
      [{ ...AT, map_index: 2 }, "a b", { json: '{"n":[1]}' }, 1, "create"],
      [AT, "a b", { json: "null" }, null, "update"],
      [{ ...AT, map_index: 0 }, "list", { json: "[1,2,3]" }, 3, "update"],
    ]);
  });

  test("keeps whatever JSON it is", async ({ expect }) => {
    const { dag, taken } = taking();
    const raw = '{"key": "k", "value": {"__proto__": {"a": 1}, "constructor": "x", "\\ud800": "\\u0000"}}';
    const headers = { "content-type": "application/json" };
    expect((await testApi({ dag }).send("POST", ENTRIES, { raw, headers })).status).toBe(201);
    expect(taken).toMatchObject([
      [AT, "k", { json: '{"__proto__":{"a":1},"constructor":"x","\\ud800":"\\u0000"}' }, 3, "create"],
    ]);
  });

  test("lies in the bucket if it is large, unless it is refused", async ({ expect }) => {
    const { dag, taken } = taking();
    const { kept, ...env } = bucket();
    const value = ["ü".repeat(70_000)];
    const created = await testApi({ dag, env }).send("POST", ENTRIES, { json: { key: "large", value } });
    expect(created).toMatchObject({ status: 201, body: { value } });
    const [key] = kept.keys();
    expect(key).toMatch(/^xcom\//);
    expect(JSON.parse(kept.get(key ?? "") ?? "")).toEqual(value);
    expect(taken).toEqual([[AT, "large", { r2: key, bytes: 140_004 }, 1, "create"]]);

    kept.clear();
    const refusal = { code: "conflict", message: "already exists" } as const;
    const refusing = testApi({ dag: { setXCom: async () => ({ ok: false, refusal }) }, env });
    expect((await refusing.send("POST", ENTRIES, { json: { key: "large", value } })).status).toBe(409);
    expect(kept.size).toBe(0);
    expect((await testApi({ dag }).send("POST", ENTRIES, { json: { key: "large", value } })).status).toBe(413);
  });

  test("is refused under a bad key, at a bad place, without a value, and beyond the limit of a body", async ({
    expect,
  }) => {
    const api = testApi({ dag: taking().dag });
    const bad = [
      { key: "", value: 1 },
      { key: "x".repeat(513), value: 1 },
      { key: ".", value: 1 },
      { key: "..", value: 1 },
      { key: "a\u0000b", value: 1 },
      { key: "a\nb", value: 1 },
      { key: "\u0085", value: 1 },
      { key: "\ud800", value: 1 },
      { key: 7, value: 1 },
      { value: 1 },
      { key: "k" },
      { key: "k", value: 1, map_index: -2 },
      { key: "k", value: 1, map_index: 1.5 },
      { key: "k", value: 1, map_index: "1" },
      { key: "k", value: 1, map_index: 1e12 },
      { key: "k", value: 1, dag_id: "etl" },
      [],
      null,
    ];
    for (const json of bad) {
      expect([json, (await api.send("POST", ENTRIES, { json })).status]).toEqual([json, 422]);
    }
    for (const json of [{}, { map_index: 1 }, { value: 1, key: "k" }, { value: 1, map_index: -2 }]) {
      expect([json, (await api.send("PATCH", PATH, { json })).status]).toEqual([json, 422]);
    }
    expect((await api.send("POST", ENTRIES, { json: { key: "k", value: "x".repeat(1_100_000) } })).status).toBe(413);
    expect(
      (await api.send("POST", ENTRIES, { raw: "{", headers: { "content-type": "application/json" } })).status,
    ).toBe(400);
    expect((await api.send("POST", ENTRIES, { raw: "key=1" })).status).toBe(415);
    expect((await api.send("POST", ENTRIES.replace("/etl/", "/~/"), { json: { key: "k", value: 1 } })).status).toBe(
      404,
    );
  });

  test("is deleted with a 204, or is not there", async ({ expect }) => {
    const api = testApi({ dag: { deleteXCom: async () => ok(null) } });
    expect(await api.send("DELETE", `${PATH}?map_index=4`)).toMatchObject({ status: 204, body: null });
    expect(api.calls.at(-1)?.args).toEqual([{ ...AT, map_index: 4 }, "return_value"]);
    const refusal = { code: "not_found", message: "doesn't exist." } as const;
    const none = testApi({ dag: { deleteXCom: async () => ({ ok: false, refusal }) } });
    expect(await none.send("DELETE", PATH)).toMatchObject({ status: 404, body: { detail: "doesn't exist." } });
  });
});

describe("a list of values", () => {
  const ALL = "/api/v2/dags/~/dagRuns/~/taskInstances/~/xcomEntries";

  test("has Airflow's fields without the values, and asks with every filter", async ({ expect }) => {
    const api = testApi({ dag: having({ json: "1" }) });
    const filters = [
      "xcom_key=k",
      "map_index=2",
      "map_index_filter=2",
      "xcom_key_pattern=a%25",
      "run_id_pattern=r",
      "task_id_pattern=x|y",
      "dag_display_name_pattern=TL",
      "logical_date_gte=2026-01-01T00:00:00Z",
      "run_after_lt=2026-02-01T00:00:00Z",
      "order_by=-timestamp",
      "limit=7",
      "offset=3",
    ];
    const answer = await api.send("GET", `${ENTRIES}?${filters.join("&")}`);
    expect(answer).toMatchObject({
      status: 200,
      body: { xcom_entries: [{ key: "return_value", dag_id: "etl", run_id: "r1" }], total_entries: 1 },
    });
    expect(JSON.stringify(answer.body)).not.toContain('"value"');
    expect(api.calls.find(({ method }) => method === "listXComs")?.args).toEqual([
      {
        run_id: "r1",
        task_id: "extract",
        key: "k",
        map_index: 2,
        key_pattern: "a%",
        run_id_pattern: "r",
        task_id_pattern: "x|y",
        logical_date: { gte: Date.UTC(2026, 0, 1) },
        run_after: { lt: Date.UTC(2026, 1, 1) },
        order_by: ["-timestamp"],
        limit: 7,
        offset: 3,
      },
    ]);
  });

  test("of ~ goes over all DAGs, runs and tasks in Airflow's order, and pages through them", async ({ expect }) => {
    const answer = (query: XComQuery) => {
      const all = ["a", "b", "c"].map((task_id) => view({ task_id }));
      return ok({ items: all.slice(query.offset, query.offset + query.limit), total: 3 });
    };
    const api = testApi({ dag: { listXComs: async (query) => answer(query) } });
    const entries = async (query: string): Promise<string[]> => {
      const { body } = await api.send("GET", `${ALL}?${query}`);
      expect(body).toMatchObject({ total_entries: 9 });
      return (body as { xcom_entries: { dag_id: string; task_id: string }[] }).xcom_entries.map(
        ({ dag_id, task_id }) => `${dag_id}.${task_id}`,
      );
    };
    expect(await entries("")).toEqual([
      ...["a", "b", "c"].map((id) => `etl.${id}`),
      ...["a", "b", "c"].map((id) => `on_push.${id}`),
      ...["a", "b", "c"].map((id) => `reports.${id}`),
    ]);
    expect(await entries("limit=2&offset=2")).toEqual(["etl.c", "on_push.a"]);
    expect(await entries("order_by=task_id&limit=4")).toEqual(["etl.a", "on_push.a", "reports.a", "etl.b"]);
    expect(api.calls[0]?.args).toMatchObject([{ run_id: null, task_id: null }]);
    const { body } = await api.send("GET", `${ALL}?dag_display_name_pattern=port`);
    expect(body).toMatchObject({ total_entries: 3, xcom_entries: [{ dag_id: "reports" }, {}, {}] });
  });

  test("is empty for two map indexes at once, and refuses what it does not serve", async ({ expect }) => {
    const api = testApi({ dag: having({ json: "1" }) });
    expect(await api.send("GET", `${ENTRIES}?map_index=1&map_index_filter=2`)).toMatchObject({
      status: 200,
      body: { xcom_entries: [], total_entries: 0 },
    });
    for (const [query, status] of [
      ["order_by=value", 400],
      ["xcom_key_prefix_pattern=a", 400],
      ["start_date_gte=2026-01-01T00:00:00Z", 400],
      ["map_index=-2", 422],
      ["map_index_filter=x", 422],
      ["logical_date_gte=now", 422],
      ["limit=-1", 422],
      ["what_is_this=1", 200],
    ] as const) {
      expect([query, (await api.send("GET", `${ENTRIES}?${query}`)).status]).toEqual([query, status]);
    }
    expect((await api.send("GET", ENTRIES.replace("/etl/", "/nope/"))).status).toBe(404);
  });
});
