/**
 * What a runner knows of the owner of the work it runs: a `Dag` object, or whatever keeps standalone jobs. The runner
 * cannot tell which.
 *
 * An attempt is alive as long as its owner hears of it: `beat` is all that its lease depends on, and one call carries the
 * attempts of a whole session. What users see of an attempt (its job, progress, log lines) travels apart, by `publish`, so
 * that nothing slow is paid inside the lease.
 *
 * @module
 */
import type { Json } from "../engine/spec.ts";
import type { BeatAnswer, ClaimedTask, LogChunk, Outcome, Progress, Report } from "../engine/work.ts";
import type { XComRequest } from "../sdk/index.ts";

/** Claimed work. */
export interface Claims {
  tasks: ClaimedTask[];
  /** When it was asked for, epoch milliseconds: its leases began at this time or later. */
  since: number;
}

/** Work that an owner has for this invocation, not claimed yet. */
export interface WorkSource {
  /** How much may be left of it. */
  readonly left: number;
  /** Claims at most so much; less, or nothing, if others were faster or the owner cannot be asked. Never throws. */
  claim(most: number): Promise<Claims>;
  /** Gives back what was not claimed: it is for another invocation. */
  giveBack(): void;
}

/** One attempt in a call of `beat`. */
export interface Beat {
  task: ClaimedTask;
  /** The job that `publish` made for it; null as long as there is none. The owner notes it when it first comes. */
  jobId: string | null;
  /** What the handler last said of its progress. */
  progress: Progress | null;
}

/** What users are to see of an attempt that outlived its first heartbeat. */
export interface Publication extends Beat {
  /** When the attempt began, epoch milliseconds. */
  startDate: number;
  /** Lines logged since those that an earlier call brought. */
  logs: LogChunk;
}

/** An owner of claimed work. Every method may be called again after a lost answer. */
export interface Owner {
  /**
   * Takes results; gives back work for the same runner that is already claimed.
   *
   * @param limit How much work may come back at most.
   * @throws An error of the platform (`isPlatformError`) if the call may have got lost: it is made again until it is
   * answered. Any other means that the owner cannot take one of these results.
   */
  report(reports: Report[], limit: number): Promise<ClaimedTask[]>;
  /**
   * Renews the leases of attempts. Answers in their order: `stop` for one that is no longer the current one. Called every
   * heartrate, also while an earlier call is not answered; an error stops no attempt.
   */
  beat(beats: readonly Beat[]): Promise<BeatAnswer[]>;
  /**
   * Makes the job of an attempt, or brings its progress and log lines to the job it has. Called when the owner has answered
   * the attempt's first beat, and after a beat whenever something changed; few at a time.
   */
  publish(publication: Publication): Promise<BeatAnswer & { jobId: string }>;
  /**
   * Has the `Job` object of an attempt run it (`run_in: "object"`), and comes back at once: from then it is the object's, which beats
   * and reports. `stop`: the object has had it before, or it is no longer the current one.
   *
   * @param startDate When the attempt began, epoch milliseconds.
   */
  runInObject(task: ClaimedTask, startDate: number): Promise<BeatAnswer>;
  /** An attempt with a job is over, its result reported; or it obeyed a stop, and failed with an error of the type `Stopped`. */
  ended(task: ClaimedTask, jobId: string, outcome: Outcome): Promise<void>;
  /** Where in the bucket this task puts values that are too large for rows, with a slash at the end. */
  payloadPlace(task: ClaimedTask): Promise<string>;
  /** A value another task instance of the same run left. */
  pullXCom(task: ClaimedTask, request: XComRequest): Promise<Json>;
}
