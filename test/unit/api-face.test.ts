import { describe, it, vi } from "vitest";
import { anyNumber, containing } from "./api-matchers.ts";
import { API_KEY, JOB_ID, jobView, ok, testApi } from "./api-support.ts";

const PROTECTED = [
  ["POST", "/tasks/hello"],
  ["POST", "/tasks"],
  ["GET", `/jobs/${JOB_ID}`],
  ["POST", `/jobs/${JOB_ID}/kill`],
  ["POST", `/jobs/${JOB_ID}/heartbeat`],
  ["GET", `/batches/${JOB_ID}`],
  ["GET", "/api/v2/dags"],
  ["PATCH", "/api/v2/dags/etl"],
  ["POST", "/api/v2/dags/etl/dagRuns"],
  ["GET", "/api/v2/dags/etl/dagRuns/r1/taskInstances"],
  ["GET", "/nowhere"],
  ["GET", "/api/v2/version/"],
  ["GET", "/webhooks"],
] as const;

describe("the API key", () => {
  it.for(PROTECTED)("%s %s is refused without one", async ([method, path], { expect }) => {
    const api = testApi();
    const { status, headers, body } = await api.send(method, path, { key: null });
    expect(status).toBe(401);
    expect(headers.get("www-authenticate")).toBe('Bearer realm="jobbers"');
    expect(body).toEqual({ detail: "expected the header Authorization: Bearer <API key>, got none" });
    expect(api.calls).toEqual([]);
  });

  it.for([
    ["another key", { key: "x".repeat(40) }, 'error="invalid_token"'],
    ["a part of the key", { key: API_KEY.slice(1) }, 'error="invalid_token"'],
    ["another scheme", { key: null, headers: { authorization: `Basic ${API_KEY}` } }, 'error="invalid_request"'],
    ["a scheme alone", { key: null, headers: { authorization: "Bearer " } }, 'error="invalid_request"'],
  ] as const)("%s is refused", async ([, options, challenge], { expect }) => {
    const { status, headers } = await testApi().send("GET", "/api/v2/dags", options);
    expect(status).toBe(401);
    expect(headers.get("www-authenticate")).toContain(challenge);
  });

  it("is taken with any spelling of the scheme", async ({ expect }) => {
    const { status } = await testApi().send("GET", "/api/v2/dags", {
      key: null,
      headers: { authorization: `bearer  ${API_KEY}` },
    });
    expect(status).toBe(200);
  });

  it.for([undefined, "", 5])(
    "configured as %s means that everything is refused, and the answer says how to set one",
    async (key, { expect }) => {
      const api = testApi({ env: { JOBBERS_API_KEY: key } });
      for (const token of [null, API_KEY, "undefined", "5"]) {
        const { status, body } = await api.send("GET", "/api/v2/dags", { key: token });
        expect(status).toBe(401);
        expect(body).toMatchObject({ detail: containing("wrangler secret put JOBBERS_API_KEY") });
      }
    },
  );

  it.for(["/", "/openapi.json", "/api/v2/version", "/api/v2/monitor/health"])(
    "GET %s needs none",
    async (path, { expect }) => {
      expect((await testApi({ env: { JOBBERS_API_KEY: undefined } }).send("GET", path, { key: null })).status).toBe(
        200,
      );
    },
  );
});

describe("what every answer has", () => {
  it("a request id, the caller's own if it gave one, and security headers", async ({ expect }) => {
    const api = testApi();
    const first = await api.send("GET", "/api/v2/version");
    expect(first.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(first.headers.get("x-content-type-options")).toBe("nosniff");
    expect(first.headers.get("x-frame-options")).toBe("DENY");
    expect(first.headers.get("content-security-policy")).toContain("default-src 'none'");
    const second = await api.send("GET", "/nowhere", { headers: { "x-request-id": "mine-1" } });
    expect(second.headers.get("x-request-id")).toBe("mine-1");
    expect(second.headers.get("x-content-type-options")).toBe("nosniff");
  });
});

describe("requests that lead nowhere", () => {
  it("an unknown route answers 404", async ({ expect }) => {
    const { status, body } = await testApi().send("GET", "/api/v1/dags");
    expect(status).toBe(404);
    expect(body).toEqual({ detail: "there is no GET /api/v1/dags; /openapi.json lists what there is" });
  });

  it.for([
    ["DELETE", "/api/v2/dags"],
    ["PUT", "/tasks/hello"],
    ["PROPFIND", "/jobs/01JC6V9XH3ZQ5W8M2T4R7K0NPD"],
  ] as const)(
    "a wrong method without a key is a 401, which says nothing of the path: %s %s",
    async ([method, path], { expect }) => {
      const api = testApi();
      const [wrong, unknown] = await Promise.all([
        api.send(method, path, { key: null }),
        api.send(method, "/no/such/path", { key: null }),
      ]);
      expect([wrong.status, wrong.headers.get("allow")]).toEqual([401, null]);
      expect(wrong.body).toEqual(unknown.body);
      expect((await api.send(method, path)).status).toBe(405);
    },
  );

  it("a wrong method of a path that needs no key is a 405 without one", async ({ expect }) => {
    const { status, headers } = await testApi().send("DELETE", "/api/v2/version", { key: null });
    expect([status, headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  it("a wrong method answers 405 and the right ones", async ({ expect }) => {
    const { status, headers, body } = await testApi().send("DELETE", "/api/v2/version");
    expect(status).toBe(405);
    expect(headers.get("allow")).toBe("GET, HEAD");
    expect(body).toEqual({ detail: "expected one of the methods GET, HEAD, got DELETE" });
  });

  it.for([
    ["nothing", "", "expected a value, got the end of the text at position 0 (line 1, column 1)"],
    [
      "a cut object",
      '{"payload": 1',
      'expected "," or "}", got the end of the text at position 13 (line 1, column 14)',
    ],
    [
      "a comma too many",
      '{\n  "delay": 1,\n}',
      'expected a property name in double quotes, got "}" at position 16 (line 3, column 1)',
    ],
    [
      "single quotes",
      "{'a': 1}",
      'expected a property name in double quotes or "}", got "\'" at position 1 (line 1, column 2)',
    ],
    ["NaN", '{"payload": NaN}', 'expected a value, got "N" at position 12 (line 1, column 13)'],
  ] as const)("malformed JSON, %s, answers 400 and the place", async ([, raw, text], { expect }) => {
    const api = testApi();
    const { status, body } = await api.send("POST", "/tasks/hello", {
      raw,
      headers: { "content-type": "application/json" },
    });
    expect(status).toBe(400);
    expect(body).toMatchObject({
      detail: [{ loc: ["body", anyNumber], msg: `malformed JSON: ${text}`, type: "json_invalid" }],
    });
    expect(api.calls).toEqual([]);
  });

  it("JSON that nests over 100 levels answers 422, however much deeper it is", async ({ expect }) => {
    const raw = `{"payload": ${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    const { status, body } = await testApi().send("POST", "/tasks/hello", {
      raw,
      headers: { "content-type": "application/json" },
    });
    expect(status).toBe(422);
    expect(body).toMatchObject({
      detail: [{ msg: "expected at most 100 levels of nesting, got more at position 111" }],
    });
  });
});

describe("bodies over the limit", () => {
  const large = JSON.stringify({ payload: "x".repeat(1_100_000) });

  it.for([
    ["that declare their length", { "content-length": String(large.length) }],
    ["that do not", {}],
    ["that come in chunks, whatever they declare", { "content-length": "5", "transfer-encoding": "chunked" }],
    ["that declare no number", { "content-length": "many" }],
  ] as const)("%s answer 413", async ([, headers], { expect }) => {
    const api = testApi();
    const answer = await api.send("POST", "/tasks/hello", {
      raw: large,
      headers: { "content-type": "application/json", ...headers },
    });
    expect(answer).toMatchObject({
      status: 413,
      body: { detail: "expected a body of at most 1048576 bytes, got more" },
    });
    expect(api.calls).toEqual([]);
  });
});

describe("faults below the API", () => {
  it("an unforeseen error answers 500 with the request id, logs it, and tells nothing else", async ({ expect }) => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const api = testApi({ job: { get: () => Promise.reject(new Error("SELECT secret FROM job")) } });
    const { status, body } = await api.send("GET", `/jobs/${JOB_ID}`, { headers: { "x-request-id": "r-1" } });
    expect(status).toBe(500);
    expect(body).toEqual({ detail: "internal error; quote request id r-1 to whoever runs this service" });
    expect(log.mock.calls).toMatchObject([[{ event: "request_failed", request_id: "r-1", path: `/jobs/${JOB_ID}` }]]);
    log.mockRestore();
  });

  it.for(["retryable", "durableObjectReset"])("a call that fails as %s is made once more", async (flag, { expect }) => {
    let calls = 0;
    const api = testApi({
      job: {
        get: () => {
          calls += 1;
          return calls === 1
            ? Promise.reject(Object.assign(new Error("reset"), { [flag]: true }))
            : Promise.resolve(ok(jobView()));
        },
      },
    });
    expect((await api.send("GET", `/jobs/${JOB_ID}`)).status).toBe(200);
    expect(calls).toBe(2);
  });

  it.for([
    ["twice", { retryable: true }, 2],
    ["once if it is overloaded", { retryable: true, overloaded: true }, 1],
  ] as const)("a call that keeps failing is made %s and answers 503", async ([, flags, times], { expect }) => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const api = testApi({ job: { get: () => Promise.reject(Object.assign(new Error("reset"), flags)) } });
    const { status, headers } = await api.send("GET", `/jobs/${JOB_ID}`);
    expect(status).toBe(503);
    expect(headers.get("retry-after")).toBe("1");
    expect(api.calls.length).toBe(times);
    log.mockRestore();
  });

  it("a trigger is not made twice, for nobody knows whether the first one counted", async ({ expect }) => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const api = testApi({
      dag: { trigger: () => Promise.reject(Object.assign(new Error("reset"), { retryable: true })) },
    });
    const { status } = await api.send("POST", "/api/v2/dags/etl/dagRuns", { json: { logical_date: null } });
    expect(status).toBe(503);
    expect(api.calls.length).toBe(1);
    log.mockRestore();
  });
});
