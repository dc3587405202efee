/**
 * The object that keeps standalone jobs, one of a fixed number: see `engine/intake.ts`. Thin: load, let `job-machine` decide,
 * store the row, arm the alarm, send.
 *
 * @module
 */
import { DurableObject } from "cloudflare:workers";
import { retryPolicy } from "../../src/engine/attempt.ts";
import type { IntakeObject, JobBeat, LinkKind } from "../../src/engine/intake.ts";
import {
  beatJob,
  claimJob,
  killJob,
  queueOfJob,
  reportJob,
  submitJob,
  tryOf,
  type JobRecord,
} from "../../src/engine/job-machine.ts";
import type { JobObject, LogPage, Refusal, Result, WhyView } from "../../src/engine/objects.ts";
import type { OwnerAnswer } from "../../src/engine/permits/permit.ts";
import { isJobFinished } from "../../src/engine/states.ts";
import type {
  BeatAnswer,
  ClaimedTask,
  JobSubmission,
  JobView,
  Outcome,
  Progress,
  Report,
  Verdict,
  WorkerIdentity,
} from "../../src/engine/work.ts";
import { taskSpecOf, type Registry } from "../../src/sdk/index.ts";
import { openJob, type ObjectEnv } from "../env.ts";
import { slowDownKeys } from "../job-permits.ts";
import { claimed, goesOn, view } from "../job-views.ts";
import { whyJob } from "../job-why.ts";
import { queuesOf } from "../queues.ts";
import { endedTopic, IntakeCore, logTopic, type TaskCode } from "./core.ts";
import type { StoredJob } from "./storage.ts";

/** Makes the class for a registry: the code that a deployment consists of. */
export function createIntakeClass(registry: Registry) {
  const codes = new Map<string, TaskCode>();
  const taskOf = (name: string): TaskCode | null => {
    const definition = registry.tasks.get(name);
    const known = codes.get(name) ?? (definition && { definition, spec: taskSpecOf(definition) });
    if (known !== undefined) {
      codes.set(name, known);
    }
    return known ?? null;
  };
  return class Intake extends DurableObject<ObjectEnv> implements IntakeObject {
    readonly #core: IntakeCore;

    /** @throws Error if the configuration of queues cannot be used: that is not the jobs' fault, which would fail for it. */
    constructor(ctx: DurableObjectState, env: ObjectEnv) {
      super(ctx, env);
      queuesOf(env);
      this.#core = new IntakeCore(ctx, env, taskOf);
    }

    async submit(submission: JobSubmission): Promise<Result<{ job: JobView; created: boolean }>> {
      const now = Date.now();
      const existing = this.#core.find(submission.job_id, now);
      if (existing !== null) {
        return submittedAgain(existing, submission);
      }
      const code = taskOf(submission.name);
      if (code === null) {
        return { ok: false, refusal: { code: "not_found", message: `there is no task "${submission.name}"` } };
      }
      this.#core.make(now);
      const job = submitJob(submission, code.spec, retryPolicy(code.spec), now);
      this.#core.create(job, this.#core.begin(job, now), now);
      return { ok: true, value: { job: view(job), created: true } };
    }

    async get(jobId: string, waitMs: number): Promise<Result<JobView>> {
      const watch = this.#watchOf(jobId);
      if (watch !== null) {
        return watch.get(waitMs);
      }
      return this.#core.waiters.until<Result<JobView>>(endedTopic(jobId), waitMs, () => {
        const stored = this.#core.find(jobId, Date.now());
        return stored === null
          ? { value: unknown(jobId), done: true }
          : { value: { ok: true, value: view(this.#seen(stored)) }, done: isJobFinished(stored.job.state) };
      });
    }

    async why(jobId: string): Promise<Result<WhyView>> {
      const now = Date.now();
      const stored = this.#core.find(jobId, now);
      if (stored === null) {
        return this.#watchOf(jobId)?.why() ?? unknown(jobId);
      }
      return { ok: true, value: await whyJob(this.env, this.#seen(stored), now) };
    }

    async kill(jobId: string, reason: string): Promise<Result<JobView>> {
      const now = Date.now();
      const stored = this.#core.find(jobId, now);
      if (stored === null) {
        return this.#watchOf(jobId)?.kill(reason) ?? unknown(jobId);
      }
      if (!isJobFinished(stored.job.state)) {
        this.#core.save(stored, killJob(stored.job, reason, now), now);
      }
      return { ok: true, value: view(this.#seen(stored)) };
    }

    async heartbeat(jobId: string, progress: Progress | null): Promise<Result<JobView>> {
      const now = Date.now();
      const stored = this.#core.find(jobId, now);
      if (stored === null) {
        return this.#watchOf(jobId)?.heartbeat(progress) ?? unknown(jobId);
      }
      if (stored.job.state !== "running") {
        return conflict(`expected a running job, got one that is ${stored.job.state}`);
      }
      if (progress !== null) {
        // Only the runner that holds the attempt proves that it lives: this notes how far it is.
        stored.job.progress = progress;
        this.#core.save(stored, null, now);
      }
      return { ok: true, value: view(this.#seen(stored)) };
    }

    async readLog(jobId: string, tryNumber: number, from: number, waitMs: number): Promise<Result<LogPage>> {
      const watch = this.#watchOf(jobId);
      if (watch !== null) {
        return watch.readLog(tryNumber, from, waitMs);
      }
      return this.#core.waiters.until<Result<LogPage>>(logTopic(jobId), waitMs, () => {
        const stored = this.#core.find(jobId, Date.now());
        const page: Result<LogPage> = stored === null ? unknown(jobId) : logPage(stored, tryNumber, from);
        return { value: page, done: !page.ok || page.value.lines.length > 0 || page.value.isOver };
      });
    }

    async claim(jobIds: readonly string[], worker: WorkerIdentity): Promise<ClaimedTask[]> {
      const now = Date.now();
      return this.#core.transaction(() => jobIds.flatMap((jobId) => this.#claimOne(jobId, worker, now)));
    }

    async report(reports: readonly Report[]): Promise<Verdict[]> {
      const now = Date.now();
      return this.#core.transaction(() => reports.map((report) => this.#take(report, now)));
    }

    async beat(beats: readonly JobBeat[]): Promise<BeatAnswer[]> {
      const now = Date.now();
      const answers: BeatAnswer[] = [];
      this.#core.transaction(() => {
        for (const beat of beats) {
          answers.push(this.#beatOne(beat, now));
        }
      });
      return answers;
    }

    async permitsGranted(jobId: string, ledger: string, holders: string[]): Promise<OwnerAnswer> {
      return this.#core.permits.granted(jobId, ledger, holders);
    }

    async permitsUnwanted(jobId: string, ledger: string, holders: string[]): Promise<string[]> {
      return this.#core.permits.unwanted(jobId, ledger, holders);
    }

    async link(id: string, kind: LinkKind): Promise<void> {
      this.#core.make(Date.now());
      this.#core.storage.link(id, kind);
    }

    async isLinked(id: string, kind: LinkKind): Promise<boolean> {
      return this.#core.open(Date.now()) && this.#core.storage.isLinked(id, kind);
    }

    async wake(): Promise<number | null> {
      return this.#core.wake(Date.now());
    }

    /** Rows this object wrote since it woke, alarms included: what the platform bills, for the benchmark. */
    async rowsWritten(): Promise<number> {
      return this.#core.storage.rowsWritten;
    }

    /** The reconciler: whatever is due and has not happened is done now. Idempotent. */
    override async alarm(): Promise<void> {
      this.#core.reconcile(Date.now());
    }

    /** The object of the job that watches a task instance under this id, or null. */
    #watchOf(jobId: string): JobObject | null {
      const { storage } = this.#core;
      return this.#core.open(Date.now()) && storage.isLinked(jobId, "watch") ? openJob(this.env, jobId) : null;
    }

    /** A job with its last beat, which is kept in memory. */
    #seen({ job }: StoredJob): JobRecord {
      return { ...job, latest_heartbeat: this.#core.liveness.lastBeat(job) };
    }

    #claimOne(jobId: string, worker: WorkerIdentity, now: number): ClaimedTask[] {
      const stored = this.#core.find(jobId, now);
      if (stored === null || !claimJob(stored.job, worker, now)) {
        return [];
      }
      const { job, log } = stored;
      this.#core.progress.note(queueOfJob(job), job.queued_at, now);
      this.#core.save(stored, null, now);
      this.#core.liveness.start(jobId, job.fence, now);
      const logFrom = log.end(job.try_number);
      return [{ ...claimed(job), ...(logFrom > 0 ? { log_from: logFrom } : {}) }];
    }

    #beatOne({ job_id: jobId, token, progress, logs }: JobBeat, now: number): BeatAnswer {
      if (progress === null && logs === undefined && this.#core.liveness.beat(jobId, token, now)) {
        return { verdict: "continue" };
      }
      const stored = this.#core.find(jobId, now);
      if (stored === null) {
        return { verdict: "stop", reason: "there is no such job" };
      }
      const tryNumber = tryOf(stored.job, token);
      const { effect, ...answer } = beatJob(stored.job, token, progress, now);
      if (progress !== null || logs !== undefined) {
        this.#core.save(stored, effect, now, tryNumber, logs);
      }
      if (answer.verdict === "continue") {
        this.#core.liveness.start(jobId, token, now);
      }
      return answer;
    }

    #take({ job_id: jobId = "", token, outcome, logs }: Report, now: number): Verdict {
      const stored = this.#core.find(jobId, now);
      if (stored === null) {
        return "late";
      }
      const { job } = stored;
      const tryNumber = tryOf(job, token);
      const { wish } = job;
      const verdict = reportJob(job, token, outcome, now);
      const slowedUntil = slowDownOf(outcome, now);
      if (verdict === "accepted" && slowedUntil !== null && wish !== null) {
        this.#core.later(slowDownKeys(this.env, job.id, wish, slowedUntil));
      }
      if (verdict !== "duplicate") {
        this.#core.save(stored, null, now, tryNumber, logs);
      }
      return verdict;
    }
  };
}

/** Until when the keys of a failed try must start nothing, as its handler asked; null if it did not. */
function slowDownOf(outcome: Outcome, now: number): number | null {
  return outcome.state === "failed" && outcome.retryAfterMs !== undefined ? now + outcome.retryAfterMs : null;
}

function submittedAgain(
  { job }: StoredJob,
  { job_id: id, name }: JobSubmission,
): Result<{ job: JobView; created: boolean }> {
  return job.name === name
    ? { ok: true, value: { job: view(job), created: false } }
    : conflict(`expected a new id, got ${id}, which is a job of task "${job.name}"`, ["body", "id"]);
}

function logPage({ job, log }: StoredJob, tryNumber: number, from: number): Result<LogPage> {
  if (tryNumber > job.try_number) {
    const message = `expected a try of job ${job.id}, got try ${tryNumber}, of which there is none`;
    return { ok: false, refusal: { code: "not_found", message } };
  }
  const isPresent = tryNumber === job.try_number;
  const { first, lines, isLast } = log.read(tryNumber, from);
  const isOver = isLast && !(isPresent && goesOn(job));
  return {
    ok: true,
    value: {
      lines,
      next: first + lines.length,
      isOver,
      dropped: first - from,
      // Of the tries before the present one only the lines are kept.
      hostname: isPresent ? job.hostname : null,
      error: isPresent && isOver ? job.error : null,
    },
  };
}

function conflict<T>(message: string, loc?: Refusal["loc"]): Result<T> {
  return { ok: false, refusal: { code: "conflict", message, ...(loc === undefined ? {} : { loc }) } };
}

function unknown<T>(jobId: string): Result<T> {
  const message = `expected the id of a job, got ${JSON.stringify(jobId)}, of which there is none`;
  return { ok: false, refusal: { code: "not_found", message } };
}
