import { describe, it } from "vitest";
import { API_KEY, ok, runView, testApi } from "./api-support.ts";

const PRIVATE = "private, no-store";

function api() {
  return testApi({
    dag: { trigger: async () => ok(runView()), getRun: async () => ok(runView({ state: "success" })) },
  });
}

describe("an answer that asks for a key", () => {
  it.for([
    ["GET", "/api/v2/dags", 200],
    ["HEAD", "/api/v2/dags", 200],
    ["GET", "/api/v2/dags/nothing", 404],
    ["GET", "/api/v2/dags?limit=x", 422],
    ["POST", "/api/v2/dags/etl/dagRuns", 422],
    ["GET", "/nowhere", 404],
    ["GET", "/api/v2/dags/etl/dagRuns/r1/wait?interval=1", 200],
  ] as const)("is kept by no cache: %s %s, %i", async ([method, path, status], { expect }) => {
    const response = await api().fetch(method, path);
    expect(response.status).toBe(status);
    expect(response.headers.get("cache-control")).toBe(PRIVATE);
    await response.text();
  });

  it("is kept by no cache when the key is missing or wrong", async ({ expect }) => {
    for (const key of [null, "wrong"]) {
      const { status, headers } = await api().send("GET", "/api/v2/dags", { key });
      expect([status, headers.get("cache-control")]).toEqual([401, PRIVATE]);
    }
  });
});

describe("the API's description", () => {
  it.for(["/docs", "/openapi.json"])(
    "%s may be kept a while, and is not sent to who has it",
    async (path, { expect }) => {
      const get = (headers?: Record<string, string>) =>
        api().fetch("GET", path, { key: null, ...(headers === undefined ? {} : { headers }) });
      const first = await get();
      const tag = first.headers.get("etag") ?? "";
      expect(first.status).toBe(200);
      expect(first.headers.get("cache-control")).toBe("public, max-age=300");
      expect(tag).toMatch(/^"[\w-]{16}"$/);
      expect((await first.text()).length).toBeGreaterThan(10_000);

      for (const known of [tag, `W/${tag}`, `"another", ${tag}`, "*"]) {
        const again = await get({ "if-none-match": known });
        expect([again.status, await again.text()]).toEqual([304, ""]);
        // A cache takes the headers of this answer for those that it kept.
        for (const name of ["etag", "cache-control", "content-security-policy"]) {
          expect(again.headers.get(name)).toBe(first.headers.get(name));
        }
      }
      const other = await get({ "if-none-match": '"another"' });
      expect(other.status).toBe(200);
      expect((await other.text()).length).toBeGreaterThan(10_000);
    },
  );
});

describe("HTTPS", () => {
  it("is asked for of this host, and of no other of its domain", async ({ expect }) => {
    const { headers } = await api().send("GET", "/", { key: null });
    expect(headers.get("strict-transport-security")).toBe("max-age=15552000");
  });
});

describe("webhooks", () => {
  it("are the one thing below their path that needs no key", async ({ expect }) => {
    expect((await api().send("POST", "/webhooks/etl", { key: null })).status).toBe(404);
    for (const path of ["/webhooks/", "/webhooks/etl/more", "/webhooks/etl/"]) {
      expect((await api().send("POST", path, { key: null })).status).toBe(401);
      expect((await api().send("POST", path, { key: API_KEY })).status).toBe(404);
    }
  });
});
