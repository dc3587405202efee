/**
 * Reports results until their owner has them.
 *
 * @module
 */
import { isPlatformError } from "../engine/platform-errors.ts";
import type { Outcome, Report } from "../engine/work.ts";
import type { Attempt } from "./attempt.ts";
import { backoffMs } from "../engine/backoff.ts";
import type { Execution } from "./execute.ts";
import type { Claims, Owner } from "./owner.ts";

/** Times a report is tried that its owner refuses with an error of its own: one alone, and several together. */
const TRIES_ALONE = 4;
const TRIES_TOGETHER = 2;
/** Characters of log lines in one call: at two bytes each, beside the values, well below the 32 MiB a call may have. */
const LOG_CHARS_PER_CALL = 4 * 1024 * 1024;

/** A result to report. */
export interface Finished {
  attempt: Attempt;
  execution: Execution & { outcome: Outcome };
}

/** Reports the results of one session. */
export class Reporter {
  readonly #owner: Owner;
  readonly #now: () => number;

  constructor(owner: Owner, now: () => number) {
    this.#owner = owner;
    this.#now = now;
  }

  /**
   * Reports results, in as few calls as will hold them; gives the work that comes back with each. Never throws: what cannot
   * be reported is left to its lease, and run again.
   *
   * @param room Says how much work may come back with the next call.
   */
  async *report(finished: readonly Finished[], room: () => number): AsyncGenerator<Claims> {
    for (const together of callsOf(finished)) {
      try {
        // One after the other: what follows from a report is claimed with its answer, and a failed one ends the round.
        yield* this.#report(together, room);
      } catch (error) {
        console.error({ event: "report_failed", tasks: together.length, error: String(error) });
        return;
      }
    }
  }

  /** Reports together; if the owner cannot take that, one by one, so that one result cannot take the others with it. */
  async *#report(finished: readonly Finished[], room: () => number): AsyncGenerator<Claims> {
    const [first, ...others] = finished;
    if (first === undefined) {
      return;
    }
    let refusal: unknown;
    try {
      yield await this.#send(finished, room());
      return;
    } catch (error) {
      refusal = error;
    }
    if (others.length === 0) {
      yield await this.#send([unreported(first, refusal)], room());
      return;
    }
    for (const one of finished) {
      yield* this.#report([one], room);
    }
  }

  /**
   * Makes one call until it is answered: an owner that is away or has too much to do comes back, and the attempts beat
   * meanwhile. What the owner's own code refuses it is unlikely to take later.
   */
  async #send(finished: readonly Finished[], limit: number): Promise<Claims> {
    const reports = finished.map(reportOf);
    let refusals = 0;
    for (let failures = 1; ; failures += 1) {
      const since = this.#now();
      try {
        return { tasks: await this.#owner.report(reports, limit), since };
      } catch (error) {
        refusals += Number(!isPlatformError(error));
        if (refusals >= (finished.length === 1 ? TRIES_ALONE : TRIES_TOGETHER)) {
          throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, backoffMs(failures, error)));
      }
    }
  }
}

/** What is reported in one call each: all of it, unless that is too much to log at once. */
function callsOf(finished: readonly Finished[]): Finished[][] {
  const calls: Finished[][] = [];
  let chars = 0;
  for (const one of finished) {
    const { size } = one.attempt.log;
    const last = calls.at(-1);
    if (last === undefined || chars + size > LOG_CHARS_PER_CALL) {
      calls.push([one]);
      chars = size;
    } else {
      last.push(one);
      chars += size;
    }
  }
  return calls;
}

function reportOf({
  attempt: { task, log, jobId, isPublished },
  execution: { outcome, xcoms, payloads },
}: Finished): Report {
  // A try that goes on later gets another job, or none: its log must not depend on the one it has now.
  const logs = outcome.state === "up_for_reschedule" ? log.kept() : log.pending();
  return {
    run_id: task.run?.run_id ?? "",
    task_id: task.task_id,
    map_index: task.map_index,
    token: task.token,
    outcome,
    ...(task.job_id !== null ? { job_id: task.job_id, is_watched: isPublished } : {}),
    ...(task.job_id === null && isPublished && jobId !== null ? { job_id: jobId } : {}),
    ...(xcoms.length > 0 ? { xcoms } : {}),
    ...(payloads.length > 0 ? { payloads: [...payloads] } : {}),
    ...(logs.lines.length > 0 ? { logs } : {}),
  };
}

/** A result that its owner cannot take: the try failed, with what went wrong, and may be tried again. */
function unreported({ attempt, execution }: Finished, error: unknown): Finished {
  const message = `the result could not be reported: ${error instanceof Error ? error.message : String(error)}`;
  const outcome: Outcome = {
    state: "failed",
    error: { type: "ReportError", message: message.slice(0, 2000) },
    retryable: true,
  };
  // The report that failed may have arrived all the same: the owner says which values it keeps.
  return { attempt, execution: { ...execution, outcome, xcoms: [] } };
}
