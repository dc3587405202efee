/**
 * The object of one job: the watch over a try that outlived its first heartbeat, of a task instance or of a standalone job; or the
 * place where a long one runs. Thin: load, let `job-watch` decide, store the one row, arm the alarm, ask or notify the owner.
 *
 * @module
 */
import { DurableObject } from "cloudflare:workers";
import { lostInObject, objectLookMs } from "../src/engine/object-runs.ts";
import {
  beatWatch,
  completeWatch,
  endOf,
  isStale,
  keepNews,
  killWatch,
  learnStanding,
  mayLog,
  OWED_RETRY_MS,
  noteStop,
  runsInObject,
  runTry,
  stopWatch,
  tickWatch,
  watchTry,
  type WatchEffect,
  type WatchRecord,
} from "../src/engine/job-watch.ts";
import type { AdoptionRequest, JobObject, LogPage, Result, RunRequest, WhyView } from "../src/engine/objects.ts";
import { isJobFinished } from "../src/engine/states.ts";
import type {
  AttemptStanding,
  BeatAnswer,
  JobView,
  LogChunk,
  Progress,
  TaskError,
  WorkerIdentity,
} from "../src/engine/work.ts";
import { hostnameOfIsolate } from "../src/isolate/identity.ts";
import { service } from "../src/isolate/service.ts";
import { ObjectRun } from "../src/runner/object-run.ts";
import { openDag, openIntake, type ObjectEnv } from "./env.ts";
import { JobStorage } from "./job-storage.ts";
import { goesOn, viewWatch } from "./job-views.ts";
import { whyWatched } from "./job-why.ts";
import { Waiters } from "./waiters.ts";
import type { WorkOfObject } from "./work-of-object.ts";

const ENDED = "ended";
const LOGGED = "logged";
const NO_LINES: LogChunk = { from: 0, lines: [] };

/** Makes the class for the code that a deployment consists of. */
export function createJobClass(workOf: WorkOfObject) {
  return class extends Job {
    constructor(ctx: DurableObjectState, env: ObjectEnv) {
      super(ctx, env, workOf);
    }
  };
}

/** The class, but for the code that it may run. */
class Job extends DurableObject<ObjectEnv> implements JobObject {
  readonly #storage: JobStorage;
  readonly #waiters = new Waiters();
  /** Undefined until it was read in this wake. */
  #job: WatchRecord | null | undefined;
  #alarmAt: number | null = null;
  readonly #workOf: WorkOfObject;
  /** The attempt whose handler is in this object's memory. */
  #run: ObjectRun | null = null;

  constructor(ctx: DurableObjectState, env: ObjectEnv, workOf: WorkOfObject) {
    super(ctx, env);
    this.#workOf = workOf;
    this.#storage = new JobStorage(ctx.storage);
  }

  async get(waitMs: number): Promise<Result<JobView>> {
    const known = this.#load();
    if (known !== null && runsInObject(known)) {
      await this.#lookForHandler(known);
    } else if (known !== null && isStale(known, Date.now())) {
      await this.#askOwner(known);
    }
    return this.#waiters.until<Result<JobView>>(ENDED, waitMs, () => {
      const job = this.#load();
      return job === null
        ? { value: unknown(this.ctx.id), done: true }
        : { value: { ok: true, value: viewWatch(job) }, done: isJobFinished(job.state) };
    });
  }

  async why(): Promise<Result<WhyView>> {
    const job = this.#load();
    return job === null ? unknown(this.ctx.id) : { ok: true, value: whyWatched(job, Date.now()) };
  }

  async kill(reason: string): Promise<Result<JobView>> {
    const answer = this.#change((job, now) => ({
      answer: { ok: true, value: job },
      effect: killWatch(job, reason, now),
    }));
    this.#run?.stop(reason);
    return answer;
  }

  async heartbeat(progress: Progress | null): Promise<Result<JobView>> {
    return this.#change((job) => {
      if (job.state !== "running") {
        const message = `expected a running job, got one that is ${job.state}`;
        return { answer: { ok: false, refusal: { code: "conflict", message } }, effect: null };
      }
      // Only the runner that holds the attempt proves that it lives: this notes how far it is.
      job.progress = progress ?? job.progress;
      return { answer: { ok: true, value: job }, effect: null };
    });
  }

  async beat(token: number, progress: Progress | null, logs: LogChunk = NO_LINES): Promise<BeatAnswer> {
    const job = this.#load();
    if (job === null) {
      return { verdict: "stop", reason: "there is no such job" };
    }
    const now = Date.now();
    const isOfThisTry = mayLog(job, token);
    const { effect, ...answer } = beatWatch(job, token, progress, now);
    this.#save(job, now, isOfThisTry ? logs : NO_LINES);
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
    const id = await this.#linked(request);
    const now = Date.now();
    const known = this.#load();
    if (known === null || request.token > known.fence) {
      this.#put(watchTry(id, request, now), now, request.logs);
    } else if (request.logs !== undefined && mayLog(known, request.token)) {
      this.#save(known, now, request.logs);
    }
    return { verdict: "continue" };
  }

  async run(request: RunRequest): Promise<BeatAnswer> {
    const id = await this.#linked(request);
    const now = Date.now();
    const known = this.#load();
    if (known !== null && request.token <= known.fence) {
      return this.#run?.token === request.token
        ? { verdict: "continue" }
        : { verdict: "stop", reason: "the attempt is no longer the current one, or its handler is gone" };
    }
    // Of an earlier try that its owner has given up.
    this.#run?.stop("another try has begun");
    const worker: WorkerIdentity = { ...request.worker, hostname: hostnameOfIsolate(), isObject: true };
    const job = runTry(id, { ...request, worker }, now);
    this.#put(job, now);
    this.#armAt(now + objectLookMs(job.heartrateMs), now);
    this.ctx.waitUntil(this.#runToEnd(request, worker));
    return { verdict: "continue" };
  }

  async stop(reason: string): Promise<void> {
    const job = this.#load();
    const now = Date.now();
    if (job !== null && runsInObject(job)) {
      const effect = stopWatch(job, reason, now);
      this.#save(job, now);
      this.#run?.stop(reason);
      this.#after(job, effect, now);
    } else if (job !== null && job.state === "running" && job.stop_reason === null) {
      noteStop(job, reason, now);
      this.#save(job, now);
    }
  }

  async ownerEnded(token: number): Promise<void> {
    const job = this.#load();
    if (job !== null && job.fence === token && job.state === "running") {
      await this.#askOwner(job);
    }
  }

  async complete(token: number, state: "success" | "failed" | "skipped", error: TaskError | null): Promise<void> {
    this.#complete(token, state, error);
  }

  /** Rows this object wrote since it woke, alarms included: what the platform bills, for the benchmark. */
  async rowsWritten(): Promise<number> {
    return this.#storage.rowsWritten;
  }

  /** The reconciler: whatever is due and has not happened is done now. Idempotent. */
  override async alarm(): Promise<void> {
    const now = Date.now();
    // Armed once, at the end: one that wakes for this would have it ring again at once.
    this.#alarmAt = now;
    const job = this.#load();
    this.#alarmAt = null;
    if (job === null) {
      return;
    }
    if (runsInObject(job)) {
      await this.#lookForHandler(job);
      return;
    }
    const before = JSON.stringify(job);
    const effect = tickWatch(job, now);
    if (effect === "ask_owner") {
      await this.#askOwner(job);
      this.#arm(job, Date.now());
      return;
    }
    if (JSON.stringify(job) !== before) {
      this.#save(job, now);
    }
    this.#after(job, effect, now);
  }

  #load(): WatchRecord | null {
    if (this.#job === undefined) {
      this.#job = this.#storage.read();
      if (this.#job !== null) {
        // An alarm may have been lost; to arm it again costs a write per wake.
        const now = Date.now();
        this.#arm(this.#job, now);
        if (runsInObject(this.#job) && this.#run === null) {
          // Memory is new, so that its handler is gone.
          this.#armAt(now + 1, now);
        }
      }
    }
    return this.#job;
  }

  /** The id of the job. Where users ask which ids there are knows it before anything is made here. */
  async #linked({ dag_id: dagId }: AdoptionRequest): Promise<string> {
    const id = this.ctx.id.name ?? "";
    if (dagId !== null && this.#load() === null) {
      await openIntake(this.env, id).link(id, "watch");
    }
    return id;
  }

  /** Stores the record of a try. A later one of a standalone job takes the place of the one before; the log has both. */
  #put(job: WatchRecord, now: number, logs?: LogChunk): void {
    const isNew = this.#job === null;
    if (isNew) {
      this.#storage.create(job);
    }
    this.#job = job;
    this.#arm(job, now);
    if (!isNew || logs !== undefined) {
      this.#save(job, now, logs);
    }
  }

  /** Runs an attempt in this object, until its owner has the result. */
  async #runToEnd({ dag_id: dagId, task }: RunRequest, worker: WorkerIdentity): Promise<void> {
    const jobId = this.ctx.id.name ?? "";
    const { owner, around } = this.#workOf(this.env, dagId, jobId, worker);
    const run = new ObjectRun({ task, jobId }, owner, around, service, {
      keep: (progress, logs) => this.#keepNews(task.token, progress, logs),
      end: (outcome) => this.#complete(task.token, ...endOf(outcome)),
    });
    this.#run = run;
    const over = service.begin();
    try {
      // A record that may be lost would prove nothing.
      await this.ctx.storage.sync();
      await run.run();
    } finally {
      over();
      this.#run = this.#run === run ? null : this.#run;
    }
    const job = this.#load();
    if (job !== null && job.fence === task.token && runsInObject(job)) {
      await this.#endLost(job);
    }
  }

  #keepNews(token: number, progress: Progress | null, logs: LogChunk): void {
    const job = this.#load();
    const now = Date.now();
    if (job !== null && keepNews(job, token, progress, logs, now)) {
      this.#save(job, now, logs);
    }
  }

  /** Looks whether the handler that the record tells of is still there: this is how its death is found. */
  async #lookForHandler(job: WatchRecord): Promise<void> {
    const now = Date.now();
    if (this.#run?.token === job.fence) {
      job.latest_heartbeat = now;
      this.#armAt(now + objectLookMs(job.heartrateMs), now);
    } else {
      await this.#endLost(job);
    }
  }

  /** The handler is gone: its owner decides what becomes of the try. What gets no answer is sent again by the alarm. */
  async #endLost(lost: WatchRecord): Promise<void> {
    const { id, adoption, fence } = lost;
    const outcome = lostInObject(lost);
    try {
      let standing: AttemptStanding;
      if (adoption.dag_id === null) {
        standing = await openIntake(this.env, id).attemptEnded(id, fence, outcome);
      } else {
        await openDag(this.env, adoption.dag_id).attemptEnded(adoption, fence, outcome);
        standing = await this.#standingOf(lost);
      }
      this.#learn(fence, standing);
    } catch (error) {
      console.warn({ event: "owner_not_told", job_id: id, dag_id: adoption.dag_id, error: String(error) });
      const now = Date.now();
      this.#armAt(now + OWED_RETRY_MS, now);
    }
  }

  #change(
    decide: (job: WatchRecord, now: number) => { answer: Result<WatchRecord>; effect: WatchEffect },
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
    return { ok: true, value: viewWatch(answer.value) };
  }

  #complete(token: number, state: "success" | "failed" | "skipped", error: TaskError | null): void {
    const job = this.#load();
    if (job !== null) {
      const now = Date.now();
      completeWatch(job, token, state, error, now);
      this.#save(job, now);
    }
  }

  #logPage(tryNumber: number, from: number): Result<LogPage> {
    const job = this.#load();
    const isPresent = job !== null && tryNumber === job.try_number;
    // A task instance has a job for each try, a standalone job one for all.
    if (job === null || tryNumber > job.try_number || (job.adoption.dag_id !== null && !isPresent)) {
      const message = `expected a try of job ${this.ctx.id.name ?? ""}, got try ${tryNumber}, of which there is none`;
      return { ok: false, refusal: { code: "not_found", message } };
    }
    const { first, lines, isLast } = this.#storage.log.read(tryNumber, from);
    const isOver = isLast && !(isPresent && goesOn(job.state));
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

  #save(job: WatchRecord, now: number, logs = NO_LINES): void {
    try {
      this.#storage.update(job, logs);
    } catch (error) {
      // Memory is ahead of storage: read it again next time.
      this.#job = undefined;
      throw error;
    }
    this.#arm(job, now);
    this.#waiters.wake(LOGGED);
    if (isJobFinished(job.state)) {
      this.#waiters.wake(ENDED);
    }
  }

  #after(job: WatchRecord, effect: WatchEffect, now: number): void {
    this.#arm(job, now);
    if (effect === "tell_owner") {
      this.ctx.waitUntil(this.#tellOwner(job));
    } else if (effect === "ask_owner") {
      this.ctx.waitUntil(this.#askOwner(job));
    }
  }

  async #tellOwner(job: WatchRecord): Promise<void> {
    const { adoption, owed, fence } = job;
    if (adoption.dag_id === null || owed === null) {
      return;
    }
    try {
      await openDag(this.env, adoption.dag_id).attemptEnded(adoption, fence, owed);
      job.owed = null;
      job.next_at = null;
      this.#save(job, Date.now());
    } catch (error) {
      console.warn({ event: "owner_not_told", job_id: job.id, dag_id: adoption.dag_id, error: String(error) });
    }
  }

  /** Asks the owner of the try how it stands. What gets no answer is asked again by the alarm. */
  async #askOwner(asking: WatchRecord): Promise<void> {
    try {
      this.#learn(asking.fence, await this.#standingOf(asking));
    } catch (error) {
      const { dag_id } = asking.adoption;
      console.warn({ event: "owner_not_asked", job_id: asking.id, dag_id, error: String(error) });
    }
  }

  #learn(fence: number, standing: AttemptStanding): void {
    const job = this.#load();
    const now = Date.now();
    if (job !== null && job.fence === fence && learnStanding(job, standing, now)) {
      this.#save(job, now);
    } else if (job !== null) {
      this.#arm(job, now);
    }
  }

  #standingOf({ id, adoption, fence, progress }: WatchRecord): Promise<AttemptStanding> {
    return adoption.dag_id === null
      ? openIntake(this.env, id).attemptStanding(id, fence, progress)
      : openDag(this.env, adoption.dag_id).attemptStanding(adoption, fence, progress);
  }

  /** Arms the alarm unless it is early enough already: a beat need not move it, since it re-arms itself. */
  #arm(job: WatchRecord, now: number): void {
    if (job.next_at !== null) {
      this.#armAt(job.next_at, now);
    }
  }

  #armAt(dueAt: number, now: number): void {
    const at = Math.max(dueAt, now + 1);
    if (this.#alarmAt === null || at < this.#alarmAt) {
      this.#alarmAt = at;
      this.#storage.rowsWritten += 1;
      this.ctx.waitUntil(this.ctx.storage.setAlarm(at));
    }
  }
}

function unknown<T>(id: DurableObjectId): Result<T> {
  const message = `expected the id of a job, got ${JSON.stringify(id.name ?? "")}, of which there is none`;
  return { ok: false, refusal: { code: "not_found", message } };
}
