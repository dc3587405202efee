/**
 * Runs claimed tasks of one owner until nothing is left, follow-up work included. Results that come together are
 * reported together: one call, one commit.
 *
 * @module
 */
import type { ClaimedTask, Outcome } from "../engine/work.ts";
import { Attempt } from "./attempt.ts";
import { execute, type Execution, type Surroundings } from "./execute.ts";
import { Heartbeats } from "./heartbeats.ts";
import { handOver, ServerStopping } from "./hand-over.ts";
import type { Owner } from "./owner.ts";
import { Pace } from "./pace.ts";
import { Reporter, type Finished } from "./reporter.ts";
import { Service } from "../isolate/service.ts";

/** How long a result waits for others while more tasks run. Nothing waits when nothing runs. */
const COALESCE_MS = 2;
/** How long a handler whose signal fired may clean up before its session ends without it. */
const CLEAN_UP_MS = 5000;

/** One owner's tasks in one invocation of a worker. */
export class Session {
  readonly #owner: Owner;
  readonly #around: Surroundings;
  readonly #beats: Heartbeats;
  readonly #reporter: Reporter;
  readonly #service: Service;
  readonly #done = Promise.withResolvers<void>();
  readonly #running = new Set<Attempt>();
  /** Handlers that clean up, and jobs that are told of their end. */
  #leftovers = 0;
  #finished: Finished[] = [];
  #flushing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #drain: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param pace Of the jobs that are made; that of the isolate, so that its sessions share it.
   * @param service Says when the isolate stops: handlers then get their signal, and are handed over when the time is up.
   */
  constructor(owner: Owner, around: Surroundings, pace = new Pace(), service = new Service()) {
    this.#owner = owner;
    this.#around = around;
    this.#beats = new Heartbeats(owner, pace, around.now);
    this.#reporter = new Reporter(owner, around.now);
    this.#service = service;
  }

  /** The attempts whose handlers run now: to be `cut` if they must not go on. */
  get running(): Iterable<Attempt> {
    return this.#running;
  }

  /**
   * Runs the tasks; resolves when they and all that followed are over and reported.
   *
   * @param since When they were claimed or the claim was sent, epoch milliseconds: their leases began no earlier.
   */
  async run(tasks: readonly ClaimedTask[], since = this.#around.now()): Promise<void> {
    const stop = Promise.withResolvers<void>();
    const forget = this.#service.onStop(stop.resolve);
    this.#start(tasks, since);
    void stop.promise.then(() => this.#stop());
    this.#next();
    await this.#done.promise;
    clearTimeout(this.#drain);
    forget();
  }

  /** The isolate stops: every handler learns of it now, and what still runs when the time is up is handed over. */
  #stop(): void {
    const now = this.#around.now();
    const reason = new ServerStopping();
    for (const { abort } of this.#running) {
      abort.abort(reason);
    }
    this.#drain = setTimeout(
      () => {
        for (const attempt of this.#running) {
          attempt.cut(handOver(this.#around.now()), reason);
        }
      },
      Math.max(0, (this.#service.stopsAt ?? now) - now),
    );
  }

  #start(tasks: readonly ClaimedTask[], since: number): void {
    // All of them first: a handler that keeps the thread to itself must not keep others from their beats.
    const attempts = tasks.map((task) => new Attempt(task, since));
    if (this.#service.isStopping) {
      // Claimed while the isolate began to stop: nothing of it has run.
      const outcome = handOver(this.#around.now());
      this.#finished.push(
        ...attempts.map((attempt) => ({ attempt, execution: { outcome, xcoms: [], payloads: [], cleanUp: null } })),
      );
      return;
    }
    for (const attempt of attempts) {
      this.#running.add(attempt);
      this.#beats.add(attempt);
    }
    for (const attempt of attempts) {
      void this.#one(attempt);
    }
  }

  async #one(attempt: Attempt): Promise<void> {
    const execution = await execute(attempt, this.#owner, this.#around).catch((error: unknown) => failed(error));
    attempt.isOver = true;
    this.#running.delete(attempt);
    const { outcome, cleanUp } = execution;
    // An isolate that stops has given the handler its time already.
    const cleanedUp = cleanUp === null || this.#service.isStopping ? null : within(cleanUp, CLEAN_UP_MS);
    if (cleanedUp !== null) {
      this.#keep(cleanedUp);
    }
    if (outcome === null) {
      this.#beats.remove(attempt);
      this.#keep(this.#obeyed(attempt, cleanedUp));
    } else {
      this.#finished.push({ attempt, execution: { ...execution, outcome } });
    }
    this.#next();
  }

  /** Decides what to do now: report at once, wait a moment for others, or be done. */
  #next(): void {
    if (this.#flushing) {
      return;
    }
    if (this.#finished.length === 0) {
      if (this.#running.size + this.#leftovers === 0) {
        this.#beats.end();
        this.#done.resolve();
      }
      return;
    }
    if (this.#running.size === 0) {
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
    for await (const { tasks, since } of this.#reporter.report(finished)) {
      this.#start(tasks, since);
    }
    for (const { attempt, execution } of finished) {
      this.#beats.remove(attempt);
      attempt.log.discard();
      if (attempt.isPublished || this.#beats.publisher.has(attempt)) {
        this.#keep(this.#end(attempt, execution.outcome));
      }
    }
    this.#flushing = false;
    this.#next();
  }

  /** An attempt was told to stop: its job learns of it at once, and what the handler logs while it cleans up goes there, too. */
  async #obeyed(attempt: Attempt, cleanedUp: Promise<void> | null): Promise<void> {
    const message = attempt.abort.reason?.message ?? "stopped";
    await this.#end(attempt, { state: "failed", error: { type: "Stopped", message }, retryable: false });
    await cleanedUp;
    attempt.log.end();
    if (attempt.isPublished && attempt.log.pending().lines.length > 0) {
      await this.#beats.publisher.publish(attempt);
    }
    attempt.log.discard();
  }

  /** Tells the job of an attempt, if it has one by now, that the attempt is over. */
  async #end(attempt: Attempt, outcome: Outcome): Promise<void> {
    const { task } = attempt;
    await this.#beats.publisher.drop(attempt);
    if (!attempt.isPublished || attempt.jobId === null) {
      return;
    }
    try {
      await this.#owner.ended(task, attempt.jobId, outcome);
    } catch (error) {
      // It asks for itself when it hears nothing.
      console.warn({ event: "end_not_told", job_id: attempt.jobId, error: String(error) });
    }
  }

  /** Keeps the session open until something is over. */
  #keep(leftover: Promise<void>): void {
    this.#leftovers += 1;
    void leftover.finally(() => {
      this.#leftovers -= 1;
      this.#next();
    });
  }
}

/** Waits for something to settle, but no longer than a time. */
async function within(cleanUp: Promise<unknown>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([cleanUp.catch(() => undefined), over]);
  clearTimeout(timer);
}

/** What is left when the runner itself could not keep what a task pushed: the try failed, and may be tried again. */
function failed(error: unknown): Execution {
  const message = error instanceof Error ? error.message : String(error);
  return {
    outcome: { state: "failed", error: { type: "RunnerError", message }, retryable: true },
    xcoms: [],
    payloads: [],
    cleanUp: null,
  };
}
