/**
 * One attempt of a session: what its execution, its beats, its report and whoever stops it share.
 *
 * @module
 */
import type { ClaimedTask, Outcome, Progress } from "../engine/work.ts";
import { LazyAbort } from "./abort.ts";
import { TryLog } from "./try-log.ts";

/** An attempt that a session was given. */
export class Attempt {
  readonly task: ClaimedTask;
  /** When it was asked for, epoch milliseconds: its owner's lease began at this time or later. */
  readonly since: number;
  readonly log: TryLog;
  readonly abort = new LazyAbort();
  /** What its handler last said of its progress. */
  progress: Progress | null = null;
  /** The job that shows it; null as long as there is none. That of a standalone task is known from the start. */
  jobId: string | null;
  /** When it beats next, epoch milliseconds; null when it needs to no more. */
  beatAt: number | null = null;
  /** When the last beat that its owner answered was sent. */
  lastBeat: number;
  /** Its owner was called to publish it, and has answered. */
  isPublished = false;
  /** The progress that was last published. */
  published: Progress | null = null;
  /** Its handler is over, or does not count any more. */
  isOver = false;
  readonly #cut = Promise.withResolvers<Outcome | null>();

  constructor(task: ClaimedTask, since: number) {
    this.task = task;
    this.since = since;
    this.lastBeat = since;
    this.jobId = task.job_id;
    this.log = new TryLog(task.log_from);
  }

  /** Resolves when the attempt is cut short: with the outcome to report, or null if nothing is to be reported. */
  get cutShort(): Promise<Outcome | null> {
    return this.#cut.promise;
  }

  /**
   * Fires the handler's signal and ends the attempt without waiting for the handler, which has some seconds to clean up.
   * Only the first call counts, and none after the handler's own end.
   *
   * @param outcome What is reported of the attempt; null for nothing: it is no longer the current one.
   */
  cut(outcome: Outcome | null, reason: Error): void {
    this.#cut.resolve(outcome);
    this.abort.abort(reason);
  }

  /** Says whether there is anything that was not published. */
  get hasNews(): boolean {
    return !this.isPublished || this.progress !== this.published || this.log.pending().lines.length > 0;
  }
}
