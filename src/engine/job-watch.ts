/**
 * The watch over one try that outlived its first heartbeat, pure: what a `Job` object shows and asks. The try's owner, a DAG or
 * an intake object, hears the beats and alone decides whether the worker is lost. Each function takes the record and `now` (epoch
 * ms), changes the record and says what must be done outside.
 *
 * @module
 */
import { livenessDeadline } from "./liveness.ts";
import type { AdoptionRequest } from "./objects.ts";
import { isJobFinished, type JobState } from "./states.ts";
import type { AttemptStanding, BeatAnswer, LogChunk, Outcome, Progress, TaskError } from "./work.ts";

/** The try that is watched. */
export interface Adoption {
  /** Null if it is a try of a standalone job, which its intake object owns. */
  dag_id: string | null;
  run_id: string;
  task_id: string;
  map_index: number;
}

/** Everything a `Job` object knows; one row. Times in epoch milliseconds. */
export interface WatchRecord {
  id: string;
  name: string;
  state: JobState;
  created_at: number;
  start_date: number | null;
  end_date: number | null;
  latest_heartbeat: number | null;
  heartrateMs: number;
  hostname: string | null;
  unixname: string | null;
  try_number: number;
  max_tries: number;
  /** The token of the try: the only one that is listened to. */
  fence: number;
  /** When the alarm is due. */
  next_at: number | null;
  progress: Progress | null;
  error: TaskError | null;
  adoption: Adoption;
  /** The try's handler runs in the job's object itself. */
  in_object?: true;
  /** The owner has ordered the try to stop. */
  stop_reason: string | null;
  /** What the owner must still be notified of. */
  owed: Outcome | null;
}

/** Milliseconds after which an owner that could not be reached is called again. */
export const OWED_RETRY_MS = 2000;
/** A beat may be late by half of a heartrate. */
const LATE_BEAT = 1.5;
const ASK_OWNER_AGAIN_MS = 250;
/** How often the owner of a try that lives is asked: it says itself how the try ended, but its word may get lost. */
const ASK_OWNER_EVERY_MS = 600_000;

/** What must be done after the record is stored. */
export type WatchEffect = "tell_owner" | "ask_owner" | null;

/** A job that watches a try. */
export function watchTry(id: string, request: AdoptionRequest, now: number): WatchRecord {
  return {
    id,
    name: request.handler,
    state: "running",
    created_at: now,
    start_date: request.startDate,
    end_date: null,
    latest_heartbeat: now,
    heartrateMs: request.heartrateMs,
    hostname: request.worker.hostname,
    unixname: request.worker.unixname,
    try_number: request.try_number,
    max_tries: request.max_tries,
    fence: request.token,
    next_at: livenessDeadline(now, request.heartrateMs),
    progress: request.progress,
    error: null,
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

/** A job whose object runs the try that it watches. It looks at itself, so that nothing is due at a time that must be stored. */
export function runTry(id: string, request: AdoptionRequest, now: number): WatchRecord {
  return { ...watchTry(id, request, now), in_object: true, next_at: null };
}

/** Says whether the try runs in the job's object, or did when its memory was lost. */
export function runsInObject(job: WatchRecord): boolean {
  return job.in_object === true && job.state === "running";
}

/** The handler that runs in the object said how far it is, or logged. False: there is nothing that must be stored. */
export function keepNews(
  job: WatchRecord,
  token: number,
  progress: Progress | null,
  logs: LogChunk,
  now: number,
): boolean {
  if (!mayLog(job, token) || (logs.lines.length === 0 && progress === job.progress)) {
    return false;
  }
  if (job.state === "running") {
    job.progress = progress ?? job.progress;
    job.latest_heartbeat = now;
  }
  return true;
}

/** Whether a holder of `token` may log to the watched try: also when it has ended meanwhile. */
export function mayLog({ fence }: WatchRecord, token: number): boolean {
  return token === fence;
}

/** The runner that holds the token brings progress. */
export function beatWatch(
  job: WatchRecord,
  token: number,
  progress: Progress | null,
  now: number,
): BeatAnswer & { effect: WatchEffect } {
  if (job.state !== "running" || job.fence !== token) {
    const reason = job.error?.message ?? `the job is ${job.state}`;
    return { verdict: "stop", reason, effect: null };
  }
  if (job.stop_reason !== null) {
    return { verdict: "stop", reason: job.stop_reason, effect: stopWatch(job, job.stop_reason, now) };
  }
  job.latest_heartbeat = now;
  job.progress = progress ?? job.progress;
  return { verdict: "continue", effect: null };
}

/** Ends a running try by its owner's order. */
export function stopWatch(job: WatchRecord, reason: string, now: number): WatchEffect {
  const error = { type: "Stopped", message: reason };
  finish(job, "failed", error, now);
  return owe(job, error, now);
}

/** Ends the try by a user's word. Its late answer changes nothing; its worker learns of it at the next beat. */
export function killWatch(job: WatchRecord, reason: string, now: number): WatchEffect {
  if (isJobFinished(job.state)) {
    return null;
  }
  const error = { type: "Killed", message: reason };
  finish(job, "failed", error, now);
  return owe(job, error, now);
}

/** Does what is due: an owner that was not notified yet, or one that is asked because nothing was heard for too long. */
export function tickWatch(job: WatchRecord, now: number): WatchEffect {
  if (job.owed !== null) {
    job.next_at = now + OWED_RETRY_MS;
    return "tell_owner";
  }
  if (isJobFinished(job.state) || job.next_at === null) {
    job.next_at = null;
    return null;
  }
  const deadline = livenessDeadline(job.latest_heartbeat ?? job.start_date ?? now, job.heartrateMs);
  const isHeard = now < deadline && job.stop_reason === null;
  job.next_at = now + (isHeard ? ASK_OWNER_EVERY_MS : OWED_RETRY_MS);
  return isHeard ? null : "ask_owner";
}

/** The watched try is over, and its job with it. */
export function completeWatch(
  job: WatchRecord,
  token: number,
  state: "success" | "failed" | "skipped",
  error: TaskError | null,
  now: number,
): void {
  if (job.fence === token && job.state === "running") {
    finish(job, state, error, now);
  }
}

/** What is kept of how an attempt ended: of an error of the handler's own, the owner has all. */
export function endOf(outcome: Outcome): ["success" | "failed" | "skipped", TaskError | null] {
  switch (outcome.state) {
    case "failed":
      return [
        "failed",
        outcome.error.type === "Stopped" ? outcome.error : { type: "TaskFailed", message: outcome.error.message },
      ];
    case "skipped":
      return ["skipped", null];
    default:
      return ["success", null];
  }
}

/** The owner wants the try stopped. A worker that does not obey in time may be gone: then the owner is asked. */
export function noteStop(job: WatchRecord, reason: string, now: number): void {
  job.stop_reason = reason;
  const deadline = livenessDeadline(now, job.heartrateMs);
  job.next_at = Math.min(job.next_at ?? deadline, deadline);
}

/** The owner said how the try stands. False: nothing changed that must be stored. */
export function learnStanding(job: WatchRecord, standing: AttemptStanding, now: number): boolean {
  if (job.state !== "running") {
    return false;
  }
  if (standing.state === "running") {
    job.latest_heartbeat = Math.max(job.latest_heartbeat ?? 0, standing.latest_heartbeat);
    const isDue = job.next_at === null || job.next_at - now <= OWED_RETRY_MS;
    if (isAlive(job, now) && job.stop_reason === null) {
      // It beats to its owner, which knows this job by now. Asked by a reader, there is nothing to change.
      job.next_at = isDue ? now + ASK_OWNER_EVERY_MS : job.next_at;
      return isDue;
    }
    // If the owner allows a silent worker more, it is asked again soon.
    job.next_at = Math.max(livenessDeadline(job.latest_heartbeat, job.heartrateMs), now + ASK_OWNER_AGAIN_MS);
    return false;
  }
  const { stop_reason: reason } = job;
  finish(job, standing.state, reason === null ? standing.error : { type: "Stopped", message: reason }, now);
  return true;
}

/** Its owner heard it since the job was made, and hardly more than a heartrate ago. */
function isAlive({ latest_heartbeat: lastBeat, created_at: madeAt, heartrateMs }: WatchRecord, now: number): boolean {
  return lastBeat !== null && lastBeat > madeAt && now - lastBeat < heartrateMs * LATE_BEAT;
}

/** The owner knows a later beat: workers beat to it, and not to each job. */
export function isStale(job: WatchRecord, now: number): boolean {
  return job.state === "running" && now - (job.latest_heartbeat ?? 0) >= job.heartrateMs;
}

/** A DAG is notified of an end that it did not decide itself; an intake object decides all ends. */
function owe(job: WatchRecord, error: TaskError, now: number): WatchEffect {
  if (job.adoption.dag_id === null) {
    return null;
  }
  job.owed = { state: "failed", error, retryable: false };
  job.next_at = now + OWED_RETRY_MS;
  return "tell_owner";
}

function finish(job: WatchRecord, state: "success" | "failed" | "skipped", error: TaskError | null, now: number): void {
  job.state = state;
  job.error = error;
  job.end_date = now;
  job.next_at = null;
}
