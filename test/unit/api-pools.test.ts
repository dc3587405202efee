import { describe, it } from "vitest";
import type { CatalogObject } from "../../src/engine/objects.ts";
import { holderName, jobHolderName, jobOwnerName } from "../../src/engine/permits/holders.ts";
import { ledgerView, listPermits } from "../../src/engine/permits/ledger-view.ts";
import { PermitLedger } from "../../src/engine/permits/ledger.ts";
import { DEFAULT_POOL, DEFAULT_POOL_CONFIG, ledgerName } from "../../src/engine/permits/names.ts";
import type { PoolObject } from "../../src/engine/permits/objects.ts";
import { HALF_MADE_MS, type PoolName } from "../../src/engine/permits/pool-names.ts";
import { NOW, ok, testApi, type TestApi } from "./api-support.ts";
import { containing } from "./api-matchers.ts";

const POOLS = "/api/v2/pools";

/** Pools as objects keep them: names in one place, real ledgers in others. */
interface Stage extends TestApi {
  ledger(name: string): PermitLedger;
  names: Map<string, PoolName>;
  /** Calls of pools' objects, in order. */
  asked: string[];
}

function stage(broken: { remove?: boolean; configure?: boolean } = {}): Stage {
  const names = new Map<string, PoolName>();
  const ledgers = new Map<string, PermitLedger>();
  const asked: string[] = [];
  let ids = 0;
  const ledger = (name: string): PermitLedger => {
    const found =
      ledgers.get(name) ?? new PermitLedger(name === DEFAULT_POOL ? { ...DEFAULT_POOL_CONFIG } : null, [], NOW);
    ledgers.set(name, found);
    return found;
  };
  const missing = { ok: false, refusal: { code: "not_found", message: "no ledger" } } as const;
  const catalog: Partial<CatalogObject> = {
    listPools: async () => [...names.values()].toSorted((a, b) => a.id - b.id),
    findPool: async (name) => names.get(name) ?? null,
    addPool: async (name) => {
      asked.push(`add ${name}`);
      ids += 1;
      const entry = { id: ids, name, added_at: NOW };
      names.set(name, entry);
      return ok(entry);
    },
    removePool: async ({ id, name }) => {
      asked.push(`forget ${name}`);
      if (names.get(name)?.id === id) {
        names.delete(name);
      }
    },
  };
  const pool = (name: string): Partial<PoolObject> => ({
    describe: async () => {
      const view = ledgerView(ledger(name));
      return view === null ? missing : ok(view);
    },
    configure: async (config, when) => {
      asked.push(`configure ${name}`);
      if (broken.configure === true) {
        throw new Error("the object is gone");
      }
      const present = ledger(name).config;
      if (when === "absent" && present !== null) {
        return { ok: false, refusal: { code: "conflict", message: "it is there" } };
      }
      if (when === "present" && present === null) {
        return missing;
      }
      ledger(name).configure({ slots: 0, description: null, include_deferred: false, ...present, ...config });
      const view = ledgerView(ledger(name));
      return view === null ? missing : ok(view);
    },
    listPermits: async (limit, offset) => {
      const all = listPermits(ledger(name));
      return ok({ items: all.slice(offset, offset + limit), total: all.length });
    },
    remove: async () => {
      asked.push(`remove ${name}`);
      if (broken.remove === true) {
        throw new Error("the object is gone");
      }
      if (ledger(name).size > 0) {
        return { ok: false, refusal: { code: "conflict", message: "1 hold slots of it or wait: load" } };
      }
      ledger(name).configure(null);
      return ok(null);
    },
  });
  const prefix = ledgerName("pool", "");
  const api = testApi({
    catalog,
    env: { POOL: { getByName: (object: string) => pool(object.slice(prefix.length)) } },
  });
  return { ...api, ledger, names, asked };
}

function wish(holder: string, slots = 1) {
  return { holder, slots, priority: 3, requestedAt: NOW, leaseMs: 60_000 };
}

const EMPTY = { occupied_slots: 0, running_slots: 0, queued_slots: 0, scheduled_slots: 0, deferred_slots: 0 };

describe("a pool over HTTP", () => {
  it("is made with Airflow's defaults, its name before its ledger, and once", async ({ expect }) => {
    const api = stage();
    const made = await api.send("POST", POOLS, { json: { name: "db", slots: 5 } });
    const pool = { name: "db", slots: 5, description: null, include_deferred: false, team_name: null };
    expect([made.status, made.body]).toEqual([201, { ...pool, ...EMPTY, open_slots: 5 }]);
    expect(api.asked).toEqual(["add db", "configure db"]);
    const again = await api.send("POST", POOLS, { json: { name: "db", slots: 6 } });
    expect([again.status, again.body]).toEqual([409, { detail: "The Pool with name: `db` already exists" }]);
    expect((await api.send("GET", `${POOLS}/db`)).body).toEqual({ ...pool, ...EMPTY, open_slots: 5 });
  });

  it("is made once also by two who ask at the same time", async ({ expect }) => {
    const api = stage();
    const answers = await Promise.all(
      [1, 2, 3].map((slots) => api.send("POST", POOLS, { json: { name: "db", slots } })),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409, 409]);
    expect((await api.send("GET", POOLS)).body).toMatchObject({ total_entries: 2 });
  });

  it("has no limit with -1 slots", async ({ expect }) => {
    const api = stage();
    const { body } = await api.send("POST", POOLS, { json: { name: "wide", slots: -1, include_deferred: true } });
    expect(body).toMatchObject({ slots: -1, open_slots: -1, include_deferred: true });
  });

  it("is refused if it does not fit", async ({ expect }) => {
    const api = stage();
    const bad: [unknown, string][] = [
      [{ name: "db", slots: -2 }, "slots"],
      [{ name: "db", slots: 1.5 }, "slots"],
      [{ name: "db", slots: "5" }, "slots"],
      [{ name: "db", slots: 2 ** 31 }, "slots"],
      [{ name: "db" }, "slots"],
      [{ slots: 1 }, "name"],
      [{ name: "", slots: 1 }, "name"],
      [{ name: "..", slots: 1 }, "name"],
      [{ name: "a\u0000b", slots: 1 }, "name"],
      [{ name: "\ud800", slots: 1 }, "name"],
      ...["\u202e", "\u200f", "\u2066", "\u061c", "\u2028", "\u0085"].map((mark): [unknown, string] => [
        { name: `a${mark}b`, slots: 1 },
        "name",
      ]),
      [{ name: "x".repeat(257), slots: 1 }, "name"],
      [{ name: "db", slots: 1, description: 5 }, "description"],
      [{ name: "db", slots: 1, include_deferred: null }, "include_deferred"],
      [{ name: "db", slots: 1, team_name: "ours" }, "team_name"],
      [{ name: "db", slots: 1, colour: "red" }, "colour"],
    ];
    for (const [json, field] of bad) {
      const answer = await api.send("POST", POOLS, { json });
      expect([answer.status, answer.body]).toMatchObject([422, { detail: [{ loc: ["body", field] }] }]);
    }
    expect(api.asked).toEqual([]);
  });

  it("is not there before it is made, and asking makes nothing", async ({ expect }) => {
    const api = stage();
    const detail = "The Pool with name: `nope` was not found";
    for (const [method, path, json] of [
      ["GET", `${POOLS}/nope`, undefined],
      ["GET", `${POOLS}/nope/permits`, undefined],
      ["PATCH", `${POOLS}/nope`, { slots: 1 }],
      ["DELETE", `${POOLS}/nope`, undefined],
    ] as const) {
      const answer = await api.send(method, path, json === undefined ? {} : { json });
      expect([answer.status, answer.body]).toEqual([404, { detail }]);
    }
    expect((await api.send("GET", `${POOLS}/%00`)).status).toBe(404);
    expect((await api.send("GET", `${POOLS}/__proto__`)).status).toBe(404);
    expect(api.asked).toEqual([]);
  });

  it("may have a name with slashes, blanks and letters of any script", async ({ expect }) => {
    const api = stage();
    for (const name of ["a/b c", "__proto__", "пул%2F", "🛢️"]) {
      expect((await api.send("POST", POOLS, { json: { name, slots: 1 } })).status).toBe(201);
      const path = `${POOLS}/${encodeURIComponent(name)}`;
      expect((await api.send("GET", path)).body).toMatchObject({ name, slots: 1 });
      expect((await api.send("DELETE", path)).status).toBe(204);
    }
  });

  it("is found by a name with slashes as they are", async ({ expect }) => {
    const api = stage();
    await api.send("POST", POOLS, { json: { name: "a/b/permits c", slots: 1 } });
    const path = `${POOLS}/a/b/permits%20c`;
    expect((await api.send("GET", path)).body).toMatchObject({ name: "a/b/permits c" });
    expect((await api.send("PATCH", path, { json: { slots: 2 } })).body).toMatchObject({ slots: 2 });
    expect((await api.send("GET", `${path}/permits`)).body).toMatchObject({ permits: [] });
    expect((await api.send("DELETE", path)).status).toBe(204);
    expect((await api.send("GET", `${POOLS}/permits`)).status).toBe(404);
  });

  it("is changed by what the body gives, and by less with a mask", async ({ expect }) => {
    const api = stage();
    await api.send("POST", POOLS, { json: { name: "db", slots: 5, description: "the database" } });
    const patch = async (json: unknown, query = "") => (await api.send("PATCH", `${POOLS}/db${query}`, { json })).body;
    expect(await patch({ slots: 7 })).toMatchObject({ slots: 7, description: "the database" });
    expect(await patch({ pool: "db", slots: 8, description: null })).toMatchObject({ slots: 8, description: null });
    const mask = "?update_mask=slots&update_mask=nothing";
    expect(await patch({ slots: 9, include_deferred: true }, mask)).toMatchObject({
      slots: 9,
      include_deferred: false,
    });
    expect(await patch({})).toMatchObject({ slots: 9 });
    expect(await patch({ name: "db", slots: 7 })).toMatchObject({ name: "db", slots: 7 });
    const renamed = await api.send("PATCH", `${POOLS}/db`, { json: { name: "other", slots: 1 } });
    expect(renamed.status).toBe(400);
    const other = await api.send("PATCH", `${POOLS}/db`, { json: { pool: "other", slots: 1 } });
    const detail = "Invalid body, pool name from request body doesn't match uri parameter";
    expect([other.status, other.body]).toEqual([400, { detail }]);
    for (const json of [{ slots: -2 }, { slots: null }, { title: "db" }, { team_name: "ours" }]) {
      expect((await api.send("PATCH", `${POOLS}/db`, { json })).status).toBe(422);
    }
  });

  it("is deleted ledger first, then name; and not while somebody uses it", async ({ expect }) => {
    const api = stage();
    await api.send("POST", POOLS, { json: { name: "db", slots: 1 } });
    api.ledger("db").exchange("etl", { ask: [wish("a")] }, NOW);
    const refused = await api.send("DELETE", `${POOLS}/db`);
    expect([refused.status, refused.body]).toEqual([409, { detail: containing("hold slots of it or wait: load") }]);
    api.ledger("db").exchange("etl", { release: ["a"] }, NOW);
    api.asked.length = 0;
    expect(await api.send("DELETE", `${POOLS}/db`)).toMatchObject({ status: 204, body: null });
    expect(api.asked).toEqual(["remove db", "forget db"]);
    expect((await api.send("DELETE", `${POOLS}/db`)).status).toBe(404);
  });
});

describe("default_pool", () => {
  it("is there without being made, with 128 slots, and cannot be deleted or made", async ({ expect }) => {
    const api = stage();
    expect((await api.send("GET", `${POOLS}/default_pool`)).body).toMatchObject({ name: "default_pool", slots: 128 });
    expect((await api.send("GET", POOLS)).body).toMatchObject({
      pools: [{ name: "default_pool", description: "Default pool" }],
      total_entries: 1,
    });
    const gone = await api.send("DELETE", `${POOLS}/default_pool`);
    expect([gone.status, gone.body]).toEqual([400, { detail: "Default Pool can't be deleted" }]);
    expect((await api.send("POST", POOLS, { json: { name: "default_pool", slots: 1 } })).status).toBe(409);
  });

  it("takes other slots, and no other description", async ({ expect }) => {
    const api = stage();
    const path = `${POOLS}/default_pool`;
    const mask = "?update_mask=slots&update_mask=include_deferred";
    expect((await api.send("PATCH", path + mask, { json: { slots: 50, include_deferred: true } })).body).toMatchObject({
      slots: 50,
      include_deferred: true,
    });
    expect((await api.send("PATCH", path, { json: { slots: 60 } })).body).toMatchObject({ slots: 60 });
    for (const [query, json] of [
      ["", {}],
      ["", { description: "mine" }],
      ["?update_mask=description", { slots: 5 }],
      ["?update_mask=slots&update_mask=pool", { slots: 5 }],
    ] as const) {
      const answer = await api.send("PATCH", path + query, { json });
      const detail = "Only slots and included_deferred can be modified on Default Pool";
      expect([answer.status, answer.body]).toEqual([400, { detail }]);
    }
    expect((await api.send("GET", POOLS)).body).toMatchObject({ pools: [{ slots: 60 }], total_entries: 1 });
  });
});

describe("a request that is cut in the middle", () => {
  it("leaves a name that no list shows, that goes when it is old, and can be repeated", async ({ expect }) => {
    const broken = { configure: true };
    const api = stage(broken);
    expect((await api.send("POST", POOLS, { json: { name: "db", slots: 1 } })).status).toBe(500);
    expect([...api.names.keys()]).toEqual(["db"]);
    expect((await api.send("GET", POOLS)).body).toMatchObject({ pools: [{ name: "default_pool" }], total_entries: 1 });
    expect((await api.send("GET", `${POOLS}/db`)).status).toBe(404);
    expect((await api.send("PATCH", `${POOLS}/db`, { json: {} })).status).toBe(500);
    broken.configure = false;
    expect((await api.send("PATCH", `${POOLS}/db`, { json: { slots: 3 } })).status).toBe(404);
    expect((await api.send("DELETE", `${POOLS}/db`)).status).toBe(404);
    expect((await api.send("POST", POOLS, { json: { name: "db", slots: 2 } })).status).toBe(201);
    expect((await api.send("GET", POOLS)).body).toMatchObject({ total_entries: 2 });
    api.ledger("db").configure(null);
    await api.send("GET", POOLS);
    expect([...api.names.keys()]).toEqual(["db"]);
    api.names.set("db", { id: 9, name: "db", added_at: NOW - HALF_MADE_MS - 1 });
    await api.send("GET", POOLS);
    expect([...api.names.keys()]).toEqual([]);
  });

  it("leaves a pool that is still there if it was a deletion", async ({ expect }) => {
    const broken = { remove: false };
    const api = stage(broken);
    await api.send("POST", POOLS, { json: { name: "db", slots: 1 } });
    broken.remove = true;
    expect((await api.send("DELETE", `${POOLS}/db`)).status).toBe(500);
    expect((await api.send("GET", `${POOLS}/db`)).status).toBe(200);
    broken.remove = false;
    expect((await api.send("DELETE", `${POOLS}/db`)).status).toBe(204);
  });

  it("does not take away the name of a pool that is made again meanwhile", async ({ expect }) => {
    const api = stage();
    await api.send("POST", POOLS, { json: { name: "db", slots: 1 } });
    const before = api.names.get("db");
    // As if the ledger were unmade, and somebody made the pool again before the name was taken away.
    api.ledger("db").configure(null);
    expect((await api.send("POST", POOLS, { json: { name: "db", slots: 2 } })).status).toBe(201);
    expect(api.names.get("db")?.id).not.toBe(before?.id);
  });
});

describe("the list of pools", () => {
  async function several(): Promise<Stage> {
    const api = stage();
    for (const name of ["web", "db", "Files"]) {
      await api.send("POST", POOLS, { json: { name, slots: 1 } });
    }
    return api;
  }

  it("has pages and orders", async ({ expect }) => {
    const api = await several();
    const names = async (query: string) => {
      const { body } = await api.send("GET", `${POOLS}?${query}`);
      const { pools, total_entries: total } = body as { pools: { name: string }[]; total_entries: number };
      return [pools.map(({ name }) => name).join(" "), total];
    };
    expect(await names("")).toEqual(["default_pool web db Files", 4]);
    expect(await names("order_by=-id")).toEqual(["Files db web default_pool", 4]);
    expect(await names("order_by=name")).toEqual(["Files db default_pool web", 4]);
    expect(await names("order_by=-pool&limit=2&offset=1")).toEqual(["default_pool db", 4]);
    expect(await names("pool_name_pattern=d_|fil&order_by=pool")).toEqual(["Files db default_pool", 3]);
    expect(await names("pool_name_pattern=nothing")).toEqual(["", 0]);
    expect(await names("limit=0")).toEqual(["", 4]);
  });

  it("refuses what it cannot sort or filter by", async ({ expect }) => {
    const api = await several();
    expect((await api.send("GET", `${POOLS}?order_by=slots`)).status).toBe(400);
    expect((await api.send("GET", `${POOLS}?pool_name_prefix_pattern=d`)).status).toBe(400);
    expect((await api.send("GET", `${POOLS}?limit=-1`)).status).toBe(422);
    expect((await api.send("GET", `${POOLS}?colour=red`)).status).toBe(200);
  });
});

describe("many pools in one request", () => {
  const bulk = (api: TestApi, ...actions: unknown[]) => api.send("PATCH", POOLS, { json: { actions } });

  it("are made, changed and deleted, and one that fails stops no other", async ({ expect }) => {
    const api = stage();
    await api.send("POST", POOLS, { json: { name: "db", slots: 1 } });
    const { status, body } = await bulk(
      api,
      {
        action: "create",
        entities: [
          { name: "db", slots: 2 },
          { name: "web", slots: 2, include_deferred: true },
        ],
      },
      {
        action: "update",
        update_mask: ["slots"],
        entities: [
          { name: "web", slots: 3, description: "ignored" },
          { name: "nope", slots: 3 },
          { name: "default_pool", slots: 9 },
        ],
      },
      { action: "delete", entities: ["db", "nope", { name: "default_pool", slots: 1 }] },
    );
    expect([status, body]).toEqual([
      200,
      {
        create: {
          success: ["web"],
          errors: [{ error: "The Pool with name: `db` already exists", status_code: 409 }],
        },
        update: {
          success: ["web", "default_pool"],
          errors: [{ error: "The Pool with name: `nope` was not found", status_code: 404 }],
        },
        delete: {
          success: ["db"],
          errors: [
            { error: "The Pool with name: `nope` was not found", status_code: 404 },
            { error: "Default Pool can't be deleted", status_code: 400 },
          ],
        },
      },
    ]);
    expect((await api.send("GET", `${POOLS}/web`)).body).toMatchObject({
      slots: 3,
      description: null,
      include_deferred: true,
    });
  });

  it("skip or overwrite what is there, and skip what is not", async ({ expect }) => {
    const api = stage();
    await api.send("POST", POOLS, { json: { name: "db", slots: 1, include_deferred: true } });
    const skipped = await bulk(
      api,
      { action: "create", action_on_existence: "skip", entities: [{ name: "db", slots: 2 }] },
      { action: "update", action_on_non_existence: "skip", entities: [{ name: "nope", slots: 2 }] },
      { action: "delete", action_on_non_existence: "skip", entities: ["nope"] },
    );
    const nothing = { success: [], errors: [] };
    expect(skipped.body).toEqual({ create: nothing, update: nothing, delete: nothing });
    expect((await api.send("GET", `${POOLS}/db`)).body).toMatchObject({ slots: 1 });
    const overwritten = await bulk(api, {
      action: "create",
      action_on_existence: "overwrite",
      entities: [{ name: "db", slots: 2 }],
    });
    expect(overwritten.body).toMatchObject({ create: { success: ["db"], errors: [] }, update: null });
    expect((await api.send("GET", `${POOLS}/db`)).body).toMatchObject({ slots: 2, include_deferred: false });
  });
});

describe("the permits of a pool", () => {
  it("are listed with what they stand for: task instances, jobs, members of bulk submissions", async ({ expect }) => {
    const api = stage();
    await api.send("POST", POOLS, { json: { name: "db", slots: 3 } });
    const ledger = api.ledger("db");
    const key = { run_id: "r1", task_id: "load", map_index: 4 };
    const jobId = "01JC6V9XH3ZQ5W8M2T4R7K0NPD";
    ledger.exchange("etl", { ask: [wish(holderName(key, 7), 2)] }, NOW);
    ledger.exchange(jobOwnerName(jobId), { ask: [wish(jobHolderName(1))] }, NOW + 1);
    ledger.exchange("@batch:01JC", { ask: [wish(holderName({ ...key, run_id: "bulk" }, 1))] }, NOW + 2);
    ledger.exchange("etl", { ask: [wish("of another kind")] }, NOW + 3);
    const { body } = await api.send("GET", `${POOLS}/db/permits`);
    const common = { slots: 1, priority: 3, dag_id: null, run_id: null, task_id: null, map_index: null, job_id: null };
    expect(body).toMatchObject({
      permits: [
        { ...common, ...key, dag_id: "etl", slots: 2, state: "queued", since: "2026-01-31T06:00:00Z" },
        { ...common, job_id: jobId, state: "queued" },
        { ...common, task_id: "load", map_index: 4, state: "waiting", owner: "@batch:01JC" },
        { ...common, state: "waiting", owner: "etl", holder: "of another kind" },
      ],
      total_entries: 4,
    });
    const page = await api.send("GET", `${POOLS}/db/permits?limit=1&offset=1`);
    expect(page.body).toMatchObject({ permits: [{ job_id: jobId }], total_entries: 4 });
    expect((await api.send("GET", `${POOLS}/db`)).body).toMatchObject({
      occupied_slots: 3,
      queued_slots: 3,
      scheduled_slots: 2,
      open_slots: 0,
    });
  });
});
