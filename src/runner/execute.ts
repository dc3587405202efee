/**
 * Runs one claimed task: context, timeout, abort, heartbeats. Gives its outcome, or null when it was told to stop and
 * nothing must be reported. Never throws.
 *
 * @module
 */
import { fillRemote } from "../engine/inputs.ts";
import type { Json } from "../engine/spec.ts";
import type { ClaimedTask, Outcome, Progress, StoredValue } from "../engine/work.ts";
import { createTaskContext, type AnyTaskDefinition } from "../sdk/index.ts";
import { LazyAbort } from "./abort.ts";
import type { BeatClock } from "./beat-clock.ts";
import { startHeartbeats } from "./heartbeats.ts";
import { outcomeOfReturn, outcomeOfThrow, outcomeOfUnkept, storeValue, type PutPayload } from "./outcome.ts";
import type { Owner } from "./owner.ts";
import { cleanProgress, TryLog } from "./try-log.ts";

/** What an execution needs from outside. */
export interface Surroundings {
  find: (handler: string) => AnyTaskDefinition | undefined;
  env: unknown;
  now: () => number;
  putPayload: PutPayload;
  getPayload: (key: string) => Promise<Json>;
}

/** How a try ended, with what it left. */
export interface Execution {
  outcome: Outcome;
  /** Id of the job that watched it, if it lived that long. */
  jobId: string | null;
  xcoms: { key: string; value: StoredValue }[];
  /** Discard it once it is reported. */
  log: TryLog;
}

/** Runs the task to its end, its timeout, or a stop. */
export async function execute(
  task: ClaimedTask,
  owner: Owner,
  around: Surroundings,
  clock: BeatClock,
): Promise<Execution | null> {
  const abort = new LazyAbort();
  const pushed = new Map<string, Json>();
  const log = new TryLog(task.log_from);
  let progress: Progress | null = null;
  const beats = startHeartbeats(task, owner, () => progress, log, abort, clock, around.now);
  const ctx = createTaskContext({
    claimed: task,
    jobId: () => task.job_id ?? beats.jobId(),
    signal: () => abort.signal,
    heartbeat: (said) => {
      progress = said === undefined ? progress : cleanProgress(said);
    },
    log: (level, event, data) => {
      log.add(around.now(), level, event, data);
    },
    xcomPush: (key, value) => pushed.set(key, value),
    xcomPull: (request) => owner.pullXCom(task, request),
    env: around.env,
  });
  const stopped = new Promise<null>((resolve) => {
    beats.onStop(() => resolve(null));
  });
  const ran = run(task, around, ctx, abort);
  const outcome = await Promise.race([ran, stopped]);
  await beats.end();
  // A handler may ignore its signal; whatever it still says is nobody's any more.
  log.end();
  if (outcome === null) {
    log.discard();
    return null;
  }
  const jobId = beats.jobId();
  try {
    const keep = async ([key, value]: [string, Json]) => ({
      key,
      value: await storeValue(value, around.putPayload, xcomName(key)),
    });
    return { outcome, jobId, xcoms: await Promise.all([...pushed].map(keep)), log };
  } catch (error) {
    return { outcome: outcomeOfUnkept(error), jobId, xcoms: [], log };
  }
}

async function run(
  task: ClaimedTask,
  around: Surroundings,
  ctx: ReturnType<typeof createTaskContext>,
  abort: LazyAbort,
): Promise<Outcome> {
  const definition = around.find(task.handler);
  if (definition === undefined) {
    const message = `expected a registered task, got "${task.handler}": this Worker does not have it`;
    return { state: "failed", error: { type: "UnknownHandler", message }, retryable: true };
  }
  try {
    const input = task.remote === undefined ? task.input : await fetchRemote(task, around);
    const running = Promise.resolve(definition.run(ctx, input));
    const returned =
      task.executionTimeoutMs === null ? await running : await withTimeout(running, task.executionTimeoutMs, abort);
    return await outcomeOfReturn(task, returned, around.putPayload);
  } catch (error) {
    return outcomeOfThrow(error);
  }
}

function xcomName(key: string): string {
  return `XCom ${JSON.stringify(key.slice(0, 100))}`;
}

async function fetchRemote(task: ClaimedTask, around: Surroundings): Promise<Json> {
  const remote = task.remote ?? [];
  const keys = [...new Set(remote.map(({ key }) => key))];
  const values = new Map(await Promise.all(keys.map(async (key) => [key, await around.getPayload(key)] as const)));
  return fillRemote(task.input, remote, (key) => values.get(key) ?? null);
}

/** Airflow's `execution_timeout`: an ordinary, retryable failure, and the handler's signal fires. */
async function withTimeout<T>(running: Promise<T>, timeoutMs: number, abort: LazyAbort): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = new Error(`expected the task to end within its execution_timeout of ${timeoutMs / 1000} s`);
    error.name = "TaskTimeout";
    abort.abort(error);
    reject(error);
  }, timeoutMs);
  try {
    return await Promise.race([running, promise]);
  } finally {
    clearTimeout(timer);
    // A handler that outlives its timeout may still throw; nobody waits for it.
    running.catch(() => undefined);
  }
}
