/**
 * How a test drives the objects: by RPC, as workers, users and the platform's alarms would, with a clock of its own.
 *
 * The clock stands still in a far year until a test moves it. The platform's alarms go by the real clock, so none fires
 * by itself: a test runs them, at the time they are set for.
 *
 * @module
 */
import {
  createExecutionContext,
  createMessageBatch,
  getQueueResult,
  runDurableObjectAlarm,
  runInDurableObject,
  type QueueResult,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { ulid } from "ulid";
import { afterEach, beforeEach, vi } from "vitest";
import { queuesHeard } from "../../durable-objects/dag/worker-book.ts";
import { openDag, openIntake, openJob, openWatchBook, type ObjectEnv } from "../../durable-objects/env.ts";
import { INTAKE_DIGITS, intakeName, type Submitted } from "../../src/engine/intake.ts";
import type { DagObject, JobObject, JobReader, Result, TriggerRequest } from "../../src/engine/objects.ts";
import type { Json } from "../../src/engine/spec.ts";
import { isJobFinished, isRunFinished } from "../../src/engine/states.ts";
import { watchBookOf, type Watched } from "../../src/engine/watch.ts";
import type {
  BeatAnswer,
  ClaimedTask,
  DagRunView,
  JobSubmission,
  JobView,
  LogChunk,
  Outcome,
  Progress,
  Report,
  TaskInstanceView,
  Verdict,
  WorkerIdentity,
  WorkMessage,
} from "../../src/engine/work.ts";
import { mailbox, type QueueName, type Sent } from "./mailbox.ts";
import { jobbers } from "./worker.ts";

const BEGINNING = Date.UTC(2100, 0, 1);
/** More steps than any run of these tests has; a test that needs more has gone wrong. */
const MAX_STEPS = 300;

/** How long a call waits for an end that an event tells, in milliseconds: no bound on it, but less than what ends a test that hangs. */
export const UNTIL_ENDED_MS = 240_000;

/** Who the tests claim to be. */
export const WORKER = { hostname: "test-host", unixname: "tester" };

/** What a worker sends that has logged nothing. */
export const NO_LOGS: LogChunk = { from: 0, lines: [] };

/** The clock that objects and tests share, in epoch milliseconds. */
export const clock = {
  now: (): number => Date.now(),
  advance: (ms: number): void => void vi.setSystemTime(Date.now() + ms),
  to: (at: number): void => void vi.setSystemTime(at),
};

/** Stops the clock for every test of a file. */
export function stopClock(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"], now: BEGINNING });
    queuesHeard.clear();
  });
  afterEach(() => void vi.useRealTimers());
}

/** The bindings, as the objects see them. */
export const objectEnv: ObjectEnv = env;

export function dagOf(dagId: string): DagObject {
  return openDag(objectEnv, dagId);
}

/** The object of the job that watches a try, of a task instance or of a standalone job. */
export function watchOf(jobId: string): JobObject {
  return openJob(objectEnv, jobId);
}

/** A job by its id, as users and workers reach it: standalone ones in their intake object. */
export interface TestJob extends JobReader {
  submit(submission: JobSubmission): Promise<Result<Submitted>>;
  claim(worker: WorkerIdentity): Promise<ClaimedTask | null>;
  report(token: number, outcome: Outcome, logs: LogChunk): Promise<Verdict>;
  /** As the runner does: the lease is renewed first, then the `Job` object is brought progress and lines, or made. */
  beat(token: number, progress: Progress | null, logs?: LogChunk): Promise<BeatAnswer>;
}

export function jobOf(jobId: string): TestJob {
  const intake = openIntake(objectEnv, jobId);
  const key = { run_id: "", task_id: "", map_index: -1 };
  return {
    get: (waitMs) => intake.get(jobId, waitMs),
    why: () => intake.why(jobId),
    kill: (reason) => intake.kill(jobId, reason),
    heartbeat: (progress) => intake.heartbeat(jobId, progress),
    readLog: (tryNumber, from, waitMs) => intake.readLog(jobId, tryNumber, from, waitMs),
    async submit(submission) {
      const [answer] = await intake.submit([submission]);
      return answer as Result<Submitted>;
    },
    async claim(worker) {
      return (await intake.claim([jobId], worker))[0] ?? null;
    },
    async report(token, outcome, logs) {
      const [verdict] = await intake.report([{ ...key, job_id: jobId, token, outcome, logs }]);
      return verdict ?? "late";
    },
    async beat(token, progress, logs = NO_LOGS) {
      const isWatched = published.has(`${jobId} ${token}`);
      if (!isWatched && (await intake.isLinked(jobId, "watch"))) {
        return watchOf(jobId).beat(token, progress, logs);
      }
      const gist = progress === null ? {} : { progress };
      const [answer] = await intake.beat([{ job_id: jobId, token, is_watched: isWatched, ...gist }]);
      if (answer?.verdict !== "continue") {
        return answer ?? { verdict: "stop" };
      }
      if (isWatched) {
        return watchOf(jobId).beat(token, progress, logs);
      }
      const job = value(await intake.get(jobId, 0));
      const { name: handler, try_number, max_tries } = job;
      const attempt = { try_number, max_tries, token, handler, heartrateMs: job.heartrate * 1000 };
      const adopted = await watchOf(jobId).adopt({
        dag_id: null,
        ...key,
        ...attempt,
        startDate: job.start_date ?? clock.now(),
        worker: WORKER,
        progress,
        ...(logs.lines.length === 0 ? {} : { logs }),
      });
      published.add(`${jobId} ${token}`);
      return adopted;
    },
  };
}

/** Tries of standalone jobs that have a `Job` object, by job and token: their workers know. */
const published = new Set<string>();

let jobIds = 0;

/** The id of a new job whose intake object no other test of the file uses before 32 more were made. */
export function newJobId(): string {
  jobIds += 1;
  return ulid().slice(0, -1) + INTAKE_DIGITS.charAt(jobIds % INTAKE_DIGITS.length);
}

/** The answer, or an error that shows the refusal. */
export function value<T>(result: Result<T>): T {
  if (!result.ok) {
    throw new Error(`refused: ${JSON.stringify(result.refusal)}`);
  }
  return result.value;
}

// ── runs ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const REQUEST: TriggerRequest = {
  run_id: null,
  logical_date: null,
  data_interval_start: null,
  data_interval_end: null,
  run_after: null,
  conf: {},
  note: null,
  triggered_by: "test",
};

export function request(fields: Partial<TriggerRequest> = {}): TriggerRequest {
  return { ...REQUEST, ...fields };
}

/** Triggers a run and gives its id. */
export async function start(dagId: string, fields: Partial<TriggerRequest> = {}): Promise<string> {
  return value(await dagOf(dagId).trigger(request(fields))).run_id;
}

export async function runOf(dagId: string, runId: string): Promise<DagRunView> {
  return value(await dagOf(dagId).getRun(runId, 0));
}

export async function instancesOf(dagId: string, runId: string, state?: string): Promise<TaskInstanceView[]> {
  const query = { limit: 1000, offset: 0, order_by: [], ...(state === undefined ? {} : { state: [state] }) };
  return value(await dagOf(dagId).listTaskInstances(runId, query)).items;
}

export async function instanceOf(
  dagId: string,
  runId: string,
  taskId: string,
  mapIndex = -1,
): Promise<TaskInstanceView> {
  return value(await dagOf(dagId).getTaskInstance({ run_id: runId, task_id: taskId, map_index: mapIndex }));
}

/** States of a run's task instances, e.g. `{ extract: "success", "clean[0]": "failed" }`. */
export async function statesOf(dagId: string, runId: string): Promise<Record<string, string>> {
  return Object.fromEntries((await instancesOf(dagId, runId)).map((one) => [nameOf(one), one.state ?? "none"]));
}

export function nameOf({ task_id, map_index }: { task_id: string; map_index: number }): string {
  return map_index < 0 ? task_id : `${task_id}[${map_index}]`;
}

// ── work, as a worker does it ─────────────────────────────────────────────────────────────────────────────────────

/** Claims what is queued, all of it or one task's. */
export async function claimQueued(dagId: string, runId: string, taskId?: string): Promise<ClaimedTask[]> {
  const queued = await instancesOf(dagId, runId, "queued");
  const wanted = queued.filter((one) => taskId === undefined || one.task_id === taskId);
  return dagOf(dagId).claim(
    wanted.map(({ run_id, task_id, map_index, try_number }) => ({ run_id, task_id, map_index, try_number })),
    WORKER,
  );
}

/** Claims the one queued instance of a task. */
export async function claimOne(dagId: string, runId: string, taskId: string): Promise<ClaimedTask> {
  const [task] = await claimQueued(dagId, runId, taskId);
  if (task === undefined) {
    throw new Error(`expected "${taskId}" to be queued, it is ${(await instanceOf(dagId, runId, taskId)).state}`);
  }
  return task;
}

/** Names the task instance of a claimed task. */
export function keyOf({ run, task_id, map_index }: ClaimedTask): {
  run_id: string;
  task_id: string;
  map_index: number;
} {
  return { run_id: run?.run_id ?? "", task_id, map_index };
}

export function reportOf(task: ClaimedTask, outcome: Outcome): Report {
  return { ...keyOf(task), token: task.token, outcome };
}

/** Reports one task; follow-up work is left to the queue. */
export async function report(dagId: string, task: ClaimedTask, outcome: Outcome): Promise<Verdict | undefined> {
  return (await dagOf(dagId).report([reportOf(task, outcome)], WORKER, 0)).verdicts[0];
}

/** A success with a value. */
export function success(json: Json = null): Outcome & { state: "success" } {
  const length = Array.isArray(json) ? json.length : null;
  return { state: "success", value: { json: JSON.stringify(json) }, ...(length === null ? {} : { mapLength: length }) };
}

/** A failure that may be retried, or not. */
export function failure(message: string, retryable = true): Outcome {
  return { state: "failed", error: { type: "Error", message }, retryable };
}

/** The request that makes a job the watcher of a claimed task. */
export async function adopt(dagId: string, jobId: string, task: ClaimedTask): Promise<"continue" | "stop"> {
  const { try_number, max_tries, token, handler, heartrateMs } = task;
  const identity = { dag_id: dagId, ...keyOf(task), try_number, max_tries, token, handler, heartrateMs };
  await watchOf(jobId).adopt({ ...identity, startDate: clock.now(), worker: WORKER, progress: null });
  return beat(dagId, task, jobId);
}

/** A beat of a claimed task's worker, which names the job if there is one. */
export async function beat(dagId: string, task: ClaimedTask, jobId?: string): Promise<"continue" | "stop"> {
  const one = { ...keyOf(task), token: task.token, ...(jobId === undefined ? {} : { job_id: jobId }) };
  const [answer] = await dagOf(dagId).beat([one], WORKER);
  if (answer === undefined) {
    throw new Error("expected an answer to a beat, there is none");
  }
  return answer.verdict;
}

// ── the platform ──────────────────────────────────────────────────────────────────────────────────────────────────

/** An object: a DAG's by its id, the watch of a try (`JOB`) by its job's id, or the one that keeps a standalone job (`INTAKE`). */
export function stubOf(kind: "DAG" | "JOB" | "INTAKE", name: string): DurableObjectStub {
  switch (kind) {
    case "DAG":
      return env.DAG.getByName(name);
    case "JOB":
      return env.JOB.getByName(name);
    case "INTAKE":
      return env.INTAKE.getByName(intakeName(name));
  }
}

/** What is known of an object's next thing to do; undefined if nothing is. */
export async function watchedOf(name: string): Promise<Watched | undefined> {
  return (await openWatchBook(objectEnv, watchBookOf(name)).watched()).find((entry) => entry.name === name);
}

/** When an object's alarm is due, in epoch milliseconds; null if none is set. */
export async function alarmOf(stub: DurableObjectStub): Promise<number | null> {
  return runInDurableObject(stub, (_object, state) => state.storage.getAlarm());
}

/** Moves the clock to the time of an object's alarm, and runs it. Gives that time. */
export async function fireAlarm(stub: DurableObjectStub): Promise<number> {
  const at = await alarmOf(stub);
  if (at === null) {
    throw new Error("expected an alarm to be set, there is none");
  }
  clock.to(Math.max(at, clock.now()));
  await runDurableObjectAlarm(stub);
  return at;
}

/** Rows of an object's tables. */
export async function rowsOf(stub: DurableObjectStub, query: string): Promise<Record<string, SqlStorageValue>[]> {
  return runInDurableObject(stub, (_object, state) => state.storage.sql.exec(query).toArray());
}

let batches = 0;

/** Hands messages to the product's own consumer of a queue, and waits until everything it began is over. */
export async function deliver(
  messages: readonly WorkMessage[],
  queue: QueueName = "default",
  bindings: ObjectEnv = objectEnv,
): Promise<QueueResult> {
  batches += 1;
  const batch = createMessageBatch<WorkMessage>(
    queue === "default" ? "jobbers-tasks" : `jobbers-tasks-${queue}`,
    messages.map((body, index) => ({ id: `${batches}-${index}`, timestamp: new Date(), attempts: 1, body })),
  );
  const ctx = createExecutionContext();
  await jobbers.handler.queue(batch, bindings, ctx);
  return getQueueResult(batch, ctx);
}

/** Hands each message to the consumer of the queue it was sent through. */
export async function deliverSent(sent: readonly Sent[]): Promise<void> {
  for (const queue of new Set(sent.map((one) => one.queue))) {
    await deliver(
      sent.filter((one) => one.queue === queue).map(({ body }) => body),
      queue,
    );
  }
}

/** Delivers what a DAG sends, and runs its alarms when it sends nothing, until the run is over. Gives the run. */
export async function settle(dagId: string, runId: string): Promise<DagRunView> {
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const run = await runOf(dagId, runId);
    if (isRunFinished(run.state)) {
      return run;
    }
    const messages = mailbox.takeSentOf(dagId);
    await (messages.length > 0 ? deliverSent(messages) : fireAlarm(stubOf("DAG", dagId)));
  }
  throw new Error(`run "${runId}" is not over after ${MAX_STEPS} steps`);
}

/** As `settle`, for a job. */
export async function settleJob(jobId: string): Promise<JobView> {
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const job = value(await jobOf(jobId).get(0));
    if (isJobFinished(job.state)) {
      return job;
    }
    const messages = mailbox.takeSentOfJob(jobId);
    await (messages.length > 0 ? deliverSent(messages) : fireAlarm(stubOf("INTAKE", jobId)));
  }
  throw new Error(`job ${jobId} is not over after ${MAX_STEPS} steps`);
}

/**
 * Works a run off as a worker does, one call after the other, and runs alarms while there is nothing to do. `between` is
 * called between every two steps.
 */
export async function drive(
  dagId: string,
  runId: string,
  answer: (task: ClaimedTask) => Outcome,
  between: () => Promise<void> = async () => undefined,
): Promise<DagRunView> {
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const run = await runOf(dagId, runId);
    if (isRunFinished(run.state)) {
      return run;
    }
    await between();
    const claimed = await claimQueued(dagId, runId);
    for (const task of claimed) {
      await between();
      await report(dagId, task, answer(task));
    }
    await between();
    if (claimed.length === 0) {
      await fireAlarm(stubOf("DAG", dagId));
    }
    await between();
  }
  throw new Error(`run "${runId}" is not over after ${MAX_STEPS} steps`);
}
