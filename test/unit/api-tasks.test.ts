import { describe, it } from "vitest";
import { batchKey, isUlid, memberId, memberIds } from "../../src/engine/batch-ids.ts";
import { anyText, containing, matching } from "./api-matchers.ts";
import { batchView, JOB_ID, jobView, NOW, ok, testApi, type JobMethods } from "./api-support.ts";

const submitting: JobMethods = {
  submit: async ({ job_id: id, name }) => ok({ job: jobView({ id, name, state: "queued" }), created: true }),
};

function batching() {
  return testApi({ dag: { submitBatch: async (batchId, entries) => ok(batchView(batchId, entries)) } });
}

describe("POST /tasks/{name}", () => {
  it("makes a job under a new ULID and answers where it is", async ({ expect }) => {
    const api = testApi({ job: submitting });
    const { status, headers, body } = await api.send("POST", "/tasks/hello", { json: { payload: { a: [1] } } });
    expect(status).toBe(202);
    const [call] = api.calls;
    const submission = call?.args[0];
    expect(submission).toEqual({ job_id: anyText, name: "hello", payload: { a: [1] }, runAt: null });
    const id = call?.object.slice("JOB ".length) ?? "";
    expect(isUlid(id)).toBe(true);
    expect(headers.get("location")).toBe(`/jobs/${id}`);
    expect(body).toMatchObject({ job_id: id, id, name: "hello", state: "queued", created: true });
  });

  it("takes no body at all for no payload", async ({ expect }) => {
    const api = testApi({ job: submitting });
    expect((await api.send("POST", "/tasks/hello")).status).toBe(202);
    expect(api.calls[0]?.args[0]).toMatchObject({ payload: null, runAt: null });
  });

  it.for([
    ["a delay in seconds", { delay: 1.5 }, NOW + 1500],
    ["no delay", { delay: 0 }, null],
    ["a time with a zone", { run_at: "2026-01-31T08:00:00+01:00" }, NOW + 3_600_000],
    ["a time that is past", { run_at: "2025-01-31T08:00:00Z" }, null],
    ["nulls for what is not given", { delay: null, run_at: null, id: null }, null],
  ] as const)("starts at %s", async ([, start, runAt], { expect }) => {
    const api = testApi({ job: submitting });
    expect((await api.send("POST", "/tasks/hello", { json: start })).status).toBe(202);
    expect(api.calls[0]?.args[0]).toMatchObject({ runAt });
  });

  it.for([
    ["in the body", { json: { id: JOB_ID } }],
    ["as Idempotency-Key", { json: {}, headers: { "idempotency-key": JOB_ID } }],
    ["as both", { json: { id: JOB_ID }, headers: { "idempotency-key": JOB_ID } }],
  ] as const)("takes the id that the caller chose %s", async ([, options], { expect }) => {
    const api = testApi({ job: submitting });
    const { body } = await api.send("POST", "/tasks/hello", options);
    expect(body).toMatchObject({ job_id: JOB_ID });
  });

  it("answers the same id again with the job there is, and 200", async ({ expect }) => {
    const api = testApi({ job: { submit: async () => ok({ job: jobView(), created: false }) } });
    const { status, body } = await api.send("POST", "/tasks/hello", { json: { id: JOB_ID } });
    expect(status).toBe(200);
    expect(body).toMatchObject({ job_id: JOB_ID, state: "success", created: false });
  });

  it("refuses the same id for another task with 409", async ({ expect }) => {
    const api = testApi({ job: { submit: async () => ok({ job: jobView(), created: false }) } });
    const { status, body } = await api.send("POST", "/tasks/send_mail", { json: { id: JOB_ID } });
    expect(status).toBe(409);
    expect(body).toEqual({ detail: `job ${JOB_ID} exists and runs the task "hello", not "send_mail"` });
  });

  it("knows an id of a batch's member as the job that it is", async ({ expect }) => {
    const id = memberId(JOB_ID, 3);
    const api = testApi({ job: submitting, dag: { getMember: async () => ok(jobView({ id })) } });
    const { status, body } = await api.send("POST", "/tasks/hello", { json: { id } });
    expect(status).toBe(200);
    expect(body).toMatchObject({ job_id: id, created: false });
    expect(api.calls.map(({ object, method }) => [object, method])).toEqual([
      [`DAG @batch:${batchKey(JOB_ID)}`, "getMember"],
    ]);
  });

  it("makes a job under an id that only looks like a member's", async ({ expect }) => {
    const id = memberId(JOB_ID, 3);
    const notFound = { ok: false, refusal: { code: "not_found", message: "no such batch" } } as const;
    const api = testApi({ job: submitting, dag: { getMember: async () => notFound } });
    expect((await api.send("POST", "/tasks/hello", { json: { id } })).status).toBe(202);
  });

  it.for([
    [
      "an unknown task",
      "/tasks/helo",
      { json: {} },
      404,
      'expected the name of a registered task, got "helo"; did you mean "hello"?',
    ],
    [
      "a task that has no handler",
      "/tasks/join",
      { json: {} },
      404,
      'expected the name of a registered task, got "join"',
    ],
    ["a payload over 128 KiB", "/tasks/hello", { json: { payload: "x".repeat(131_073) } }, 413, "at most 131072 bytes"],
    [
      "a payload over 128 KiB only as UTF-8",
      "/tasks/hello",
      { json: { payload: "é".repeat(66_000) } },
      413,
      "at most 131072 bytes",
    ],
    ["a body over 1 MiB", "/tasks/hello", { json: { payload: "x".repeat(1_100_000) } }, 413, "at most 1048576 bytes"],
    [
      "a form",
      "/tasks/hello",
      { raw: "payload=1", headers: { "content-type": "application/x-www-form-urlencoded" } },
      415,
      "expected Content-Type application/json",
    ],
    ["a body of no declared type", "/tasks/hello", { raw: new TextEncoder().encode("{}") }, 415, "got none"],
  ] as const)("refuses %s and asks no object", async ([, path, options, status, text], { expect }) => {
    const api = testApi({ job: submitting });
    const answer = await api.send("POST", path, options);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body).replaceAll('\\"', '"')).toContain(text);
    expect(api.calls).toEqual([]);
  });

  it.for([
    [
      "an id that is no ULID",
      { id: "42" },
      ["body", "id"],
      'expected a ULID: 26 upper-case characters of Crockford\'s base 32, the first 0 to 7, got "42"',
    ],
    ["an id in lower case", { id: JOB_ID.toLowerCase() }, ["body", "id"], "expected a ULID"],
    ["an id whose time overflows", { id: `8${JOB_ID.slice(1)}` }, ["body", "id"], "expected a ULID"],
    ["an id of another type", { id: 42 }, ["body", "id"], "expected a string, got 42"],
    ["a delay of another type", { delay: "5" }, ["body", "delay"], 'expected seconds from 0 to 31536000, got "5"'],
    ["a negative delay", { delay: -1 }, ["body", "delay"], "expected seconds from 0 to 31536000, got -1"],
    ["a delay over a year", { delay: 31_536_001 }, ["body", "delay"], "expected seconds from 0 to 31536000"],
    [
      "a date without a zone",
      { run_at: "2026-01-31T08:00:00" },
      ["body", "run_at"],
      "expected an ISO 8601 date-time with a time zone",
    ],
    [
      "a day that is not",
      { run_at: "2026-02-30T08:00:00Z" },
      ["body", "run_at"],
      "expected an ISO 8601 date-time with a time zone",
    ],
    ["a date that is words", { run_at: "tomorrow" }, ["body", "run_at"], 'got "tomorrow"'],
    [
      "a time over a year ahead",
      { run_at: "2027-02-01T00:00:00Z" },
      ["body", "run_at"],
      "expected a time at most a year ahead",
    ],
    [
      "delay and run_at together",
      { delay: 1, run_at: "2026-02-01T00:00:00Z" },
      ["body", "run_at"],
      "expected either delay or run_at, not both",
    ],
    ["an unknown field", { paylod: 1 }, ["body", "paylod"], 'expected no field "paylod" here, got 1'],
    ["a body that is a list", [1], ["body"], "expected an object, got [1]"],
  ] as const)("refuses %s with 422, naming place, expectation and value", async ([, json, loc, text], { expect }) => {
    const api = testApi({ job: submitting });
    const { status, body } = await api.send("POST", "/tasks/hello", { json });
    expect(status).toBe(422);
    expect(body).toMatchObject({ detail: [{ loc, msg: containing(text), type: anyText }] });
    expect(api.calls).toEqual([]);
  });

  it.for([
    ["no ULID", { json: {}, headers: { "idempotency-key": "abc" } }, "expected a ULID"],
    [
      "another id than the body's",
      { json: { id: JOB_ID }, headers: { "idempotency-key": memberId(JOB_ID, 1) } },
      "expected the same id as in the body",
    ],
  ] as const)("refuses an Idempotency-Key that is %s", async ([, options, text], { expect }) => {
    const api = testApi({ job: submitting });
    const { status, body } = await api.send("POST", "/tasks/hello", options);
    expect(status).toBe(422);
    expect(body).toMatchObject({
      detail: [{ loc: ["header", "Idempotency-Key"], msg: containing(text) }],
    });
    expect(api.calls).toEqual([]);
  });
});

describe("POST /tasks", () => {
  it("hands all entries to one object and answers their job ids in order", async ({ expect }) => {
    const api = batching();
    const tasks = [
      { name: "hello", payload: 1 },
      { name: "send_mail", delay: 10 },
      { name: "hello", run_at: "2026-01-31T07:00:00Z" },
    ];
    const { status, headers, body } = await api.send("POST", "/tasks", { json: { id: JOB_ID, tasks } });
    expect(status).toBe(202);
    expect(headers.get("location")).toBe(`/batches/${JOB_ID}`);
    expect(body).toMatchObject({ batch_id: JOB_ID, total: 3, job_ids: memberIds(JOB_ID, 0, 3) });
    expect(api.calls).toEqual([
      {
        object: `DAG @batch:${batchKey(JOB_ID)}`,
        method: "submitBatch",
        args: [
          JOB_ID,
          [
            { name: "hello", payload: 1, runAt: null },
            { name: "send_mail", payload: null, runAt: NOW + 10_000 },
            { name: "hello", payload: null, runAt: NOW + 3_600_000 },
          ],
        ],
      },
    ]);
  });

  it("makes a new batch id, or takes the Idempotency-Key", async ({ expect }) => {
    const api = batching();
    const fresh = await api.send("POST", "/tasks", { json: { tasks: [{ name: "hello" }] } });
    expect(fresh.body).toMatchObject({ batch_id: matching(/^[0-7][0-9A-Z]{25}$/) });
    const chosen = await api.send("POST", "/tasks", {
      json: { tasks: [{ name: "hello" }] },
      headers: { "idempotency-key": JOB_ID },
    });
    expect(chosen.body).toMatchObject({ batch_id: JOB_ID });
  });

  it("takes 10,000 entries and bodies over 1 MiB", async ({ expect }) => {
    const tasks = Array.from({ length: 10_000 }, () => ({ name: "hello", payload: "x".repeat(200) }));
    const { status, body } = await batching().send("POST", "/tasks", { json: { tasks } });
    expect(status).toBe(202);
    expect(body).toMatchObject({ total: 10_000 });
  });

  it.for([
    ["no tasks", [], ["body", "tasks"], "expected at least 1 item, got []"],
    [
      "10,001 tasks",
      Array.from({ length: 10_001 }, () => ({ name: "hello" })),
      ["body", "tasks"],
      "expected at most 10000 items",
    ],
    [
      "an unknown task",
      [{ name: "hello" }, { name: "send_mial" }],
      ["body", "tasks", 1, "name"],
      'tasks[1].name: expected the name of a registered task; did you mean "send_mail"?, got "send_mial"',
    ],
    [
      "an entry without a name",
      [{}],
      ["body", "tasks", 0, "name"],
      "tasks[0].name: expected the name of a task, got nothing",
    ],
    ["an entry that is no object", ["hello"], ["body", "tasks", 0], "tasks[0]: expected an object"],
    [
      "an unknown field",
      [{ name: "hello", id: JOB_ID }],
      ["body", "tasks", 0, "id"],
      "tasks[0].id: expected only the fields name, payload, delay, run_at",
    ],
    [
      "a bad delay",
      [{ name: "hello", delay: "1" }],
      ["body", "tasks", 0, "delay"],
      'tasks[0].delay: expected seconds from 0 to 31536000, got "1"',
    ],
    [
      "a bad date",
      [{ name: "hello", run_at: 5 }],
      ["body", "tasks", 0, "run_at"],
      "tasks[0].run_at: expected an ISO 8601 date-time",
    ],
    [
      "delay and run_at",
      [{ name: "hello", delay: 5, run_at: "2026-02-01T00:00:00Z" }],
      ["body", "tasks", 0, "run_at"],
      "not both",
    ],
  ] as const)("refuses %s, and with it the whole batch", async ([, tasks, loc, text], { expect }) => {
    const api = batching();
    const { status, body } = await api.send("POST", "/tasks", { json: { tasks } });
    expect(status).toBe(422);
    expect(body).toMatchObject({ detail: [{ loc, msg: containing(text) }] });
    expect(api.calls).toEqual([]);
  });

  it("lists at most twenty problems", async ({ expect }) => {
    const { body } = await batching().send("POST", "/tasks", {
      json: { tasks: Array.from({ length: 100 }, () => ({})) },
    });
    expect(body).toMatchObject({ detail: { length: 20 } });
  });

  it("refuses a payload over the limit with 413 that names the entry", async ({ expect }) => {
    const api = batching();
    const tasks = [{ name: "hello" }, { name: "hello", payload: "x".repeat(131_073) }];
    const { status, body } = await api.send("POST", "/tasks", { json: { tasks } });
    expect(status).toBe(413);
    expect(body).toEqual({ detail: "tasks[1].payload: expected at most 131072 bytes of JSON, got more" });
    expect(api.calls).toEqual([]);
  });
});
