/**
 * Runs claimed tasks of one owner until nothing is left, follow-up work included. Results that come together are
 * reported together: one call, one commit.
 *
 * @module
 */
import type { ClaimedTask, Report } from "../engine/work.ts";
import { BeatClock } from "./beat-clock.ts";
import { execute, type Execution, type Surroundings } from "./execute.ts";
import type { Owner } from "./owner.ts";
import { TryLog } from "./try-log.ts";

/** How long a result waits for others while more tasks run. Nothing waits when nothing runs. */
const COALESCE_MS = 2;
/** Times a report is tried before it is left to the owner's liveness rules. */
const REPORT_TRIES = 4;
const REPORT_RETRY_MS = 50;
/** Characters of log lines in one call: at two bytes each, beside the values, well below the 32 MiB a call may have. */
const LOG_CHARS_PER_CALL = 4 * 1024 * 1024;

interface Finished {
  task: ClaimedTask;
  execution: Execution;
}

/** One owner's tasks in one invocation of a worker. */
export class Session {
  readonly #owner: Owner;
  readonly #around: Surroundings;
  readonly #clock: BeatClock;
  readonly #done = Promise.withResolvers<void>();
  #running = 0;
  #finished: Finished[] = [];
  #flushing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(owner: Owner, around: Surroundings) {
    this.#owner = owner;
    this.#around = around;
    this.#clock = new BeatClock(around.now);
  }

  /** Runs the tasks; resolves when they and all that followed are over and reported. */
  async run(tasks: readonly ClaimedTask[]): Promise<void> {
    this.#start(tasks);
    this.#next();
    await this.#done.promise;
  }

  #start(tasks: readonly ClaimedTask[]): void {
    for (const task of tasks) {
      this.#running += 1;
      void this.#one(task);
    }
  }

  async #one(task: ClaimedTask): Promise<void> {
    const execution = await execute(task, this.#owner, this.#around, this.#clock).catch((error: unknown) =>
      failed(error),
    );
    this.#running -= 1;
    if (execution !== null) {
      this.#finished.push({ task, execution });
    }
    this.#next();
  }

  /** Decides what to do now: report at once, wait a moment for others, or be done. */
  #next(): void {
    if (this.#flushing) {
      return;
    }
    if (this.#finished.length === 0) {
      if (this.#running === 0) {
        this.#clock.end();
        this.#done.resolve();
      }
      return;
    }
    if (this.#running === 0) {
      void this.#flush();
    } else {
      this.#timer ??= setTimeout(() => void this.#flush(), COALESCE_MS);
    }
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#flushing) {
      return;
    }
    this.#flushing = true;
    const finished = this.#finished;
    this.#finished = [];
    try {
      for (const together of callsOf(finished)) {
        // One after the other: what follows from a report is claimed with its answer, and a failed one ends the round.
        this.#start(await this.#report(together));
      }
      await Promise.all(
        finished
          .filter(({ execution }) => execution.jobId !== null)
          .map(({ task, execution }) => this.#owner.ended(task, execution.jobId, execution.outcome)),
      );
    } catch (error) {
      // The owner finds the silent attempts by their leases and heartbeats, and runs them again.
      console.error({ event: "report_failed", tasks: finished.length, error: String(error) });
    }
    for (const { execution } of finished) {
      execution.log.discard();
    }
    this.#flushing = false;
    this.#next();
  }

  /** Reports together; if that cannot be done, one by one, so that one result cannot take the others with it. */
  async #report(finished: readonly Finished[]): Promise<ClaimedTask[]> {
    try {
      return await this.#send(finished);
    } catch (error) {
      if (finished.length === 1) {
        const [only] = finished;
        return only === undefined ? [] : this.#send([{ task: only.task, execution: unreported(only, error) }]);
      }
      const followUps: ClaimedTask[] = [];
      for (const one of finished) {
        followUps.push(...(await this.#report([one])));
      }
      return followUps;
    }
  }

  async #send(finished: readonly Finished[]): Promise<ClaimedTask[]> {
    const reports = finished.map(({ task, execution }) => reportOf(task, execution));
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#owner.report(reports);
      } catch (error) {
        if (tries === REPORT_TRIES) {
          throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, REPORT_RETRY_MS * 2 ** tries));
      }
    }
  }
}

/** What is reported in one call each: all of it, unless that is too much to log at once. */
function callsOf(finished: readonly Finished[]): Finished[][] {
  const calls: Finished[][] = [];
  let chars = 0;
  for (const one of finished) {
    const { size } = one.execution.log;
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

function reportOf(task: ClaimedTask, { outcome, xcoms, payloads, log }: Execution): Report {
  // A try that goes on later gets another job, or none: its log must not depend on the one it has now.
  const logs = outcome.state === "up_for_reschedule" ? log.kept() : log.pending();
  return {
    run_id: task.run?.run_id ?? "",
    task_id: task.task_id,
    map_index: task.map_index,
    token: task.token,
    outcome,
    ...(xcoms.length > 0 ? { xcoms } : {}),
    ...(payloads.length > 0 ? { payloads: [...payloads] } : {}),
    ...(logs.lines.length > 0 ? { logs } : {}),
  };
}

/** A result that its owner cannot take: the try failed, with what went wrong, and may be tried again. */
function unreported({ execution }: Finished, error: unknown): Execution {
  const message = `the result could not be reported: ${error instanceof Error ? error.message : String(error)}`;
  return {
    outcome: { state: "failed", error: { type: "ReportError", message: message.slice(0, 2000) }, retryable: true },
    jobId: execution.jobId,
    xcoms: [],
    // The report that failed may have arrived all the same: the owner says which of them it keeps.
    payloads: execution.payloads,
    log: execution.log,
  };
}

/** What is left when the runner itself could not keep what a task pushed: the try failed, and may be tried again. */
function failed(error: unknown): Execution {
  const message = error instanceof Error ? error.message : String(error);
  return {
    outcome: { state: "failed", error: { type: "RunnerError", message }, retryable: true },
    jobId: null,
    xcoms: [],
    payloads: [],
    log: new TryLog(),
  };
}
