/**
 * Pools over HTTP on real objects: what is made, listed, changed, deleted, and what is left when a request is cut.
 */
import { evictDurableObject, listDurableObjectIds, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { describe, it } from "vitest";
import { wakeLate } from "../../durable-objects/wake.ts";
import { DEFAULT_POOL, ledgerName } from "../../src/engine/permits/names.ts";
import { holderName } from "../../src/engine/permits/holders.ts";
import { alarmOf, clock, objectEnv, rowsOf, stopClock, value } from "./lab.ts";
import { Owner, poolOf, poolStub, settled, wish } from "./pool-support.ts";
import { fresh } from "./registry.ts";

stopClock();

const POOLS = "/api/v2/pools";

interface Answer {
  status: number;
  body: unknown;
}

async function call(method: string, path: string, json?: unknown): Promise<Answer> {
  const response = await exports.default.fetch(`https://jobbers.test${path}`, {
    method,
    headers: { authorization: "Bearer test-key", "content-type": "application/json" },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

/** Makes a pool and gives its name. */
async function made(slots = 2): Promise<string> {
  const name = fresh("pool");
  const { status } = await call("POST", POOLS, { name, slots });
  if (status !== 201) {
    throw new Error(`expected pool ${name} to be made, got ${status}`);
  }
  return name;
}

const byNumber = (a: number, b: number): number => a - b;
const catalog = () => env.CATALOG.getByName("catalog");

async function listed(name: string): Promise<boolean> {
  const { body } = await call("GET", `${POOLS}?pool_name_pattern=${name}`);
  return JSON.stringify(body).includes(`"${name}"`);
}

async function inCatalog(name: string): Promise<boolean> {
  return (await catalog().findPool(name)) !== null;
}

describe("a pool over HTTP", () => {
  it("lives as long as it is wanted, evicted between any two calls", async ({ expect }) => {
    const name = fresh("pool");
    const ledger = ledgerName("pool", name);
    const steps: [string, string, unknown, number, unknown][] = [
      ["POST", POOLS, { name, slots: 3, description: "d" }, 201, { name, slots: 3, open_slots: 3 }],
      ["POST", POOLS, { name, slots: 4 }, 409, { detail: `The Pool with name: \`${name}\` already exists` }],
      ["GET", `${POOLS}/${name}`, undefined, 200, { slots: 3, description: "d", team_name: null }],
      ["PATCH", `${POOLS}/${name}`, { slots: -1, include_deferred: true }, 200, { slots: -1, open_slots: -1 }],
      ["GET", `${POOLS}?pool_name_pattern=${name}`, undefined, 200, { pools: [{ name }], total_entries: 1 }],
      ["GET", `${POOLS}/${name}/permits`, undefined, 200, { permits: [], total_entries: 0 }],
      ["DELETE", `${POOLS}/${name}`, undefined, 204, null],
      ["DELETE", `${POOLS}/${name}`, undefined, 404, { detail: `The Pool with name: \`${name}\` was not found` }],
      ["GET", `${POOLS}?pool_name_pattern=${name}`, undefined, 200, { pools: [], total_entries: 0 }],
      ["POST", POOLS, { name, slots: 1 }, 201, { slots: 1, description: null, include_deferred: false }],
    ];
    for (const [method, path, json, status, body] of steps) {
      const answer = await call(method, path, json);
      expect([method, answer.status]).toEqual([method, status]);
      if (body === null) {
        expect(answer.body).toBeNull();
      } else {
        expect(answer.body).toMatchObject(body as object);
      }
      // Not every request reaches the pool and the catalog, and only what is awake can be evicted.
      await poolOf(ledger).describe();
      await catalog().listPools();
      await evictDurableObject(poolStub(ledger));
      await evictDurableObject(catalog());
    }
  });

  it("that is asked for and does not exist leaves no object behind", async ({ expect }) => {
    const before = (await listDurableObjectIds(env.POOL)).length;
    const path = `${POOLS}/${fresh("nothing")}`;
    for (const [method, at, json] of [
      ["GET", path, undefined],
      ["GET", `${path}/permits`, undefined],
      ["PATCH", path, { slots: 1 }],
      ["DELETE", path, undefined],
    ] as const) {
      expect((await call(method, at, json)).status).toBe(404);
    }
    expect((await listDurableObjectIds(env.POOL)).length).toBe(before);
  });

  it("says exactly what runs, and who holds and waits", async ({ expect }) => {
    const name = await made(2);
    const owner = new Owner(ledgerName("pool", name));
    const holders = ["extract", "load", "publish"].map((task_id, index) =>
      holderName({ run_id: "r1", task_id, map_index: index - 1 }, 1),
    );
    await owner.ask(...holders.map((holder) => wish(holder)));
    expect((await call("GET", `${POOLS}/${name}`)).body).toMatchObject({
      occupied_slots: 2,
      running_slots: 2,
      queued_slots: 0,
      scheduled_slots: 1,
      open_slots: 0,
    });
    expect((await call("GET", `${POOLS}?pool_name_pattern=${name}`)).body).toMatchObject({
      pools: [{ name, running_slots: 2 }],
    });
    const page = await call("GET", `${POOLS}/${name}/permits?limit=2&offset=1`);
    expect(page.body).toMatchObject({
      permits: [
        { dag_id: owner.name, run_id: "r1", task_id: "load", map_index: 0, state: "running", job_id: null },
        { dag_id: owner.name, run_id: "r1", task_id: "publish", map_index: 1, state: "waiting" },
      ],
      total_entries: 3,
    });
  });

  it("in use is not deleted, and says by whom", async ({ expect }) => {
    const name = await made(1);
    const ledger = ledgerName("pool", name);
    const owner = new Owner(ledger);
    const [first = "", ...others] = ["a", "b", "c", "d"].map((task_id) =>
      holderName({ run_id: "r1", task_id, map_index: -1 }, 1),
    );
    await owner.ask(wish(first), ...others.map((holder) => wish(holder)));
    const { status, body } = await call("DELETE", `${POOLS}/${name}`);
    expect([status, body]).toMatchObject([409, { detail: expect.stringContaining("4 hold slots of it or wait") }]);
    expect(body).toMatchObject({
      detail: expect.stringContaining(`a of run "r1" of DAG "${owner.name}"`) as unknown,
    });
    expect(body).toMatchObject({ detail: expect.stringContaining("and 1 more") as unknown });
    await owner.release(first, ...others);
    expect((await call("DELETE", `${POOLS}/${name}`)).status).toBe(204);
  });

  it("whose holders no longer want their slots is deleted: they are asked first", async ({ expect }) => {
    const name = await made(1);
    const owner = new Owner(ledgerName("pool", name));
    await owner.ask(wish("a"));
    owner.forget("a");
    expect((await call("DELETE", `${POOLS}/${name}`)).status).toBe(204);
  });

  it("grants what was waited for when it grows", async ({ expect }) => {
    const name = await made(1);
    const owner = new Owner(ledgerName("pool", name));
    await owner.ask(wish("a"), wish("b"));
    const told = owner.nextTold();
    expect((await call("PATCH", `${POOLS}/${name}`, { slots: 2 })).body).toMatchObject({ open_slots: 0 });
    await told;
    expect([...owner.holds]).toEqual(["a", "b"]);
  });

  it("made by several at the same time is made by one", async ({ expect }) => {
    const name = fresh("pool");
    const answers = await Promise.all([1, 2, 3, 4].map((slots) => call("POST", POOLS, { name, slots })));
    expect(answers.map(({ status }) => status).toSorted(byNumber)).toEqual([201, 409, 409, 409]);
    const winner = answers.find(({ status }) => status === 201);
    expect((await call("GET", `${POOLS}/${name}`)).body).toEqual(winner?.body);
    expect(await listed(name)).toBe(true);
  });
});

describe("what is cut in the middle", () => {
  it("of a making is shown nowhere, can be repeated, and is taken away when it is old", async ({ expect }) => {
    const name = fresh("pool");
    value(await catalog().addPool(name));
    expect(await listed(name)).toBe(false);
    expect((await call("GET", `${POOLS}/${name}`)).status).toBe(404);
    expect((await call("DELETE", `${POOLS}/${name}`)).status).toBe(404);
    expect(await inCatalog(name)).toBe(true);
    await runInDurableObject(catalog(), (_catalog, state) => {
      state.storage.sql.exec("UPDATE pool SET added_at = 0 WHERE name = ?", name);
    });
    expect(await listed(name)).toBe(false);
    expect(await inCatalog(name)).toBe(false);
    expect((await call("POST", POOLS, { name, slots: 1 })).status).toBe(201);
    expect(await listed(name)).toBe(true);
  });

  it("of a deletion leaves a pool that is gone, and may be made again", async ({ expect }) => {
    const name = await made();
    value(await poolOf(ledgerName("pool", name)).remove());
    expect(await listed(name)).toBe(false);
    expect((await call("DELETE", `${POOLS}/${name}`)).status).toBe(404);
    expect((await call("POST", POOLS, { name, slots: 1 })).status).toBe(201);
    expect(await listed(name)).toBe(true);
  });

  it("of a deletion that others overtake does not hide the pool that they made", async ({ expect }) => {
    const name = await made();
    const entry = await catalog().findPool(name);
    value(await poolOf(ledgerName("pool", name)).remove());
    expect((await call("POST", POOLS, { name, slots: 1 })).status).toBe(201);
    // The end of the deletion, as it comes too late.
    await catalog().removePool({ id: entry?.id ?? 0, name });
    expect(await listed(name)).toBe(true);
  });
});

describe("the sweep", () => {
  it("makes up for a pool's alarm that was lost", async ({ expect }) => {
    const name = await made(1);
    const ledger = ledgerName("pool", name);
    const owner = new Owner(ledger);
    await owner.ask(wish("a"), wish("b"));
    await settled(ledger);
    const due = await alarmOf(poolStub(ledger));
    await runInDurableObject(poolStub(ledger), (_pool, state) => state.storage.deleteAlarm());
    await evictDurableObject(poolStub(ledger));
    owner.forget("a");
    clock.to((due ?? 0) + 1);
    const told = owner.nextTold();
    await wakeLate(objectEnv, new Map());
    await told;
    expect(await alarmOf(poolStub(ledger))).not.toBeNull();
  });

  it("makes no object of a pool that nobody uses", async ({ expect }) => {
    const name = fresh("pool");
    value(await catalog().addPool(name));
    const before = (await listDurableObjectIds(env.POOL)).length;
    clock.advance(3_600_000);
    await wakeLate(objectEnv, new Map());
    expect((await listDurableObjectIds(env.POOL)).length).toBe(before);
  });
});

describe("default_pool", () => {
  it("takes other slots and keeps them", async ({ expect }) => {
    const path = `${POOLS}/${DEFAULT_POOL}`;
    expect((await call("PATCH", path, { slots: 64 })).body).toMatchObject({ slots: 64, description: "Default pool" });
    await evictDurableObject(poolStub(ledgerName("pool", DEFAULT_POOL)));
    expect((await call("GET", path)).body).toMatchObject({ slots: 64 });
    expect((await call("PATCH", `${path}?update_mask=slots`, { slots: 128 })).body).toMatchObject({ slots: 128 });
    expect((await call("DELETE", path)).status).toBe(400);
  });
});

describe("the catalog", () => {
  it("has no table of pools until one is added, keeps their order, and adds and removes as often as told", async ({
    expect,
  }) => {
    const stub = env.CATALOG.getByName(fresh("catalog"));
    expect([await stub.listPools(), await stub.findPool("a"), await stub.removePool({ id: 1, name: "a" })]).toEqual([
      [],
      null,
      undefined,
    ]);
    expect(await rowsOf(stub, "SELECT name FROM sqlite_master WHERE name = 'pool'")).toEqual([]);
    for (const name of ["b", "a", "b"]) {
      value(await stub.addPool(name));
    }
    await evictDurableObject(stub);
    const pools = await stub.listPools();
    expect(pools.map(({ name }) => name)).toEqual(["a", "b"]);
    const entry = value(await stub.addPool("c"));
    await stub.removePool({ ...entry, id: entry.id - 1 });
    expect(await stub.findPool("c")).toEqual(entry);
    await stub.removePool(entry);
    await stub.removePool(entry);
    expect(await stub.findPool("c")).toBeNull();
    expect(value(await stub.addPool("c")).id).toBeGreaterThan(entry.id);
  });

  it("takes a thousand pools and no more", async ({ expect }) => {
    const stub = env.CATALOG.getByName(fresh("catalog"));
    value(await stub.addPool("first"));
    await runInDurableObject(stub, (_catalog, state) => {
      state.storage.sql.exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
         INSERT INTO pool (name, added_at) SELECT 'pool ' || i, 0 FROM n`,
      );
    });
    expect(await stub.addPool("one more")).toMatchObject({ ok: false, refusal: { code: "invalid" } });
    expect(await stub.addPool("first")).toMatchObject({ ok: true });
  });
});
