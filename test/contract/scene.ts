/**
 * Something of everything, really made: runs that ended well, badly and not yet, mapped tasks, values, logs, tries,
 * versions, a DAG that came over HTTP, jobs and a batch.
 *
 * @module
 */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { ulid } from "ulid";
import { vi } from "vitest";
import { batchKey } from "../../src/engine/batch-ids.ts";
import { NonRetryableError, task } from "../../src/sdk/index.ts";
import { adopt, claimOne, clock, deliver, objectEnv, settle, settleJob } from "../workers/lab.ts";
import { mailbox } from "../workers/mailbox.ts";
import { deploy, ECHO } from "../workers/registry.ts";
import { jobbers } from "../workers/worker.ts";

/** The key of the tests' server. */
export const KEY = "test-key";
export const API = "/api/v2";

/** A far time, that the platform's alarms do not reach, and a date-time of a request may still name. */
const BEGINNING = Date.UTC(2090, 0, 1, 6);
const ORIGIN = "http://jobbers.test";

/**
 * One task that fails its first try and then answers a list, one mapped over it, one that adds up, and a group of two that
 * has nothing to do with them.
 */
export const ORDERS = "orders";
/** A task that fails for good, and one after it. */
export const BROKEN = "broken";
/** A task that is claimed and does not end, and one after it. */
export const SLOW = "slow";
/** Came over HTTP, in two versions. */
export const REGISTERED = "registered";

/** What a request carries beside method and path. */
export interface Sent {
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is. */
  raw?: string;
  headers?: Record<string, string>;
  /** Null: none. */
  key?: string | null;
}

/** An answer. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The answer as JSON; undefined if it is empty, the text if it is no JSON. */
  body: unknown;
}

/** Sends a request to the Worker and waits until all it began is over. */
export async function call(
  method: string,
  path: string,
  { json, raw, headers = {}, key = KEY }: Sent = {},
): Promise<Answer> {
  const body = json === undefined ? raw : JSON.stringify(json);
  const request = new Request<unknown, IncomingRequestCfProperties>(`${ORIGIN}${path}`, {
    method,
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(json === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  const ctx = createExecutionContext();
  const response = await jobbers.handler.fetch(request, objectEnv, ctx);
  const text = await response.text();
  await waitOnExecutionContext(ctx);
  return { status: response.status, headers: response.headers, text, body: parse(text) };
}

/** As `call`, for what must succeed. @throws Error with the answer if it does not. */
export async function must(method: string, path: string, sent: Sent = {}): Promise<unknown> {
  const answer = await call(method, path, sent);
  if (answer.status >= 300) {
    throw new Error(`${method} ${path}: expected success, got ${answer.status} ${answer.text.slice(0, 500)}`);
  }
  return answer.body;
}

function parse(text: string): unknown {
  if (text === "") {
    return undefined;
  }
  try {
    const body: unknown = JSON.parse(text);
    return body;
  } catch {
    return text;
  }
}

/** Holds the clock that tests and objects share, at an epoch millisecond. */
export function holdClock(at: number = BEGINNING): void {
  vi.useFakeTimers({ toFake: ["Date"], now: at });
}

/** Registers the DAGs of the code. */
export function deployDags(): void {
  const after = task({ id: "after" }, () => null);
  const extract = task({ id: "extract", retries: 1, retryDelay: "1s" }, (ctx) => {
    ctx.log.info("reading", { source: "orders.csv" });
    if (ctx.ti.tryNumber === 1) {
      ctx.log.error("the file is not there yet");
      throw new Error("not there yet");
    }
    ctx.xcomPush("bytes", 4200);
    return [3, 1, 2];
  });
  const clean = task({ id: "clean" }, (ctx, { n }: { n: number }) => {
    ctx.log.info(`cleaning ${n}`);
    return n * 2;
  });
  const total = task({ id: "total" }, (_ctx, { rows }: { rows: number[] }) => rows.reduce((sum, n) => sum + n, 0));
  deploy(
    ORDERS,
    { description: "Orders of a day", tags: ["example", "nightly"], owner: "data", docMd: "# Orders" },
    (d) => {
      const rows = d.run(extract);
      const cleaned = d.expand(clean, { n: rows });
      d.run(total, { rows: cleaned });
      d.group("wrap_up", {}, (group) => {
        group.run(after, undefined, { id: "first" });
        group.run(after, undefined, { id: "second" });
      });
    },
  );
  const fail = task({ id: "fail" }, () => {
    throw new NonRetryableError("no such table");
  });
  deploy(BROKEN, { maxActiveRuns: 10_000, tags: ["example"] }, (d) => d.after(d.run(fail), d.run(after)));
  // Nobody beats for it: its lease must not lapse while requests are counted that change nothing.
  const wait = task({ id: "wait_for_it", heartrate: "1h" }, () => null);
  deploy(SLOW, { maxActiveRuns: 10_000 }, (d) => d.after(d.run(wait), d.run(after)));
}

/** A DAG as it comes over HTTP. */
export function registeredSpec(description: string): Record<string, unknown> {
  return {
    dag_id: REGISTERED,
    description,
    tags: ["by-hand"],
    // Planned, and never due.
    schedule: "@yearly",
    max_active_runs: 10_000,
    start_date: "2190-01-01T00:00:00Z",
    tasks: [
      { task_id: "first", handler: ECHO, input: { a: 1 } },
      { task_id: "second", handler: ECHO, input: { $ref: "xcom", task_id: "first" } },
    ],
  };
}

/** What the scene made, by name. */
export interface Scene {
  /** Runs of `orders` that succeeded; the first has the earliest logical date. */
  done: [string, string, string];
  /** A run of `broken` that failed. */
  failed: string;
  /** A run of `slow` that goes on, and the job that watches its running task. */
  running: string;
  watcher: string;
  /** A run of `registered` that succeeded. */
  byHand: string;
  /** A job that succeeded, one that waits, and a batch that succeeded. */
  job: string;
  waiting: string;
  batch: string;
}

let made = 0;

/** Makes the scene. Called again it makes new runs and jobs beside those that are there. */
export async function makeScene(): Promise<Scene> {
  made += 1;
  for (const dagId of [ORDERS, BROKEN, SLOW]) {
    await must("PATCH", `${API}/dags/${dagId}`, { json: { is_paused: false } });
  }
  for (const description of [`number ${made}`, `number ${made}, again`]) {
    await must("PUT", `${API}/dags/${REGISTERED}`, { json: registeredSpec(description) });
  }
  await must("PATCH", `${API}/dags/${REGISTERED}`, { json: { is_paused: false } });
  const running = await trigger(SLOW);
  const watcher = ulid(clock.now());
  await adopt(SLOW, watcher, await claimOne(SLOW, running, "wait_for_it"));
  return {
    done: [await finish(ORDERS, dayOf(0)), await finish(ORDERS, dayOf(1)), await finish(ORDERS, dayOf(2))],
    failed: await finish(BROKEN),
    running,
    watcher,
    byHand: await finish(REGISTERED),
    ...(await makeJobs()),
  };
}

/** Triggers a run and gives its id. */
export async function trigger(dagId: string, fields: Record<string, unknown> = {}): Promise<string> {
  const json = { logical_date: null, note: "of the tests", conf: { year: 2026 }, ...fields };
  const body = await must("POST", `${API}/dags/${dagId}/dagRuns`, { json });
  clock.advance(10);
  return textField(body, "dag_run_id");
}

/** Triggers a run and works it off. */
export async function finish(dagId: string, fields: Record<string, unknown> = {}): Promise<string> {
  const runId = await trigger(dagId, fields);
  await settle(dagId, runId);
  return runId;
}

async function makeJobs(): Promise<Pick<Scene, "job" | "waiting" | "batch">> {
  const submit = (delay: number): Promise<unknown> =>
    must("POST", `/tasks/${ECHO}`, { json: { payload: { n: delay }, delay } });
  const job = textField(await submit(0), "id");
  await settleJob(job);
  const waiting = textField(await submit(3600), "id");
  const tasks = [
    { name: ECHO, payload: 1 },
    { name: ECHO, payload: 2 },
  ];
  const batch = textField(await must("POST", "/tasks", { json: { tasks } }), "batch_id");
  await deliver(mailbox.takeOf(`@batch:${batchKey(batch)}`));
  return { job, waiting, batch };
}

/** The text of an answer's field. */
export function textField(body: unknown, name: string): string {
  const text: unknown = typeof body === "object" && body !== null ? Reflect.get(body, name) : undefined;
  if (typeof text !== "string") {
    throw new Error(`expected an answer with a text ${name}, got ${JSON.stringify(body)}`);
  }
  return text;
}

/** A logical date that no other run of the scene has. */
function dayOf(n: number): { logical_date: string } {
  return { logical_date: new Date(Date.UTC(2026, 0, made * 5 + n)).toISOString() };
}
