/**
 * Claims tasks of one owner as lanes become free and runs them, follow-up work included, until nothing is left or the invocation has
 * spent its budget. Results that come together are reported together: one call, one commit.
 *
 * @module
 */
import type { ClaimedTask, Outcome } from "../engine/work.ts";
import { Attempt } from "./attempt.ts";
import { execute, type Execution, type Surroundings } from "./execute.ts";
import { Heartbeats } from "./heartbeats.ts";
import { handOver, ServerStopping } from "./hand-over.ts";
import { Budget, countCalls } from "./budget.ts";
import { Lanes } from "./lanes.ts";
import type { Claims, Owner, WorkSource } from "./owner.ts";
import { Pace } from "./pace.ts";
import { Entrusting } from "./entrust.ts";
import { Reporter, type Finished } from "./reporter.ts";
import { Service } from "../isolate/service.ts";

/**
 * How long a result waits for others while more tasks run, in milliseconds: as long as the report before it took, within these bounds. An
 * owner that is far away or busy is so called less often. Nothing waits when nothing runs.
 */
const COALESCE_AT_LEAST_MS = 2;
const COALESCE_AT_MOST_MS = 100;
/** How long a handler whose signal fired may clean up before its session ends without it. */
const CLEAN_UP_MS = 5000;

/** Work that may come back with one report. */
const MOST_FOLLOW_UPS = 100;
/** Lanes of a session that was given none. */
const LANES = 100;

/** What sessions of one invocation, or of one isolate, share. */
export interface Shared {
  /** Of the invocation. */
  lanes?: Lanes;
  /** Of the invocation. */
  budget?: Budget;
  /** Of the jobs that are made; that of the isolate. */
  pace?: Pace;
  /** Says when the isolate stops: handlers then get their signal, and are handed over when the time is up. */
  service?: Service;
  /** The session is in the `Job` object of its attempt: there is a job that shows it, from the start. */
  isInObject?: boolean;
}

/** One owner's tasks in one invocation of a worker. */
export class Session {
  readonly #around: Surroundings;
  readonly #owner: Owner;
  readonly #beats: Heartbeats;
  readonly #reporter: Reporter;
  readonly #entrusting: Entrusting;
  readonly #lanes: Lanes;
  readonly #budget: Budget;
  readonly #service: Service;
  readonly #isInObject: boolean;
  readonly #done = Promise.withResolvers<void>();
  readonly #running = new Set<Attempt>();
  #source: WorkSource = NO_WORK;
  #isClaiming = false;
  /** Handlers that clean up, and jobs that are told of their end. */
  #leftovers = 0;
  #finished: Finished[] = [];
  #flushing = false;
  #coalesceMs = COALESCE_AT_LEAST_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #drain: ReturnType<typeof setTimeout> | undefined;

  constructor(owner: Owner, around: Surroundings, shared: Shared = {}) {
    const { pace = new Pace(), service = new Service(), lanes = new Lanes(LANES) } = shared;
    this.#budget = shared.budget ?? new Budget(around.now);
    this.#owner = countCalls(owner, this.#budget);
    this.#around = around;
    this.#beats = new Heartbeats(this.#owner, pace, around.now);
    this.#reporter = new Reporter(this.#owner, around.now);
    this.#entrusting = new Entrusting(this.#owner, this.#beats, pace, around.now);
    this.#lanes = lanes;
    this.#service = service;
    this.#isInObject = shared.isInObject ?? false;
  }

  /** The attempts whose handlers run now: to be `cut` if they must not go on. */
  get running(): Iterable<Attempt> {
    return this.#running;
  }

  /** Runs the work; resolves when all that was claimed, and all that followed, is over and reported. */
  async run(source: WorkSource): Promise<void> {
    const stop = Promise.withResolvers<void>();
    const forget = this.#service.onStop(stop.resolve);
    void stop.promise.then(() => this.#stop());
    this.#source = source;
    void this.#claim();
    await this.#done.promise;
    clearTimeout(this.#drain);
    forget();
    source.giveBack();
  }

  /** Claims as lanes become free. */
  async #claim(): Promise<void> {
    this.#isClaiming = true;
    try {
      while (this.#mayClaim()) {
        // One claim after the other: each takes what lanes there are.
        // oxlint-disable-next-line no-await-in-loop
        const lanes = await this.#lanes.take(Math.min(this.#source.left, this.#budget.handlersLeft));
        // oxlint-disable-next-line no-await-in-loop
        const claims = await this.#claimUpTo(lanes);
        this.#lanes.leave(lanes - claims.tasks.length);
        this.#start(claims);
      }
    } finally {
      this.#isClaiming = false;
      this.#next();
    }
  }

  async #claimUpTo(most: number): Promise<Claims> {
    // The wait for a lane may have lasted until nothing may be claimed any more.
    if (!this.#mayClaim()) {
      return { tasks: [], since: 0 };
    }
    this.#budget.call();
    return this.#source.claim(most);
  }

  #mayClaim(): boolean {
    return this.#source.left > 0 && !this.#budget.isSpent && !this.#service.isStopping;
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

  #start({ tasks, since }: Claims): void {
    // All of them first: a handler that keeps the thread to itself must not keep others from their beats.
    const attempts = tasks.map((task) => this.#attempt(task, since));
    if (this.#service.isStopping) {
      // Claimed while the isolate began to stop: nothing of it has run.
      this.#finished.push(...attempts.map((attempt) => this.#handedOver(attempt)));
      this.#lanes.leave(attempts.length);
      return;
    }
    this.#budget.begin(attempts.length);
    const own = attempts.filter(({ task }) => task.run_in !== "object");
    for (const attempt of own) {
      this.#running.add(attempt);
      this.#beats.add(attempt);
    }
    for (const attempt of attempts.filter(({ task }) => task.run_in === "object")) {
      this.#keep(this.#entrust(attempt));
    }
    void this.#begin(own);
  }

  /** The result of an attempt that has not begun when the isolate stops. */
  #handedOver(attempt: Attempt): Finished {
    const outcome = handOver(this.#around.now());
    return { attempt, execution: { outcome, xcoms: [], payloads: [], cleanUp: null } };
  }

  #attempt(task: ClaimedTask, since: number): Attempt {
    const attempt = new Attempt(task, since);
    attempt.isPublished = this.#isInObject;
    return attempt;
  }

  /** Has an object run an attempt; the lane is free once it does. */
  async #entrust(attempt: Attempt): Promise<void> {
    const isGiven = await this.#entrusting.give(attempt, () => this.#service.isStopping);
    this.#lanes.leave(1);
    if (!isGiven && this.#service.isStopping) {
      this.#finished.push(this.#handedOver(attempt));
    }
  }

  /** Begins handlers one after the other: each has the thread until it waits for something. */
  async #begin(attempts: readonly Attempt[]): Promise<void> {
    const { breathe } = this.#around;
    for (const [index, attempt] of attempts.entries()) {
      if (index > 0 && breathe !== undefined) {
        // oxlint-disable-next-line no-await-in-loop
        await breathe();
      }
      void this.#one(attempt);
    }
  }

  async #one(attempt: Attempt): Promise<void> {
    const execution = await execute(attempt, this.#owner, this.#around).catch((error: unknown) => failed(error));
    attempt.isOver = true;
    this.#running.delete(attempt);
    this.#lanes.leave(1);
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
      if (this.#running.size + this.#leftovers === 0 && !this.#isClaiming) {
        this.#beats.end();
        this.#done.resolve();
      }
      return;
    }
    if (this.#running.size === 0) {
      void this.#flush();
    } else {
      this.#timer ??= setTimeout(() => void this.#flush(), this.#coalesceMs);
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
    let room = this.#room();
    const sentAt = this.#around.now();
    for await (const claims of this.#reporter.report(finished, () => room)) {
      room -= claims.tasks.length;
      this.#start(claims);
    }
    this.#lanes.leave(room);
    const tookMs = this.#around.now() - sentAt;
    this.#coalesceMs = Math.min(Math.max(tookMs, COALESCE_AT_LEAST_MS), COALESCE_AT_MOST_MS);
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

  /** Takes lanes for the work that may come back with a report: none while messages wait, which came first. */
  #room(): number {
    const isOver = this.#budget.isSpent || this.#service.isStopping;
    return isOver || this.#mayClaim() ? 0 : this.#lanes.takeNow(Math.min(MOST_FOLLOW_UPS, this.#budget.handlersLeft));
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

const NO_WORK: WorkSource = { left: 0, claim: async () => ({ tasks: [], since: 0 }), giveBack: () => undefined };

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
