/**
 * The beats of one running task. The first comes after one heartrate: a task that ends before it needs no job at all.
 *
 * @module
 */
import type { ClaimedTask, Progress } from "../engine/work.ts";
import type { LazyAbort } from "./abort.ts";
import type { Beat, BeatClock } from "./beat-clock.ts";
import type { Owner } from "./owner.ts";
import type { TryLog } from "./try-log.ts";

/** Failed beats in a row after which a task is stopped, as Airflow's `max_failed_heartbeats`. */
const MAX_FAILED_BEATS = 3;

/** Handle on the beats of one task. */
export interface Heartbeats {
  jobId(): string | null;
  /** Called once if the owner says stop, or cannot be reached any more. */
  onStop(listener: () => void): void;
  /** Resolves when no beat is on its way any more: only then it is known whether a job watches the task. */
  end(): Promise<void>;
}

/** Starts beating for a task; `end` it when the task is over. */
export function startHeartbeats(
  task: ClaimedTask,
  owner: Owner,
  progress: () => Progress | null,
  log: TryLog,
  abort: LazyAbort,
  clock: BeatClock,
  now: () => number,
): Heartbeats {
  const startDate = now();
  let jobId: string | null = null;
  let beats = 0;
  let failed = 0;
  let over = false;
  let stopListener = (): void => undefined;
  const stop = (reason: string): void => {
    over = true;
    abort.abort(new Error(reason));
    stopListener();
  };
  const send = async (): Promise<void> => {
    try {
      const lines = log.pending();
      const answer = await owner.beat(task, beats, progress(), startDate, lines);
      // Only now: if the answer is lost, the lines are sent again.
      log.confirm(lines.from + lines.lines.length);
      beats += 1;
      failed = 0;
      jobId = answer.jobId;
      if (answer.verdict === "stop" && !over) {
        stop(answer.reason ?? "the attempt is no longer the current one");
      }
    } catch (error) {
      failed += 1;
      if (failed >= MAX_FAILED_BEATS && !over) {
        stop(`${MAX_FAILED_BEATS} heartbeats in a row failed: ${String(error)}`);
      }
    }
    if (!over) {
      beat.at = now() + task.heartrateMs;
      clock.add(beat);
    }
  };
  let sending: Promise<void> | undefined;
  const beat: Beat = {
    at: startDate + task.heartrateMs,
    run: () => {
      sending = send();
    },
  };
  clock.add(beat);
  return {
    jobId: () => jobId,
    onStop: (listener) => {
      stopListener = listener;
    },
    end: async () => {
      over = true;
      beat.at = null;
      await sending;
    },
  };
}
