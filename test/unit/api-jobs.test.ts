import { describe, it } from "vitest";
import { batchKey, memberId } from "../../src/engine/batch-ids.ts";
import type { BatchView, Refusal } from "../../src/engine/objects.ts";
import { containing } from "./api-matchers.ts";
import { JOB_ID, jobView, NOW, ok, testApi } from "./api-support.ts";

const MEMBER = memberId(JOB_ID, 7);
const BATCH_OBJECT = `DAG @batch:${batchKey(JOB_ID)}`;

function refused(code: Refusal["code"], message: string) {
  return async () => ({ ok: false, refusal: { code, message } }) as const;
}

describe("GET /jobs/{job_id}", () => {
  it("answers Airflow's fields of a job, then ours, times in UTC and durations in seconds", async ({ expect }) => {
    const job = jobView({
      latest_heartbeat: NOW - 1,
      progress: { step: "page 3", fraction: 0.5, data: [1] },
      error: { type: "Error", message: "boom", stack: "Error: boom\n    at secret.ts:1" },
    });
    const { status, body } = await testApi({ job: { get: async () => ok(job) } }).send("GET", `/jobs/${JOB_ID}`);
    expect(status).toBe(200);
    expect(body).toStrictEqual({
      id: JOB_ID,
      dag_id: null,
      state: "success",
      job_type: "TaskJob",
      start_date: "2026-01-31T05:59:58Z",
      end_date: "2026-01-31T05:59:59Z",
      latest_heartbeat: "2026-01-31T05:59:59.999Z",
      executor_class: "QueueExecutor",
      hostname: "worker-1",
      unixname: "jobbers",
      dag_display_name: null,
      job_id: JOB_ID,
      heartrate: 5,
      is_alive: false,
      name: "hello",
      run_id: null,
      task_id: null,
      map_index: null,
      try_number: 1,
      max_tries: 0,
      created_at: "2026-01-31T05:59:57Z",
      run_at: null,
      progress: { step: "page 3", fraction: 0.5, data: [1] },
      result: { answer: 42 },
      error: { type: "Error", message: "boom" },
      late_results: 0,
    });
  });

  it.for([
    ["a second ago", NOW - 1000, true],
    ["longer ago than the grace period", NOW - 10_501, false],
  ] as const)(
    "a running job whose last beat was %s has is_alive %s",
    async ([, latestHeartbeat, isAlive], { expect }) => {
      const job = jobView({ state: "running", end_date: null, latest_heartbeat: latestHeartbeat });
      const { body } = await testApi({ job: { get: async () => ok(job) } }).send("GET", `/jobs/${JOB_ID}`);
      expect(body).toMatchObject({ is_alive: isAlive });
    },
  );

  it.for([
    ["", 0],
    ["?wait=30", 30_000],
    ["?wait=0.5", 500],
    ["?wait=60", 60_000],
  ] as const)("with %s waits %d ms in the object", async ([query, waitMs], { expect }) => {
    const api = testApi({ job: { get: async () => ok(jobView()) } });
    await api.send("GET", `/jobs/${JOB_ID}${query}`);
    expect(api.calls).toEqual([{ object: `JOB ${JOB_ID}`, method: "get", args: [waitMs] }]);
  });

  it.for(["61", "60.5", "-1", "soon", "", "1e1"])("refuses wait=%s with 422", async (wait, { expect }) => {
    const api = testApi();
    const { status, body } = await api.send("GET", `/jobs/${JOB_ID}?wait=${wait}`);
    expect(status).toBe(422);
    expect(body).toMatchObject({
      detail: [{ loc: ["query", "wait"], msg: `expected seconds from 0 to 60, got "${wait}"` }],
    });
    expect(api.calls).toEqual([]);
  });

  it("refuses an id that is no ULID with 422", async ({ expect }) => {
    const { status, body } = await testApi().send("GET", "/jobs/42");
    expect(status).toBe(422);
    expect(body).toMatchObject({ detail: [{ loc: ["path", "job_id"], msg: containing('got "42"') }] });
  });

  it("answers 404 for a job that is not", async ({ expect }) => {
    const { status, body } = await testApi({ job: { get: refused("not_found", `no job ${JOB_ID}`) } }).send(
      "GET",
      `/jobs/${JOB_ID}`,
    );
    expect(status).toBe(404);
    expect(body).toEqual({ detail: `no job ${JOB_ID}` });
  });

  it("finds the member of a batch in the batch's object", async ({ expect }) => {
    const api = testApi({ dag: { getMember: async () => ok(jobView({ id: MEMBER })) } });
    const { body } = await api.send("GET", `/jobs/${MEMBER}?wait=5`);
    expect(body).toMatchObject({ job_id: MEMBER });
    expect(api.calls).toEqual([{ object: BATCH_OBJECT, method: "getMember", args: [7, 5000] }]);
  });

  it("looks for an ordinary job if there is no such member", async ({ expect }) => {
    const api = testApi({
      dag: { getMember: refused("not_found", "no batch") },
      job: { get: async () => ok(jobView({ id: MEMBER })) },
    });
    expect((await api.send("GET", `/jobs/${MEMBER}`)).status).toBe(200);
    expect(api.calls.map(({ object }) => object)).toEqual([BATCH_OBJECT, `JOB ${MEMBER}`]);
  });
});

describe("POST /jobs/{job_id}/kill", () => {
  it.for([
    ["no body", {}, "killed over the API"],
    ["a reason", { json: { reason: "wrong file" } }, "wrong file"],
  ] as const)("kills with %s", async ([, options, reason], { expect }) => {
    const api = testApi({ job: { kill: async () => ok(jobView({ state: "failed" })) } });
    const { status, body } = await api.send("POST", `/jobs/${JOB_ID}/kill`, options);
    expect(status).toBe(200);
    expect(body).toMatchObject({ state: "failed" });
    expect(api.calls[0]).toMatchObject({ method: "kill", args: [reason] });
  });

  it("answers a job that is over with 200, as it is", async ({ expect }) => {
    const api = testApi({ job: { kill: async () => ok(jobView({ state: "success", error: null })) } });
    expect(await api.send("POST", `/jobs/${JOB_ID}/kill`)).toMatchObject({
      status: 200,
      body: { state: "success", error: null, result: { answer: 42 } },
    });
  });

  it("has no 409 in its description: no object refuses so", async ({ expect }) => {
    const { body } = await testApi().send("GET", "/openapi.json");
    expect(body).toMatchObject({ paths: { "/jobs/{job_id}/kill": { post: { responses: { 200: {}, 404: {} } } } } });
    expect(body).not.toHaveProperty(["paths", "/jobs/{job_id}/kill", "post", "responses", "409"]);
  });

  it("kills the member of a batch in the batch's object", async ({ expect }) => {
    const api = testApi({ dag: { killMember: async () => ok(jobView({ id: MEMBER, state: "failed" })) } });
    expect((await api.send("POST", `/jobs/${MEMBER}/kill`)).status).toBe(200);
    expect(api.calls).toEqual([{ object: BATCH_OBJECT, method: "killMember", args: [7, "killed over the API"] }]);
  });
});

describe("POST /jobs/{job_id}/heartbeat", () => {
  it.for([
    ["nothing", {}, null],
    ["an empty object", { json: {} }, null],
    ["a step", { json: { step: "page 3" } }, { step: "page 3" }],
    [
      "all there is",
      { json: { step: "page 3", fraction: 0.25, data: { rows: 10 } } },
      { step: "page 3", fraction: 0.25, data: { rows: 10 } },
    ],
  ] as const)("passes on a progress of %s", async ([, options, progress], { expect }) => {
    const api = testApi({ job: { heartbeat: async () => ok(jobView({ state: "running" })) } });
    expect((await api.send("POST", `/jobs/${JOB_ID}/heartbeat`, options)).status).toBe(200);
    expect(api.calls).toEqual([{ object: `JOB ${JOB_ID}`, method: "heartbeat", args: [progress] }]);
  });

  it.for([
    ["not_found", 404],
    ["conflict", 409],
  ] as const)("answers %s with %d", async ([code, status], { expect }) => {
    const api = testApi({ job: { heartbeat: refused(code, "why") } });
    expect(await api.send("POST", `/jobs/${JOB_ID}/heartbeat`, { json: {} })).toMatchObject({
      status,
      body: { detail: "why" },
    });
  });

  it.for([
    ["a fraction over 1", { fraction: 1.5 }, ["body", "fraction"], "expected at most 1, got 1.5"],
    ["a fraction below 0", { fraction: -0.1 }, ["body", "fraction"], "expected at least 0, got -0.1"],
    ["a fraction that is text", { fraction: "half" }, ["body", "fraction"], 'expected a number, got "half"'],
    ["an unknown field", { percent: 50 }, ["body", "percent"], 'expected no field "percent" here, got 50'],
  ] as const)("refuses %s", async ([, json, loc, msg], { expect }) => {
    const api = testApi();
    const { status, body } = await api.send("POST", `/jobs/${JOB_ID}/heartbeat`, { json });
    expect(status).toBe(422);
    expect(body).toMatchObject({ detail: [{ loc, msg }] });
    expect(api.calls).toEqual([]);
  });

  it("refuses data over 16 KiB with 413", async ({ expect }) => {
    const { status } = await testApi().send("POST", `/jobs/${JOB_ID}/heartbeat`, {
      json: { data: "x".repeat(16_384) },
    });
    expect(status).toBe(413);
  });
});

describe("GET /batches/{batch_id}", () => {
  const batch: BatchView = {
    batch_id: JOB_ID,
    state: "success",
    total: 3,
    counts: { success: 3 },
    created_at: NOW,
    end_date: NOW + 40,
  };

  it("answers the batch, and waits if asked to", async ({ expect }) => {
    const api = testApi({ dag: { getBatch: async () => ok(batch) } });
    const { status, body } = await api.send("GET", `/batches/${JOB_ID}?wait=10`);
    expect(status).toBe(200);
    expect(body).toStrictEqual({ ...batch, created_at: "2026-01-31T06:00:00Z", end_date: "2026-01-31T06:00:00.040Z" });
    expect(api.calls).toEqual([{ object: BATCH_OBJECT, method: "getBatch", args: [10_000] }]);
  });

  it("answers 404 for a batch that is not, and 422 for an id that is no ULID", async ({ expect }) => {
    const api = testApi({ dag: { getBatch: refused("not_found", "no batch") } });
    expect((await api.send("GET", `/batches/${JOB_ID}`)).status).toBe(404);
    expect((await api.send("GET", "/batches/etl")).status).toBe(422);
  });
});
