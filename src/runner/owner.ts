/**
 * What a runner knows of whoever owns the work it runs. Implemented over a `Dag` object and over a `Job` object; the
 * runner cannot tell which.
 *
 * @module
 */
import type { Json } from "../engine/spec.ts";
import type { BeatAnswer, ClaimedTask, LogChunk, Outcome, Progress, Report } from "../engine/work.ts";
import type { XComRequest } from "../sdk/index.ts";

/** An owner of claimed work. Methods may be called again after a lost answer. */
export interface Owner {
  /** Takes results; gives back work for the same runner that is already claimed. */
  report(reports: Report[]): Promise<ClaimedTask[]>;
  /** The first heartbeat of a task that outlives it, and every one after it, with what it logged since the last one. */
  beat(
    task: ClaimedTask,
    beats: number,
    progress: Progress | null,
    startDate: number,
    logs: LogChunk,
  ): Promise<BeatAnswer & { jobId: string }>;
  /** The try is over and reported: whatever watched it may rest. */
  ended(task: ClaimedTask, jobId: string | null, outcome: Outcome): Promise<void>;
  /** Where in the bucket this task puts values that are too large for rows, with a slash at the end. */
  payloadPlace(task: ClaimedTask): Promise<string>;
  /** A value another task instance of the same run left. */
  pullXCom(task: ClaimedTask, request: XComRequest): Promise<Json>;
}
