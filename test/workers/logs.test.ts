import { createExecutionContext, evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { ulid } from "ulid";
import { describe, it } from "vitest";
import { batchKey } from "../../src/engine/batch-ids.ts";
import { intakeName } from "../../src/engine/intake.ts";
import type { LogPage } from "../../src/engine/objects.ts";
import type { ClaimedTask, LogChunk, LogLine, TaskInstanceKey } from "../../src/engine/work.ts";
import { RescheduleError, task } from "../../src/sdk/index.ts";
import {
  adopt,
  beat as beatFor,
  claimOne,
  clock,
  dagOf,
  deliver,
  failure,
  fireAlarm,
  instanceOf,
  jobOf,
  keyOf,
  newJobId,
  objectEnv,
  report,
  reportOf,
  rowsOf,
  settle,
  settleJob,
  start,
  stopClock,
  stubOf,
  success,
  value,
  watchOf,
  NO_LOGS,
  WORKER,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, addTask, ECHO, fresh, step } from "./registry.ts";
import { jobbers } from "./worker.ts";

stopClock();

const MIB = 1024 * 1024;
const CHUNKS = "SELECT first_line, line_count, octet_length(lines) AS bytes, try_number FROM";

function line(event: string): LogLine {
  return { timestamp: 1000, level: "info", event };
}

function chunk(from: number, ...events: string[]): LogChunk {
  return { from, lines: events.map(line) };
}

/** A run of one task, claimed. */
async function claimed(retries = 0): Promise<{ dagId: string; runId: string; key: TaskInstanceKey; one: ClaimedTask }> {
  const dagId = addDag({}, (d) => void d.run(step("a", { retries, retryDelay: "1s", heartrate: "1s" })));
  const runId = await start(dagId);
  const one = await claimOne(dagId, runId, "a");
  return { dagId, runId, key: keyOf(one), one };
}

/** Reports a try with lines of its log. */
async function reportLines(dagId: string, one: ClaimedTask, outcome: Parameters<typeof report>[2], logs: LogChunk) {
  return (await dagOf(dagId).report([{ ...reportOf(one, outcome), logs }], WORKER, 0)).verdicts[0];
}

async function page(dagId: string, key: TaskInstanceKey, tryNumber = 1, from = 0, waitMs = 0): Promise<LogPage> {
  return value(await dagOf(dagId).readLog(key, tryNumber, from, waitMs));
}

/** All lines there are, page by page, as `number event`. */
async function allOf(read: (from: number) => Promise<LogPage>): Promise<string[]> {
  const events: string[] = [];
  for (let from = 0, isOver = false; !isOver;) {
    const { lines, next, dropped, isOver: over } = await read(from);
    events.push(...lines.map(({ event }, index) => `${from + dropped + index} ${event}`));
    isOver = over || lines.length === 0;
    from = next;
  }
  return events;
}

function eventsOf({ lines }: LogPage): string[] {
  return lines.map(({ event }) => event);
}

async function submit(retries = 0): Promise<string> {
  const { id } = addTask(step(fresh("job"), { retries, retryDelay: "1s", heartrate: "1s" }));
  const jobId = newJobId();
  value(await jobOf(jobId).submit({ job_id: jobId, name: id, payload: null, runAt: null }));
  return jobId;
}

async function claimJob(jobId: string): Promise<ClaimedTask> {
  const one = await jobOf(jobId).claim(WORKER);
  if (one === null) {
    throw new Error("expected a job that is queued");
  }
  return one;
}

describe("the log of a short try", () => {
  it("comes with its report, and costs one row; a try that logs nothing costs none", async ({ expect }) => {
    const rows = async (logs: LogChunk): Promise<number> => {
      const { dagId, one } = await claimed();
      const before = await env.DAG.getByName(dagId).rowsWritten();
      await reportLines(dagId, one, success(), logs);
      return (await env.DAG.getByName(dagId).rowsWritten()) - before;
    };
    const silent = await rows(NO_LOGS);
    expect(await rows(chunk(0, "a", "b", "c"))).toBe(silent + 1);

    const { dagId, key, one } = await claimed();
    expect(await page(dagId, key)).toEqual({
      lines: [],
      next: 0,
      isOver: false,
      dropped: 0,
      hostname: "test-host",
      error: null,
    });
    await reportLines(dagId, one, success(), { from: 0, lines: [line("a"), { ...line("b"), data: { rows: 2 } }] });
    const whole = await page(dagId, key);
    expect(whole).toMatchObject({ next: 2, isOver: true, dropped: 0, hostname: "test-host", error: null });
    expect(whole.lines).toEqual([line("a"), { ...line("b"), data: { rows: 2 } }]);
    expect(await page(dagId, key, 1, 1)).toMatchObject({ lines: [{ event: "b" }], next: 2, isOver: true });
    expect(await page(dagId, key, 1, 7)).toMatchObject({ lines: [], next: 7, isOver: true });
  });

  it("stays readable with the error that ended it, apart from its retry's, also after an eviction", async ({
    expect,
  }) => {
    const { dagId, runId, key, one } = await claimed(1);
    await reportLines(dagId, one, failure("first"), chunk(0, "one"));
    await fireAlarm(stubOf("DAG", dagId));
    const again = await claimOne(dagId, runId, "a");
    await evictDurableObject(stubOf("DAG", dagId));
    await reportLines(dagId, again, success(), chunk(0, "two"));
    expect(await page(dagId, key, 1)).toMatchObject({ isOver: true, error: { message: "first" } });
    expect(eventsOf(await page(dagId, key, 1))).toEqual(["one"]);
    expect(eventsOf(await page(dagId, key, 2))).toEqual(["two"]);
    expect(await dagOf(dagId).readLog(key, 3, 0, 0)).toMatchObject({ refusal: { code: "not_found" } });
    const elsewhere = { ...key, map_index: 4 };
    expect(await dagOf(dagId).readLog(elsewhere, 1, 0, 0)).toMatchObject({ refusal: { code: "not_found" } });
  });

  it("stays readable when its task instance is cleared and runs again", async ({ expect }) => {
    const { dagId, runId, key, one } = await claimed();
    await reportLines(dagId, one, success(), chunk(0, "one"));
    value(await dagOf(dagId).clear({ run_id: runId, task_ids: ["a"] }));
    const again = await claimOne(dagId, runId, "a");
    expect(eventsOf(await page(dagId, key, 1))).toEqual(["one"]);
    expect(await page(dagId, key, 2)).toMatchObject({ lines: [], isOver: false });
    await reportLines(dagId, again, success(), chunk(0, "two"));
    expect(eventsOf(await page(dagId, key, 1))).toEqual(["one"]);
    expect(eventsOf(await page(dagId, key, 2))).toEqual(["two"]);
  });

  it("is taken once, however often its report comes, and from an attempt that was given up too", async ({ expect }) => {
    const { dagId, key, one } = await claimed(1);
    await fireAlarm(stubOf("DAG", dagId));
    for (const logs of [chunk(0, "a", "b"), chunk(0, "a", "b"), chunk(0, "a", "b")]) {
      expect(await reportLines(dagId, one, success(), logs)).toBe("late");
    }
    expect(await page(dagId, key, 1)).toMatchObject({ isOver: true, error: { type: "Zombie" } });
    expect(eventsOf(await page(dagId, key, 1))).toEqual(["a", "b"]);

    await fireAlarm(stubOf("DAG", dagId));
    const retried = await claimOne(dagId, key.run_id, "a");
    await reportLines(dagId, retried, success(), chunk(0, "c"));
    await reportLines(dagId, retried, success(), chunk(0, "c"));
    expect(eventsOf(await page(dagId, key, 1))).toEqual(["a", "b"]);
    expect(eventsOf(await page(dagId, key, 2))).toEqual(["c"]);
  });
});

describe("the log of a try that a job watches", () => {
  it("lies in the job as its heartbeats brought it, and its end in the DAG; no line is lost or doubled", async ({
    expect,
  }) => {
    const { dagId, key, one } = await claimed();
    const jobId = ulid();
    await adopt(dagId, jobId, one);
    const beat = async (logs: LogChunk): Promise<void> => {
      expect(await watchOf(jobId).beat(one.token, null, logs)).toEqual({ verdict: "continue" });
    };
    await beat(chunk(0, "a", "b"));
    await evictDurableObject(stubOf("JOB", jobId));
    // Its answer was lost: it comes again, and then with more.
    await beat(chunk(0, "a", "b"));
    await beat(chunk(1, "b", "c", "d"));
    expect(eventsOf(await page(dagId, key))).toEqual(["a", "b", "c", "d"]);
    await evictDurableObject(stubOf("JOB", jobId));
    await evictDurableObject(stubOf("DAG", dagId));
    await reportLines(dagId, one, success(), chunk(3, "d", "e"));
    expect(await allOf((from) => page(dagId, key, 1, from))).toEqual(["0 a", "1 b", "2 c", "3 d", "4 e"]);
    await watchOf(jobId).complete(one.token, "success", null);
    const whole = await page(dagId, key);
    expect(eventsOf(whole)).toEqual(["a", "b", "c", "d", "e"]);
    expect(whole).toMatchObject({ next: 5, isOver: true, dropped: 0 });
    expect(eventsOf(await page(dagId, key, 1, 2))).toEqual(["c", "d", "e"]);
  });

  it("goes with the adoption as far as it is", async ({ expect }) => {
    const { dagId, key, one } = await claimed();
    const jobId = ulid();
    const { try_number, max_tries, token, handler, heartrateMs } = one;
    const identity = { dag_id: dagId, ...key, try_number, max_tries, token, handler, heartrateMs };
    const request = { ...identity, startDate: clock.now(), worker: WORKER, progress: null, logs: chunk(0, "a") };
    await watchOf(jobId).adopt(request);
    await watchOf(jobId).adopt({ ...request, logs: chunk(0, "a", "b") });
    await beatFor(dagId, one, jobId);
    expect(eventsOf(await page(dagId, key))).toEqual(["a", "b"]);
  });

  it("survives its worker up to the last heartbeat, with what was found out about its death", async ({ expect }) => {
    const { dagId, runId, key, one } = await claimed(1);
    const jobId = ulid();
    await adopt(dagId, jobId, one);
    await watchOf(jobId).beat(one.token, { step: "page 3" }, chunk(0, "page 1", "page 2", "page 3"));
    while ((await instanceOf(dagId, runId, "a")).state === "running") {
      await fireAlarm(stubOf("JOB", jobId));
    }
    await evictDurableObject(stubOf("JOB", jobId));
    await evictDurableObject(stubOf("DAG", dagId));
    const dead = await page(dagId, key, 1);
    expect(eventsOf(dead)).toEqual(["page 1", "page 2", "page 3"]);
    expect(dead).toMatchObject({ isOver: true, error: { type: "Zombie", message: expect.stringContaining("page 3") } });

    await fireAlarm(stubOf("DAG", dagId));
    const again = await claimOne(dagId, runId, "a");
    await reportLines(dagId, again, success(), chunk(0, "second try"));
    // The dead one was only slow.
    expect(await reportLines(dagId, one, success(), chunk(3, "page 4"))).toBe("late");
    expect(eventsOf(await page(dagId, key, 1))).toEqual(["page 1", "page 2", "page 3", "page 4"]);
    expect(eventsOf(await page(dagId, key, 2))).toEqual(["second try"]);
  });

  it("stays readable when its task instance is cleared, also while it runs", async ({ expect }) => {
    const { dagId, runId, key, one } = await claimed();
    const jobId = ulid();
    await adopt(dagId, jobId, one);
    await watchOf(jobId).beat(one.token, null, chunk(0, "a"));
    value(await dagOf(dagId).clear({ run_id: runId, task_ids: ["a"] }));
    expect(await page(dagId, key)).toMatchObject({ isOver: false, lines: [{ event: "a" }] });
    await watchOf(jobId).stop("cleared");
    expect(await watchOf(jobId).beat(one.token, null, chunk(1, "b"))).toMatchObject({ verdict: "stop" });
    await dagOf(dagId).attemptEnded(key, one.token, failure("cleared"));
    await claimOne(dagId, runId, "a");
    expect(await page(dagId, key)).toMatchObject({ isOver: true, lines: [{ event: "a" }, { event: "b" }] });
  });

  it("is its last megabyte, in rows of at most 256 KiB, and says how much is missing", async ({ expect }) => {
    const { dagId, key, one } = await claimed();
    const jobId = ulid();
    await adopt(dagId, jobId, one);
    let next = 0;
    for (let beat = 0; beat < 12; beat += 1) {
      const lines = Array.from({ length: 150 }, (_, n) => line(`${next + n} ${"x".repeat(900)}é`));
      await watchOf(jobId).beat(one.token, null, { from: next, lines });
      next += lines.length;
    }
    const rows = await rowsOf(stubOf("JOB", jobId), `${CHUNKS} log_chunk`);
    const bytes = rows.map((row) => Number(row["bytes"]));
    expect(Math.max(...bytes)).toBeLessThanOrEqual(256 * 1024);
    const sum = bytes.reduce((total, size) => total + size, 0);
    expect(sum).toBeLessThanOrEqual(MIB);
    expect(sum).toBeGreaterThan(MIB - 2 * 256 * 1024);

    await reportLines(dagId, one, success(), chunk(next, `${next} end`));
    await watchOf(jobId).complete(one.token, "success", null);
    const first = await page(dagId, key);
    expect(first.dropped).toBeGreaterThan(100);
    expect(first.isOver).toBe(false);
    const all = await allOf((from) => page(dagId, key, 1, from));
    expect(all).toHaveLength(next + 1 - first.dropped);
    expect(all[0]).toMatch(new RegExp(`^${first.dropped} ${first.dropped} `));
    expect(all.at(-1)).toBe(`${next} ${next} end`);
  });

  it("costs no rows beside those of the heartbeats, while it is small", async ({ expect }) => {
    const { dagId, key, one } = await claimed();
    const jobId = ulid();
    await adopt(dagId, jobId, one);
    await watchOf(jobId).beat(one.token, null, chunk(0, "0"));
    const before = await env.JOB.getByName(jobId).rowsWritten();
    for (let n = 1; n <= 50; n += 1) {
      await watchOf(jobId).beat(one.token, null, chunk(n, String(n)));
    }
    expect((await env.JOB.getByName(jobId).rowsWritten()) - before).toBe(50);
    await evictDurableObject(stubOf("JOB", jobId));
    expect(eventsOf(await page(dagId, key))).toEqual(Array.from({ length: 51 }, (_, n) => String(n)));
  });

  it("is whole whatever the size of what a heartbeat brings", async ({ expect }) => {
    const { dagId, key, one } = await claimed();
    const jobId = ulid();
    await adopt(dagId, jobId, one);
    const all: string[] = [];
    for (const [round, size] of [10, 7000, 7000, 7000, 10, 300_000, 10, 20_000, 10].entries()) {
      const lines = Array.from({ length: 3 }, (_, n) => `${round}.${n} ${"x".repeat(Math.floor(size / 3))}`);
      await watchOf(jobId).beat(one.token, null, chunk(all.length, ...lines));
      all.push(...lines);
      if (round % 2 === 0) {
        await evictDurableObject(stubOf("JOB", jobId));
      }
    }
    const numbered = all.map((event, index) => `${index} ${event}`);
    expect(await allOf((from) => page(dagId, key, 1, from))).toEqual(numbered);
    expect(eventsOf(await page(dagId, key, 1, all.length - 5))).toEqual(all.slice(-5));
  });

  it("says where lines are missing in the middle", async ({ expect }) => {
    const { dagId, key, one } = await claimed();
    const jobId = ulid();
    await adopt(dagId, jobId, one);
    await watchOf(jobId).beat(one.token, null, chunk(0, "a", "b"));
    await watchOf(jobId).beat(one.token, null, chunk(10, "k"));
    expect(await page(dagId, key)).toMatchObject({ lines: [{}, {}], next: 2, dropped: 0, isOver: false });
    expect(await page(dagId, key, 1, 2)).toMatchObject({ lines: [{ event: "k" }], next: 11, dropped: 8 });
  });
});

describe("a reader that waits", () => {
  const FOREVER_MS = 60_000;

  it("is answered by the report of a try that no job watches", async ({ expect }) => {
    const { dagId, key, one } = await claimed();
    const waiting = page(dagId, key, 1, 0, FOREVER_MS);
    await reportLines(dagId, one, success(), chunk(0, "a"));
    expect(await waiting).toMatchObject({ lines: [{ event: "a" }], isOver: true });
  });

  it("is answered when a try ends that logged nothing", async ({ expect }) => {
    const { dagId, key, one } = await claimed();
    const waiting = page(dagId, key, 1, 0, FOREVER_MS);
    await report(dagId, one, success());
    expect(await waiting).toMatchObject({ lines: [], isOver: true });
  });

  it("is answered by the adoption and by every heartbeat, and then by the report", async ({ expect }) => {
    const { dagId, key, one } = await claimed();
    const jobId = ulid();
    let waiting = page(dagId, key, 1, 0, FOREVER_MS);
    await adopt(dagId, jobId, one);
    await watchOf(jobId).beat(one.token, null, chunk(0, "a"));
    expect(await waiting).toMatchObject({ lines: [{ event: "a" }], next: 1, isOver: false });
    waiting = page(dagId, key, 1, 1, FOREVER_MS);
    await watchOf(jobId).beat(one.token, null);
    await watchOf(jobId).beat(one.token, null, chunk(1, "b"));
    expect(await waiting).toMatchObject({ lines: [{ event: "b" }], next: 2, isOver: false });
    waiting = page(dagId, key, 1, 2, FOREVER_MS);
    await reportLines(dagId, one, success(), chunk(2, "c"));
    expect(await waiting).toMatchObject({ lines: [{ event: "c" }], next: 3 });
    await watchOf(jobId).complete(one.token, "success", null);
    expect(await page(dagId, key, 1, 3, FOREVER_MS)).toMatchObject({ lines: [], isOver: true });
  });

  it("is answered by the end of a try whose job knows of it before its DAG", async ({ expect }) => {
    const { dagId, key, one } = await claimed();
    const jobId = ulid();
    await adopt(dagId, jobId, one);
    await watchOf(jobId).complete(one.token, "success", null);
    const waiting = page(dagId, key, 1, 0, FOREVER_MS);
    await reportLines(dagId, one, success(), chunk(0, "a"));
    expect(await waiting).toMatchObject({ lines: [{ event: "a" }], isOver: true });
  });

  it("is answered by a try that was queued when it asked", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a")));
    const runId = await start(dagId);
    const key = { run_id: runId, task_id: "a", map_index: -1 };
    const waiting = page(dagId, key, 1, 0, FOREVER_MS);
    await reportLines(dagId, await claimOne(dagId, runId, "a"), success(), chunk(0, "a"));
    expect(await waiting).toMatchObject({ lines: [{ event: "a" }], isOver: true });
  });
});

describe("a log that is followed over HTTP", () => {
  it("is streamed as heartbeats bring it, to the end of its try", async ({ expect }) => {
    const { dagId, runId, one } = await claimed();
    const jobId = ulid();
    await adopt(dagId, jobId, one);
    const url = `http://jobbers.test/api/v2/dags/${dagId}/dagRuns/${runId}/taskInstances/a/logs/1?follow=true`;
    const headers = { authorization: "Bearer test-key", accept: "text/plain" };
    const request = new Request<unknown, IncomingRequestCfProperties>(url, { headers });
    const response = await jobbers.handler.fetch(request, objectEnv, createExecutionContext());
    expect(response.status).toBe(200);
    const reader = (response.body ?? expect.fail("expected a body")).pipeThrough(new TextDecoderStream()).getReader();
    const next = async (): Promise<string | undefined> => (await reader.read()).value;
    expect(await next()).toBe('::group::Log message source details sources=["test-host"]\n::endgroup::\n');
    let read = next();
    await watchOf(jobId).beat(one.token, null, chunk(0, "a", "b"));
    expect(await read).toBe("[1970-01-01T00:00:01.000Z] INFO - a\n[1970-01-01T00:00:01.000Z] INFO - b\n");
    read = next();
    await watchOf(jobId).beat(one.token, null, chunk(2, "c"));
    expect(await read).toBe("[1970-01-01T00:00:01.000Z] INFO - c\n");
    read = next();
    await reportLines(dagId, one, failure("broken", false), chunk(3, "d"));
    await watchOf(jobId).complete(one.token, "failed", { type: "TaskFailed", message: "broken" });
    expect(await read).toMatch(/INFO - d\n/);
    const rest = [await read, await next(), await next()].join("");
    expect(rest).toContain("ERROR - Task failed with Error: broken\n");
    expect(rest).not.toContain("undefined");
  });
});

describe("a try that is rescheduled", () => {
  it("goes on with its log", async ({ expect }) => {
    let pokes = 0;
    const sensor = addTask(
      task({ id: fresh("sensor") }, (ctx) => {
        pokes += 1;
        ctx.log.info(`poke ${pokes}`);
        if (pokes < 3) {
          throw new RescheduleError({ fromNow: "5s" });
        }
        return pokes;
      }),
    );
    const dagId = addDag({}, (d) => void d.run(sensor));
    const runId = await start(dagId);
    const key = { run_id: runId, task_id: sensor.id, map_index: -1 };
    await deliver(mailbox.takeOf(dagId));
    expect(await page(dagId, key)).toMatchObject({ isOver: false, lines: [{ event: "poke 1" }] });
    await settle(dagId, runId);
    expect(eventsOf(await page(dagId, key))).toEqual(["poke 1", "poke 2", "poke 3"]);
    expect(await rowsOf(stubOf("DAG", dagId), `${CHUNKS} task_log_chunk`)).toMatchObject([{ line_count: 3 }]);
    expect(await instanceOf(dagId, runId, sensor.id)).toMatchObject({ try_number: 1 });

    pokes = 0;
    const jobId = newJobId();
    value(await jobOf(jobId).submit({ job_id: jobId, name: sensor.id, payload: null, runAt: null }));
    await settleJob(jobId);
    expect(eventsOf(value(await jobOf(jobId).readLog(1, 0, 0)))).toEqual(["poke 1", "poke 2", "poke 3"]);
  });

  it("keeps its log when every attempt had a job of its own", async ({ expect }) => {
    const HEARTRATE_MS = 50;
    let pokes = 0;
    let { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    let dagId = "";
    const sensor = addTask(
      task({ id: fresh("sensor"), heartrate: "0.05s" }, async (ctx) => {
        pokes += 1;
        ctx.log.info(`poke ${pokes}`);
        begin();
        while (ctx.jobId === null) {
          await new Promise((resolve) => setTimeout(resolve));
        }
        ctx.log.info(`poked ${pokes}`);
        if (pokes < 2) {
          throw new RescheduleError({ fromNow: "5s" });
        }
        return pokes;
      }),
    );
    dagId = addDag({}, (d) => void d.run(sensor));
    const runId = await start(dagId);
    const key = { run_id: runId, task_id: sensor.id, map_index: -1 };
    while ((await instanceOf(dagId, runId, sensor.id)).state !== "success") {
      const messages = mailbox.takeOf(dagId);
      if (messages.length === 0) {
        await fireAlarm(stubOf("DAG", dagId));
        continue;
      }
      const delivered = deliver(messages);
      await begun;
      ({ promise: begun, resolve: begin } = Promise.withResolvers<void>());
      clock.advance(HEARTRATE_MS);
      await delivered;
    }
    expect(await instanceOf(dagId, runId, sensor.id)).toMatchObject({ job_id: expect.any(String), try_number: 1 });
    const all = await allOf((from) => page(dagId, key, 1, from));
    expect(all).toEqual(["0 poke 1", "1 poked 1", "2 poke 2", "3 poked 2"]);
  });
});

describe("the log of a job", () => {
  it("comes with its report, and is kept by its tries", async ({ expect }) => {
    const jobId = await submit(1);
    const first = await claimJob(jobId);
    await jobOf(jobId).report(first.token, failure("first"), chunk(0, "one"));
    await evictDurableObject(stubOf("INTAKE", jobId));
    await fireAlarm(stubOf("INTAKE", jobId));
    const second = await claimJob(jobId);
    expect(value(await jobOf(jobId).readLog(2, 0, 0))).toMatchObject({ lines: [], isOver: false });
    await jobOf(jobId).beat(second.token, null, chunk(0, "two"));
    await jobOf(jobId).beat(second.token, null, chunk(0, "two"));
    // Of the first try, and late.
    await jobOf(jobId).beat(first.token, null, chunk(1, "ghost"));
    await jobOf(jobId).report(second.token, success(), chunk(1, "three"));
    await watchOf(jobId).complete(second.token, "success", null);
    expect(eventsOf(value(await jobOf(jobId).readLog(1, 0, 0)))).toEqual(["one"]);
    const last = value(await jobOf(jobId).readLog(2, 0, 0));
    expect(eventsOf(last)).toEqual(["two", "three"]);
    expect(last).toMatchObject({ isOver: true, hostname: "test-host", error: null });
    expect(await jobOf(jobId).readLog(3, 0, 0)).toMatchObject({ refusal: { code: "not_found" } });
    expect(await jobOf(ulid()).readLog(1, 0, 0)).toMatchObject({ refusal: { code: "not_found" } });
  });

  it("costs a job nothing, while it is small", async ({ expect }) => {
    const rows = async (logs: LogChunk): Promise<number> => {
      const jobId = await submit();
      const { token } = await claimJob(jobId);
      const before = await env.INTAKE.getByName(intakeName(jobId)).rowsWritten();
      await jobOf(jobId).report(token, success(), logs);
      return (await env.INTAKE.getByName(intakeName(jobId)).rowsWritten()) - before;
    };
    expect(await rows(chunk(0, "a", "b"))).toBe(await rows(NO_LOGS));
  });

  it("survives its worker, and takes what a killed one had still to say", async ({ expect }) => {
    const dead = await submit();
    const last = (await claimJob(dead)).token;
    await jobOf(dead).beat(last, null);
    await jobOf(dead).beat(last, null, chunk(0, "a"));
    while (value(await watchOf(dead).get(0)).state === "running") {
      await fireAlarm(stubOf("JOB", dead));
    }
    expect(value(await jobOf(dead).readLog(1, 0, 0))).toMatchObject({
      lines: [{ event: "a" }],
      isOver: true,
      error: { type: "Zombie" },
    });

    const killed = await submit();
    const { token } = await claimJob(killed);
    await jobOf(killed).kill("enough");
    expect(await jobOf(killed).beat(token, null)).toMatchObject({ verdict: "stop", reason: "enough" });
    expect(await jobOf(killed).report(token, failure("stopped"), chunk(0, "b"))).toBe("late");
    expect(value(await jobOf(killed).readLog(1, 0, 0))).toMatchObject({
      lines: [{ event: "b" }],
      error: { type: "Killed", message: "enough" },
    });
  });

  it("survives a worker that is lost right after it made the job that watches its try", async ({ expect }) => {
    const jobId = await submit();
    await jobOf(jobId).beat((await claimJob(jobId)).token, null, chunk(0, "a"));
    await evictDurableObject(stubOf("INTAKE", jobId));
    while (value(await watchOf(jobId).get(0)).state === "running") {
      await fireAlarm(stubOf("JOB", jobId));
    }
    expect(value(await jobOf(jobId).readLog(1, 0, 0))).toMatchObject({
      lines: [{ event: "a" }],
      isOver: true,
      error: { type: "Zombie" },
    });
  });

  it("answers whoever waits for it", async ({ expect }) => {
    const jobId = await submit();
    const waiting = jobOf(jobId).readLog(1, 0, 60_000);
    const { token } = await claimJob(jobId);
    await jobOf(jobId).beat(token, null);
    await jobOf(jobId).beat(token, null, chunk(0, "a"));
    expect(value(await waiting)).toMatchObject({ lines: [{ event: "a" }], isOver: false });
    const end = jobOf(jobId).readLog(1, 1, 60_000);
    await jobOf(jobId).report(token, success(), NO_LOGS);
    expect(value(await end)).toMatchObject({ lines: [], isOver: true });
  });

  it("of an older version is taken over from the job's row", async ({ expect }) => {
    const { dagId, one } = await claimed();
    const jobId = ulid();
    await adopt(dagId, jobId, one);
    await watchOf(jobId).complete(one.token, "success", null);
    const lines = JSON.stringify([line("old")]);
    await rowsOf(stubOf("JOB", jobId), "ALTER TABLE job DROP COLUMN readable_from");
    await rowsOf(stubOf("JOB", jobId), `UPDATE job SET schema_version = 1, logs = '${lines}' RETURNING 1`);
    await evictDurableObject(stubOf("JOB", jobId));
    expect(value(await jobOf(jobId).readLog(1, 0, 0))).toMatchObject({ lines: [{ event: "old" }], isOver: true });
    expect(await rowsOf(stubOf("JOB", jobId), "SELECT schema_version, readable_from FROM job")).toEqual([
      { schema_version: 3, readable_from: 3 },
    ]);
  });
});

describe("the log of a member of a bulk submission", () => {
  it("is read by its position", async ({ expect }) => {
    const { id } = addTask(task({ id: fresh("chatty") }, (ctx, n: number) => ctx.log.info(`number ${n}`)));
    const batchId = ulid();
    const name = `@batch:${batchKey(batchId)}`;
    const entries = [id, ECHO, id].map((task_, n) => ({ name: task_, payload: n, runAt: null }));
    value(await dagOf(name).submitBatch(batchId, entries));
    await deliver(mailbox.takeOf(name));
    for (const [index, events] of [["number 0"], [], ["number 2"]].entries()) {
      const member = value(await dagOf(name).readMemberLog(index, 1, 0, 0));
      expect(eventsOf(member)).toEqual(events);
      expect(member.isOver).toBe(true);
    }
    expect(await dagOf(name).readMemberLog(3, 1, 0, 0)).toMatchObject({ refusal: { code: "not_found" } });
    expect(await dagOf(name).readMemberLog(0, 2, 0, 0)).toMatchObject({ refusal: { code: "not_found" } });
  });
});
