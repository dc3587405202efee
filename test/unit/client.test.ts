import { describe, expectTypeOf, it } from "vitest";
import { createApi } from "../../src/api/app.ts";
import { createClient, type ClientOptions } from "../../src/client/index.ts";
import type { TriggerRequest } from "../../src/engine/objects.ts";
import { API_KEY, NOW, ok, runView, testRegistry } from "./api-support.ts";

const BASE = "https://jobbers.example";

/** A client of the API over objects made by hand, and the requests it sent. */
function testClient(options: ClientOptions = { apiKey: API_KEY }) {
  const app = createApi({ registry: testRegistry(), version: "1.2.3", now: () => NOW });
  const dag = {
    trigger: async (request: TriggerRequest) => ok(runView({ run_id: request.run_id ?? "made", conf: request.conf })),
    getRun: async (runId: string) => ok(runView({ run_id: runId })),
  };
  const env = {
    JOBBERS_API_KEY: API_KEY,
    DAG: { getByName: () => dag },
    CATALOG: { getByName: () => ({ has: async () => false, list: async () => [] }) },
  };
  const requests: Request[] = [];
  const client = createClient(BASE, {
    ...options,
    fetch: async (input, init) => {
      const request = new Request(input, init);
      requests.push(request.clone());
      return app.fetch(request, env);
    },
  });
  return { client, requests, runs: client.api.v2.dags[":dag_id"].dagRuns };
}

describe("the typed client", () => {
  it("sends what is asked with the key, and reads the answer", async ({ expect }) => {
    const { runs, requests } = testClient();
    const answer = await runs.$post({
      param: { dag_id: "etl" },
      json: { logical_date: null, dag_run_id: "r1", conf: { a: 1 } },
    });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ dag_run_id: "r1", conf: { a: 1 } });
    expect(requests[0]?.method).toBe("POST");
    expect(requests[0]?.url).toBe(`${BASE}/api/v2/dags/etl/dagRuns`);
    expect(requests[0]?.headers.get("authorization")).toBe(`Bearer ${API_KEY}`);
  });

  it("answers a refusal as an answer", async ({ expect }) => {
    const { client } = testClient({});
    const answer = await client.api.v2.dags.$get({ query: {} });
    expect(answer.ok).toBe(false);
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ detail: expect.any(String) });
  });

  it("asks for the token anew for every request, if it is told how", async ({ expect }) => {
    let given = 0;
    const { client, requests } = testClient({ token: async () => `token-${(given += 1)}` });
    await client.api.v2.version.$get();
    await client.api.v2.version.$get();
    expect(requests.map(({ headers }) => headers.get("authorization"))).toEqual(["Bearer token-1", "Bearer token-2"]);
  });

  it("prefers a token to the key, and sends nothing without either", async ({ expect }) => {
    const both = testClient({ apiKey: "key", token: "token" });
    await both.client.api.v2.version.$get();
    expect(both.requests[0]?.headers.get("authorization")).toBe("Bearer token");
    const none = testClient({});
    await none.client.api.v2.version.$get();
    expect(none.requests[0]?.headers.has("authorization")).toBe(false);
  });

  it.for(["a/b", "a?b=c", "a#b", "100%", "../..", "a/../../b", "é ü", "a:b", "/:dag_run_id", "%2e%2e"])(
    "an id stays the id it is: %j",
    async (id, { expect }) => {
      const { runs, requests } = testClient();
      const answer = await runs[":dag_run_id"].$get({ param: { dag_id: "etl", dag_run_id: id }, query: {} });
      expect(answer.status).toBe(200);
      expect(await answer.json()).toMatchObject({ dag_run_id: id });
      expect(new URL(requests[0]?.url ?? "").pathname.split("/").length).toBe(7);
    },
  );

  it.for(["", ".", ".."])("an id that would make the path another one is refused: %j", async (id, { expect }) => {
    const { client, requests } = testClient();
    const patch = async () =>
      client.api.v2.dags[":dag_id"].$patch({ param: { dag_id: id }, query: {}, json: { is_paused: true } });
    await expect(patch()).rejects.toThrow("dag_id: expected a text that can be part of a path");
    expect(requests).toEqual([]);
  });

  it("makes addresses too", ({ expect }) => {
    const { runs } = testClient();
    expect(String(runs[":dag_run_id"].$url({ param: { dag_id: "etl", dag_run_id: "a/b" }, query: {} }))).toBe(
      `${BASE}/api/v2/dags/etl/dagRuns/a%2Fb`,
    );
  });
});

describe("its types", () => {
  it("know the fields of answers, what may be null, and that a refusal is another answer", () => {
    async function read() {
      const answer = await testClient().runs[":dag_run_id"].$get({
        param: { dag_id: "a", dag_run_id: "b" },
        query: {},
      });
      if (!answer.ok) {
        return null;
      }
      return answer.json();
    }
    type Run = NonNullable<Awaited<ReturnType<typeof read>>>;
    expectTypeOf<Run["state"]>().toEqualTypeOf<"queued" | "running" | "success" | "failed">();
    expectTypeOf<Run["dag_run_id"]>().toEqualTypeOf<string>();
    expectTypeOf<Run["logical_date"]>().toEqualTypeOf<string | null>();
    expectTypeOf<Run["duration"]>().toEqualTypeOf<number | null>();
  });

  it("know what a request must have", () => {
    const { runs } = testClient();
    type Sent = Parameters<typeof runs.$post>[0];
    expectTypeOf<Sent["param"]>().toEqualTypeOf<{ dag_id: string }>();
    expectTypeOf<Sent["json"]["logical_date"]>().toEqualTypeOf<string | number | null>();
    expectTypeOf<{ param: { dag_id: string }; json: { conf: object } }>().not.toExtend<Sent>();
    expectTypeOf<{ param: object; json: { logical_date: null } }>().not.toExtend<Sent>();
  });

  it("know the tasks' and jobs' routes beside Airflow's", () => {
    const { client } = testClient();
    expectTypeOf(client.tasks[":name"].$post).toBeFunction();
    expectTypeOf(client.jobs[":job_id"].kill.$post).toBeFunction();
    expectTypeOf(client.auth.token.$post).toBeFunction();
    expectTypeOf(client).not.toHaveProperty("nothing");
  });
});
