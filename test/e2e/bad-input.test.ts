import { afterAll, beforeAll, describe, test } from "vitest";
import { startTestServer } from "../support/server.ts";
import type { TestServer } from "../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(async () => {
  await server.remove();
});

const RUNS = "/api/v2/dags/flights_etl/dagRuns";
const UNKNOWN_ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const JSON_TYPE = { "content-type": "application/json" };

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

  test("leaves nothing behind", async ({ expect }) => {
    expect(await server.client.countRuns("flights_etl")).toBe(0);
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
    await server.client.getJob(id, 30);
    const answer = await server.client.http.call("POST", `/jobs/${id}/heartbeat`, {});
    expect(answer.status).toBe(409);
  });
});
