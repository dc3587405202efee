/**
 * Every endpoint of the table, called on real objects: what it answers has the fields, types, pages, orders and errors
 * that Airflow's reference gives.
 */
import { beforeAll, describe, it } from "vitest";
import { z } from "zod";
import { ENDPOINTS, type Endpoint } from "./endpoints.ts";
import { fill, REQUESTS, type Wanted } from "./requests.ts";
import { API, call, deployDags, holdClock, KEY, makeScene, ORDERS, type Answer, type Scene } from "./scene.ts";
import { misfits } from "./shape.ts";

let scene: Scene;

beforeAll(async () => {
  holdClock();
  deployDags();
  scene = await makeScene();
});

const named = ENDPOINTS.map((endpoint): [string, Endpoint] => [endpoint.call, endpoint]);
const lists = named.filter(([, { items, call: name }]) => items !== undefined && name.startsWith("GET "));

function methodOf({ call: name }: Endpoint): string {
  return name.split(" ")[0] ?? "";
}

function templateOf({ call: name }: Endpoint): string {
  return name.split(" ")[1] ?? "";
}

async function wantedOf({ call: name }: Endpoint): Promise<Wanted[]> {
  const requests = REQUESTS[name];
  if (requests === undefined) {
    throw new Error(`expected requests.ts to have requests for ${name}, it has none`);
  }
  return requests(scene);
}

/** The first request of an endpoint; its query replaced if another is given. */
async function first(endpoint: Endpoint, query?: string): Promise<Wanted> {
  const [wanted] = await wantedOf(endpoint);
  if (wanted === undefined) {
    throw new Error(`expected at least one request for ${endpoint.call}, got none`);
  }
  return query === undefined ? wanted : { ...wanted, query };
}

function send(endpoint: Endpoint, wanted: Wanted): Promise<Answer> {
  const method = methodOf(endpoint);
  return call(method, fill(templateOf(endpoint), wanted), wanted.body === undefined ? {} : { json: wanted.body });
}

const collection = z.looseObject({ total_entries: z.number().optional() });

function read({ items = "" }: Endpoint, { body }: Answer): { items: unknown[]; total: number | undefined } {
  const answer = collection.parse(body);
  return { items: z.array(z.unknown()).parse(answer[items]), total: answer.total_entries };
}

/** What is wrong with the shape of an error, beside its status. */
function misfitsOfError(answer: Answer): string[] {
  return misfits(answer.body, "HTTPExceptionResponse");
}

describe("the table", () => {
  it("has every endpoint that is served, and only those", async ({ expect }) => {
    const { body } = await call("GET", "/openapi.json");
    const { paths } = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) }).parse(body);
    const served = Object.entries(paths)
      .filter(([path]) => path.startsWith(`${API}/`))
      .flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.slice(API.length)}`),
      );
    expect(served.toSorted()).toEqual(ENDPOINTS.map((endpoint) => endpoint.call).toSorted());
  });
});

describe("what is there", () => {
  it.for(named)("%s answers it, every field of its type", async ([, endpoint], { expect }) => {
    for (const wanted of await wantedOf(endpoint)) {
      const answer = await send(endpoint, wanted);
      const status = wanted.status ?? endpoint.status;
      expect({ wanted, status: answer.status, text: answer.text }).toMatchObject({ status });
      const problems = endpoint.answer === null ? [answer.text].filter(Boolean) : misfits(answer.body, endpoint.answer);
      expect({ wanted, problems }).toEqual({ wanted, problems: [] });
      expect(answer.headers.get("content-type") ?? "none").toMatch(endpoint.answer === null ? /none/ : /json/);
    }
  });

  it.for(lists)("%s answers a list that is not empty, and counts it", async ([, endpoint], { expect }) => {
    const { items, total } = read(endpoint, await send(endpoint, await first(endpoint)));
    expect(items.length > 0).toBe(endpoint.empty !== true);
    expect([undefined, items.length]).toContain(total);
  });
});

const paged = named.filter(([, endpoint]) => endpoint.paged === true && endpoint.call.startsWith("GET "));

describe("pages", () => {
  it.for(paged)("%s: limit and offset cut, and total_entries counts all", async ([, endpoint], { expect }) => {
    const whole = read(endpoint, await send(endpoint, await first(endpoint, "?limit=100")));
    const head = read(endpoint, await send(endpoint, await first(endpoint, "?limit=1")));
    const tail = read(endpoint, await send(endpoint, await first(endpoint, "?limit=100&offset=1")));
    const none = read(endpoint, await send(endpoint, await first(endpoint, "?limit=0")));
    const beyond = read(endpoint, await send(endpoint, await first(endpoint, "?offset=999999")));
    expect(head.items).toEqual(whole.items.slice(0, 1));
    expect(tail.items).toEqual(whole.items.slice(1));
    expect([none.items, beyond.items]).toEqual([[], []]);
    expect(new Set([whole.total, head.total, tail.total, none.total, beyond.total])).toEqual(
      new Set([whole.items.length]),
    );
  });

  it.for(paged)("%s: a limit over 100 counts as 100", async ([, endpoint], { expect }) => {
    const { status } = await send(endpoint, await first(endpoint, "?limit=1000"));
    expect(status).toBe(200);
  });

  it.for(paged)("%s: a limit or offset that is none is a 422 that says which", async ([, endpoint], { expect }) => {
    for (const [name, text] of [
      ["limit", "-1"],
      ["offset", "-1"],
      ["limit", "many"],
      ["offset", "1.5"],
    ]) {
      const answer = await send(endpoint, await first(endpoint, `?${name}=${text}`));
      expect([answer.status, misfitsOfError(answer)]).toEqual([422, []]);
      expect(answer.body).toMatchObject({ detail: [{ loc: ["query", name] }] });
    }
  });

  it("hold no more than 100 entries, and without a limit 50", async ({ expect }) => {
    const tasks = Array.from({ length: 120 }, (_, n) => ({ task_id: `t${n}`, handler: "none", operator: "empty" }));
    await call("PUT", `${API}/dags/wide`, { json: { dag_id: "wide", tasks } });
    await call("POST", `${API}/dags/wide/dagRuns`, { json: { logical_date: null, dag_run_id: "one" } });
    const path = `${API}/dags/wide/dagRuns/one/taskInstances`;
    const sizes = [];
    for (const query of ["?limit=1000", "?limit=100", "", "?limit=50&offset=100"]) {
      const { body } = await call("GET", `${path}${query}`);
      const { task_instances, total_entries } = z
        .object({ task_instances: z.array(z.unknown()), total_entries: z.number() })
        .parse(body);
      sizes.push([task_instances.length, total_entries]);
    }
    expect(sizes).toEqual([
      [100, 120],
      [100, 120],
      [50, 120],
      [20, 120],
    ]);
  });
});

const sorted = named.filter(([, { sort, call: name }]) => sort !== undefined && name.startsWith("GET "));

describe("orders", () => {
  it.for(sorted)("%s: by a key, and with a minus the other way", async ([, endpoint], { expect }) => {
    const { key, field } = endpoint.sort ?? { key: "", field: "" };
    const values = async (order: string): Promise<unknown[]> => {
      const { items } = read(endpoint, await send(endpoint, await first(endpoint, `?order_by=${order}`)));
      return items.map((item) => z.looseObject({}).parse(item)[field]);
    };
    const up = await values(key);
    const compare = (a: unknown, b: unknown): number =>
      typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : Number(a !== b);
    expect(up).toEqual(up.toSorted(compare));
    expect(await values(`-${key}`)).toEqual(up.toReversed());
  });

  it.for(lists.filter(([, { paged: hasPages, sort }]) => hasPages === true || sort !== undefined))(
    "%s: by what is no field is a 400",
    async ([, endpoint], { expect }) => {
      const answer = await send(endpoint, await first(endpoint, "?order_by=colour"));
      expect([answer.status, misfitsOfError(answer)]).toEqual([400, []]);
      expect(answer.body).toMatchObject({ detail: expect.stringContaining("colour") });
    },
  );

  it.for(sorted)("%s: by eleven keys is a 400", async ([, endpoint], { expect }) => {
    const keys = Array.from({ length: 11 }, () => `order_by=${endpoint.sort?.key}`).join("&");
    expect((await send(endpoint, await first(endpoint, `?${keys}`))).status).toBe(400);
  });
});

describe("a tilde", () => {
  it("in a DAG's place means the runs of all of them", async ({ expect }) => {
    const { body } = await call("GET", `${API}/dags/~/dagRuns?limit=100`);
    const { dag_runs } = z.object({ dag_runs: z.array(z.object({ dag_id: z.string() })) }).parse(body);
    expect(new Set(dag_runs.map(({ dag_id }) => dag_id)).size).toBeGreaterThan(3);
  });

  it("in a run's place means all of the DAG's runs", async ({ expect }) => {
    const { body } = await call("GET", `${API}/dags/${ORDERS}/dagRuns/~/taskInstances?task_id=total`);
    const { task_instances } = z.object({ task_instances: z.array(z.object({ dag_run_id: z.string() })) }).parse(body);
    expect(task_instances.map((instance) => instance.dag_run_id)).toEqual(expect.arrayContaining(scene.done));
  });

  it("in both means every task instance, and in three every value", async ({ expect }) => {
    const instances = await call("GET", `${API}/dags/~/dagRuns/~/taskInstances?limit=100`);
    const values = await call(
      "GET",
      `${API}/dags/~/dagRuns/~/taskInstances/~/xcomEntries?limit=100&task_id_pattern=second|total`,
    );
    const dagIds = (list: unknown): Set<string> =>
      new Set(
        z
          .array(z.object({ dag_id: z.string() }))
          .parse(list)
          .map((item) => item.dag_id),
      );
    const instancesOf = z.object({ task_instances: z.unknown() }).parse(instances.body);
    const valuesOf = z.object({ xcom_entries: z.unknown() }).parse(values.body);
    expect(dagIds(instancesOf.task_instances).size).toBeGreaterThan(3);
    expect(dagIds(valuesOf.xcom_entries).size).toBeGreaterThan(1);
  });
});

describe("refusals", () => {
  it.for(named.filter(([, endpoint]) => endpoint.public !== true))(
    "%s without a key, or with a wrong one, is a 401",
    async ([, endpoint], { expect }) => {
      const path = fill(templateOf(endpoint), {
        path: { dag_id: ORDERS, dag_run_id: "r", task_id: "t", map_index: 0 },
      });
      for (const key of [null, `${KEY}x`]) {
        const answer = await call(methodOf(endpoint), path, { key });
        expect([answer.status, misfitsOfError(answer)]).toEqual([401, []]);
        expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer/);
      }
    },
  );

  const paths = [...new Set(ENDPOINTS.map(templateOf))].map((path) => [path] as const);

  it.for(paths)("%s with a method that it has not is a 405", async ([path], { expect }) => {
    const answer = await call("PROPFIND", fill(path, { path: { map_index: 0 } }));
    expect([answer.status, misfitsOfError(answer)]).toEqual([405, []]);
    const methods = ENDPOINTS.filter((endpoint) => templateOf(endpoint) === path).map(methodOf);
    expect(answer.headers.get("allow")?.split(", ")).toEqual(expect.arrayContaining(methods));
  });

  /** What a path names is replaced by what is not there, and the answer's words. */
  const strangers = [
    ["dag_id", "no_such_dag", "The Dag with ID: `no_such_dag` was not found"],
    ["dag_run_id", "no_such_run", "`no_such_run` was not found"],
    ["task_id", "no_such_task", "no_such_task"],
    ["xcom_key", "no_such_key", "no_such_key"],
    ["version_number", "99", "99"],
    ["task_try_number", "99", "99"],
    ["map_index", "99", "99"],
    ["group_id", "no_such_group", "no_such_group"],
    ["role", "no_such_role", "The queue role with name: `no_such_role` was not found"],
  ] as const;
  const missing = strangers.flatMap(([parameter, id, words]) =>
    named
      .filter(([name]) => name.includes(`{${parameter}}`) && !name.startsWith("PUT "))
      // A list by a body is of all DAGs and runs; a bulk tells of each entity by itself.
      .filter(([name]) => !name.endsWith("/list") && !/^PATCH .*\/(?:taskInstances|dagRuns)$/.test(name))
      // Airflow refuses this one before it looks for a task instance, and of values it says only that there are none.
      .filter(([name]) => !(name.includes("externalLogUrl") && parameter !== "dag_id"))
      .filter(([name]) => !(/^GET .*xcomEntries/.test(name) && ["dag_run_id", "task_id"].includes(parameter)))
      .filter(([name]) => !(parameter === "xcom_key" && name.startsWith("POST ")))
      .map(([name, endpoint]) => [name, parameter, id, words, endpoint] as const),
  );

  it.for(missing)(
    "%s with a %s that is not there is a 404 that names it",
    async ([, parameter, id, words, endpoint], { expect }) => {
      const wanted = await first(endpoint);
      const answer = await send(endpoint, { ...wanted, path: { ...wanted.path, [parameter]: id } });
      expect([answer.status, misfitsOfError(answer)]).toEqual([404, []]);
      expect(answer.body).toMatchObject({ detail: expect.stringContaining(words) });
    },
  );

  const withBody = named.filter(([name, { bodiless }]) => bodiless !== true && /^(?:POST|PATCH|PUT) /.test(name));

  it.for(withBody)("%s with a field that nobody knows is a 422 that names it", async ([, endpoint], { expect }) => {
    const wanted = await first(endpoint);
    const answer = await send(endpoint, {
      ...wanted,
      body: { ...z.looseObject({}).parse(wanted.body), colour: "red" },
    });
    expect([answer.status, misfitsOfError(answer)]).toEqual([422, []]);
    expect(answer.body).toMatchObject({ detail: [{ loc: ["body", "colour"] }] });
  });

  it.for(withBody)("%s with a list for a body is a 422, with cut JSON a 400", async ([, endpoint], { expect }) => {
    const wanted = await first(endpoint);
    const path = fill(templateOf(endpoint), wanted);
    const list = await send(endpoint, { ...wanted, body: [1] });
    const cut = await call(methodOf(endpoint), path, {
      raw: '{"a": ',
      headers: { "content-type": "application/json" },
    });
    const none = await call(methodOf(endpoint), path, { raw: "{}", headers: { "content-type": "text/plain" } });
    expect([list, cut, none].map(({ status }) => status)).toEqual([422, 400, 415]);
    expect([list, cut, none].flatMap(misfitsOfError)).toEqual([]);
  });

  it.for([
    [`/dags/${ORDERS}/dagRuns?run_after_gte=yesterday`, "run_after_gte"],
    [`/dags/${ORDERS}/dagRuns?run_after_gte=2026-01-01T25:00:00`, "run_after_gte"],
    [`/dags/${ORDERS}/dagRuns?state=done`, "state"],
    [`/dags/${ORDERS}/dagRuns/r/taskInstances?duration_lt=short`, "duration_lt"],
    ["/dags?paused=perhaps", "paused"],
  ])("GET %s is a 422 about its %s", async ([path, name], { expect }) => {
    const answer = await call("GET", `${API}${path}`);
    expect([answer.status, misfitsOfError(answer)]).toEqual([422, []]);
    expect(JSON.stringify(answer.body)).toContain(`"query","${name}"`);
  });
});
