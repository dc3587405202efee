import { describe, it } from "vitest";
import { MAX_LOOKS } from "../../src/api/run-stream.ts";
import type { DagObject, Result } from "../../src/engine/objects.ts";
import type { DagRunView, StoredValue } from "../../src/engine/work.ts";
import { listWith } from "./api-matchers.ts";
import { ok, runView, testApi } from "./api-support.ts";

const WAIT = "/api/v2/dags/etl/dagRuns/r1/wait";

const gone = { ok: false, refusal: { code: "not_found", message: "no run r1" } } as const;

/** Answers the states one after the other; null stands for a run that is gone. The last one stays. */
function going(...states: (DagRunView["state"] | null)[]): Partial<DagObject> {
  let position = 0;
  return {
    getRun: async (id): Promise<Result<DagRunView>> => {
      const state = states[Math.min(position, states.length - 1)] ?? null;
      position += 1;
      return state === null ? gone : ok(runView({ run_id: id, state }));
    },
  };
}

/** Values by task: one, or of a mapped task a list. */
function leaving(values: Record<string, StoredValue | StoredValue[]>): Partial<DagObject> {
  const refusal = { code: "not_found", message: "there is no XCom" } as const;
  return {
    getXCom: async ({ task_id: taskId }) => {
      const value = values[taskId];
      return value === undefined || Array.isArray(value) ? { ok: false, refusal } : ok(value);
    },
    getXComs: async (_runId, taskId) => {
      const value = values[taskId];
      return ok(Array.isArray(value) ? value : []);
    },
  };
}

const linesOf = async (response: Response): Promise<unknown[]> => {
  const text = await response.text();
  return text
    .split("\n")
    .slice(0, -1)
    .map((line): unknown => JSON.parse(line));
};

describe("waiting for a run", () => {
  it("tells the state at once, each interval, and when the run is over", async ({ expect }) => {
    const api = testApi({ dag: going("queued", "running", "running", "success") });
    const response = await api.fetch("GET", `${WAIT}?interval=2`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/x-ndjson");
    expect(await linesOf(response)).toEqual([
      { state: "queued" },
      { state: "running" },
      { state: "running" },
      { state: "success" },
    ]);
    expect(api.calls.map(({ args }) => args)).toEqual([
      ["r1", 0],
      ["r1", 2000],
      ["r1", 2000],
      ["r1", 2000],
    ]);
  });

  it("tells of a run that is over in one line", async ({ expect }) => {
    const api = testApi({ dag: going("failed") });
    expect(await linesOf(await api.fetch("GET", `${WAIT}?interval=0.001`))).toEqual([{ state: "failed" }]);
    expect(api.calls.length).toBe(1);
  });

  it("waits a long interval in steps, and tells nothing between them", async ({ expect }) => {
    const api = testApi({ dag: going("running", "running", "running", "running", "running", "success") });
    expect(await linesOf(await api.fetch("GET", `${WAIT}?interval=70.5`))).toEqual([
      { state: "running" },
      { state: "running" },
      { state: "success" },
    ]);
    expect(api.calls.map(({ args }) => args[1])).toEqual([0, 30_000, 30_000, 10_500, 30_000, 30_000]);
  });

  it("takes an interval under half a second for that", async ({ expect }) => {
    const api = testApi({ dag: going("running", "success") });
    await linesOf(await api.fetch("GET", `${WAIT}?interval=.01`));
    expect(api.calls[1]?.args).toEqual(["r1", 500]);
  });

  it("ends with the results of the tasks that were asked for", async ({ expect }) => {
    const values = {
      total: { json: '{"rows": 2}' },
      clean: [{ json: "1" }, { json: "null" }, { json: "[\n2]" }],
      'a"b': { json: '"x"' },
    };
    const api = testApi({ dag: { ...going("running", "success"), ...leaving({ ...values, nothing: [] }) } });
    const names = ["total", "nothing", "clean", "unknown", 'a"b', "total"];
    const query = names.map((name) => `result=${encodeURIComponent(name)}`).join("&");
    const text = await (await api.fetch("GET", `${WAIT}?interval=1&${query}`)).text();
    expect(text).toBe(
      '{"state":"running"}\n{"state":"success","results":{"total":{"rows": 2},"clean":[1,null,[ 2]],"a\\"b":"x"}}\n',
    );
    const asked = api.calls.filter(({ method }) => method === "getXCom").map(({ args }) => args);
    expect(asked[0]).toEqual([{ run_id: "r1", task_id: "total", map_index: -1 }, "return_value"]);
  });

  it("has null for results that are too large to be had at once, and says so", async ({ expect }) => {
    const left = leaving({ total: { json: "2" } });
    const dag: Partial<DagObject> = {
      ...going("success"),
      ...left,
      getXComs: async () => ({ ok: false, refusal: { code: "too_large", message: "expected less" } }),
    };
    const query = "interval=1&result=clean&result=total&result=each";
    const text = await (await testApi({ dag }).fetch("GET", `${WAIT}?${query}`)).text();
    expect(text).toBe(
      '{"state":"success","results":{"clean":null,"total":2,"each":null},"errors":{"clean":"expected less","each":"expected less"}}\n',
    );
  });

  it("has no results if no task left one", async ({ expect }) => {
    const api = testApi({ dag: { ...going("failed"), ...leaving({}) } });
    expect(await (await api.fetch("GET", `${WAIT}?interval=1&result=total`)).text()).toBe('{"state":"failed"}\n');
  });

  it("fetches large results from the bucket, and takes null for one that is gone", async ({ expect }) => {
    const large = (key: string) => ({ r2: key, bytes: 200_000 });
    const values = { one: large("a"), clean: [large("b"), { json: "1" }, large("a")] };
    const get = async (key: string) => (key === "a" ? { text: async () => '{"big":true}' } : null);
    const api = testApi({ dag: { ...going("success"), ...leaving(values) }, env: { PAYLOADS: { get } } });
    expect(await linesOf(await api.fetch("GET", `${WAIT}?interval=1&result=one&result=clean`))).toEqual([
      { state: "success", results: { one: { big: true }, clean: [null, 1, { big: true }] } },
    ]);
  });

  it("ends if the run is deleted meanwhile", async ({ expect }) => {
    const api = testApi({ dag: going("running", "running", null) });
    expect(await linesOf(await api.fetch("GET", `${WAIT}?interval=1`))).toEqual([
      { state: "running" },
      { state: "running" },
    ]);
  });

  it("ends by itself if the run does not", async ({ expect }) => {
    const api = testApi({ dag: going("running") });
    const lines = await linesOf(await api.fetch("GET", `${WAIT}?interval=1`));
    expect(lines.length).toBe(MAX_LOOKS + 1);
    expect(lines.at(-1)).toEqual({ state: "running" });
    expect(api.calls.length).toBe(MAX_LOOKS + 1);
  });

  it("asks no further when the caller has gone", async ({ expect }) => {
    const api = testApi({ dag: going("running") });
    const reader = (await api.fetch("GET", `${WAIT}?interval=1`)).body?.getReader();
    await reader?.read();
    await reader?.read();
    const asked = api.calls.length;
    await reader?.cancel();
    expect(asked).toBe(2);
    expect(api.calls.length).toBe(2);
  });

  it.for([
    [undefined, "application/x-ndjson"],
    ["*/*", "application/x-ndjson"],
    ["application/x-ndjson", "application/x-ndjson"],
    ["application/json, application/x-ndjson", "application/x-ndjson"],
    ["text/plain", "application/x-ndjson"],
    ["application/json", null],
  ] as const)("for Accept: %s answers the type %s", async ([accept, type], { expect }) => {
    const headers = accept === undefined ? {} : { accept };
    const response = await testApi({ dag: going("success") }).fetch("GET", `${WAIT}?interval=1`, { headers });
    expect(response.headers.get("content-type")).toBe(type);
    expect(await response.text()).toBe('{"state":"success"}\n');
  });

  it.for([
    ["", ["query", "interval"]],
    ["interval=0", ["query", "interval"]],
    ["interval=-1", ["query", "interval"]],
    ["interval=0.0", ["query", "interval"]],
    ["interval=3601", ["query", "interval"]],
    ["interval=1e3", ["query", "interval"]],
    ["interval=soon", ["query", "interval"]],
    [`interval=1&${Array.from({ length: 101 }, (_, index) => `result=t${index}`).join("&")}`, ["query", "result"]],
  ] as const)("is refused for ?%s", async ([query, loc], { expect }) => {
    const api = testApi({ dag: going("running") });
    const { status, body } = await api.send("GET", `${WAIT}?${query}`);
    expect(status).toBe(422);
    expect(body).toMatchObject({ detail: listWith({ loc }) });
    expect(api.calls).toEqual([]);
  });

  it("answers 404 before the stream begins", async ({ expect }) => {
    expect(await testApi({ dag: going(null) }).send("GET", `${WAIT}?interval=1`)).toMatchObject({
      status: 404,
      body: { detail: "no run r1" },
    });
    expect((await testApi().send("GET", "/api/v2/dags/elt/dagRuns/r1/wait?interval=1")).status).toBe(404);
  });
});
