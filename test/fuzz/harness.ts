/**
 * The Worker under fire: sends requests, and says what is wrong with the answers.
 *
 * @module
 */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { inject, vi } from "vitest";
import { hashPassword } from "../../src/api/auth/passwords.ts";
import type { JobbersEnv } from "../../src/jobbers.ts";
import {
  API,
  BROKEN,
  deployDags,
  holdClock,
  KEY,
  makeScene,
  must,
  ORDERS,
  REGISTERED,
  SLOW,
  textField,
  type Scene,
} from "../contract/scene.ts";
import { ownBackfill } from "../contract/requests.ts";
import { backgroundOver, watchBackground } from "../workers/background.ts";
import { dagOf, objectEnv } from "../workers/lab.ts";
import { deploy, ECHO, fresh, step } from "../workers/registry.ts";
import { jobbers } from "../workers/worker.ts";
import { installMeter, latestWrites, stateMark } from "./meter.ts";
import type { FuzzRequest, Ids, Source } from "./requests.ts";

declare module "vitest" {
  interface ProvidedContext {
    fuzzSeed: number;
  }
}

/** What the requests are made from. */
export const seed = inject("fuzzSeed");
export const JSON_TYPE = { "content-type": "application/json" };

const ORIGIN = "http://jobbers.test";
/** A DAG that takes webhooks. */
const HOOKED = "hooked";
/** A user who may only read. */
const VIEWER = { username: "vera", password: "a password of the tests" };

/** Bindings of the Worker, with secrets; set by `prepare`. */
let bindings: JobbersEnv | undefined;

/** Makes everything ready. Call it once, before all tests of a file. */
export async function prepare(): Promise<void> {
  deployDags();
  deploy(HOOKED, { webhook: { provider: "github", secret: "FUZZ_WEBHOOK_SECRET" } }, (d) => void d.run(step("hear")));
  const users = { [VIEWER.username]: { password: await hashPassword(VIEWER.password), role: "viewer" } };
  const secrets = {
    FUZZ_WEBHOOK_SECRET: "a secret of the tests",
    JOBBERS_JWT_SECRET: "a secret of the tests that is long enough",
    JOBBERS_USERS: JSON.stringify(users),
  };
  bindings = { ...objectEnv, ...secrets, JOBBERS_API_KEY: KEY };
  await installMeter();
  await watchBackground();
}

// ── the scene ─────────────────────────────────────────────────────────────────────────────────────────────────────

const realNow = Date.now.bind(Date);
/** Times that a request must change something to be said to. */
const ROUNDS_OF_A_TRACE = 3;

/** Milliseconds from the real time to that of the objects: a far year, which the platform's alarms do not reach. */
let ahead = 0;
Date.now = () => realNow() + ahead;

/** Makes a new scene with the clock held, and then lets it go on. */
export async function freshSource(): Promise<Omit<Source, "document">> {
  holdClock(ahead === 0 ? undefined : Date.now());
  const scene = await makeScene();
  const pool = fresh("pool");
  await must("POST", `${API}/pools`, { json: { name: pool, slots: 2 } });
  const backfills = [await ownBackfill(), await ownBackfill()].map(String);
  const now = Date.now();
  vi.useRealTimers();
  ahead = now - realNow();
  const login = { method: "POST", body: JSON.stringify(VIEWER), headers: JSON_TYPE };
  const { text } = await fetchIt(new Request(`${ORIGIN}/auth/token`, login));
  await calm();
  return { things: thingsOf(scene, pool, backfills), key: KEY, viewer: textField(JSON.parse(text), "access_token") };
}

/**
 * Waits until what an accepted request set going is over, and a DAG of the code that was deleted has begun anew, so that
 * every write from then on is one of the next request.
 */
async function calm(): Promise<void> {
  await backgroundOver();
  await Promise.all([ORDERS, BROKEN, SLOW, HOOKED].map((dagId) => dagOf(dagId).describe()));
  await backgroundOver();
}

/** Ids that belong together, and some that do not. */
function thingsOf(
  { done, failed, running, byHand, job, waiting, watcher, batch }: Scene,
  pool: string,
  backfills: string[],
): Ids[] {
  const [backfill = ""] = backfills;
  const jobs = {
    backfill_id: backfill,
    job_id: job,
    batch_id: batch,
    name: ECHO,
    xcom_key: "return_value",
    pool_name: pool,
  };
  const of = (dagId: string, runId: string, taskId: string, more: Ids = {}): Ids => ({
    ...jobs,
    dag_id: dagId,
    dag_run_id: runId,
    task_id: taskId,
    ...more,
  });
  return [
    ...done.map((runId) => of(ORDERS, runId, "extract", { xcom_key: "bytes" })),
    ...done.map((runId) => of(ORDERS, runId, "clean", { map_index: "1" })),
    of(ORDERS, done[0], "total"),
    of(BROKEN, failed, "fail"),
    of(BROKEN, failed, "after", { job_id: waiting }),
    of(SLOW, running, "wait_for_it", { job_id: watcher }),
    of(SLOW, running, "after"),
    ...["first", "second"].map((taskId) => of(REGISTERED, byHand, taskId)),
    of(HOOKED, "none", "hear"),
    of(ORDERS, "~", "clean"),
    of("~", "~", "~"),
    ...backfills.map((id) => of(ORDERS, failed, "fail", { backfill_id: id })),
  ];
}

// ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** How many requests were sent. */
export const requests = { sent: 0 };

/** Requests that were accepted, by operation. */
export const accepted = new Map<string, number>();

const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Sends a request. Gives the answer's status and text.
 *
 * @throws Error if it is a 5xx, if what was refused or only read changed something, or if the answer has not what every
 * answer has.
 */
export async function send(request: FuzzRequest): Promise<{ status: number; text: string }> {
  const { call: operation, method, path, headers, body } = request;
  const sent = new Request<unknown, IncomingRequestCfProperties>(`${ORIGIN}${path}`, {
    method,
    headers,
    ...(body === null ? {} : { body }),
  });
  const before = stateMark();
  const { response, text, over } = await fetchIt(sent);
  requests.sent += 1;
  await over;
  // What it began and nobody waits for would count as the next one's.
  await backgroundOver();
  const after = stateMark();
  if (response.status < 400 && operation.startsWith(sent.method)) {
    accepted.set(operation, (accepted.get(operation) ?? 0) + 1);
  }
  const mayChange = !SAFE.has(sent.method) && response.status < 400;
  const wrong =
    complaint(response, text) ??
    (mayChange || after === before || !(await changesAgain(request))
      ? null
      : `${before}, then ${after} (${latestWrites()})`);
  if (wrong !== null) {
    throw new Error(`${wrong}: ${response.status} ${text.slice(0, 300)}\nto ${describeRequest(request)}`);
  }
  if (mayChange) {
    await calm();
  }
  return { status: response.status, text };
}

/**
 * Says whether a request that may change nothing does so whenever it is sent. What earlier requests began goes on meanwhile and
 * writes: a round counts only if as much time without a request passed just before in which nothing was written.
 */
async function changesAgain({ method, path, headers, body }: FuzzRequest): Promise<boolean> {
  let duration = 0;
  for (let rounds = 0; rounds < ROUNDS_OF_A_TRACE;) {
    await quiet(duration);
    const [before, begun] = [stateMark(), realNow()];
    const { over } = await fetchIt(
      new Request(`${ORIGIN}${path}`, { method, headers, ...(body === null ? {} : { body }) }),
    );
    await over;
    await backgroundOver();
    if (stateMark() === before) {
      return false;
    }
    // The first one says how long it takes.
    rounds += Number(duration > 0);
    duration = Math.max(duration, realNow() - begun, 1);
  }
  return true;
}

/** Resolves when nothing was written for some milliseconds. */
async function quiet(ms: number): Promise<void> {
  for (;;) {
    await calm();
    const before = stateMark();
    await new Promise((resolve) => setTimeout(resolve, ms));
    await backgroundOver();
    if (stateMark() === before) {
      return;
    }
  }
}

/** The answer, its text, and when everything that the request began is over. */
async function fetchIt(request: Request<unknown, IncomingRequestCfProperties>) {
  if (bindings === undefined) {
    throw new Error("expected prepare() to be called before the first request");
  }
  const ctx = createExecutionContext();
  const response = await jobbers.handler.fetch(request, bindings, ctx);
  return { response, text: await readText(response), over: waitOnExecutionContext(ctx) };
}

/** A stream may go on for ever: of one, the first part will do. */
async function readText(response: Response): Promise<string> {
  if (response.headers.get("content-type")?.includes("ndjson") !== true || response.body === null) {
    return response.text();
  }
  const reader = response.body.getReader();
  const first = (await reader.read()) as { value?: Uint8Array };
  await reader.cancel();
  return new TextDecoder().decode(first.value);
}

/** What an answer must not show, whatever was asked. */
const INSIDES = /SQLITE|no such column|UNIQUE constraint|node_modules|durable-objects\/|\.ts:\d+|at async /;

function complaint(response: Response, text: string): string | null {
  if (response.status >= 500) {
    return "a 5xx";
  }
  if (response.status >= 400 && response.body !== null && !text.startsWith('{"detail":')) {
    return "an error without detail";
  }
  if (INSIDES.test(text) || text.includes(KEY)) {
    return "an answer that shows insides";
  }
  return response.headers.has("x-request-id") ? null : "an answer without a request id";
}

function describeRequest({ method, path, headers, body }: FuzzRequest): string {
  const shown = typeof body === "string" ? body.slice(0, 1000) : JSON.stringify(body);
  return `${method} ${path.slice(0, 1000)}\n${JSON.stringify(headers).slice(0, 500)}\n${shown}`;
}
