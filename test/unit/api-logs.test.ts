import { describe, test } from "vitest";
import { createApi } from "../../src/api/app.ts";
import type { LogPage } from "../../src/engine/objects.ts";
import type { LogLine } from "../../src/engine/work.ts";
import { API_KEY, JOB_ID, jobView, NOW, ok, testApi, testRegistry } from "./api-support.ts";

const PATH = "/api/v2/dags/etl/dagRuns/r1/taskInstances/extract/logs/1";
const NDJSON = { accept: "application/x-ndjson" };
const TEXT = { accept: "text/plain" };
const HEAD = [
  { event: "::group::Log message source details", level: "info", sources: ["worker-1"] },
  { event: "::endgroup::", level: "info" },
];

function page(fields: Partial<LogPage> = {}): LogPage {
  return { lines: [], next: 0, isOver: true, dropped: 0, hostname: "worker-1", error: null, ...fields };
}

function line(event: string, fields: Partial<LogLine> = {}): LogLine {
  return { timestamp: NOW, level: "info", event, ...fields };
}

/** A log of two pages, whose try is over. */
const readLog = async (_key: unknown, _tryNumber: number, from: number) =>
  ok(
    from < 2
      ? page({ lines: [line("a"), line("b")].slice(from), next: 2, isOver: false })
      : page({ lines: [line("c")].slice(from - 2), next: 3 }),
  );

describe("the log of a try", () => {
  test("is answered in Airflow's fields, with what it was logged with", async ({ expect }) => {
    const lines = [
      line("read", { data: { rows: 3, file: "a.csv" } }),
      line("odd", { level: "warning", data: [1] }),
      line("clash", { data: { event: "mine" } }),
      line("proto", { data: JSON.parse('{"__proto__": {"x": 1}}') as LogLine["data"] & object }),
    ];
    const api = testApi({ dag: { readLog: async () => ok(page({ lines, next: 4 })) } });
    const answer = await api.send("GET", `${PATH}?map_index=2`);
    expect(answer.status).toBe(200);
    const common = { timestamp: "2026-01-31T06:00:00.000Z", level: "info", logger: "task" };
    expect(answer.body).toEqual({
      content: [
        ...HEAD,
        { ...common, event: "read", rows: 3, file: "a.csv" },
        { ...common, level: "warning", event: "odd", data: [1] },
        { ...common, event: "clash", data: { event: "mine" } },
        JSON.parse(`{"event": "proto", "__proto__": {"x": 1}, ${JSON.stringify(common).slice(1)}`),
      ],
      continuation_token: null,
    });
    expect(api.calls.find(({ method }) => method === "readLog")?.args).toEqual([
      { run_id: "r1", task_id: "extract", map_index: 2 },
      1,
      0,
      0,
    ]);
  });

  test("says what is missing, and why its try failed", async ({ expect }) => {
    const error = { type: "Zombie", message: "no heartbeat", stack: "at secret" };
    const api = testApi({
      dag: { readLog: async () => ok(page({ lines: [line("x")], dropped: 1, next: 2, error, hostname: null })) },
    });
    const { body } = await api.send("GET", PATH);
    expect(body).toMatchObject({
      content: [
        { sources: [] },
        {},
        { event: "1 line is missing here: a log keeps its last megabyte", level: "warning" },
        { event: "x" },
        {
          event: "Task failed with Zombie: no heartbeat",
          level: "error",
          error_detail: [{ exc_type: "Zombie", exc_value: "no heartbeat" }],
        },
      ],
    });
    expect(JSON.stringify(body)).not.toContain("secret");
  });

  test("comes in pages, by a token that is of this log only", async ({ expect }) => {
    const api = testApi({ dag: { readLog } });
    const first = await api.send("GET", PATH);
    expect(first.body).toMatchObject({
      content: [...HEAD, { event: "a" }, { event: "b" }],
      continuation_token: expect.any(String),
    });
    const token = (first.body as { continuation_token: string }).continuation_token;
    const second = await api.send("GET", `${PATH}?token=${encodeURIComponent(token)}`);
    expect(second.body).toMatchObject({ content: [{ event: "c" }], continuation_token: null });

    const other = PATH.replace("/logs/1", "/logs/2");
    const bad = [token.toUpperCase(), `1${token}`, "x", "1-p-000000000000", token.replace("-p-", "-f-"), "%00", "🙂"];
    for (const path of [`${other}?token=${token}`, ...bad.map((text) => `${PATH}?token=${encodeURIComponent(text)}`)]) {
      expect(await api.send("GET", path)).toMatchObject({
        status: 400,
        body: { detail: "Bad Signature. Please use only the tokens provided by the API." },
      });
    }
    expect((await api.send("GET", `${PATH}?token=${"a".repeat(101)}`)).status).toBe(422);
  });

  test("comes whole if it is asked for so, and the token remembers that", async ({ expect }) => {
    const api = testApi({ dag: { readLog } });
    const whole = await api.send("GET", `${PATH}?full_content=true`);
    expect(whole.body).toMatchObject({
      content: [...HEAD, { event: "a" }, { event: "b" }, { event: "c" }],
      continuation_token: null,
    });
    const running = testApi({
      dag: {
        readLog: async (_key, _tryNumber, from) =>
          ok(page({ lines: from < 4 ? [line(String(from))] : [], next: Math.min(4, from + 1), isOver: false })),
      },
    });
    const some = await running.send("GET", `${PATH}?full_content=true`);
    const { content, continuation_token: token } = some.body as { content: unknown[]; continuation_token: string };
    expect(content).toHaveLength(HEAD.length + 4);
    expect(await running.send("GET", `${PATH}?token=${token}`)).toMatchObject({ body: { content: [] } });
  });

  test("comes as lines of JSON or of text, by Accept", async ({ expect }) => {
    const lines = [
      line("fetched", { data: { rows: 42, file: "a b" } }),
      line("two\nlines \u001b[31mred\u2028\ttab", { level: "error" }),
    ];
    const error = { type: "Error", message: "broken" };
    const api = testApi({ dag: { readLog: async () => ok(page({ lines, next: 2, error })) } });
    const json = await api.fetch("GET", PATH, { headers: NDJSON });
    expect(json.headers.get("content-type")).toBe("application/x-ndjson; charset=utf-8");
    const entries = (await json.text())
      .trimEnd()
      .split("\n")
      .map((text) => JSON.parse(text) as { event: string });
    expect(entries.map(({ event }) => event)).toEqual([
      ...HEAD.map(({ event }) => event),
      "fetched",
      "two\nlines \u001b[31mred\u2028\ttab",
      "Task failed with Error: broken",
    ]);
    const text = await api.fetch("GET", PATH, { headers: TEXT });
    expect(text.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await text.text()).toBe(
      [
        '::group::Log message source details sources=["worker-1"]',
        "::endgroup::",
        '[2026-01-31T06:00:00.000Z] INFO - fetched rows=42 file="a b"',
        "[2026-01-31T06:00:00.000Z] ERROR - two\\nlines \\u001b[31mred\\u2028\ttab",
        "ERROR - Task failed with Error: broken",
        "",
      ].join("\n"),
    );
    for (const accept of ["text/html,application/xhtml+xml,*/*;q=0.8", "*/*", "application/json", "image/png", ";;,"]) {
      expect((await api.fetch("GET", PATH, { headers: { accept } })).headers.get("content-type")).toContain("json");
      expect((await api.send("GET", PATH, { headers: { accept } })).body).toHaveProperty("content");
    }
  });

  test("as lines is whole, and names a token while its try goes on", async ({ expect }) => {
    const over = await testApi({ dag: { readLog } }).fetch("GET", PATH, { headers: TEXT });
    expect((await over.text()).match(/INFO - [abc]$/gm)).toHaveLength(3);
    expect(over.headers.get("airflow-continuation-token")).toBeNull();
    const api = testApi({ dag: { readLog: async () => ok(page({ isOver: false })) } });
    const running = await api.fetch("GET", PATH, { headers: NDJSON });
    const token = running.headers.get("airflow-continuation-token") ?? expect.fail("expected a token");
    expect((await api.send("GET", `${PATH}?token=${token}`)).status).toBe(200);
  });

  test("that is not there, or is asked for wrongly, is refused", async ({ expect }) => {
    const refusal = { code: "not_found", message: "TaskInstance not found" } as const;
    const api = testApi({ dag: { readLog: async () => ({ ok: false, refusal }) } });
    for (const follow of ["false", "true"]) {
      const answer = await api.send("GET", `${PATH}?follow=${follow}`);
      expect(answer).toMatchObject({ status: 404, body: { detail: "TaskInstance not found" } });
    }
    expect((await api.send("GET", PATH.replace("etl", "nope"))).status).toBe(404);
    for (const path of [
      PATH.replace("/logs/1", "/logs/0"),
      PATH.replace("/logs/1", "/logs/-1"),
      PATH.replace("/logs/1", "/logs/1e3"),
      PATH.replace("/logs/1", "/logs/99999999999"),
      `${PATH}?map_index=x`,
      `${PATH}?full_content=maybe`,
      `${PATH}?follow=2`,
    ]) {
      expect((await api.send("GET", path)).status).toBe(422);
    }
  });
});

describe("a log that is followed", () => {
  test("is streamed until its try is over, its beginning at once", async ({ expect }) => {
    const { promise: more, resolve } = Promise.withResolvers<undefined>();
    const api = testApi({
      dag: {
        readLog: async (_key, _tryNumber, from, waitMs) => {
          if (from === 0) {
            return ok(page({ isOver: false }));
          }
          expect(waitMs).toBeGreaterThan(1000);
          return ok(page({ lines: [line("never")] }));
        },
      },
    });
    const steps: (() => Promise<LogPage>)[] = [
      async () => page({ lines: [line("a")], next: 1, isOver: false }),
      async () => page({ next: 1, isOver: false }),
      async () => {
        await more;
        return page({ lines: [line("b")], next: 2, isOver: true });
      },
    ];
    const stepping = testApi({ dag: { readLog: async () => ok(await (steps.shift() ?? expect.fail("too often"))()) } });
    const response = await stepping.fetch("GET", `${PATH}?follow=true`);
    expect(response.headers.get("content-type")).toBe("application/x-ndjson; charset=utf-8");
    const reader = (response.body ?? expect.fail("expected a body")).getReader();
    const read = async (): Promise<string | undefined> => {
      const { value } = (await reader.read()) as { value: Uint8Array | undefined };
      return value === undefined ? undefined : new TextDecoder().decode(value);
    };
    const begin = await read();
    expect(begin?.trimEnd().split("\n")).toHaveLength(HEAD.length + 1);
    resolve(undefined);
    expect(JSON.parse((await read()) ?? "")).toMatchObject({ event: "b" });
    expect(await read()).toBeUndefined();

    const text = await api.fetch("GET", `${PATH}?follow=true`, { headers: TEXT });
    const first = (text.body ?? expect.fail("expected a body")).getReader();
    expect(new TextDecoder().decode((await first.read()).value as Uint8Array)).toMatch(/^::group::/);
    await first.cancel();
  });

  test("ends when nobody reads any more", async ({ expect }) => {
    let asked = 0;
    const api = testApi({
      dag: {
        readLog: async (_key, _tryNumber, from) => {
          asked += 1;
          return ok(page({ lines: [line("x")], next: from + 1, isOver: false }));
        },
      },
    });
    const response = await api.fetch("GET", `${PATH}?follow=true`);
    const reader = (response.body ?? expect.fail("expected a body")).getReader();
    await reader.read();
    await reader.read();
    await reader.cancel();
    expect(asked).toBe(2);
  });

  test("ends when the time is up, when the log is gone and when it cannot be read", async ({ expect }) => {
    let now = NOW;
    const follow = async (next: () => ReturnType<typeof readLog>): Promise<number> => {
      let asked = 0;
      const app = createApi({ registry: testRegistry(), now: () => now });
      const readNext = async (): Promise<unknown> => {
        asked += 1;
        return asked === 1 ? ok(page({ isOver: false })) : next();
      };
      const env = { DAG: { getByName: () => ({ readLog: readNext }) }, JOBBERS_API_KEY: API_KEY };
      const headers = { authorization: `Bearer ${API_KEY}` };
      const response = await app.request(`${PATH}?follow=true`, { headers }, env);
      expect((await response.text()).trimEnd().split("\n")).toHaveLength(HEAD.length);
      return asked;
    };
    const slow = follow(async () => {
      now += 60_000;
      return ok(page({ isOver: false }));
    });
    expect(await slow).toBe(11);
    expect(await follow(async () => ok(page({ isOver: false })))).toBe(801);
    expect(await follow(async () => ({ ok: false, refusal: { code: "not_found", message: "gone" } }))).toBe(2);
    expect(await follow(() => Promise.reject(new Error("reset")))).toBe(2);
  });
});

describe("the log of a job", () => {
  const LOGS = `/jobs/${JOB_ID}/logs`;

  test("is that of its present try, or of the one that is named", async ({ expect }) => {
    const asked: unknown[] = [];
    const api = testApi({
      job: {
        get: async () => ok(jobView({ try_number: 2 })),
        readLog: async (...args) => {
          asked.push(args);
          return ok(page({ lines: [line("a")], next: 1 }));
        },
      },
    });
    expect((await api.send("GET", LOGS)).body).toMatchObject({ content: [...HEAD, { event: "a" }] });
    expect((await api.send("GET", `${LOGS}?try_number=1`)).status).toBe(200);
    expect(asked).toEqual([
      [2, 0, 0],
      [1, 0, 0],
    ]);
    expect((await api.send("GET", `${LOGS}?try_number=0`)).status).toBe(422);
    expect((await api.send("GET", "/jobs/nope/logs")).status).toBe(422);
  });

  test("that watches a task instance is that of the task instance, as long as there is one", async ({ expect }) => {
    const watcher = { dag_id: "etl", run_id: "r1", task_id: "extract", map_index: 3, try_number: 1 };
    const job = {
      get: async () => ok(jobView(watcher)),
      readLog: async () => ok(page({ lines: [line("of the job")], next: 1 })),
    };
    const api = testApi({ job, dag: { readLog: async () => ok(page({ lines: [line("of the DAG")], next: 1 })) } });
    expect((await api.send("GET", LOGS)).body).toMatchObject({ content: [...HEAD, { event: "of the DAG" }] });
    expect(api.calls.find(({ method }) => method === "readLog")?.args.slice(0, 2)).toEqual([
      { run_id: "r1", task_id: "extract", map_index: 3 },
      1,
    ]);
    const refusal = { code: "not_found", message: "deleted" } as const;
    const gone = testApi({ job, dag: { readLog: async () => ({ ok: false, refusal }) } });
    expect((await gone.send("GET", LOGS)).body).toMatchObject({ content: [...HEAD, { event: "of the job" }] });
  });

  test("of which there is none is not found", async ({ expect }) => {
    const refusal = { code: "not_found", message: "no such job" } as const;
    const api = testApi({ job: { get: async () => ({ ok: false, refusal }) } });
    expect(await api.send("GET", LOGS)).toMatchObject({ status: 404, body: { detail: "no such job" } });
  });
});
