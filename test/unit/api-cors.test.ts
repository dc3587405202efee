import { describe, it, vi } from "vitest";
import { createApi } from "../../src/api/app.ts";
import { API_KEY, NOW, testRegistry } from "./api-support.ts";

const APP = "https://app.example.com";
const LISTED = `${APP}, http://localhost:5173`;

interface Sending {
  origins?: unknown;
  headers?: Record<string, string>;
  key?: string | null;
}

async function send(method: string, path: string, { origins, headers = {}, key = API_KEY }: Sending = {}) {
  const app = createApi({ registry: testRegistry(), version: "1.2.3", now: () => NOW });
  const authorization = key === null ? {} : { authorization: `Bearer ${key}` };
  const catalog = { getByName: () => ({ has: async () => false, list: async () => [] }) };
  const env = { JOBBERS_API_KEY: API_KEY, JOBBERS_CORS_ORIGINS: origins, CATALOG: catalog };
  return app.request(path, { method, headers: { ...authorization, ...headers } }, env);
}

/** What a browser asks before it sends a page's request with a key. */
function preflight(origin: string, origins: unknown) {
  const headers = {
    origin,
    "access-control-request-method": "PATCH",
    "access-control-request-headers": "authorization",
  };
  return send("OPTIONS", "/api/v2/dags/etl", { origins, headers, key: null });
}

function grantsOf(headers: Headers): string[] {
  return [...headers.keys()].filter((name) => name.startsWith("access-control-"));
}

describe("pages of other origins", () => {
  it.for([undefined, "", " , ", 5])("are let in nowhere while the variable is %j", async (origins, { expect }) => {
    const asked = await preflight(APP, origins);
    expect(asked.status).toBe(401);
    expect(grantsOf(asked.headers)).toEqual([]);
    const read = await send("GET", "/api/v2/version", { origins, headers: { origin: APP } });
    expect(read.status).toBe(200);
    expect(grantsOf(read.headers)).toEqual([]);
    expect(read.headers.get("vary")).toBeNull();
  });

  it.for([APP, "http://localhost:5173"])("that are listed may call: %s", async (origin, { expect }) => {
    const { status, headers } = await preflight(origin, LISTED);
    expect(status).toBe(204);
    expect(headers.get("access-control-allow-origin")).toBe(origin);
    expect(headers.get("access-control-allow-credentials")).toBe("true");
    expect(headers.get("access-control-allow-methods")).toBe("GET,HEAD,POST,PUT,PATCH,DELETE");
    expect(headers.get("access-control-allow-headers")).toContain("Authorization");
    expect(headers.get("access-control-max-age")).toBe("600");
    expect(headers.get("vary")).toContain("Origin");
  });

  it.for(["https://evil.example", "https://app.example.com.evil.example", "http://app.example.com", "null", ""])(
    "that are not listed may not: %j",
    async (origin, { expect }) => {
      const asked = await preflight(origin, LISTED);
      expect(asked.headers.get("access-control-allow-origin")).toBeNull();
      const read = await send("GET", "/api/v2/version", { origins: LISTED, headers: { origin } });
      expect(read.headers.get("access-control-allow-origin")).toBeNull();
      // A cache must not hand this answer to the page that may read it, nor the other way round.
      expect(read.headers.get("vary")).toBe("Origin");
    },
  );

  it.for([
    [200, "GET", "/api/v2/version", API_KEY],
    [401, "GET", "/api/v2/dags", null],
    [404, "GET", "/api/v2/dags/nothing", API_KEY],
    [405, "DELETE", "/api/v2/version", API_KEY],
    [415, "POST", "/api/v2/dags/etl/dagRuns", API_KEY],
  ] as const)("can read an answer of %d, and its request id", async ([status, method, path, key], { expect }) => {
    const answer = await send(method, path, {
      origins: LISTED,
      key,
      headers: { origin: APP, "content-type": "text/plain" },
    });
    expect(answer.status).toBe(status);
    expect(answer.headers.get("access-control-allow-origin")).toBe(APP);
    expect(answer.headers.get("access-control-expose-headers")).toContain("X-Request-Id");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
  });

  it("may all call if * is listed, but with no cookies", async ({ expect }) => {
    const asked = await preflight("https://anything.example", `${APP}, *`);
    expect(asked.status).toBe(204);
    expect(asked.headers.get("access-control-allow-origin")).toBe("*");
    expect(asked.headers.get("access-control-allow-credentials")).toBeNull();
  });

  it("that ask by OPTIONS without meaning a method are asked for the key, as ever", async ({ expect }) => {
    const options = { origins: LISTED, headers: { origin: APP } };
    expect((await send("OPTIONS", "/api/v2/dags", { ...options, key: null })).status).toBe(401);
    const { status, headers } = await send("OPTIONS", "/api/v2/dags", options);
    expect(status).toBe(405);
    expect(headers.get("allow")).toContain("GET");
  });
});

describe("an entry that is no origin", () => {
  it.for([
    "app.example.com",
    "https://app.example.com/path",
    "https://*.example.com/x",
    "ftp://app.example.com",
    "null",
  ])("%j is logged and left out, the others count", async (entry, { expect }) => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const { headers } = await preflight(APP, `${entry},${APP}/`);
    expect(headers.get("access-control-allow-origin")).toBe(APP);
    expect(log.mock.calls).toMatchObject([[{ event: "cors_misconfigured", got: entry }]]);
    log.mockRestore();
  });
});
