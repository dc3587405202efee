import { describe, it } from "vitest";
import { createApi } from "../../src/api/app.ts";
import type { TriggerRequest } from "../../src/engine/objects.ts";
import { containing } from "./api-matchers.ts";
import { API_KEY, JOB_ID, jobView, NOW, ok, runView, testApi, testRegistry } from "./api-support.ts";

const JSON_TYPE = { "content-type": "application/json" };
const RUNS = "/api/v2/dags/etl/dagRuns";

/** An API whose DAGs start every run they are asked to. */
function triggering() {
  return testApi({ dag: { trigger: async (request: TriggerRequest) => ok(runView({ conf: request.conf })) } });
}

describe("the type of a body", () => {
  it.for([
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "APPLICATION/JSON",
    "application/merge-patch+json",
  ])("may be %s", async (type, { expect }) => {
    const { status } = await triggering().send("POST", RUNS, {
      raw: '{"logical_date": null}',
      headers: { "content-type": type },
    });
    expect(status).toBe(200);
  });

  it.for([
    "text/plain",
    "text/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "json",
    "application/jsonp",
  ])("may not be %s", async (type, { expect }) => {
    const api = triggering();
    const answer = await api.send("POST", RUNS, { raw: '{"logical_date": null}', headers: { "content-type": type } });
    expect(answer).toMatchObject({
      status: 415,
      body: { detail: containing("expected Content-Type application/json") },
    });
    expect(api.calls).toEqual([]);
  });

  it.for([
    [`/jobs/${JOB_ID}/kill`, 200],
    [`/jobs/${JOB_ID}/heartbeat`, 200],
    ["/auth/token", 201],
    ["/auth/token/cli", 201],
  ] as const)("may stand without a body where the body may be left out, at %s", async ([path, status], { expect }) => {
    const job = { kill: async () => ok(jobView()), heartbeat: async () => ok(jobView()) };
    const send = (raw: string) => testApi({ job }).send("POST", path, { raw, headers: JSON_TYPE });
    expect((await send("")).status).toBe(status);
    expect((await send(" ")).status).toBe(400);
    expect((await send("[]")).status).toBe(422);
  });

  it.for([
    ["POST", "/api/v2/dags/~/dagRuns/~/taskInstances/list"],
    ["POST", "/api/v2/dags/~/dagRuns/list"],
    ["POST", "/api/v2/dags/etl/clearTaskInstances"],
    ["POST", `${RUNS}/r1/clear`],
    ["PATCH", `${RUNS}/r1`],
    ["PATCH", `${RUNS}/r1/taskInstances/extract`],
    ["PATCH", "/api/v2/pools/db"],
  ] as const)("is asked for where no body came, at %s %s", async ([method, path], { expect }) => {
    const api = testApi();
    expect(await api.send(method, path)).toMatchObject({
      status: 422,
      body: { detail: [{ loc: ["body"], type: "missing", msg: containing("field required") }] },
    });
    expect(api.calls).toEqual([]);
  });

  it("may not stand without a body that is required", async ({ expect }) => {
    const api = triggering();
    for (const path of [RUNS, "/tasks/hello", "/api/v2/dags/etl/clearTaskInstances"]) {
      expect((await api.send("POST", path, { raw: "", headers: JSON_TYPE })).status).toBe(400);
    }
    expect(api.calls).toEqual([]);
  });

  it("may not be missing", async ({ expect }) => {
    const raw = new TextEncoder().encode('{"logical_date": null}');
    expect(await triggering().send("POST", RUNS, { raw })).toMatchObject({ status: 415 });
  });

  it("does not get around the limit of depth by its spelling", async ({ expect }) => {
    const raw = `{"logical_date": null, "conf": {"a": ${"[".repeat(200)}${"]".repeat(200)}}}`;
    for (const type of ["application/json", "Application/JSON", "application/x+JSON"]) {
      const api = triggering();
      const answer = await api.send("POST", RUNS, { raw, headers: { "content-type": type } });
      expect(answer).toMatchObject({ status: 422, body: { detail: [{ type: "too_deep" }] } });
      expect(api.calls).toEqual([]);
    }
  });
});

describe("keys of a body", () => {
  it("that come twice count as they do in Airflow: the last one", async ({ expect }) => {
    const raw = '{"logical_date": 1, "logical_date": null, "conf": {"a": 1, "a": 2}}';
    const { status, body } = await triggering().send("POST", RUNS, { raw, headers: JSON_TYPE });
    expect(status).toBe(200);
    expect(body).toMatchObject({ conf: { a: 2 } });
  });

  it.for(["__proto__", "constructor", "toString", "hasOwnProperty"])(
    "named %s are no fields",
    async (key, { expect }) => {
      const api = triggering();
      const raw = `{"logical_date": null, "${key}": {"conf": {"admin": true}}}`;
      const { status, body } = await api.send("POST", RUNS, { raw, headers: JSON_TYPE });
      expect(status).toBe(422);
      expect(body).toMatchObject({ detail: [{ loc: ["body", key], type: "extra_forbidden" }] });
      expect(api.calls).toEqual([]);
    },
  );

  it("that are none by the thousand, or huge, get a short answer", async ({ expect }) => {
    const many = Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`field${index}`, index]));
    for (const json of [many, { ["x".repeat(900_000)]: 1 }, { conf: { ["y".repeat(900_000)]: 1 } }]) {
      const { status, body } = await triggering().send("POST", RUNS, { json });
      expect(status).toBe(422);
      expect(JSON.stringify(body).length).toBeLessThan(10_000);
    }
  });

  it("named like parts of every object are data where data goes, and change no other object", async ({ expect }) => {
    const conf = '{"__proto__": {"admin": true}, "constructor": {"prototype": {"admin": true}}}';
    const api = triggering();
    const { status } = await api.send("POST", RUNS, {
      raw: `{"logical_date": null, "conf": ${conf}}`,
      headers: JSON_TYPE,
    });
    expect(status).toBe(200);
    const [request] = api.calls.flatMap(({ method, args }) => (method === "trigger" ? args : []));
    expect(JSON.stringify(request)).toContain(conf.replaceAll(/: /g, ":").replaceAll(/, /g, ","));
    expect(Reflect.get({}, "admin")).toBeUndefined();
  });
});

describe("a huge body that breaks off", () => {
  it.for([
    ["in a string", `"${"x".repeat(8_000_000)}`],
    ["in a string of escapes", `"${String.raw`\u00e9\n`.repeat(1_000_000)}`],
    ["in a key", `{"${"x".repeat(8_000_000)}`],
    ["behind a string", `["${"x".repeat(8_000_000)}" x`],
    ["in a number", `${"1".repeat(8_000_000)}x`],
    ["in a list", `[${"1,".repeat(1_000_000)}`],
    ["in empty lines", `${"\n".repeat(8_000_000)}x`],
  ] as const)("%s answers 400 and the place", async ([, raw], { expect }) => {
    const { status, body } = await testApi().send("POST", "/tasks", { raw, headers: JSON_TYPE });
    expect(status).toBe(400);
    expect(body).toMatchObject({ detail: [{ loc: ["body", expect.any(Number)], type: "json_invalid" }] });
  });
});

describe("addresses", () => {
  it("have at most 16 KiB", async ({ expect }) => {
    const api = testApi();
    const { status, body } = await api.send("GET", `/api/v2/dags?tags=${"x".repeat(16_400)}`);
    expect(status).toBe(414);
    expect(body).toEqual({ detail: containing("expected an address of at most 16384 characters, got 16") });
    expect((await api.send("GET", `/api/v2/version?tags=${"x".repeat(16_000)}`)).status).toBe(200);
  });

  it("are refused for their length also to who has no key", async ({ expect }) => {
    expect((await testApi().send("GET", `/${"x".repeat(20_000)}`, { key: null })).status).toBe(414);
  });

  it("have at most 500 parameters", async ({ expect }) => {
    const parameters = (count: number) => Array.from({ length: count }, () => "tags=a").join("&");
    expect(await testApi().send("GET", `/api/v2/dags?${parameters(501)}`)).toMatchObject({
      status: 422,
      body: { detail: [{ loc: ["query"], msg: "expected at most 500 parameters, got more" }] },
    });
    expect((await testApi().send("GET", `/api/v2/version?${parameters(500)}`)).status).toBe(200);
  });

  it.for([
    "%",
    "%ZZ",
    "%E0%A4%A",
    "%00",
    "%FF",
    "%C0%AE%C0%AE%C0%AF",
    "%ED%A0%80",
    "%F0%9F%92",
    "\ud800",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%2f..%2fjobs",
    "%5c..%5c",
    "%252e%252e",
    "%0d%0aSet-Cookie:a=b",
    "__proto__",
    "constructor",
    "{{7*7}}",
    "' OR 1=1 --",
    "x".repeat(4000),
    "💥".repeat(100),
  ])("with %j for a DAG, a run or a task lead nowhere, and ask no DAG", async (part, { expect }) => {
    const api = testApi();
    for (const path of [
      `/api/v2/dags/${part}`,
      `/api/v2/dags/${part}/dagRuns/${part}`,
      `/tasks/${part}`,
      `/jobs/${part}`,
    ]) {
      for (const method of ["GET", "POST"]) {
        const sending = method === "POST" ? { json: {} } : {};
        const { status, body } = await api.send(method, path, sending);
        expect([404, 405, 422]).toContain(status);
        expect(body).toHaveProperty("detail");
      }
    }
    expect(api.calls).toEqual([]);
  });

  it.for(["limit=%ZZ", "limit=%00", "limit=", "limit=1&limit=2", "offset=1e3", "limit=-1", "limit=%EF%BC%91"])(
    "with the query %s are refused with the place",
    async (query, { expect }) => {
      const { status, body } = await testApi().send("GET", `/api/v2/dags?${query}`);
      expect(status).toBe(422);
      expect(body).toMatchObject({ detail: [{ loc: ["query", query.split("=")[0]] }] });
    },
  );

  it.for([
    "__proto__=1&__proto__=2",
    "constructor=x",
    "toString=1&toString=2",
    "hasOwnProperty=",
    "=",
    "&&&",
    "%=%",
    "a[b][c]=1",
  ])("with a query of %s, which means nothing, are read as ever", async (query, { expect }) => {
    expect((await testApi().send("GET", `/api/v2/dags?${query}`)).status).toBe(200);
    expect(Reflect.get({}, "0")).toBeUndefined();
  });
});

describe("the conf of a run", () => {
  const LIMIT = 128 * 1024;
  const ofBytes = (bytes: number) => ({ a: "é".repeat((bytes - '{"a":""}'.length) / 2) });

  it("has at most 128 KiB as JSON, counted in bytes", async ({ expect }) => {
    const most = await triggering().send("POST", RUNS, { json: { logical_date: null, conf: ofBytes(LIMIT) } });
    expect(most.status).toBe(200);
    const api = triggering();
    expect(await api.send("POST", RUNS, { json: { logical_date: null, conf: ofBytes(LIMIT + 2) } })).toMatchObject({
      status: 413,
      body: { detail: "expected a conf of at most 131072 bytes of JSON, got more" },
    });
    expect(api.calls).toEqual([]);
  });
});

describe("the request id", () => {
  it.for(["a b", "a\tb", "ä", "x".repeat(256), '"><script>', "a,b", ""])(
    "of a caller is taken for none if it is %j",
    async (id, { expect }) => {
      const { headers } = await testApi().send("GET", "/api/v2/version", { headers: { "x-request-id": id } });
      expect(headers.get("x-request-id")).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
    },
  );
});

describe("HEAD", () => {
  async function head(path: string, key: string | null = API_KEY) {
    const app = createApi({ registry: testRegistry(), version: "1.2.3", now: () => NOW });
    const headers: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
    return app.request(path, { method: "HEAD", headers }, { JOBBERS_API_KEY: API_KEY });
  }

  it.for(["/", "/openapi.json", "/docs", "/api/v2/version"])(
    "%s answers as GET does, without the body",
    async (path, { expect }) => {
      const response = await head(path, null);
      expect(response.status).toBe(200);
      expect(response.headers.get("x-content-type-options")).toBe("nosniff");
      expect(response.body).toBeNull();
    },
  );

  it("needs the key where GET does, and is no method of routes that only write", async ({ expect }) => {
    expect((await head("/api/v2/dags", null)).status).toBe(401);
    const response = await head("/tasks/hello");
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST");
  });
});
