/**
 * The object of one job: a standalone task's whole life, or the watch over an adopted task instance. Thin: load, let
 * `job-machine` decide, store the one row, arm the alarm, send.
 *
 * @module
 */
import { DurableObject } from "cloudflare:workers";
import { retryPolicy } from "../src/engine/attempt.ts";
import {
  adoptJob,
  awaitsPermits,
  beatJob,
  beginQueued,
  claimJob,
  completeJob,
  goOnSeeking,
  isStale,
  killJob,
  learnStanding,
  queueOfJob,
  reportJob,
  submitJob,
  takeUnneeded,
  tickJob,
  tryOf,
  type JobEffect,
  type JobRecord,
} from "../src/engine/job-machine.ts";
import type { AdoptionRequest, JobObject, LogPage, Result, WhyView } from "../src/engine/objects.ts";
import type { PermitOwner } from "../src/engine/permits/objects.ts";
import type { OwnerAnswer } from "../src/engine/permits/permit.ts";
import { newWish, takeGrant, type PermitWish } from "../src/engine/permits/wish.ts";
import type { TaskSpec } from "../src/engine/spec.ts";
import { isJobFinished } from "../src/engine/states.ts";
import type {
  BeatAnswer,
  ClaimedTask,
  JobSubmission,
  JobView,
  LogChunk,
  Outcome,
  Progress,
  TaskError,
  Verdict,
  WorkerIdentity,
} from "../src/engine/work.ts";
import { taskSpecOf, type Registry } from "../src/sdk/index.ts";
import type { ObjectEnv } from "./env.ts";
import { askOwner, tellOwner } from "./job-owner.ts";
import { releaseWish, slowDownKeys, takeJobGrant, takeStep, unwantedOfJob } from "./job-permits.ts";
import { JobStorage } from "./job-storage.ts";
import { openQueue, queueNamed, queuesOf, ratesOf } from "./queues.ts";
import { claimed, goesOn, view } from "./job-views.ts";
import { whyJob } from "./job-why.ts";
import { permitNeeds } from "./permit-needs.ts";
import { Waiters } from "./waiters.ts";

const ENDED = "ended";
const LOGGED = "logged";
const NO_LINES: LogChunk = { from: 0, lines: [] };

/** Makes the class for a registry: the code that a deployment consists of. */
export function createJobClass(registry: Registry) {
  const specs = new Map<string, TaskSpec>();
  const specOf = (name: string): TaskSpec | null => {
    const definition = registry.tasks.get(name);
    const known = specs.get(name) ?? (definition === undefined ? undefined : taskSpecOf(definition));
    if (known !== undefined) {
      specs.set(name, known);
    }
    return known ?? null;
  };
  return class Job extends DurableObject<ObjectEnv> implements JobObject, PermitOwner {
    readonly #storage: JobStorage;
    readonly #waiters = new Waiters();
    /** Undefined until it was read in this wake. */
    #job: JobRecord | null | undefined;
    #alarmAt: number | null = null;

    readonly #wishOf = (job: JobRecord): PermitWish | null => {
      const spec = specOf(job.name);
      const rates = ratesOf(this.env, queueOfJob(job), job.name);
      const needs = spec === null ? null : permitNeeds(spec, registry.tasks.get(job.name), () => job.payload, rates);
      return needs === null ? null : newWish(needs, job.fence);
    };

    /** @throws Error if the configuration of queues cannot be used: that is not the job's fault, which would fail for it. */
    constructor(ctx: DurableObjectState, env: ObjectEnv) {
      super(ctx, env);
      queuesOf(env);
      this.#storage = new JobStorage(ctx.storage);
    }

    async submit(submission: JobSubmission): Promise<Result<{ job: JobView; created: boolean }>> {
      const existing = this.#load();
      if (existing !== null) {
        return existing.name === submission.name && existing.adoption === null
          ? { ok: true, value: { job: view(existing), created: false } }
          : conflict(`expected a new id, got ${submission.job_id}, which is a job of task "${existing.name}"`, [
              "body",
              "id",
            ]);
      }
      const spec = specOf(submission.name);
      if (spec === null) {
        return { ok: false, refusal: { code: "not_found", message: `there is no task "${submission.name}"` } };
      }
      const now = Date.now();
      const job = submitJob(submission, spec, retryPolicy(spec), now);
      const due = submission.runAt === null || submission.runAt <= now;
      const effect = due ? beginQueued(job, now, this.#wishOf) : null;
      this.#storage.create(job);
      this.#job = job;
      this.#after(job, effect, now);
      return { ok: true, value: { job: view(job), created: true } };
    }

    async get(waitMs: number): Promise<Result<JobView>> {
      const known = this.#load();
      if (known !== null && isStale(known, Date.now())) {
        await this.#askOwner(known);
      }
      return this.#waiters.until<Result<JobView>>(ENDED, waitMs, () => {
        const job = this.#load();
        return job === null
          ? { value: unknown(this.ctx.id), done: true }
          : { value: { ok: true, value: view(job) }, done: isJobFinished(job.state) };
      });
    }

    async why(): Promise<Result<WhyView>> {
      const job = this.#load();
      return job === null ? unknown(this.ctx.id) : { ok: true, value: await whyJob(this.env, job, Date.now()) };
    }

    async kill(reason: string): Promise<Result<JobView>> {
      return this.#change((job, now) => ({ answer: { ok: true, value: job }, effect: killJob(job, reason, now) }));
    }

    async heartbeat(progress: Progress | null): Promise<Result<JobView>> {
      return this.#change((job) => {
        if (job.state !== "running") {
          const refused = conflict<JobRecord>(`expected a running job, got one that is ${job.state}`);
          return { answer: refused, effect: null };
        }
        // Only the runner that holds the attempt proves that it lives: this notes how far it is.
        job.progress = progress ?? job.progress;
        return { answer: { ok: true, value: job }, effect: null };
      });
    }

    async claim(worker: WorkerIdentity): Promise<ClaimedTask | null> {
      const job = this.#load();
      const now = Date.now();
      if (job === null || job.adoption !== null || !claimJob(job, worker, now)) {
        return null;
      }
      this.#save(job, now);
      const logFrom = this.#storage.log.end(job.try_number);
      return { ...claimed(job), ...(logFrom > 0 ? { log_from: logFrom } : {}) };
    }

    async report(token: number, outcome: Outcome, logs: LogChunk): Promise<Verdict> {
      const job = this.#load();
      if (job === null) {
        return "late";
      }
      const now = Date.now();
      const tryNumber = tryOf(job, token);
      const { wish } = job;
      const verdict = reportJob(job, token, outcome, now);
      if (verdict === "accepted" && outcome.state === "failed" && outcome.retryAfterMs !== undefined && wish !== null) {
        this.ctx.waitUntil(slowDownKeys(this.env, job.id, wish, now + outcome.retryAfterMs));
      }
      if (verdict !== "duplicate") {
        this.#save(job, now, tryNumber, logs);
      }
      return verdict;
    }

    async beat(token: number, progress: Progress | null, logs: LogChunk = NO_LINES): Promise<BeatAnswer> {
      const job = this.#load();
      if (job === null) {
        return { verdict: "stop", reason: "there is no such job" };
      }
      const now = Date.now();
      const tryNumber = tryOf(job, token);
      const { effect, ...answer } = beatJob(job, token, progress, now);
      this.#save(job, now, tryNumber, logs);
      this.#after(job, effect, now);
      return answer;
    }

    async readLog(tryNumber: number, from: number, waitMs: number): Promise<Result<LogPage>> {
      return this.#waiters.until<Result<LogPage>>(LOGGED, waitMs, () => {
        const page = this.#logPage(tryNumber, from);
        return { value: page, done: !page.ok || page.value.lines.length > 0 || page.value.isOver };
      });
    }

    async adopt(request: AdoptionRequest): Promise<BeatAnswer> {
      const now = Date.now();
      let job = this.#load();
      if (job === null) {
        job = adoptJob(this.ctx.id.name ?? "", request, now);
        this.#storage.create(job);
        this.#job = job;
        this.#after(job, null, now);
      }
      if (request.logs !== undefined) {
        this.#save(job, now, tryOf(job, request.token), request.logs);
      }
      return { verdict: "continue" };
    }

    async stop(reason: string): Promise<void> {
      const job = this.#load();
      if (job !== null && job.state === "running" && job.stop_reason === null) {
        job.stop_reason = reason;
        this.#save(job, Date.now());
      }
    }

    async complete(token: number, state: "success" | "failed" | "skipped", error: TaskError | null): Promise<void> {
      const job = this.#load();
      if (job !== null) {
        const now = Date.now();
        completeJob(job, token, state, error, now);
        this.#save(job, now);
      }
    }

    async permitsUnwanted(ledger: string, holders: string[]): Promise<string[]> {
      return unwantedOfJob(this.#load(), ledger, holders);
    }

    async permitsGranted(ledger: string, holders: string[]): Promise<OwnerAnswer> {
      const job = this.#load();
      const held = job?.wish?.held;
      const answer = takeJobGrant(job, ledger, holders);
      if (job !== null && job.wish?.held !== held && awaitsPermits(job)) {
        this.#goOnSeeking(job);
      }
      return answer;
    }

    /** Rows this object wrote since it woke, alarms included: what the platform bills, for the benchmark. */
    async rowsWritten(): Promise<number> {
      return this.#storage.rowsWritten;
    }

    /** The reconciler: whatever is due and has not happened is done now. Idempotent. */
    override async alarm(): Promise<void> {
      this.#alarmAt = null;
      const job = this.#load();
      if (job === null) {
        return;
      }
      const now = Date.now();
      const before = JSON.stringify(job);
      const effect = tickJob(job, now, this.#wishOf);
      if (effect === "ask_owner") {
        // Nothing to store: the alarm that follows from the answer is enough.
        await this.#askOwner(job);
        return;
      }
      if (JSON.stringify(job) !== before) {
        this.#save(job, now);
      }
      this.#after(job, effect, now);
    }

    #load(): JobRecord | null {
      if (this.#job === undefined) {
        this.#job = this.#storage.read();
        if (this.#job !== null) {
          // An alarm may have been lost; to arm it again costs a write per wake.
          this.#arm(this.#job, Date.now());
        }
      }
      return this.#job;
    }

    #change(
      decide: (job: JobRecord, now: number) => { answer: Result<JobRecord>; effect: JobEffect },
    ): Result<JobView> {
      const job = this.#load();
      if (job === null) {
        return unknown(this.ctx.id);
      }
      const now = Date.now();
      const { answer, effect } = decide(job, now);
      if (!answer.ok) {
        return answer;
      }
      this.#save(job, now);
      this.#after(job, effect, now);
      return { ok: true, value: view(answer.value) };
    }

    #logPage(tryNumber: number, from: number): Result<LogPage> {
      const job = this.#load();
      const isPresent = job !== null && tryNumber === job.try_number;
      if (job === null || tryNumber > job.try_number || (job.adoption !== null && !isPresent)) {
        const message = `expected a try of job ${this.ctx.id.name ?? ""}, got try ${tryNumber}, of which there is none`;
        return { ok: false, refusal: { code: "not_found", message } };
      }
      const { first, lines, isLast } = this.#storage.log.read(tryNumber, from);
      const isOver = isLast && !(isPresent && goesOn(job));
      const value = {
        lines,
        next: first + lines.length,
        isOver,
        dropped: first - from,
        // Of the tries before the present one only the lines are kept.
        hostname: isPresent ? job.hostname : null,
        error: isPresent && isOver ? job.error : null,
      };
      return { ok: true, value };
    }

    /** A step was taken: stores it, and takes the next. */
    #goOnSeeking(job: JobRecord & { wish: PermitWish }): void {
      const now = Date.now();
      const effect = goOnSeeking(job, now);
      this.#save(job, now);
      this.#after(job, effect, now);
    }

    /** Takes the next step towards the permits of a job. An error or a lost answer is made up for by the alarm. */
    async #seekPermits(): Promise<void> {
      const asking = this.#load();
      if (asking === null || !awaitsPermits(asking)) {
        return;
      }
      try {
        const { token, held } = asking.wish;
        const result = await takeStep(this.env, asking, asking.wish);
        // It may have been killed meanwhile, or told the same by its ledger.
        const job = this.#load();
        if (job === null || !awaitsPermits(job) || job.wish.token !== token || job.wish.held !== held) {
          return;
        }
        if (result === "waits") {
          // The ledger calls. Not stored: should this object be evicted before, it asks once more.
          job.next_at = null;
          return;
        }
        if ("granted" in result) {
          takeGrant(job.wish, result.granted);
        } else {
          job.wish.at = result.reserved;
        }
        this.#goOnSeeking(job);
      } catch (error) {
        console.warn({ event: "permits_not_sought", job_id: asking.id, error: String(error) });
      }
    }

    #save(job: JobRecord, now: number, tryNumber: number | null = null, logs: LogChunk = NO_LINES): void {
      const unneeded = takeUnneeded(job);
      try {
        this.#storage.update(job, tryNumber, logs);
      } catch (error) {
        // Memory is ahead of storage: read it again next time.
        this.#job = undefined;
        throw error;
      }
      if (unneeded !== null) {
        this.ctx.waitUntil(releaseWish(this.env, job.id, unneeded, now));
      }
      this.#arm(job, now);
      this.#waiters.wake(LOGGED);
      if (isJobFinished(job.state)) {
        this.#waiters.wake(ENDED);
      }
    }

    #after(job: JobRecord, effect: JobEffect, now: number): void {
      this.#arm(job, now);
      if (effect === "send") {
        this.ctx.waitUntil(this.#send(job, now));
      } else if (effect === "seek_permits") {
        this.ctx.waitUntil(this.#seekPermits());
      } else if (effect === "tell_owner") {
        this.ctx.waitUntil(this.#tellOwner(job));
      } else if (effect === "ask_owner") {
        this.ctx.waitUntil(this.#askOwner(job));
      }
    }

    async #send(job: JobRecord, now: number): Promise<void> {
      const { id } = job;
      const name = queueOfJob(job);
      try {
        const queue = await queueNamed(this.env, name, now);
        if (queue === null) {
          // It stays queued and is sent when there is such a role, or fails as stuck.
          console.warn({ event: "queue_unknown", job_id: id, queue: name });
          return;
        }
        await openQueue(this.env, queue)?.send({ job_id: id });
      } catch (error) {
        // It is queued in storage and will be sent again when nobody claims it.
        console.warn({ event: "send_failed", job_id: id, error: String(error) });
      }
    }

    async #tellOwner(job: JobRecord): Promise<void> {
      if (await tellOwner(this.env, job)) {
        job.owed = null;
        job.next_at = null;
        this.#save(job, Date.now());
      }
    }

    /** Asks the owner of an adopted task instance how it stands. */
    async #askOwner(asking: JobRecord): Promise<void> {
      const standing = await askOwner(this.env, asking);
      const job = this.#load();
      const now = Date.now();
      if (standing !== null && job !== null && learnStanding(job, standing, now)) {
        this.#save(job, now);
      } else if (job !== null) {
        this.#arm(job, now);
      }
    }

    /** Arms the alarm unless it is early enough already: a beat or a claim need not move it, since it re-arms itself. */
    #arm(job: JobRecord, now: number): void {
      if (job.next_at === null) {
        return;
      }
      const at = Math.max(job.state === "up_for_retry" ? job.next_at + 1 : job.next_at, now + 1);
      if (this.#alarmAt === null || at < this.#alarmAt) {
        this.#alarmAt = at;
        this.#storage.rowsWritten += 1;
        this.ctx.waitUntil(this.ctx.storage.setAlarm(at));
      }
    }
  };
}

function conflict<T>(message: string, loc?: (string | number)[]): Result<T> {
  return { ok: false, refusal: { code: "conflict", message, ...(loc === undefined ? {} : { loc }) } };
}

function unknown<T>(id: DurableObjectId): Result<T> {
  const message = `expected the id of a job, got ${JSON.stringify(id.name ?? "")}, of which there is none`;
  return { ok: false, refusal: { code: "not_found", message } };
}
