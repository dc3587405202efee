import { afterAll, beforeAll, describe, test } from "vitest";
import { z } from "zod";
import { expectedReport } from "../../scripts/demo/etl.ts";
import { makeHttpClient } from "../../scripts/http.ts";
import { startTestServer } from "../support/server.ts";
import type { TestServer } from "../support/server.ts";
import { endOfBatch, endOfJob, endOfRun, eventually } from "../support/waiting.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(async () => {
  await server.remove();
});

const FUTURE_MS = 2500;

describe("the key", () => {
  test("is needed for everything but health and version", async ({ expect }) => {
    const anonymous = makeHttpClient(server.process.url, null);
    const statuses = await Promise.all(
      [
        ["GET", "/api/v2/monitor/health"],
        ["GET", "/api/v2/version"],
        ["GET", "/api/v2/dags"],
        ["GET", "/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV"],
        ["POST", "/tasks/hello"],
        ["POST", "/api/v2/dags/flights_etl/dagRuns"],
      ].map(async ([method = "", path = ""]) => (await anonymous.call(method, path)).status),
    );
    anonymous.close();
    expect(statuses).toEqual([200, 200, 401, 401, 401, 401]);
  });

  test("is refused if it is another", async ({ expect }) => {
    const stranger = makeHttpClient(server.process.url, `${server.process.apiKey}x`);
    const answer = await stranger.call("POST", "/tasks/hello", { payload: {} });
    stranger.close();
    expect(answer.status).toBe(401);
  });
});

describe("a task by itself", () => {
  test("runs, and is answered by a long poll when it is done", async ({ expect }) => {
    const { id } = await server.client.submitTask("hello", { name: "Ada" });
    const job = await endOfJob(server.client, id);
    expect(job).toMatchObject({ state: "success", result: { greeting: "Hello, Ada!" }, try_number: 1, error: null });
  });

  test("with the same id twice is one job, and answers the same", async ({ expect }) => {
    const id = "01JD5X0Q6ZK6T1V8S3M2N4P7R9";
    const first = await server.client.http.call("POST", "/tasks/hello", { id, payload: { name: "first" } });
    const second = await server.client.http.call("POST", "/tasks/hello", { id, payload: { name: "second" } });
    expect([first.status, second.status]).toEqual([202, 200]);
    const job = await endOfJob(server.client, id);
    expect(job.result).toEqual({ greeting: "Hello, first!" });
  });

  test("that is long is answered by a poll as it is when the poll's time is up", async ({ expect }) => {
    const { id } = await server.client.submitTask("countdown", { seconds: 600 });
    const early = await server.client.getJob(id, 0.1);
    expect(["queued", "running"]).toContain(early.state);
    await server.client.http.call("POST", `/jobs/${id}/kill`, {});
    expect((await endOfJob(server.client, id)).state).toBe("failed");
  });

  test("that fails is retried until it succeeds, and says so", async ({ expect }) => {
    const { id } = await server.client.submitTask("flaky", { failures: 1 });
    const job = await endOfJob(server.client, id);
    expect(job).toMatchObject({ state: "success", try_number: 2, result: { succeeded_on_try: 2 } });
  });

  test("that is killed while it runs stops and has failed", async ({ expect }) => {
    const { id } = await server.client.submitTask("countdown", { seconds: 600 });
    await eventually("the task to beat", async () => {
      const job = await server.client.getJob(id);
      return job.progress === null ? null : job;
    });
    const killed = await server.client.http.call("POST", `/jobs/${id}/kill`, {});
    expect(killed.status).toBeLessThan(300);
    const job = await endOfJob(server.client, id);
    expect(job.state).toBe("failed");
    expect(job.error?.type).toBe("Killed");
  });

  test("waits for its time", async ({ expect }) => {
    const runAt = new Date(Date.now() + 1000).toISOString();
    const { id } = await server.client.submitTask("hello", {}, { run_at: runAt });
    const { state, start_date: startDate } = await endOfJob(server.client, id);
    expect(state).toBe("success");
    expect(Date.parse(startDate ?? "")).toBeGreaterThanOrEqual(Date.parse(runAt));
  });
});

describe("tasks in bulk", () => {
  test("are one batch, and each member is a job of its own", async ({ expect }) => {
    const names = Array.from({ length: 250 }, (_, index) => `n${index}`);
    const submitted = await server.client.submitTasks(names.map((name) => ({ name: "hello", payload: { name } })));
    const batch = await endOfBatch(server.client, submitted.batch_id);
    expect(batch).toMatchObject({ state: "success", total: 250, counts: { success: 250 } });
    const jobs = await Promise.all(submitted.job_ids.map(async (id) => server.client.getJob(id)));
    expect(jobs.map((job) => job.result)).toEqual(names.map((name) => ({ greeting: `Hello, ${name}!` })));
  });

  test("are refused as a whole if one of them is unknown", async ({ expect }) => {
    const answer = await server.client.http.call("POST", "/tasks", {
      tasks: [{ name: "hello" }, { name: "no_such_task" }],
    });
    expect(answer.status).toBe(422);
    expect(JSON.stringify(answer.body)).toContain("no_such_task");
  });
});

describe("the ETL DAG", () => {
  test("reports what the file says, with a mapped stage, a branch, a retry and a teardown", async ({ expect }) => {
    const expected = expectedReport();
    const { dag_run_id: runId } = await server.client.triggerRun("flights_etl");
    const run = await endOfRun(server.client, "flights_etl", runId);
    expect(run).toMatchObject({ state: "success", reason: "success" });
    expect(await server.client.getXCom("flights_etl", runId, "report_flights")).toEqual(expected);
    const instances = await server.client.listTaskInstances("flights_etl", runId);
    const byState = Object.groupBy(instances, ({ state }) => state ?? "none");
    expect(byState["success"]?.length).toBe(instances.length - 1);
    expect(byState["skipped"]?.map(({ task_id: taskId }) => taskId)).toEqual([
      expected.alert ? "note_normal" : "raise_alert",
    ]);
    expect(instances.find(({ task_id: taskId }) => taskId === "stage_flights")?.try_number).toBe(2);
  });

  test("takes its params from the run's conf", async ({ expect }) => {
    const { dag_run_id: runId } = await server.client.triggerRun("flights_etl", { conf: { tolerable_share: 0.9 } });
    await endOfRun(server.client, "flights_etl", runId);
    expect(await server.client.getXCom("flights_etl", runId, "report_flights")).toMatchObject({ alert: false });
  });

  test("refuses a conf that violates its params, and makes no run", async ({ expect }) => {
    const before = await server.client.countRuns("flights_etl");
    const answer = await server.client.http.call("POST", "/api/v2/dags/flights_etl/dagRuns", {
      logical_date: null,
      conf: { min_flights: 0 },
    });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(JSON.stringify(answer.body)).toContain("min_flights");
    expect(await server.client.countRuns("flights_etl")).toBe(before);
  });
});

describe("a restart in order", () => {
  test("keeps what is finished, and does later what was not yet due", async ({ expect }) => {
    const finished = await server.client.submitTask("hello", { name: "kept" });
    await endOfJob(server.client, finished.id);
    const runAt = new Date(Date.now() + FUTURE_MS).toISOString();
    const future = await server.client.submitTask("hello", { name: "later" }, { run_at: runAt });
    const runs = await server.client.countRuns("flights_etl");

    const code = await server.process.stop();
    await server.restart();

    expect(code).toBe(0);
    expect((await server.client.getJob(finished.id)).result).toEqual({ greeting: "Hello, kept!" });
    expect(await server.client.countRuns("flights_etl")).toBe(runs);
    expect((await endOfJob(server.client, future.id)).result).toEqual({ greeting: "Hello, later!" });
  });
});

describe("the API's own document", () => {
  test("names every route these tests used", async ({ expect }) => {
    const answer = await server.client.http.call("GET", "/openapi.json");
    const { paths } = z.object({ paths: z.record(z.string(), z.unknown()) }).parse(answer.body);
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining([
        "/tasks/{name}",
        "/tasks",
        "/batches/{batch_id}",
        "/jobs/{job_id}",
        "/jobs/{job_id}/kill",
        "/webhooks/{dag_id}",
        "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}",
      ]),
    );
  });
});
