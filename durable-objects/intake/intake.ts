/**
 * The object that keeps standalone jobs, one of a fixed number: see `engine/intake.ts`. Thin: load, let `job-machine` decide,
 * store the row, arm the alarm, send.
 *
 * @module
 */
import { DurableObject } from "cloudflare:workers";
import { retryPolicy } from "../../src/engine/attempt.ts";
import type { IntakeObject, JobBeat, LinkKind, Submitted } from "../../src/engine/intake.ts";
import {
  beatFromObject,
  claimJob,
  endDead,
  killJob,
  queueOfJob,
  reportJob,
  submitJob,
  tryOf,
  type JobRecord,
} from "../../src/engine/job-machine.ts";
import { livenessDeadline } from "../../src/engine/liveness.ts";
import type { JobObject, LogPage, Result, WhyView } from "../../src/engine/objects.ts";
import type { OwnerAnswer } from "../../src/engine/permits/permit.ts";
import type { TaskSpec } from "../../src/engine/spec.ts";
import { refuse } from "../../src/engine/result.ts";
import { isJobFinished } from "../../src/engine/states.ts";
import type {
  AttemptStanding,
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
import { tellWatch } from "../tell-watch.ts";
import { within } from "../within.ts";
import { readTryLog, type TryLogState } from "../try-log.ts";
import { endedTopic, IntakeCore, logTopic, type DeployedCode, type TaskCode } from "./core.ts";
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
  let all: TaskSpec[] | undefined;
  const deployed: DeployedCode = { taskOf, specs: () => (all ??= [...registry.tasks.values()].map(taskSpecOf)) };
  return class Intake extends DurableObject<ObjectEnv> implements IntakeObject {
    readonly #core: IntakeCore;

    /** @throws Error if the configuration of queues cannot be used: that is not the jobs' fault, which would fail for it. */
    constructor(ctx: DurableObjectState, env: ObjectEnv) {
      super(ctx, env);
      queuesOf(env);
      this.#core = new IntakeCore(ctx, env, deployed);
    }

    async submit(submissions: readonly JobSubmission[]): Promise<Result<Submitted>[]> {
      await this.#core.readyRates();
      const now = Date.now();
      if (submissions.some(({ name }) => taskOf(name) !== null)) {
        this.#core.make(now);
      }
      return this.#core.transaction(() => submissions.map((submission) => this.#submitOne(submission, now)));
    }

    async get(jobId: string, waitMs: number): Promise<Result<JobView>> {
      const watch = this.#watchOf(jobId);
      if (watch !== null) {
        return passedOn(watch.get(waitMs));
      }
      await this.#core.waiters.until(endedTopic(jobId), waitMs, () => {
        const job = this.#core.find(jobId, Date.now())?.job;
        return { value: null, done: job === undefined || isJobFinished(job.state) };
      });
      const progress = await this.#progressOf(jobId);
      const stored = this.#core.find(jobId, Date.now());
      return stored === null ? unknown(jobId) : { ok: true, value: { ...view(this.#seen(stored)), ...progress } };
    }

    async why(jobId: string): Promise<Result<WhyView>> {
      const now = Date.now();
      const stored = this.#core.find(jobId, now);
      if (stored === null) {
        const watch = this.#watchOf(jobId);
        return watch === null ? unknown(jobId) : passedOn(watch.why());
      }
      return { ok: true, value: await whyJob(this.env, this.#seen(stored), now) };
    }

    async kill(jobId: string, reason: string): Promise<Result<JobView>> {
      const now = Date.now();
      const stored = this.#core.find(jobId, now);
      if (stored === null) {
        const watch = this.#watchOf(jobId);
        return watch === null ? unknown(jobId) : passedOn(watch.kill(reason));
      }
      if (!isJobFinished(stored.job.state)) {
        const { state, fence, is_watched: isWatched, in_object: isInObject } = stored.job;
        killJob(stored.job, reason, now);
        this.#core.save(stored, null, now);
        if (state === "running" && isInObject === true) {
          this.#core.later(this.#stopObject(jobId, reason));
        } else if (isWatched === true) {
          this.#core.later(tellWatch(this.env, jobId, fence));
        }
      }
      return { ok: true, value: view(this.#seen(stored)) };
    }

    async heartbeat(jobId: string, progress: Progress | null): Promise<Result<JobView>> {
      const now = Date.now();
      const stored = this.#core.find(jobId, now);
      if (stored === null) {
        const watch = this.#watchOf(jobId);
        return watch === null ? unknown(jobId) : passedOn(watch.heartbeat(progress));
      }
      if (stored.job.state !== "running") {
        return refuse("conflict", `expected a running job, got one that is ${stored.job.state}`);
      }
      if (stored.job.is_watched === true) {
        await openJob(this.env, jobId).heartbeat(progress);
        return this.get(jobId, 0);
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
        return passedOn(watch.readLog(tryNumber, from, waitMs));
      }
      const look = (): Result<TryLogState> => {
        const stored = this.#core.find(jobId, Date.now());
        return stored === null ? unknown(jobId) : tryLogState(stored, tryNumber, from);
      };
      const hasChanged = (seen: TryLogState): boolean => {
        const state = look();
        return (
          !state.ok || !state.value.goesOn || state.value.jobId !== seen.jobId || state.value.part.lines.length > 0
        );
      };
      const source = { env: this.env, waiters: this.#core.waiters, topic: logTopic(jobId), look, hasChanged };
      return readTryLog(source, tryNumber, from, waitMs);
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
      const continuing = beats.filter((_beat, index) => answers[index]?.verdict === "continue");
      this.#core.beaten(
        continuing.map(({ job_id: jobId }) => jobId),
        now,
      );
      return answers;
    }

    async attemptStanding(jobId: string, token: number, progress: Progress | null): Promise<AttemptStanding> {
      return this.#core.standing(jobId, token, progress, Date.now());
    }

    async attemptEnded(jobId: string, token: number, outcome: Outcome): Promise<AttemptStanding> {
      const now = Date.now();
      const stored = this.#core.find(jobId, now);
      if (stored !== null) {
        stored.job.progress = this.#core.leases.seen(stored.job).progress;
        if (endDead(stored.job, token, outcome, now)) {
          this.#core.save(stored, null, now);
          const { state, error, hostname } = stored.job;
          if (outcome.state === "failed" && outcome.isWorkerLost === true) {
            console.warn({ event: "worker_lost", job_id: jobId, worker: hostname, error: error?.message });
          }
          return { state: state === "success" || state === "skipped" ? state : "failed", error };
        }
      }
      return this.#core.standing(jobId, token, null, now);
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
      return this.#core.wake();
    }

    /** Rows this object wrote since it woke, alarms included: what the platform bills, for the benchmark. */
    async rowsWritten(): Promise<number> {
      return this.#core.storage.rowsWritten;
    }

    /** The reconciler: whatever is due and has not happened is done now. Idempotent. */
    override async alarm(): Promise<void> {
      await this.#core.reconcile();
    }

    /** Stops the try that the job's object runs. If that is lost, the object learns of it when it beats. */
    async #stopObject(jobId: string, reason: string): Promise<void> {
      try {
        await openJob(this.env, jobId).stop(reason);
      } catch (error) {
        console.warn({ event: "stop_order_failed", job_id: jobId, error: String(error) });
      }
    }

    /** The object of the job that watches a task instance under this id, or null. */
    #watchOf(jobId: string): JobObject | null {
      const { storage } = this.#core;
      return this.#core.open(Date.now()) && storage.isLinked(jobId, "watch") ? openJob(this.env, jobId) : null;
    }

    /**
     * What the `Job` object of a running try knows of it: all of its progress, of which a beat carries the gist, and if it runs the try,
     * when it was last alive.
     */
    async #progressOf(jobId: string): Promise<Partial<Pick<JobView, "progress" | "latest_heartbeat">> | null> {
      const job = this.#core.find(jobId, Date.now())?.job;
      if (job?.state !== "running" || job.is_watched !== true) {
        return null;
      }
      const watch = await within(openJob(this.env, jobId).get(0)).catch(() => null);
      const isOfThisTry = watch?.ok === true && watch.value.try_number === job.try_number;
      if (!isOfThisTry) {
        return null;
      }
      const { progress, latest_heartbeat } = watch.value;
      return {
        ...(progress === null ? {} : { progress }),
        ...(job.in_object === true ? { latest_heartbeat } : {}),
      };
    }

    /** A job with its last beat, which is kept in memory. */
    #seen({ job }: StoredJob): JobRecord {
      return this.#core.leases.seen(job);
    }

    #submitOne(submission: JobSubmission, now: number): Result<Submitted> {
      const existing = this.#core.find(submission.job_id, now);
      if (existing !== null) {
        return submittedAgain(existing, submission);
      }
      const code = taskOf(submission.name);
      if (code === null) {
        return { ok: false, refusal: { code: "not_found", message: `there is no task "${submission.name}"` } };
      }
      const job = submitJob(submission, code.spec, retryPolicy(code.spec), now);
      this.#core.create(job, this.#core.begin(job, now), now);
      return { ok: true, value: { job: view(job), created: true } };
    }

    #claimOne(jobId: string, worker: WorkerIdentity, now: number): ClaimedTask[] {
      const stored = this.#core.find(jobId, now);
      if (stored === null || !claimJob(stored.job, worker, now)) {
        return [];
      }
      const { job, log } = stored;
      this.#core.progress.note(queueOfJob(job), job.queued_at, now);
      this.#core.save(stored, null, now);
      this.#core.leases.start(job, now);
      const logFrom = log.end(job.try_number);
      return [{ ...claimed(job), ...(logFrom > 0 ? { log_from: logFrom } : {}) }];
    }

    #beatOne(beat: JobBeat, now: number): BeatAnswer {
      const { leases } = this.#core;
      // One of an object is stored: it comes so seldom that this object may have left memory before the next.
      if (beat.object_host !== undefined || !leases.beat(beat, now)) {
        const stored = this.#core.find(beat.job_id, now);
        if (stored === null || stored.job.state !== "running" || stored.job.fence !== beat.token) {
          const reason = stored === null ? "there is no such job" : whyOver(stored.job);
          return { verdict: "stop", reason };
        }
        const { job } = stored;
        if (beat.object_host !== undefined) {
          beatFromObject(job, beat, now);
          this.#core.save(stored, null, now);
        } else if ((beat.is_watched && job.is_watched !== true) || job.excuses !== undefined) {
          job.is_watched = beat.is_watched || job.is_watched === true;
          job.progress = beat.progress ?? job.progress;
          job.latest_heartbeat = now;
          job.next_at = livenessDeadline(now, job.heartrateMs);
          delete job.excuses;
          this.#core.save(stored, null, now);
        }
        leases.start(job, now);
        leases.beat(beat, now);
      }
      return { verdict: "continue" };
    }

    #take(report: Report, now: number): Verdict {
      const { job_id: jobId = "", token, outcome, logs, is_watched } = report;
      const stored = this.#core.find(jobId, now);
      if (stored === null) {
        return "late";
      }
      const { job } = stored;
      const tryNumber = tryOf(job, token);
      if (is_watched === true) {
        job.is_watched = true;
      }
      job.progress = this.#core.leases.seen(job).progress;
      const { wish } = job;
      const verdict = reportJob(job, token, outcome, now);
      const slowedUntil = slowDownOf(outcome, now);
      if (verdict === "accepted" && slowedUntil !== null && wish !== null) {
        this.#core.later(slowDownKeys(this.env, job.id, wish, slowedUntil));
      }
      if (verdict !== "duplicate") {
        this.#core.save(stored, null, now, tryNumber, logs);
      }
      this.#core.deleteUnkept(job, report, now);
      return verdict;
    }
  };
}

/** An answer of another object as a copy of its own: passed on as it came, it would keep that object in memory. */
async function passedOn<T>(answer: Promise<Result<T>>): Promise<Result<T>> {
  return structuredClone(await answer);
}

function whyOver({ error, state }: JobRecord): string {
  return error?.message ?? `the job is ${state}`;
}

/** Until when the keys of a failed try must start nothing, as its handler asked; null if it did not. */
function slowDownOf(outcome: Outcome, now: number): number | null {
  return outcome.state === "failed" && outcome.retryAfterMs !== undefined ? now + outcome.retryAfterMs : null;
}

function submittedAgain({ job }: StoredJob, { job_id: id, name }: JobSubmission): Result<Submitted> {
  return job.name === name
    ? { ok: true, value: { job: view(job), created: false } }
    : refuse("conflict", `expected a new id, got ${id}, which is a job of task "${job.name}"`, ["body", "id"]);
}

/** What the row says of the log of a try; lines of a try that was watched lie in the `Job` object too. */
function tryLogState({ job, log }: StoredJob, tryNumber: number, from: number): Result<TryLogState> {
  if (tryNumber > job.try_number) {
    const message = `expected a try of job ${job.id}, got try ${tryNumber}, of which there is none`;
    return { ok: false, refusal: { code: "not_found", message } };
  }
  const isPresent = tryNumber === job.try_number;
  return {
    ok: true,
    value: {
      jobId: job.is_watched === true ? job.id : null,
      goesOn: isPresent && goesOn(job.state),
      // Of the tries before the present one only the lines are kept.
      hostname: isPresent ? job.hostname : null,
      error: isPresent ? job.error : null,
      part: log.read(tryNumber, from),
    },
  };
}

function unknown<T>(jobId: string): Result<T> {
  return refuse("not_found", `expected the id of a job, got ${JSON.stringify(jobId)}, of which there is none`);
}
