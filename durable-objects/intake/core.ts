/**
 * What the parts of an intake object stand on: a job is read, the engine decides, the row is stored, and what must follow is done.
 * No job is kept in memory, only when its timer is due: rows are the one truth, and thousands may wait.
 *
 * @module
 */
import {
  awaitsPermits,
  beginQueued,
  endLost,
  leaseRateOf,
  queueOfJob,
  resendJob,
  RESEND_AFTER_MS,
  takeUnneeded,
  tickJob,
  type JobEffect,
  type JobRecord,
} from "../../src/engine/job-machine.ts";
import { livenessDeadline, PUNCTUAL_BEAT } from "../../src/engine/liveness.ts";
import { newWish, type PermitWish } from "../../src/engine/permits/wish.ts";
import { QueueProgress } from "../../src/engine/queue-progress.ts";
import type { TaskSpec } from "../../src/engine/spec.ts";
import { isWorkerGone } from "../../src/isolate/identity.ts";
import { isJobFinished } from "../../src/engine/states.ts";
import { TimerHeap } from "../../src/engine/timers.ts";
import { payloadsOf, type AttemptStanding, type LogChunk, type Progress, type Report } from "../../src/engine/work.ts";
import type { AnyTaskDefinition } from "../../src/sdk/index.ts";
import type { ObjectEnv } from "../env.ts";
import { releaseWish } from "../job-permits.ts";
import { PayloadDeletions } from "../payload-deletions.ts";
import { PayloadStorage } from "../payload-storage.ts";
import { permitNeeds } from "../permit-needs.ts";
import { ratesOf, readyRates } from "../queues.ts";
import { tellSweeper } from "../tell-sweeper.ts";
import { tellWatch } from "../tell-watch.ts";
import { Waiters } from "../waiters.ts";
import { Leases } from "./leases.ts";
import { MessageOutbox } from "./outbox.ts";
import { JobPermits } from "./permits.ts";
import { IntakeStorage, type StoredJob } from "./storage.ts";

const NO_LINES: LogChunk = { from: 0, lines: [] };
/** How long after a failure to read roles the alarm rings again. */
const ROLES_RETRY_MS = 2000;
/** Jobs whose timers one turn of the alarm looks at: a turn holds up all other calls. */
const TIMERS_PER_TURN = 200;

/** The code that a deployment has for a task. */
export interface TaskCode {
  spec: TaskSpec;
  definition: AnyTaskDefinition;
}

/** The code of a deployment. */
export interface DeployedCode {
  taskOf(name: string): TaskCode | null;
  /** The specs of all tasks. */
  specs(): readonly TaskSpec[];
}

interface Timer {
  readonly id: string;
  /** Epoch ms; null once the job needs none. */
  at: number | null;
  /** Its message died with the process that held it, or the worker that runs it did. */
  isHolderGone: boolean;
}

/** The inside of one intake object. */
export class IntakeCore {
  readonly env: ObjectEnv;
  readonly storage: IntakeStorage;
  readonly waiters = new Waiters();
  readonly progress = new QueueProgress();
  readonly permits: JobPermits;
  readonly leases = new Leases();
  /** What tries put into the bucket and their jobs do not keep. */
  readonly payloads: PayloadDeletions;
  readonly code: DeployedCode;
  readonly #ctx: DurableObjectState;
  readonly #outbox: MessageOutbox;
  readonly #timers = new Map<string, Timer>();
  readonly #due = new TimerHeap<Timer>(({ at }) => at);
  readonly #openedAt = Date.now();
  #isOpen = false;
  #alarmAt: number | null = null;
  /** When the sweeper looks whether what is due has happened; null if it does not. */
  #sweptAt: number | null = null;

  constructor(ctx: DurableObjectState, env: ObjectEnv, code: DeployedCode) {
    this.#ctx = ctx;
    this.env = env;
    this.code = code;
    this.storage = new IntakeStorage(ctx.storage);
    this.permits = new JobPermits(this);
    const storage = new PayloadStorage(this.storage.statements);
    this.payloads = new PayloadDeletions(storage, env.PAYLOADS, ctx.id.name ?? "");
    this.#outbox = new MessageOutbox(env, (work) => ctx.waitUntil(work));
  }

  /** Opens the object once per wake. False, and nothing is written, if nothing was ever stored in it. */
  open(now: number): boolean {
    if (!this.#isOpen && this.storage.open()) {
      this.#load(now);
    }
    return this.#isOpen;
  }

  /** Opens the object, and makes its tables if it is new. */
  make(now: number): void {
    if (!this.#isOpen) {
      this.storage.make();
      this.#load(now);
    }
  }

  /** A job as it is stored, or null. */
  find(id: string, now: number): StoredJob | null {
    return this.open(now) ? this.storage.read(id) : null;
  }

  /** Stores a new job, and does what follows. */
  create(job: JobRecord, effect: JobEffect, now: number): void {
    this.storage.insert(job);
    this.#stored(job, effect, now);
  }

  /** Stores a changed job, with lines of one of its tries, and does what follows. Call it in a transaction with what belongs together. */
  save(stored: StoredJob, effect: JobEffect, now: number, tryNumber: number | null = null, logs = NO_LINES): void {
    const { job } = stored;
    const unneeded = takeUnneeded(job);
    this.storage.update(stored, tryNumber, logs);
    if (unneeded !== null) {
      this.later(releaseWish(this.env, job.id, unneeded, now));
    }
    this.#stored(job, effect, now);
  }

  /** Notes for deletion what a report brought and its job has not taken; call it in the transaction that took the report. */
  deleteUnkept({ result }: JobRecord, report: Report, now: number): void {
    const kept = result !== null && "r2" in result ? result.r2 : null;
    const unkept = payloadsOf(report).filter((key) => key !== kept);
    if (unkept.length > 0) {
      this.payloads.add(unkept, now);
      this.payloads.discard();
      this.#arm(now);
    }
  }

  /** Everything inside is stored, or nothing is; what was to follow a job that was not stored is refused by its row. */
  transaction<T>(decide: () => T): T {
    return this.storage.transaction(decide);
  }

  /** Work that goes on after the answer. */
  later(work: Promise<unknown>): void {
    this.#ctx.waitUntil(work);
  }

  /** The wait for a word of another object needs no timer. Not stored: after an eviction the question is asked once more. */
  clearTimer(id: string): void {
    const timer = this.#timers.get(id);
    if (timer !== undefined) {
      timer.at = null;
    }
  }

  /** What a job must hold before it is queued. */
  readonly wishOf = (job: JobRecord): PermitWish | null => {
    const code = this.code.taskOf(job.name);
    const rates = ratesOf(this.env, queueOfJob(job), job.name, Date.now()) ?? [];
    const needs = code === null ? null : permitNeeds(code.spec, code.definition, () => job.payload, rates);
    return needs === null ? null : newWish(needs, job.fence);
  };

  /** Begins the first try of a new job, or lets it wait for its time. */
  begin(job: JobRecord, now: number): JobEffect {
    return job.run_at === null || job.run_at <= now ? beginQueued(job, now, this.wishOf) : null;
  }

  /** Rates of a role are those of its queue: what begins a try must know it. @throws Error if it cannot be read. */
  readyRates(): Promise<void> {
    return readyRates(this.env, this.code.specs(), Date.now());
  }

  /** The alarm's work: what is due and has not happened is done now, a bounded number of jobs at a time. */
  async reconcile(): Promise<void> {
    this.#alarmAt = null;
    if (!this.open(Date.now())) {
      return;
    }
    try {
      await this.readyRates();
    } catch (error) {
      console.warn({ event: "roles_not_read", error: String(error) });
      this.#alarmAt = Date.now() + ROLES_RETRY_MS;
      await this.#ctx.storage.setAlarm(this.#alarmAt);
      return;
    }
    const now = Date.now();
    // Armed once, at the end: of several that are due, each but the last would have it ring again at once.
    this.#alarmAt = now;
    try {
      this.transaction(() => {
        for (let turn = 0; turn < TIMERS_PER_TURN; turn += 1) {
          const timer = this.#due.takeDue(now);
          if (timer === undefined) {
            return;
          }
          this.#tick(timer, now);
        }
      });
    } finally {
      this.#alarmAt = null;
    }
    await this.payloads.run(now);
    this.#arm(now);
  }

  /** For the sweeper: does what is due; gives when there is something to do next, or null. */
  async wake(): Promise<number | null> {
    await this.reconcile();
    const now = Date.now();
    this.#sweptAt = this.#timers.size > 0 ? now : null;
    return this.#sweptAt;
  }

  /**
   * Running tries have beaten: their timers are when their leases end now. An alarm that would fire before they beat again is moved, since
   * there is nothing to do then.
   */
  beaten(jobIds: readonly string[], now: number): void {
    if (jobIds.length === 0) {
      return;
    }
    let heartrateMs = Number.POSITIVE_INFINITY;
    for (const jobId of jobIds) {
      const lease = this.leases.endOf(jobId);
      if (lease !== null) {
        this.#setTimer(jobId, lease.at);
        heartrateMs = Math.min(heartrateMs, lease.heartrateMs);
      }
    }
    const next = this.#nextDue();
    if (
      next !== null &&
      this.#alarmAt !== null &&
      this.#alarmAt <= now + heartrateMs * PUNCTUAL_BEAT &&
      next > this.#alarmAt
    ) {
      this.#setAlarm(next);
    }
  }

  /** How many jobs are not over. */
  get unfinished(): number {
    return this.#timers.size;
  }

  #load(now: number): void {
    // On the embedded runtime messages live in memory, and what held them may have died with this object.
    const isQueueInMemory = this.env.TASK_CONSUMER === "detach";
    for (const { id, state, next_at: at, hostname } of this.storage.unfinished()) {
      const isMessageLost = isQueueInMemory && state === "queued";
      const isHolderGone = isMessageLost || (state === "running" && isWorkerGone(hostname, this.env.TASK_CONSUMER));
      this.#setTimer(id, isHolderGone ? now : at, isHolderGone);
    }
    this.#isOpen = true;
    this.#arm(now);
  }

  #tick(timer: Timer, now: number): void {
    const stored = this.storage.read(timer.id);
    if (stored === null || stored.wasFinished) {
      this.#timers.delete(timer.id);
      return;
    }
    const { job } = stored;
    const isSent = job.state === "queued" && job.sends > 0 && !awaitsPermits(job);
    if (isSent && timer.isHolderGone) {
      this.save(stored, resendJob(job, now), now);
      return;
    }
    if (isSent && this.progress.isMoving(queueOfJob(job), job.queued_at, RESEND_AFTER_MS, now)) {
      this.#setTimer(job.id, now + RESEND_AFTER_MS);
      return;
    }
    if (job.state === "running") {
      if (timer.isHolderGone) {
        this.#loseWorker(stored, job.latest_heartbeat, job.progress, now, true);
      } else {
        this.#checkLease(stored, now);
      }
      return;
    }
    const before = JSON.stringify(job);
    const effect = tickJob(job, now, this.wishOf);
    if (JSON.stringify(job) === before) {
      this.#stored(job, effect, now);
    } else {
      this.save(stored, effect, now);
    }
  }

  /**
   * How a try stands, asked by the `Job` object that watches it. One whose lease has lapsed ends here.
   *
   * @param progress What the `Job` object knows of it.
   */
  standing(jobId: string, token: number, progress: Progress | null, now: number): AttemptStanding {
    const stored = this.find(jobId, now);
    if (stored !== null && stored.job.is_watched !== true) {
      // Its worker was lost before it said so, with a beat or a report: what it logged lies there alone.
      stored.job.is_watched = true;
      this.save(stored, null, now);
    }
    if (stored !== null && stored.job.fence === token + 1 && stored.job.state !== "running") {
      // Ended here, without its worker: that is what the token was raised for.
      return { state: "failed", error: stored.job.error };
    }
    if (stored === null || stored.job.fence !== token) {
      const reason = stored === null ? "there is no such job" : "the attempt is no longer the current one";
      return { state: "failed", error: { type: "Stopped", message: reason } };
    }
    if (stored.job.state === "running") {
      this.#checkLease(stored, now, progress);
    }
    const { state, error } = stored.job;
    if (state === "running") {
      return { state, latest_heartbeat: this.leases.seen(stored.job).latest_heartbeat ?? now };
    }
    return { state: state === "success" || state === "skipped" ? state : "failed", error };
  }

  /** Ends a running try whose worker is lost; else looks again when its lease lapses. */
  #checkLease(stored: StoredJob, now: number, said: Progress | null = null): void {
    const { job } = stored;
    const lapsesAt = this.leases.lapsesAt(job, now, this.#openedAt);
    const { latest_heartbeat: lastBeat, progress } = this.leases.seen(job);
    if (lapsesAt !== null && lapsesAt > livenessDeadline(lastBeat ?? 0, leaseRateOf(job))) {
      job.latest_heartbeat = lastBeat;
      job.next_at = lapsesAt;
      job.excuses = (job.excuses ?? 0) + 1;
      this.save(stored, null, now);
      return;
    }
    if (lapsesAt !== null) {
      this.#setTimer(job.id, lapsesAt);
      this.#arm(now);
      return;
    }
    // A beat brings the gist of it, its `Job` object all.
    this.#loseWorker(stored, lastBeat, said ?? progress, now);
  }

  #loseWorker(
    stored: StoredJob,
    lastBeat: number | null,
    progress: Progress | null,
    now: number,
    hasProcessEnded = false,
  ): void {
    const { job } = stored;
    const { fence, hostname } = job;
    job.progress = progress;
    endLost(job, { lastBeat, progress, hasEnded: hasProcessEnded }, now);
    console.warn({ event: "worker_lost", job_id: job.id, worker: hostname, error: job.error?.message });
    this.save(stored, null, now);
    if (job.is_watched === true) {
      this.later(tellWatch(this.env, job.id, fence));
    }
  }

  #stored(job: JobRecord, effect: JobEffect, now: number): void {
    if (job.state !== "running") {
      this.leases.end(job.id);
    }
    if (isJobFinished(job.state)) {
      this.clearTimer(job.id);
      this.#timers.delete(job.id);
      this.waiters.wake(endedTopic(job.id));
    } else {
      // A retry is ready strictly after its time.
      this.#setTimer(job.id, job.next_at === null ? null : job.next_at + Number(job.state === "up_for_retry"));
      this.#registerWake(now);
    }
    this.waiters.wake(logTopic(job.id));
    this.#arm(now);
    if (effect === "send") {
      this.#outbox.send(job.id, queueOfJob(job));
    } else if (effect === "seek_permits") {
      this.later(this.permits.seek(job.id));
    }
  }

  #setTimer(id: string, at: number | null, isHolderGone = false): void {
    const timer = this.#timers.get(id) ?? { id, at: null, isHolderGone: false };
    this.#timers.set(id, timer);
    timer.isHolderGone = isHolderGone;
    timer.at = at;
    if (at !== null) {
      this.#due.add(at, timer);
    }
  }

  /** Arms the alarm unless it is early enough already. */
  #arm(now: number): void {
    const next = this.#nextDue();
    if (next === null) {
      return;
    }
    const at = Math.max(next, now + 1);
    if (this.#alarmAt === null || at < this.#alarmAt) {
      this.#setAlarm(at);
    }
  }

  #nextDue(): number | null {
    const times = [this.#due.next(), this.payloads.nextDue()].filter((time) => time !== null);
    return times.length === 0 ? null : Math.min(...times);
  }

  #setAlarm(at: number): void {
    this.#alarmAt = at;
    this.storage.rowsWritten += 1;
    this.later(this.#ctx.storage.setAlarm(at));
  }

  /** Has the sweeper look here once a minute while there are jobs: an alarm may be lost. */
  #registerWake(now: number): void {
    if (this.#sweptAt === null) {
      this.#sweptAt = now;
      this.later(tellSweeper(this.env, this.#ctx.id.name ?? "", now));
    }
  }
}

/** What wakes those that wait for the end of a job. */
export function endedTopic(id: string): string {
  return `ended:${id}`;
}

/** What wakes those that wait for more of a job's log. */
export function logTopic(id: string): string {
  return `log:${id}`;
}
