import { Hono } from "hono";
import { sign } from "hono/jwt";
import { beforeAll, describe, it, vi } from "vitest";
import { createApi } from "../../src/api/app.ts";
import { authenticate } from "../../src/api/auth.ts";
import { hashPassword, isKeptPassword, matchesPassword } from "../../src/api/auth/passwords.ts";
import type { AppEnv } from "../../src/api/env.ts";
import { containing } from "./api-matchers.ts";
import { API_KEY, NOW, testRegistry } from "./api-support.ts";

const PASSWORD = "correct horse, battery staple";
const DAY = 86_400_000;
let kept = "";
let others = "";

beforeAll(async () => {
  kept = await hashPassword(PASSWORD);
  others = await hashPassword("another one");
});

type Env = Record<string, unknown>;

function usersEnv(role = "op", more: Env = {}): Env {
  return { JOBBERS_API_KEY: API_KEY, JOBBERS_USERS: JSON.stringify({ ada: { password: kept, role } }), ...more };
}

interface Sending {
  env?: Env;
  headers?: Record<string, string>;
  json?: unknown;
  form?: Record<string, string>;
  /** Milliseconds after the clock of the other tests. */
  after?: number;
}

/** One request at one time, with no key unless the headers have one. */
async function send(
  method: string,
  path: string,
  { env = usersEnv(), headers = {}, json, form, after = 0 }: Sending = {},
) {
  const app = createApi({ registry: testRegistry(), version: "1.2.3", now: () => NOW + after });
  const bindings = {
    CATALOG: { getByName: () => ({ has: async () => false, list: async () => [] }) },
    LOGIN_GUARD: { getByName: () => ({ begin: async () => ({ retryAfterMs: null }), succeeded: async () => null }) },
    ...env,
  };
  const body = json === undefined ? undefined : JSON.stringify(json);
  const init = { method, headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers } };
  const encoded = form === undefined ? body : new URLSearchParams(form);
  const response = await app.request(path, encoded === undefined ? init : { ...init, body: encoded }, bindings);
  const text = await response.text();
  const answer: unknown = text === "" ? null : JSON.parse(text);
  return { status: response.status, headers: response.headers, body: answer };
}

/** A token for ada, or what the body asks for. */
async function tokenFor(sending: Sending = {}, path = "/auth/token"): Promise<string> {
  const json = sending.form === undefined ? { json: { username: "ada", password: PASSWORD } } : {};
  const { status, body } = await send("POST", path, { ...json, ...sending });
  if (status !== 201 || typeof body !== "object" || body === null || !("access_token" in body)) {
    throw new Error(`no token: ${status} ${JSON.stringify(body)}`);
  }
  return String(body.access_token);
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

function claimsOf(token: string): Record<string, unknown> {
  const [, payload = ""] = token.split(".");
  return JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
}

/** A route that answers without asking an object what the tests have not: 404 means that the caller was let in. */
const READ = ["GET", "/api/v2/dags/nothing/dagRuns/r1"] as const;
const WRITE = ["POST", "/api/v2/dags/nothing/dagRuns"] as const;

async function statusOf(
  [method, path]: readonly [string, string],
  headers: Record<string, string>,
  sending: Sending = {},
) {
  const json = method === "POST" ? { json: { logical_date: null } } : {};
  const { status, body } = await send(method, path, { ...json, ...sending, headers });
  return { status, body };
}

describe("POST /auth/token", () => {
  it("answers name and password with a token for a day, Airflow's way", async ({ expect }) => {
    const { status, headers, body } = await send("POST", "/auth/token", {
      json: { username: "ada", password: PASSWORD },
    });
    expect(status).toBe(201);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(Object.keys(body ?? {})).toEqual(["access_token"]);
  });

  it("takes a form too, with the further fields of OAuth's password grant", async ({ expect }) => {
    const form = { username: "ada", password: PASSWORD, grant_type: "password", scope: "" };
    expect(claimsOf(await tokenFor({ form }))).toMatchObject({ sub: "ada" });
  });

  it.for([
    ["/auth/token", 86_400],
    ["/auth/token/cli", 3600],
  ] as const)(
    "%s gives one for %d seconds, with the claims that Airflow's has",
    async ([path, seconds], { expect }) => {
      const token = await tokenFor({}, path);
      const issued = NOW / 1000;
      expect(claimsOf(token)).toEqual({
        sub: "ada",
        role: "op",
        credential: expect.stringMatching(/^[\w-]{16}$/),
        iss: "jobbers",
        aud: "jobbers",
        iat: issued,
        nbf: issued,
        exp: issued + seconds,
        jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
      expect(JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString())).toEqual({
        alg: "HS512",
        typ: "JWT",
      });
    },
  );

  it("answers the API key, in the body or as a bearer, with a token that may do everything", async ({ expect }) => {
    const inBody = await tokenFor({ json: { api_key: API_KEY } });
    const asBearer = await tokenFor({ json: undefined, headers: bearer(API_KEY) });
    for (const token of [inBody, asBearer]) {
      expect(claimsOf(token)).toMatchObject({ sub: "jobbers:api-key", role: "admin" });
      expect(await statusOf(WRITE, bearer(token))).toMatchObject({ status: 404 });
    }
  });

  it.for([
    ["a wrong password", { username: "ada", password: "guess" }],
    ["an unknown name", { username: "eve", password: PASSWORD }],
    ["a name that objects have by themselves", { username: "__proto__", password: PASSWORD }],
  ] as const)("%s answers 401, all of them in the same words", async ([, json], { expect }) => {
    const { status, headers, body } = await send("POST", "/auth/token", { json });
    expect(status).toBe(401);
    expect(headers.get("www-authenticate")).toContain('error="invalid_token"');
    expect(body).toEqual({ detail: "Invalid credentials: the name or the password is wrong" });
  });

  it("an unknown name costs as much work as a known one", async ({ expect }) => {
    const derive = vi.spyOn(crypto.subtle, "deriveBits");
    await send("POST", "/auth/token", { json: { username: "ada", password: "guess" } });
    await send("POST", "/auth/token", { json: { username: "eve", password: "guess" } });
    const costs = derive.mock.calls.map(([parameters]): unknown => Reflect.get(Object(parameters), "iterations"));
    derive.mockRestore();
    expect(costs).toEqual([100_000, 100_000]);
  });

  it("checks two passwords at a time; a third login is a 429 that says when to come back", async ({ expect }) => {
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    const { promise, resolve } = Promise.withResolvers<{ retryAfterMs: null }>();
    const bothCame = Promise.withResolvers<void>();
    let came = 0;
    const begin = () => {
      came += 1;
      if (came === 2) {
        bothCame.resolve();
      }
      return promise;
    };
    const env = usersEnv("op", { LOGIN_GUARD: { getByName: () => ({ begin, succeeded: async () => null }) } });
    const json = { username: "ada", password: PASSWORD };
    const two = [send("POST", "/auth/token", { env, json }), send("POST", "/auth/token/cli", { env, json })];
    await bothCame.promise;
    const third = await send("POST", "/auth/token", { env, json, after: DAY });
    expect(third).toMatchObject({ status: 429, body: { detail: containing("other logins are being checked") } });
    expect(third.headers.get("retry-after")).toBe("1");
    expect(warn.mock.calls).toEqual([[{ event: "login_refused", reason: "busy", count: 1, address: null }]]);
    resolve({ retryAfterMs: null });
    expect((await Promise.all(two)).map(({ status }) => status)).toEqual([201, 201]);
    expect(await send("POST", "/auth/token", { env, json })).toMatchObject({ status: 201 });
    warn.mockRestore();
  });

  it("is a 429 while too many have failed, and hashes nothing then", async ({ expect }) => {
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    const derive = vi.spyOn(crypto.subtle, "deriveBits");
    const asked: string[][] = [];
    const begin = async (...keys: string[]) => {
      asked.push(keys);
      return { retryAfterMs: 41_001 };
    };
    const env = usersEnv("op", { LOGIN_GUARD: { getByName: () => ({ begin }) } });
    for (const [username, address] of [
      ["ada", "192.0.2.1"],
      ["ada", "192.0.2.2"],
      ["eve", "192.0.2.1"],
    ] as const) {
      const headers = { "cf-connecting-ip": address };
      const answer = await send("POST", "/auth/token", { env, json: { username, password: PASSWORD }, headers });
      expect(answer).toMatchObject({
        status: 429,
        body: { detail: "too many logins have failed; try again in 42 s" },
      });
      expect(answer.headers.get("retry-after")).toBe("42");
    }
    expect(derive).not.toHaveBeenCalled();
    const [[ada, one] = [], [again, two] = [], [eve, first] = []] = asked;
    expect([again === ada, eve === ada, two === one, first === one]).toEqual([true, false, false, true]);
    expect(asked.flat().join()).not.toMatch(/ada|eve|192/);
    derive.mockRestore();
    warn.mockRestore();
  });

  it("that fails is logged, with the beginning of the name and where it came from, and without what was tried", async ({
    expect,
  }) => {
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    const headers = { "cf-connecting-ip": "192.0.2.1", "x-request-id": "r-1" };
    const username = `${"e".repeat(40)} guess`;
    await send("POST", "/auth/token", { json: { username, password: "a guess" }, headers });
    await send("POST", "/auth/token", { json: { api_key: "a guess" }, headers });
    expect(warn.mock.calls).toEqual([
      [{ event: "login_failed", user: "e".repeat(32), address: "192.0.2.1", request_id: "r-1" }],
      [{ event: "login_failed", user: null, address: "192.0.2.1", request_id: "r-1" }],
    ]);
    warn.mockRestore();
  });

  it("succeeds although its success cannot be counted", async ({ expect }) => {
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    const succeeded = () => Promise.reject(new Error("restarting"));
    const LOGIN_GUARD = { getByName: () => ({ begin: async () => ({ retryAfterMs: null }), succeeded }) };
    await tokenFor({ env: usersEnv("op", { LOGIN_GUARD }) });
    expect(warn.mock.calls).toEqual([[{ event: "login_not_counted", error: "Error: restarting" }]]);
    warn.mockRestore();
  });

  it("a wrong API key answers 401", async ({ expect }) => {
    expect(await send("POST", "/auth/token", { json: { api_key: "guess" } })).toMatchObject({
      status: 401,
      body: { detail: "Invalid credentials: the API key is wrong" },
    });
  });

  it("a token is no API key, so none can be drawn out for ever", async ({ expect }) => {
    const token = await tokenFor();
    expect(await send("POST", "/auth/token", { headers: bearer(token) })).toMatchObject({ status: 401 });
    expect(await send("POST", "/auth/token", { json: { api_key: token } })).toMatchObject({ status: 401 });
  });

  it.for([
    ["nothing", undefined],
    ["an empty object", {}],
    ["a name alone", { username: "ada" }],
    ["two proofs", { username: "ada", password: "x", api_key: "y" }],
    ["a number as password", { username: "ada", password: 5 }],
    ["an unknown field", { username: "ada", password: "x", admin: true }],
    ["a list", []],
    ["an endless password", { username: "ada", password: "x".repeat(1025) }],
  ] as const)("%s answers 422", async ([, json], { expect }) => {
    expect(await send("POST", "/auth/token", { json })).toMatchObject({ status: 422 });
  });

  it.for(["text/plain", "application/xml"])("a body of type %s answers 415", async (type, { expect }) => {
    const sending = { json: { username: "ada", password: PASSWORD }, headers: { "content-type": type } };
    expect(await send("POST", "/auth/token", sending)).toMatchObject({ status: 415 });
  });

  it("a form that breaks off answers 400, and not as if it were JSON", async ({ expect }) => {
    const headers = { "content-type": "multipart/form-data; boundary=x" };
    expect(await send("POST", "/auth/token", { json: { a: 1 }, headers })).toMatchObject({
      status: 400,
      body: { detail: containing("Malformed FormData") },
    });
  });

  it("GET answers 403, as Airflow's does where not everybody is an administrator", async ({ expect }) => {
    expect(await send("GET", "/auth/token")).toMatchObject({
      status: 403,
      body: { detail: containing("expected POST") },
    });
  });
});

describe("a token", () => {
  it("names the caller and its role; the API key names nobody", async ({ expect }) => {
    const app = new Hono<AppEnv>().use(authenticate(() => NOW)).get("/me", (c) => c.json(c.get("caller")));
    const [user, key] = await Promise.all(
      [await tokenFor(), API_KEY].map(async (token) => app.request("/me", { headers: bearer(token) }, usersEnv())),
    );
    expect(await user?.json()).toEqual({ name: "ada", role: "op" });
    expect(await key?.json()).toEqual({ name: null, role: "admin" });
  });

  it.for([
    ["at once, which is in time", 0, 404],
    ["ten seconds before its time, since clocks differ, which is in time", -10_000, 404],
    ["eleven seconds before its time, which is not", -11_000, 401],
    ["in its last second, which is in time", DAY - 1000, 404],
    ["nine seconds too late, since clocks differ, which is in time", DAY + 9000, 404],
    ["ten seconds too late, which is not", DAY + 10_000, 401],
  ] as const)("%s", async ([, after, status], { expect }) => {
    expect(await statusOf(READ, bearer(await tokenFor()), { after })).toMatchObject({ status });
  });

  it("that has expired is told so, and where to get a new one", async ({ expect }) => {
    const answer = await statusOf(READ, bearer(await tokenFor()), { after: 2 * DAY });
    expect(answer.body).toEqual({ detail: "the token has expired; POST /auth/token gives a new one" });
  });

  const changes: [string, () => Env, number][] = [
    ["a user who is gone", () => ({ JOBBERS_API_KEY: API_KEY, JOBBERS_USERS: "{}" }), 401],
    [
      "a user with another password",
      () => usersEnv("op", { JOBBERS_USERS: JSON.stringify({ ada: { password: others, role: "op" } }) }),
      401,
    ],
    ["users that cannot be read any more", () => usersEnv("op", { JOBBERS_USERS: "{" }), 401],
    ["another API key, which signs the tokens", () => usersEnv("op", { JOBBERS_API_KEY: "x".repeat(40) }), 401],
    ["another secret for tokens", () => usersEnv("op", { JOBBERS_JWT_SECRET: "s".repeat(40) }), 401],
    ["a user who may only read now", () => usersEnv("viewer"), 403],
    ["a user who may do more now", () => usersEnv("admin"), 404],
  ];

  it.for(changes)("is judged by the present configuration: %s", async ([, env, status], { expect }) => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    expect(await statusOf(WRITE, bearer(await tokenFor()), { env: env() })).toMatchObject({ status });
    log.mockRestore();
  });

  it("for the API key is void when the API key is another, whoever signed it", async ({ expect }) => {
    const JWT = { JOBBERS_JWT_SECRET: "s".repeat(40) };
    const token = await tokenFor({ json: { api_key: API_KEY }, env: usersEnv("op", JWT) });
    expect(await statusOf(READ, bearer(token), { env: usersEnv("op", JWT) })).toMatchObject({ status: 404 });
    const rotated = usersEnv("op", { ...JWT, JOBBERS_API_KEY: "x".repeat(40) });
    expect(await statusOf(READ, bearer(token), { env: rotated })).toMatchObject({ status: 401 });
  });

  const forgeries: [string, (token: string) => Promise<string> | string][] = [
    ["signed with the API key itself", async (token) => sign(claimsOf(token), API_KEY, "HS512")],
    ["signed by another algorithm", async (token) => sign(claimsOf(token), API_KEY, "HS256")],
    [
      "signed by nobody",
      (token) => `${Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url")}.${token.split(".")[1]}.AA`,
    ],
    [
      "with other claims under the old signature",
      (token) => {
        const [header, , signature] = token.split(".");
        const claims = { ...claimsOf(token), role: "admin", sub: "jobbers:api-key" };
        return [header, Buffer.from(JSON.stringify(claims)).toString("base64url"), signature].join(".");
      },
    ],
    ["without its last character", (token) => token.slice(0, -4)],
    ["of three dots", () => "a.b.c"],
    ["that is huge", () => `${"a".repeat(5000)}.b.c`],
  ];

  it.for(forgeries)("%s is refused", async ([, forge], { expect }) => {
    const forged = await forge(await tokenFor());
    const { status, body } = await statusOf(READ, bearer(forged));
    expect(status).toBe(401);
    expect(body).toEqual({ detail: containing("") });
  });

  it("in Airflow's cookie may read and not write, since pages of other sites send cookies too", async ({ expect }) => {
    const headers = { cookie: `_token=${await tokenFor()}` };
    expect(await statusOf(READ, headers)).toMatchObject({ status: 404 });
    expect(await statusOf(["HEAD", READ[1]], headers)).toMatchObject({ status: 404 });
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      expect(await statusOf([method, "/api/v2/dags/nothing"], headers)).toMatchObject({ status: 401 });
    }
  });

  it("in the cookie does not help out a wrong one in the header", async ({ expect }) => {
    const headers = { cookie: `_token=${await tokenFor()}`, ...bearer("wrong") };
    expect(await statusOf(READ, headers)).toMatchObject({ status: 401 });
  });
});

describe("a viewer", () => {
  it.for([
    ["GET", "/api/v2/dags/nothing"],
    ["HEAD", "/api/v2/dags/nothing"],
    ["POST", "/api/v2/dags/nothing/dagRuns/list"],
    ["POST", "/api/v2/dags/~/dagRuns/~/taskInstances/list"],
  ] as const)("may %s %s", async (request, { expect }) => {
    const env = usersEnv("viewer");
    const { status } = await statusOf(request, bearer(await tokenFor({ env })), { env });
    expect(status).not.toBe(401);
    expect(status).not.toBe(403);
  });

  it.for([
    ["POST", "/api/v2/dags/nothing/dagRuns"],
    ["POST", "/tasks/hello"],
    ["POST", "/tasks/list"],
    ["POST", "/api/v2/dags/nothing/clearTaskInstances"],
    ["POST", "/api/v2/dags/a/dagRuns/b/clear/list"],
    ["PUT", "/api/v2/dags/nothing"],
    ["PATCH", "/api/v2/dags/nothing"],
    ["DELETE", "/api/v2/dags/nothing"],
    ["DELETE", "/api/v2/dags/nothing/dagRuns/list"],
  ] as const)("may not %s %s", async (request, { expect }) => {
    const env = usersEnv("viewer");
    expect(await statusOf(request, bearer(await tokenFor({ env })), { env })).toEqual({
      status: 403,
      body: { detail: "Forbidden: expected a role that may write (user, op, admin), got viewer" },
    });
  });
});

describe("a deployment", () => {
  const broken: [string, string][] = [
    ["no JSON", "{ada"],
    ["a list", "[]"],
    ["a user without a role", '{"ada": {"password": "x"}}'],
    ["a password as it is", '{"ada": {"password": "hunter2", "role": "op"}}'],
    ["an unknown role", '{"ada": {"password": "x", "role": "god"}}'],
    ["a name with a colon", '{"jobbers:api-key": {"password": "x", "role": "op"}}'],
    ["a further field", '{"ada": {"password": "x", "role": "op", "hunter2": 1}}'],
  ];

  it.for(broken)("whose users are %s lets nobody log in, and logs why but not what", async ([, text], { expect }) => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const env = usersEnv("op", { JOBBERS_USERS: text });
    const { status, body } = await send("POST", "/auth/token", { env, json: { username: "ada", password: PASSWORD } });
    expect(status).toBe(401);
    expect(body).toEqual({ detail: containing("the secret JOBBERS_USERS cannot be read") });
    expect(log.mock.calls).toMatchObject([[{ event: "users_misconfigured", secret: "JOBBERS_USERS" }]]);
    expect(JSON.stringify(log.mock.calls)).not.toContain("hunter2");
    expect(await statusOf(READ, bearer(API_KEY), { env })).toMatchObject({ status: 404 });
    log.mockRestore();
  });

  it.for([
    ["no users", { JOBBERS_API_KEY: API_KEY }, "no users are configured: set the secret JOBBERS_USERS"],
    ["neither users nor a key", {}, "no users are configured"],
  ] as const)("with %s says so to who logs in", async ([, env, text], { expect }) => {
    const answer = await send("POST", "/auth/token", { env, json: { username: "ada", password: PASSWORD } });
    expect(answer).toMatchObject({ status: 401, body: { detail: containing(text) } });
  });

  it.for([
    ["with no key at all", {}],
    ["with a key that is too short to sign", { JOBBERS_API_KEY: "short" }],
    ["with a secret that is too short", { JOBBERS_API_KEY: API_KEY, JOBBERS_JWT_SECRET: "short" }],
  ] as const)("%s cannot sign tokens and says how to make it", async ([, keys], { expect }) => {
    const env = { JOBBERS_USERS: usersEnv()["JOBBERS_USERS"], ...keys };
    const { status, body } = await send("POST", "/auth/token", { env, json: { username: "ada", password: PASSWORD } });
    expect(status).toBe(401);
    expect(body).toEqual({ detail: containing("set the secret JOBBERS_JWT_SECRET to at least 32 characters") });
  });

  it("with users and a secret for tokens needs no API key", async ({ expect }) => {
    const env = { JOBBERS_USERS: usersEnv()["JOBBERS_USERS"], JOBBERS_JWT_SECRET: "s".repeat(32) };
    const headers = bearer(await tokenFor({ env }));
    expect(await statusOf(WRITE, headers, { env })).toMatchObject({ status: 404 });
    expect(await statusOf(WRITE, {}, { env })).toMatchObject({ status: 401, body: { detail: containing("got none") } });
    expect(await send("POST", "/auth/token", { env, json: { api_key: "x" } })).toMatchObject({ status: 401 });
  });

  it("verifies no signature for the API key", async ({ expect }) => {
    const verify = vi.spyOn(crypto.subtle, "verify");
    expect(await statusOf(READ, bearer(API_KEY))).toMatchObject({ status: 404 });
    expect(verify).not.toHaveBeenCalled();
    verify.mockRestore();
  });
});

describe("kept passwords", () => {
  it("are salted, checked, and not the password", async ({ expect }) => {
    expect(kept).toMatch(/^pbkdf2-sha256\$100000\$[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=$/);
    expect(kept).not.toBe(await hashPassword(PASSWORD));
    expect(await matchesPassword(PASSWORD, kept)).toBe(true);
    expect(await matchesPassword(`${PASSWORD} `, kept)).toBe(false);
    expect(await matchesPassword("", null)).toBe(false);
  });

  it("do not depend on how a keyboard writes an accent", async ({ expect }) => {
    expect(await matchesPassword("cafe\u0301", await hashPassword("caf\u00e9"))).toBe(true);
  });

  it.for([
    "",
    "hunter2",
    "pbkdf2-sha256$1$AAAAAAAAAAAAAAAAAAAAAA==$AAAA",
    "pbkdf2-sha1$100000$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "pbkdf2-sha256$100000$AAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
  ])("are none: %j", (text, { expect }) => {
    expect(isKeptPassword(text)).toBe(false);
  });
});
