/**
 * Runs one claimed task: context, timeout, abort. Gives its outcome, or null when it was told to stop and nothing must be
 * reported. Never throws.
 *
 * @module
 */
import { fillRemote } from "../engine/inputs.ts";
import type { Json } from "../engine/spec.ts";
import type { ClaimedTask, Outcome, StoredValue } from "../engine/work.ts";
import { createTaskContext, type AnyTaskDefinition } from "../sdk/index.ts";
import type { Attempt } from "./attempt.ts";
import { handOver, threwToStop } from "./hand-over.ts";
import { outcomeOfReturn, outcomeOfThrow, outcomeOfUnkept, storeValue } from "./outcome.ts";
import type { Owner } from "./owner.ts";
import { TryPayloads, type Payloads } from "./payloads.ts";
import { cleanProgress } from "./try-log.ts";

/** What an execution needs from outside. */
export interface Surroundings extends Payloads {
  find: (handler: string) => AnyTaskDefinition | undefined;
  env: unknown;
  now: () => number;
  /** Lets beats and reports pass before the next handler begins; at once if there is nothing to let pass. */
  breathe?: () => Promise<void>;
}

/** How a try ended, with what it left. */
export interface Execution {
  /** Null: nothing is reported. */
  outcome: Outcome | null;
  xcoms: { key: string; value: StoredValue }[];
  /** Keys of all that it put into the bucket. */
  payloads: readonly string[];
  /** Of one that was cut short: resolves when its handler is over, too. Null if it is. */
  cleanUp: Promise<unknown> | null;
}

/** Runs the task to its end, its timeout, or a stop. */
export async function execute(attempt: Attempt, owner: Owner, around: Surroundings): Promise<Execution> {
  const { task, log } = attempt;
  const pushed = new Map<string, Json>();
  const payloads = new TryPayloads(around, () => owner.payloadPlace(task));
  const ctx = createTaskContext({
    claimed: task,
    jobId: () => attempt.jobId,
    signal: () => attempt.abort.signal,
    heartbeat: (said) => {
      attempt.progress = said === undefined ? attempt.progress : cleanProgress(said);
    },
    log: (level, event, data) => {
      log.add(around.now(), level, event, data);
    },
    xcomPush: (key, value) => pushed.set(key, value),
    xcomPull: (request) => owner.pullXCom(task, request),
    env: around.env,
  });
  const ran = run(attempt, around, ctx, payloads);
  const { outcome, cleanUp } = await Promise.race([
    ran.then((end) => ({ outcome: end, cleanUp: null })),
    attempt.cutShort.then((end) => ({ outcome: end, cleanUp: ran })),
  ]);
  if (outcome === null) {
    // Its values are nobody's: they go once it is over, or before.
    return { outcome, xcoms: [], payloads: [], cleanUp: Promise.all([cleanUp, payloads.discard()]) };
  }
  // A handler may ignore its signal; whatever it still says is nobody's any more.
  log.end();
  try {
    const keep = async ([key, value]: [string, Json]) => ({
      key,
      value: await storeValue(value, payloads.put, xcomName(key)),
    });
    const xcoms = await Promise.all([...pushed].map(keep));
    return { outcome, xcoms, payloads: await payloads.keys(), cleanUp };
  } catch (error) {
    return { outcome: outcomeOfUnkept(error), xcoms: [], payloads: await payloads.keys(), cleanUp };
  }
}

async function run(
  attempt: Attempt,
  around: Surroundings,
  ctx: ReturnType<typeof createTaskContext>,
  payloads: TryPayloads,
): Promise<Outcome> {
  const { task } = attempt;
  const definition = around.find(task.handler);
  if (definition === undefined) {
    const message = `expected a registered task, got "${task.handler}": this Worker does not have it`;
    return { state: "failed", error: { type: "UnknownHandler", message }, retryable: true };
  }
  try {
    const input = task.remote === undefined ? task.input : await fetchRemote(task, around);
    const timer = startTimeout(attempt);
    let returned: unknown;
    try {
      returned = await definition.run(ctx, input);
    } finally {
      clearTimeout(timer);
    }
    return await outcomeOfReturn(task, returned, payloads.put);
  } catch (error) {
    return threwToStop(error, attempt.abort.reason) ? handOver(around.now()) : outcomeOfThrow(error);
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
function startTimeout(attempt: Attempt): ReturnType<typeof setTimeout> | undefined {
  const { executionTimeoutMs: timeoutMs } = attempt.task;
  if (timeoutMs === null) {
    return undefined;
  }
  return setTimeout(() => {
    const error = new Error(`expected the task to end within its execution_timeout of ${timeoutMs / 1000} s`);
    error.name = "TaskTimeout";
    attempt.cut(outcomeOfThrow(error), error);
  }, timeoutMs);
}
