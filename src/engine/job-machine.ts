/**
 * The life of one job, pure: a standalone task from its submission to its end, or the watch over an adopted task
 * instance. Each function takes the record and `now` (epoch ms), changes the record and says what must be done outside.
 *
 * @module
 */
import { decideAttempt } from "./attempt.ts";
import { livenessDeadline, postMortem } from "./liveness.ts";
import type { AdoptionRequest } from "./objects.ts";
import { queueOf } from "./queue-spread.ts";
import { dropPassedTime, giveBackSlots, nextStep, type PermitWish } from "./permits/wish.ts";
import type { RetryPolicy } from "./retry.ts";
import type { Json, QueueSpec, TaskSpec } from "./spec.ts";
import { isJobFinished, type JobState } from "./states.ts";
import type {
  BeatAnswer,
  JobSubmission,
  Outcome,
  Progress,
  StoredValue,
  TaskError,
  Verdict,
  WorkerIdentity,
} from "./work.ts";

/** A task instance a job watches on behalf of its DAG. */
export interface Adoption {
  dag_id: string;
  run_id: string;
  task_id: string;
  map_index: number;
}

/** Everything a job knows of itself; one row. */
export interface JobRecord {
  id: string;
  name: string;
  operator: TaskSpec["operator"];
  state: JobState;
  created_at: number;
  run_at: number | null;
  /** When the present try was queued: since when it waits for a worker. */
  queued_at: number;
  start_date: number | null;
  end_date: number | null;
  latest_heartbeat: number | null;
  heartrateMs: number;
  executionTimeoutMs: number | null;
  policy: RetryPolicy;
  hostname: string | null;
  unixname: string | null;
  try_number: number;
  max_tries: number;
  /** Grows with every claim and kill; the newest is the only token that may report. */
  fence: number;
  /** When the timer of the present state is due. */
  next_at: number | null;
  /** Times the message of the present try was sent; 0 while it waits for permits. */
  sends: number;
  /** Higher goes first where it waits for a slot. */
  priority: number;
  /** What it holds or asked for from pools and other limits; null if it needs nothing. */
  wish: PermitWish | null;
  payload: Json;
  progress: Progress | null;
  result: StoredValue | null;
  error: TaskError | null;
  late_results: number;
  adoption: Adoption | null;
  /** The owner of an adopted task instance has ordered the attempt to stop. */
  stop_reason: string | null;
  /** What the owner of an adopted task instance must still be told. */
  owed: Outcome | null;
  /** Of a task that names one. */
  queue?: QueueSpec;
}

/** Milliseconds after which a message nobody claimed is sent again; doubled each time, up to two minutes. */
export const RESEND_AFTER_MS = 10_000;
const MAX_RESEND_MS = 120_000;
const OWED_RETRY_MS = 2000;
/** How long a call for permits may stay without an answer before it is made again. */
const ASK_AGAIN_MS = 5000;
/** Airflow's three times `task_queued_timeout`, in milliseconds. */
export const STUCK_AFTER_MS = 1_800_000;

/** What must be done after the record is stored. */
export type JobEffect = "send" | "seek_permits" | "tell_owner" | null;

/** Gives what a job must hold before it is queued; null for nothing. Throws if that cannot be told. */
export type WishOf = (job: JobRecord) => PermitWish | null;

/** A new standalone job. */
export function submitJob(submission: JobSubmission, spec: TaskSpec, policy: RetryPolicy, now: number): JobRecord {
  return {
    id: submission.job_id,
    name: submission.name,
    operator: spec.operator,
    state: "queued",
    created_at: now,
    run_at: submission.runAt,
    queued_at: Math.max(now, submission.runAt ?? now),
    start_date: null,
    end_date: null,
    latest_heartbeat: null,
    heartrateMs: spec.heartrate * 1000,
    executionTimeoutMs: spec.execution_timeout === null ? null : spec.execution_timeout * 1000,
    policy,
    hostname: null,
    unixname: null,
    try_number: 1,
    max_tries: spec.retries,
    fence: 0,
    next_at: submission.runAt,
    sends: 0,
    priority: spec.priority_weight,
    wish: null,
    payload: submission.payload,
    progress: null,
    result: null,
    error: null,
    late_results: 0,
    adoption: null,
    stop_reason: null,
    owed: null,
    ...(spec.queue === undefined ? {} : { queue: spec.queue }),
  };
}

/** The name of the queue or role that the message of the present try goes to. */
export function queueOfJob({ id, name, try_number: tryNumber, payload, queue }: JobRecord): string {
  return queueOf(queue, { runId: id, taskId: name, mapIndex: -1, tryNumber }, payload);
}

/** A job that watches a task instance which outlived its first heartbeat. */
export function adoptJob(id: string, request: AdoptionRequest, now: number): JobRecord {
  return {
    id,
    name: request.handler,
    operator: "task",
    state: "running",
    created_at: now,
    run_at: null,
    queued_at: now,
    start_date: request.startDate,
    end_date: null,
    latest_heartbeat: now,
    heartrateMs: request.heartrateMs,
    executionTimeoutMs: null,
    policy: { retryDelayS: 0, backoff: 0, maxRetryDelayS: null },
    hostname: request.worker.hostname,
    unixname: request.worker.unixname,
    try_number: request.try_number,
    max_tries: request.max_tries,
    fence: request.token,
    next_at: livenessDeadline(now, request.heartrateMs),
    sends: 0,
    priority: 1,
    wish: null,
    payload: null,
    progress: request.progress,
    result: null,
    error: null,
    late_results: 0,
    adoption: {
      dag_id: request.dag_id,
      run_id: request.run_id,
      task_id: request.task_id,
      map_index: request.map_index,
    },
    stop_reason: null,
    owed: null,
  };
}

/** A try may begin: its message is sent, or what it needs is asked for first. */
export function beginQueued(job: JobRecord, now: number, wishOf: WishOf): JobEffect {
  try {
    job.wish = wishOf(job);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    finish(job, "failed", { type: "LimitError", message }, now);
    return null;
  }
  if (job.wish !== null) {
    job.next_at = now + ASK_AGAIN_MS;
    return "seek_permits";
  }
  markSent(job, now);
  return "send";
}

/** Says whether a job is queued and waits for permits. */
export function awaitsPermits(job: JobRecord): job is JobRecord & { wish: PermitWish } {
  return job.state === "queued" && job.wish !== null && job.sends === 0;
}

/** Goes on after its wish got a step further. */
export function goOnSeeking(job: JobRecord & { wish: PermitWish }, now: number): JobEffect {
  dropPassedTime(job.wish, now);
  const back = giveBackSlots(job.wish, () => (job.fence += 1), now);
  if (back !== null) {
    job.wish.back = back;
  }
  const step = nextStep(job.wish, now);
  if (step.kind === "done") {
    job.queued_at = now;
    markSent(job, now);
    return "send";
  }
  job.next_at = step.kind === "wait" ? step.until : now + ASK_AGAIN_MS;
  return step.kind === "wait" ? null : "seek_permits";
}

/** Notes that the message of the present try is being sent. */
export function markSent(job: JobRecord, now: number): void {
  job.next_at = now + Math.min(RESEND_AFTER_MS * 2 ** job.sends, MAX_RESEND_MS);
  job.sends += 1;
}

/** A worker asks to run it. False if it may not: a duplicate message, a job that is over, or one whose time has not come. */
export function claimJob(job: JobRecord, worker: WorkerIdentity, now: number): boolean {
  if (job.state !== "queued" || awaitsPermits(job) || (job.run_at !== null && job.run_at > now)) {
    return false;
  }
  job.state = "running";
  job.fence += 1;
  job.start_date = now;
  job.latest_heartbeat = now;
  job.hostname = worker.hostname;
  job.unixname = worker.unixname;
  job.progress = null;
  job.next_at = livenessDeadline(now, job.heartrateMs);
  return true;
}

/** A worker reports how a try ended; fenced. */
export function reportJob(job: JobRecord, token: number, outcome: Outcome, now: number): Verdict {
  if (job.fence !== token) {
    job.late_results += 1;
    return "late";
  }
  if (job.state !== "running") {
    return "duplicate";
  }
  endAttempt(job, outcome, now);
  return "accepted";
}

/**
 * The try whose lines a holder of `token` logs: the present one, also when it ended meanwhile (killed, or taken for dead),
 * or null if nobody can tell any more because another began.
 */
export function tryOf({ state, fence, try_number }: JobRecord, token: number): number | null {
  const isPresent = token === fence && state !== "queued";
  const hasJustEnded = token === fence - 1 && (isJobFinished(state) || state === "up_for_retry");
  return isPresent || hasJustEnded ? try_number : null;
}

/** A beat of the runner that holds the token. A beat only writes the time; the alarm finds it when it fires. */
export function beatJob(
  job: JobRecord,
  token: number,
  progress: Progress | null,
  now: number,
): BeatAnswer & { effect: JobEffect } {
  if (job.state !== "running" || job.fence !== token) {
    const reason = job.error?.message ?? `the job is ${job.state}`;
    return { verdict: "stop", reason, effect: null };
  }
  if (job.stop_reason !== null) {
    const reason = job.stop_reason;
    finish(job, "failed", { type: "Stopped", message: reason }, now);
    job.owed = { state: "failed", error: { type: "Stopped", message: reason }, retryable: false };
    job.next_at = now + OWED_RETRY_MS;
    return { verdict: "stop", reason, effect: "tell_owner" };
  }
  job.latest_heartbeat = now;
  job.progress = progress ?? job.progress;
  return { verdict: "continue", effect: null };
}

/** Ends a job by a user's word. Its late answer changes nothing; its worker learns of it at the next beat. */
export function killJob(job: JobRecord, reason: string, now: number): JobEffect {
  if (isJobFinished(job.state)) {
    return null;
  }
  const error = { type: "Killed", message: reason };
  finish(job, "failed", error, now);
  if (job.adoption === null) {
    job.fence += 1;
    return null;
  }
  job.owed = { state: "failed", error, retryable: false };
  job.next_at = now + OWED_RETRY_MS;
  return "tell_owner";
}

/** Does what is due: a delayed start, a retry, a message nobody claimed, a worker that went silent, an owner not told yet. */
export function tickJob(job: JobRecord, now: number, wishOf: WishOf): JobEffect {
  if (job.owed !== null) {
    job.next_at = now + OWED_RETRY_MS;
    return "tell_owner";
  }
  if (isJobFinished(job.state) || job.next_at === null) {
    job.next_at = null;
    return null;
  }
  if (job.state === "running") {
    return checkLiveness(job, now);
  }
  const ready = job.state === "up_for_retry" ? now > job.next_at : now >= job.next_at;
  if (!ready) {
    return null;
  }
  if (awaitsPermits(job)) {
    return goOnSeeking(job, now);
  }
  if (job.state === "up_for_retry" || job.state === "up_for_reschedule") {
    job.try_number += Number(job.state === "up_for_retry");
    job.state = "queued";
    job.run_at = null;
    job.sends = 0;
    job.queued_at = now;
    return beginQueued(job, now, wishOf);
  }
  if (job.sends === 0) {
    return beginQueued(job, now, wishOf);
  }
  if (now - job.queued_at >= STUCK_AFTER_MS) {
    job.fence += 1;
    finish(
      job,
      "failed",
      { type: "StuckInQueued", message: `no worker claimed it; its message was sent ${job.sends} times` },
      now,
    );
    return null;
  }
  markSent(job, now);
  return "send";
}

/** What a job need not hold any more, as it is neither queued nor running, or its time is far ahead; it forgets it. */
export function takeUnneeded(job: JobRecord): PermitWish | null {
  if (job.wish === null || job.state === "queued" || job.state === "running") {
    const back = job.wish?.back ?? null;
    delete job.wish?.back;
    return back;
  }
  const { wish } = job;
  job.wish = null;
  return wish;
}

/** The adopted task instance is over, and its job with it. */
export function completeJob(
  job: JobRecord,
  token: number,
  state: "success" | "failed" | "skipped",
  error: string | null,
  now: number,
): void {
  if (job.adoption !== null && job.fence === token && job.state === "running") {
    finish(job, state, error === null ? null : { type: "TaskFailed", message: error }, now);
  }
}

function checkLiveness(job: JobRecord, now: number): JobEffect {
  const lastBeat = job.latest_heartbeat ?? job.start_date ?? now;
  const deadline = livenessDeadline(lastBeat, job.heartrateMs);
  if (now < deadline) {
    job.next_at = deadline;
    return null;
  }
  const next = job.adoption === null ? "it is retried if it has tries left" : "its DAG decides what follows";
  const message = postMortem({ lastBeat, heartrateMs: job.heartrateMs, now, progress: job.progress, next });
  const outcome: Outcome = { state: "failed", error: { type: "Zombie", message }, retryable: true };
  if (job.adoption === null) {
    // Should the dead one still report, its token is no longer the newest.
    job.fence += 1;
    endAttempt(job, outcome, now);
    return null;
  }
  finish(job, "failed", outcome.error, now);
  job.owed = outcome;
  job.next_at = now + OWED_RETRY_MS;
  return "tell_owner";
}

function endAttempt(job: JobRecord, outcome: Outcome, now: number): void {
  const facts = {
    dagId: "",
    taskId: job.name,
    logicalDate: null,
    tryNumber: job.try_number,
    maxTries: job.max_tries,
    policy: job.policy,
  };
  const result = decideAttempt(facts, outcome, now);
  job.error = "error" in result ? result.error : null;
  if (result.state === "up_for_retry" || result.state === "up_for_reschedule") {
    job.state = result.state;
    job.next_at = result.nextAt;
    return;
  }
  job.result = outcome.state === "success" ? (outcome.value ?? null) : null;
  finish(job, result.state, job.error, now);
}

function finish(job: JobRecord, state: "success" | "failed" | "skipped", error: TaskError | null, now: number): void {
  job.state = state;
  job.error = error;
  job.end_date = now;
  job.next_at = null;
}
