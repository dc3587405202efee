import { describe, test } from "vitest";
import { instanceView, ok, testApi } from "./api-support.ts";

const PATH = "/api/v2/dags/etl/dagRuns/r1/taskInstances/extract/xcomEntries/return_value";

describe("a value of a task instance", () => {
  test("is given in Airflow's fields", async ({ expect }) => {
    const api = testApi({
      dag: { getXCom: async () => ok({ json: '{"rows":[1,2]}' }), getTaskInstance: async () => ok(instanceView()) },
    });
    const answer = await api.send("GET", PATH);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      key: "return_value",
      dag_id: "etl",
      run_id: "r1",
      task_id: "extract",
      map_index: -1,
      value: { rows: [1, 2] },
    });
  });

  test("of a mapped task is asked for by its map index", async ({ expect }) => {
    const api = testApi({
      dag: { getXCom: async () => ok({ json: "7" }), getTaskInstance: async () => ok(instanceView({ map_index: 3 })) },
    });
    const answer = await api.send("GET", `${PATH}?map_index=3`);
    expect(answer.body).toMatchObject({ map_index: 3, value: 7 });
    const asked = api.calls.find(({ method }) => method === "getXCom");
    expect(asked?.args).toEqual([{ run_id: "r1", task_id: "extract", map_index: 3 }, "return_value"]);
  });

  test("that is large is fetched from the bucket", async ({ expect }) => {
    const api = testApi({
      dag: {
        getXCom: async () => ok({ r2: "xcom/1", bytes: 200_000 }),
        getTaskInstance: async () => ok(instanceView()),
      },
      env: { PAYLOADS: { get: async (key: string) => ({ json: async () => ({ from: key }) }) } },
    });
    const answer = await api.send("GET", PATH);
    expect(answer.body).toMatchObject({ value: { from: "xcom/1" } });
  });

  test("that is not there, or lies nowhere any more, is not found", async ({ expect }) => {
    const none = testApi({
      dag: {
        getXCom: async () => ({ ok: false, refusal: { code: "not_found", message: "no value return_value" } }),
        getTaskInstance: async () => ok(instanceView()),
      },
    });
    const gone = testApi({
      dag: { getXCom: async () => ok({ r2: "xcom/1", bytes: 9 }), getTaskInstance: async () => ok(instanceView()) },
      env: { PAYLOADS: { get: async () => null } },
    });
    expect((await none.send("GET", PATH)).status).toBe(404);
    expect((await gone.send("GET", PATH)).status).toBe(404);
    expect((await none.send("GET", `${PATH}?map_index=x`)).status).toBe(422);
  });
});
