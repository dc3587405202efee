/**
 * The life of one standalone job, pure, from its submission to its end. Each function takes the record and `now` (epoch ms),
 * changes the record and says what must be done outside.
 *
 * @module
 */
import { decideAttempt } from "./attempt.ts";
import type { JobBeat } from "./intake.ts";
import { FREE_WORKER_LOSSES, livenessDeadline, postMortem } from "./liveness.ts";
import { objectBeatMs } from "./object-runs.ts";
import { queueOf } from "./queue-spread.ts";
import { dropPassedTime, giveBackSlots, nextStep, type PermitWish } from "./permits/wish.ts";
import type { RetryPolicy } from "./retry.ts";
import type { Json, QueueSpec, TaskSpec } from "./spec.ts";
import { isJobFinished, type JobState } from "./states.ts";
import type { JobSubmission, Outcome, Progress, StoredValue, TaskError, Verdict, WorkerIdentity } from "./work.ts";

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
  /** Of a task that names one. */
  queue?: QueueSpec;
  /** A try of it outlived its first heartbeat: the `Job` object of the same id has its progress, and lines of its log. */
  is_watched?: boolean;
  /** Where the handler of its tries runs; left out for the consumer. */
  run_in?: "object";
  /** Its `Job` object runs the present try. */
  in_object?: true;
  /** How often the silence of the try's worker was excused since its last beat, as far as it was stored. */
  excuses?: number;
  /** Times in a row that it lost its worker and ran again at no cost. */
  worker_losses?: number;
}

/** Milliseconds after which a message nobody claimed is sent again; doubled each time, up to two minutes. */
export const RESEND_AFTER_MS = 10_000;
const MAX_RESEND_MS = 120_000;
/** How long a call for permits may stay without an answer before it is made again. */
const ASK_AGAIN_MS = 5000;
/** Airflow's three times `task_queued_timeout`, in milliseconds. */
export const STUCK_AFTER_MS = 1_800_000;

/** What must be done after the record is stored. */
export type JobEffect = "send" | "seek_permits" | null;

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
    ...(spec.queue === undefined ? {} : { queue: spec.queue }),
    ...(spec.run_in === "object" ? { run_in: spec.run_in } : {}),
  };
}

/** The name of the queue or role that the message of the present try goes to. */
export function queueOfJob({ id, name, try_number: tryNumber, payload, queue }: JobRecord): string {
  return queueOf(queue, { runId: id, taskId: name, mapIndex: -1, tryNumber }, payload);
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

/** Has the message of the present try sent once more: what held it is gone. The next time is as after the first. */
export function resendJob(job: JobRecord, now: number): JobEffect {
  job.sends = 0;
  markSent(job, now);
  return "send";
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
  delete job.excuses;
  delete job.in_object;
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
  delete job.worker_losses;
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

/** Ends a job by a user's word. Its late answer changes nothing; its worker learns of it at the next beat. */
export function killJob(job: JobRecord, reason: string, now: number): void {
  if (isJobFinished(job.state)) {
    return;
  }
  finish(job, "failed", { type: "Killed", message: reason }, now);
  job.fence += 1;
}

/** Does what is due of a job that does not run: a delayed start, a retry, permits, a message that no worker claimed. */
export function tickJob(job: JobRecord, now: number, wishOf: WishOf): JobEffect {
  if (isJobFinished(job.state) || job.state === "running" || job.next_at === null) {
    return null;
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

/**
 * The worker of a running try is lost: the try has failed, and the next one follows. As often in a row as that costs nothing, it follows
 * at once, and there is one try more. Should the worker still report, its token is no longer the newest.
 *
 * @param hasEnded Its process is known to have ended, which needs no silence.
 */
export function endLost(
  job: JobRecord,
  { lastBeat, progress, hasEnded = false }: { lastBeat: number | null; progress: Progress | null; hasEnded?: boolean },
  now: number,
): void {
  const found = hasEnded
    ? `The process of its worker ${job.hostname} has ended.`
    : postMortem({ lastBeat, heartrateMs: leaseRateOf(job), now, progress });
  loseWorker(job, found, now);
}

function loseWorker(job: JobRecord, found: string, now: number): void {
  const losses = job.worker_losses ?? 0;
  const isFree = losses < FREE_WORKER_LOSSES;
  const next = isFree ? `try ${job.try_number + 1} follows at once` : "it is retried if it has tries left";
  const error = { type: "Zombie", message: `${found} Next: ${next}.` };
  job.fence += 1;
  if (isFree) {
    job.worker_losses = losses + 1;
    job.max_tries += 1;
  }
  endAttempt(job, { state: "failed", error, retryable: true, ...(isFree ? { isAtOnce: true } : {}) }, now);
}

/** Ends a running try whose worker did not report it. False if it is not the present one. Should it still report, that is late. */
export function endDead(job: JobRecord, token: number, outcome: Outcome, now: number): boolean {
  if (job.state !== "running" || job.fence !== token) {
    return false;
  }
  if (outcome.state === "failed" && outcome.isWorkerLost === true) {
    loseWorker(job, outcome.error.message, now);
    return true;
  }
  job.fence += 1;
  endAttempt(job, outcome, now);
  return true;
}

/** Milliseconds between two beats that the lease of the present try counts on. */
export function leaseRateOf({ heartrateMs, in_object: isInObject }: JobRecord): number {
  return isInObject === true ? objectBeatMs(heartrateMs) : heartrateMs;
}

/** Its `Job` object beats for the present try, which it runs. */
export function beatFromObject(
  job: JobRecord,
  { object_host: host, progress }: Pick<JobBeat, "object_host" | "progress">,
  now: number,
): void {
  job.in_object = true;
  job.is_watched = true;
  job.hostname = host ?? job.hostname;
  job.progress = progress ?? job.progress;
  job.latest_heartbeat = now;
  delete job.excuses;
  job.next_at = livenessDeadline(now, leaseRateOf(job));
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
