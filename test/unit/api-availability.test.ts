import { describe, test } from "vitest";
import { Service } from "../../src/isolate/service.ts";
import { JOB_ID, jobView, ok, testApi } from "./api-support.ts";

const WRITES = [
  ["POST", "/tasks/hello"],
  ["POST", "/tasks"],
  ["POST", "/webhooks/on_push"],
  ["PATCH", "/api/v2/dags/etl"],
  ["POST", "/api/v2/dags/etl/dagRuns"],
  ["DELETE", "/api/v2/dags/etl"],
] as const;

describe("a server that is stopping", () => {
  test.for(WRITES)("%s %s is refused, with a time to try again", async ([method, path], { expect }) => {
    const service = new Service();
    service.stop(0);
    const api = testApi({ service });
    const { status, headers, body } = await api.send(method, path, { json: {} });
    expect([status, headers.get("retry-after")]).toEqual([503, "5"]);
    expect(body).toEqual({ detail: "the server is stopping; try again when it is back" });
    expect(api.calls).toEqual([]);
  });

  test("answers reads, and says in its health that nothing is scheduled", async ({ expect }) => {
    const service = new Service();
    service.stop(0);
    const api = testApi({ service, job: { get: async () => ok(jobView()) } });
    expect((await api.send("GET", `/jobs/${JOB_ID}`)).status).toBe(200);
    expect((await api.send("GET", "/api/v2/monitor/health")).body).toMatchObject({
      metadatabase: { status: "healthy" },
      scheduler: { status: "unhealthy" },
    });
  });
});

describe("a server whose disk is full", () => {
  test("refuses writes with what is wrong, and says so in its health", async ({ expect }) => {
    const service = new Service();
    service.noteDiskFull("the disk of /state is full");
    const api = testApi({ service });
    const { status, headers, body } = await api.send("POST", "/tasks/hello", { json: {} });
    expect([status, headers.get("retry-after")]).toEqual([503, "10"]);
    expect(body).toEqual({ detail: "the disk of /state is full" });
    expect((await api.send("GET", "/api/v2/monitor/health")).body).toMatchObject({
      metadatabase: { status: "unhealthy" },
      scheduler: { status: "healthy" },
    });
  });

  test("takes writes again when there is room", async ({ expect }) => {
    const service = new Service();
    service.noteDiskFull("the disk of /state is full");
    service.noteDiskFull(null);
    const api = testApi({ service });
    expect((await api.send("POST", "/tasks/hello", { json: { id: "no ULID" } })).status).toBe(422);
  });
});

describe("a request", () => {
  test("is under way until it is answered, also if it is refused", async ({ expect }) => {
    const service = new Service();
    const answer = Promise.withResolvers<void>();
    const api = testApi({
      service,
      job: {
        async get() {
          await answer.promise;
          return ok(jobView());
        },
      },
    });
    const asked = api.send("GET", `/jobs/${JOB_ID}`);
    expect(service.isIdle).toBe(false);
    answer.resolve();
    expect((await asked).status).toBe(200);
    expect((await api.send("GET", "/api/v2/dags", { key: null })).status).toBe(401);
    expect(service.isIdle).toBe(true);
  });
});
