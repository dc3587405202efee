import { afterAll, beforeAll, describe, test } from "vitest";
import { startTestServer } from "../support/server.ts";
import type { TestServer } from "../support/server.ts";
import { endOfJob, eventually } from "../support/waiting.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  for (const [path, spec] of [
    [DAILY, DAILY_SPEC],
    ["/api/v2/dags/past", WAITS_FOR_ITS_PAST],
  ] as const) {
    await server.client.http.call("PUT", path, spec);
  }
});

afterAll(async () => {
  await server.remove();
});

const RUNS = "/api/v2/dags/flights_etl/dagRuns";
const UNKNOWN_ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const JSON_TYPE = { "content-type": "application/json" };

/** DAGs that the bad requests about schedules and backfills are about. */
const DAILY = "/api/v2/dags/daily";
const DAILY_SPEC = { schedule: "@daily", is_paused_upon_creation: true, tasks: [{ task_id: "a", handler: "hello" }] };
const WAITS_FOR_ITS_PAST = { ...DAILY_SPEC, tasks: [{ task_id: "a", handler: "hello", depends_on_past: true }] };
const DATES = { from_date: "2026-01-01T00:00:00Z", to_date: "2026-01-05T00:00:00Z" };

interface BadRequest {
  what: string;
  method: string;
  path: string;
  /** A text is sent as it is. */
  body?: unknown;
  status: number;
  /** Words of the answer: what was expected, where, or what came. */
  says: RegExp;
}

const BAD_REQUESTS: BadRequest[] = [
  {
    what: "malformed JSON",
    method: "POST",
    path: "/tasks/hello",
    body: '{"payload": ',
    status: 400,
    says: /malformed JSON.*position/,
  },
  { what: "a body that is no object", method: "POST", path: "/tasks/hello", body: [1], status: 422, says: /object/ },
  {
    what: "an unknown field",
    method: "POST",
    path: "/tasks/hello",
    body: { payloads: 1 },
    status: 422,
    says: /payloads/,
  },
  {
    what: "an unknown task",
    method: "POST",
    path: "/tasks/helo",
    body: { payload: {} },
    status: 404,
    says: /helo.*hello/,
  },
  { what: "an id that is no ULID", method: "POST", path: "/tasks/hello", body: { id: "1" }, status: 422, says: /ULID/ },
  { what: "a job's id that is no ULID", method: "GET", path: "/jobs/abc", status: 422, says: /ULID/ },
  {
    what: "a payload over the limit",
    method: "POST",
    path: "/tasks/hello",
    body: { payload: "x".repeat(200_000) },
    status: 413,
    says: /131072/,
  },
  {
    what: "a bad date",
    method: "POST",
    path: "/tasks/hello",
    body: { run_at: "tomorrow" },
    status: 422,
    says: /run_at.*tomorrow|tomorrow.*run_at/,
  },
  { what: "a negative delay", method: "POST", path: "/tasks/hello", body: { delay: -1 }, status: 422, says: /delay/ },
  { what: "a bulk of none", method: "POST", path: "/tasks", body: { tasks: [] }, status: 422, says: /tasks/ },
  { what: "an unknown job", method: "GET", path: `/jobs/${UNKNOWN_ULID}`, status: 404, says: /01ARZ3/ },
  {
    what: "a kill of an unknown job",
    method: "POST",
    path: `/jobs/${UNKNOWN_ULID}/kill`,
    body: {},
    status: 404,
    says: /01ARZ3/,
  },
  {
    what: "a heartbeat for an unknown job",
    method: "POST",
    path: `/jobs/${UNKNOWN_ULID}/heartbeat`,
    body: {},
    status: 404,
    says: /01ARZ3/,
  },
  {
    what: "an unknown DAG",
    method: "POST",
    path: "/api/v2/dags/flights/dagRuns",
    body: { logical_date: null },
    status: 404,
    says: /flights/,
  },
  { what: "an unknown run", method: "GET", path: `${RUNS}/no_such_run`, status: 404, says: /no_such_run/ },
  {
    what: "a logical date that is none",
    method: "POST",
    path: RUNS,
    body: { logical_date: "2001-02-30T00:00:00Z" },
    status: 422,
    says: /logical_date/,
  },
  {
    what: "a logical date without a zone",
    method: "POST",
    path: RUNS,
    body: { logical_date: "2001-02-03T00:00:00" },
    status: 422,
    says: /logical_date/,
  },
  { what: "no logical date", method: "POST", path: RUNS, body: {}, status: 422, says: /logical_date/ },
  {
    what: "a conf that is no object",
    method: "POST",
    path: RUNS,
    body: { logical_date: null, conf: 3 },
    status: 422,
    says: /conf/,
  },
  {
    what: "a limit that is no number",
    method: "GET",
    path: `${RUNS}?limit=many`,
    status: 422,
    says: /limit.*many|many.*limit/,
  },
  {
    what: "an order by a field that is none",
    method: "GET",
    path: `${RUNS}?order_by=colour`,
    status: 400,
    says: /colour/,
  },
  {
    what: "a wait beyond the longest",
    method: "GET",
    path: `/jobs/${UNKNOWN_ULID}?wait=3600`,
    status: 422,
    says: /wait/,
  },
  {
    what: "a cron expression that never comes",
    method: "PUT",
    path: DAILY,
    body: { ...DAILY_SPEC, schedule: "0 0 30 2 *" },
    status: 422,
    says: /schedule.*30 2/,
  },
  {
    what: "a cron expression that is none",
    method: "PUT",
    path: DAILY,
    body: { ...DAILY_SPEC, schedule: "61 * * * *" },
    status: 422,
    says: /schedule.*61/,
  },
  {
    what: "an unknown time zone",
    method: "PUT",
    path: DAILY,
    body: { ...DAILY_SPEC, timezone: "Europe/Atlantis" },
    status: 422,
    says: /timezone.*Atlantis/,
  },
  {
    what: "an end before the start",
    method: "PUT",
    path: DAILY,
    body: { ...DAILY_SPEC, start_date: "2026-02-01T00:00:00Z", end_date: "2026-01-01T00:00:00Z" },
    status: 422,
    says: /end_date/,
  },
  {
    what: "an unknown queue",
    method: "PUT",
    path: DAILY,
    body: { ...DAILY_SPEC, tasks: [{ task_id: "a", handler: "hello", queue: "gpu" }] },
    status: 422,
    says: /queue.*gpu/,
  },
  {
    what: "an unknown queue for a role",
    method: "PUT",
    path: "/api/v2/queues/roles/training",
    body: { queue: "gpu" },
    status: 422,
    says: /gpu/,
  },
  {
    what: "a negative number of slots",
    method: "POST",
    path: "/api/v2/pools",
    body: { name: "db", slots: -2 },
    status: 422,
    says: /slots.*-2/,
  },
  {
    what: "a backfill that makes nothing again of a DAG that waits for its past",
    method: "POST",
    path: "/api/v2/backfills",
    body: { dag_id: "past", ...DATES },
    status: 422,
    says: /depends_on_past/,
  },
  {
    what: "a backfill of dates in the future",
    method: "POST",
    path: "/api/v2/backfills",
    body: { dag_id: "daily", from_date: "2099-01-01T00:00:00Z", to_date: "2099-01-02T00:00:00Z" },
    status: 422,
    says: /future/,
  },
  {
    what: "a backfill that ends before it begins",
    method: "POST",
    path: "/api/v2/backfills",
    body: { dag_id: "daily", from_date: DATES.to_date, to_date: DATES.from_date },
    status: 422,
    says: /from_date|to_date/,
  },
  { what: "an unknown path", method: "GET", path: "/no/such/path", status: 404, says: /no\/such\/path/ },
  { what: "a method that a path does not take", method: "DELETE", path: "/tasks/hello", status: 405, says: /POST/ },
];

describe("bad input is answered with what was expected, what came and where", () => {
  for (const { what, method, path, body, status, says } of BAD_REQUESTS) {
    test(what, async ({ expect }) => {
      const { http } = server.client;
      const answer =
        typeof body === "string" ? await http.send(method, path, body, JSON_TYPE) : await http.call(method, path, body);
      expect({ status: answer.status, text: JSON.stringify(answer.body) }).toEqual({
        status,
        text: expect.stringMatching(says),
      });
      expect(answer.body).toHaveProperty("detail");
    });
  }

  test("a pool that is waited for is not deleted", async ({ expect }) => {
    const { http } = server.client;
    await http.call("POST", "/api/v2/pools", { name: "full", slots: 0 });
    await http.call("PUT", "/api/v2/dags/waits", { tasks: [{ task_id: "a", handler: "hello", pool: "full" }] });
    const { dag_run_id: runId } = await server.client.triggerRun("waits");
    await eventually("the task instance to wait for the pool", async () => {
      const { body } = await http.call("GET", "/api/v2/pools/full");
      return JSON.stringify(body).includes('"scheduled_slots":1') ? true : null;
    });
    const answer = await http.call("DELETE", "/api/v2/pools/full");
    expect([answer.status, JSON.stringify(answer.body)]).toEqual([409, expect.stringContaining(runId)]);
  });

  test("leaves nothing behind", async ({ expect }) => {
    expect(await server.client.countRuns("flights_etl")).toBe(0);
    expect(await server.client.countRuns("daily")).toBe(0);
    expect((await server.client.http.call("GET", "/api/v2/pools/db")).status).toBe(404);
  });
});

describe("what exists already", () => {
  test("a run's id again, and a logical date again, are conflicts", async ({ expect }) => {
    const first = { dag_run_id: "once", logical_date: "2001-02-03T04:05:06Z" };
    const { http } = server.client;
    const made = await http.call("POST", RUNS, first);
    const sameId = await http.call("POST", RUNS, { dag_run_id: "once", logical_date: null });
    const sameDate = await http.call("POST", RUNS, { dag_run_id: "twice", logical_date: first.logical_date });
    expect([made.status, sameId.status, sameDate.status]).toEqual([200, 409, 409]);
    expect(JSON.stringify(sameId.body)).toContain("once");
    expect(await server.client.countRuns("flights_etl")).toBe(1);
  });

  test("a heartbeat for a finished job is a conflict", async ({ expect }) => {
    const { id } = await server.client.submitTask("hello", {});
    await endOfJob(server.client, id);
    const answer = await server.client.http.call("POST", `/jobs/${id}/heartbeat`, {});
    expect(answer.status).toBe(409);
  });
});
