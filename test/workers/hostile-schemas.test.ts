/** Schemas of params that would keep an object busy for good: over HTTP, and in specs that were stored before. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { exports } from "cloudflare:workers";
import { describe, it, vi } from "vitest";
import { clock, dagOf, fireAlarm, rowsOf, stopClock, stubOf, value } from "./lab.ts";
import { fresh } from "./registry.ts";

stopClock();

async function call(method: string, path: string, json?: unknown): Promise<{ status: number; body: unknown }> {
  const response = await exports.default.fetch(`https://jobbers.test/api/v2/dags/${path}`, {
    method,
    headers: { authorization: "Bearer test-key", "content-type": "application/json" },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

const SLOW = `^.*.*(?:${Array.from({ length: 38 }, (_, index) => `(?=.{${1000 - index}}x)`).join("|")})`;
const SLOW_PARAM = { default: "a".repeat(1000), schema: { anyOf: [{ pattern: SLOW }, true] } };

const DOUBLING = {
  $ref: "#/$defs/a40",
  $defs: Object.fromEntries(
    Array.from({ length: 41 }, (_, level) => [
      `a${level}`,
      level === 0 || { allOf: [{ $ref: `#/$defs/a${level - 1}` }, { $ref: `#/$defs/a${level - 1}` }] },
    ]),
  ),
};

describe("a DAG over HTTP whose params cannot be checked within the budget", () => {
  for (const [name, param] of [
    ["a pattern", SLOW_PARAM],
    ["definitions that double", { default: 1, schema: DOUBLING }],
    [
      "lists compared with themselves",
      {
        default: Array.from({ length: 20_000 }, (_, at) => at),
        schema: { allOf: Array.from({ length: 40 }, () => ({ uniqueItems: true })) },
      },
    ],
  ] as const) {
    for (const schedule of [null, "* * * * * *"]) {
      it(`is refused, with and without a schedule: ${name}, ${schedule ?? "none"}`, async ({ expect }) => {
        const dagId = fresh("hostile");
        const answer = await call("PUT", dagId, { tasks: [], schedule, params: { p: param } });
        expect(answer).toMatchObject({
          status: 422,
          body: { detail: [{ loc: expect.arrayContaining(["params", "p"]) }] },
        });
        expect(JSON.stringify(answer.body)).toContain("checked in at most");
        expect((await call("GET", dagId)).status).toBe(404);
      });
    }
  }

  it("refuses the conf that is too much, and takes the next one", async ({ expect }) => {
    const dagId = fresh("hostile");
    const tree = {
      $ref: "#/$defs/t",
      $defs: { t: { anyOf: [2, 3, 4].map((z) => ({ properties: { a: { $ref: "#/$defs/t" }, z: { const: z } } })) } },
    };
    expect((await call("PUT", dagId, { tasks: [], params: { t: { default: { z: 2 }, schema: tree } } })).status).toBe(
      201,
    );
    let deep: object = { z: 1 };
    for (let level = 0; level < 60; level += 1) {
      deep = { a: deep, z: 1 };
    }
    const trigger = (conf: object) => call("POST", `${dagId}/dagRuns`, { logical_date: null, conf });
    const refused = await trigger({ t: deep });
    expect(refused.status).toBe(400);
    expect(JSON.stringify(refused.body)).toContain("checked in at most");
    expect(await trigger({ t: { a: { z: 3 }, z: 3 } })).toMatchObject({ status: 200, body: { conf: { t: { z: 3 } } } });
  });

  it("takes an address that once took days to be refused", async ({ expect }) => {
    const dagId = fresh("hostile");
    expect(
      (await call("PUT", dagId, { tasks: [], params: { u: { default: "", schema: { format: "url" } } } })).status,
    ).toBe(201);
    const conf = { u: `http://${"a".repeat(45)}!` };
    expect((await call("POST", `${dagId}/dagRuns`, { logical_date: null, conf })).status).toBe(200);
  });
});

describe("a conf with a key that is no param", () => {
  it("is taken, as by Airflow; the answer warns of it and names the nearest param", async ({ expect }) => {
    const dagId = fresh("warned");
    const params = { branch: { default: "main" }, year: { default: 2026 } };
    expect((await call("PUT", dagId, { tasks: [], params })).status).toBe(201);
    const trigger = (conf: object, id = dagId) => call("POST", `${id}/dagRuns`, { logical_date: null, conf });
    const logged = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    const { status, body } = await trigger({ brnch: "dev", year: 2025, [`z${"y".repeat(300)}`]: 1 });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      conf: { brnch: "dev" },
      warnings: [
        'expected the params of the DAG as keys of conf, got "brnch"; did you mean "branch"?',
        expect.stringMatching(/^expected the params of the DAG as keys of conf, got "zy{78}… \(303 characters\)$/),
      ],
    });
    expect(logged).toHaveBeenCalledWith(expect.objectContaining({ event: "unknown_conf_keys", dag_id: dagId }));
    logged.mockClear();
    expect((await trigger({ branch: "dev" })).body).not.toHaveProperty("warnings");
    const free = fresh("warned");
    expect((await call("PUT", free, { tasks: [] })).status).toBe(201);
    expect((await trigger({ anything: 1 }, free)).body).not.toHaveProperty("warnings");
    expect(logged).not.toHaveBeenCalled();
    logged.mockRestore();
  });
});

describe("a spec with such a param that was stored before", () => {
  it("makes its scheduled runs with its defaults, also after an eviction, and can be deleted", async ({ expect }) => {
    const dagId = fresh("hostile");
    expect(
      (await call("PUT", dagId, { tasks: [], schedule: "0 * * * *", params: { u: { default: "a" } } })).status,
    ).toBe(201);
    const stub = stubOf("DAG", dagId);
    await runInDurableObject(stub, (_object, state) => {
      state.storage.sql.exec(
        "UPDATE dag_version SET spec = json_set(spec, '$.params.u', json(?))",
        JSON.stringify(SLOW_PARAM),
      );
    });
    await evictDurableObject(stub);
    for (let turn = 0; turn < 2; turn += 1) {
      clock.advance(3_600_000);
      await fireAlarm(stub);
      await evictDurableObject(stub);
    }
    const { items } = value(await dagOf(dagId).listRuns({ limit: 10, offset: 0, order_by: ["-id"] }));
    expect(items.slice(0, 2).map(({ run_type, state }) => [run_type, state])).toEqual([
      ["scheduled", "success"],
      ["scheduled", "success"],
    ]);
    expect(
      await rowsOf(stub, "SELECT length(json_extract(params, '$.u')) AS length FROM dag_run ORDER BY id DESC LIMIT 2"),
    ).toEqual([{ length: 1000 }, { length: 1000 }]);
    expect((await call("DELETE", dagId)).status).toBe(204);
  });
});
