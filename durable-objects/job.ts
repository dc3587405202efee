/**
 * The object of one job: the watch over a try that outlived its first heartbeat, of a task instance or of a standalone job. Thin:
 * load, let `job-watch` decide, store the one row, arm the alarm, ask or notify the owner.
 *
 * @module
 */
import { DurableObject } from "cloudflare:workers";
import {
  beatWatch,
  completeWatch,
  isStale,
  killWatch,
  learnStanding,
  mayLog,
  stopWatch,
  tickWatch,
  watchTry,
  type WatchEffect,
  type WatchRecord,
} from "../src/engine/job-watch.ts";
import type { AdoptionRequest, JobObject, LogPage, Result, WhyView } from "../src/engine/objects.ts";
import { isJobFinished } from "../src/engine/states.ts";
import type { AttemptStanding, BeatAnswer, JobView, LogChunk, Progress, TaskError } from "../src/engine/work.ts";
import { openDag, openIntake, type ObjectEnv } from "./env.ts";
import { JobStorage } from "./job-storage.ts";
import { goesOn, viewWatch } from "./job-views.ts";
import { whyWatched } from "./job-why.ts";
import { Waiters } from "./waiters.ts";

const ENDED = "ended";
const LOGGED = "logged";
const NO_LINES: LogChunk = { from: 0, lines: [] };

/** The class. */
export class Job extends DurableObject<ObjectEnv> implements JobObject {
  readonly #storage: JobStorage;
  readonly #waiters = new Waiters();
  /** Undefined until it was read in this wake. */
  #job: WatchRecord | null | undefined;
  #alarmAt: number | null = null;

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    this.#storage = new JobStorage(ctx.storage);
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
        : { value: { ok: true, value: viewWatch(job) }, done: isJobFinished(job.state) };
    });
  }

  async why(): Promise<Result<WhyView>> {
    const job = this.#load();
    return job === null ? unknown(this.ctx.id) : { ok: true, value: whyWatched(job, Date.now()) };
  }

  async kill(reason: string): Promise<Result<JobView>> {
    return this.#change((job, now) => ({ answer: { ok: true, value: job }, effect: killWatch(job, reason, now) }));
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
    const id = this.ctx.id.name ?? "";
    if (request.dag_id !== null && this.#load() === null) {
      // The intake object is asked which ids there are. It knows this one before anything is made here.
      await openIntake(this.env, id).link(id, "watch");
    }
    const now = Date.now();
    const known = this.#load();
    if (known === null || request.token > known.fence) {
      const job = watchTry(id, request, now);
      // A later try of a standalone job takes the place of the one before; the log has both.
      if (known === null) {
        this.#storage.create(job);
      }
      this.#job = job;
      this.#arm(job, now);
      if (known !== null || request.logs !== undefined) {
        this.#save(job, now, request.logs);
      }
    } else if (request.logs !== undefined && mayLog(known, request.token)) {
      this.#save(known, now, request.logs);
    }
    return { verdict: "continue" };
  }

  async stop(reason: string): Promise<void> {
    const job = this.#load();
    if (job !== null && job.state === "running" && job.stop_reason === null) {
      const now = Date.now();
      stopWatch(job, reason, now);
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
    const job = this.#load();
    if (job !== null) {
      const now = Date.now();
      completeWatch(job, token, state, error, now);
      this.#save(job, now);
    }
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
        this.#arm(this.#job, Date.now());
      }
    }
    return this.#job;
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
      const standing = await this.#standingOf(asking);
      const job = this.#load();
      const now = Date.now();
      if (job !== null && job.fence === asking.fence && learnStanding(job, standing, now)) {
        this.#save(job, now);
      } else if (job !== null) {
        this.#arm(job, now);
      }
    } catch (error) {
      const { dag_id } = asking.adoption;
      console.warn({ event: "owner_not_asked", job_id: asking.id, dag_id, error: String(error) });
    }
  }

  #standingOf({ id, adoption, fence, progress }: WatchRecord): Promise<AttemptStanding> {
    return adoption.dag_id === null
      ? openIntake(this.env, id).attemptStanding(id, fence, progress)
      : openDag(this.env, adoption.dag_id).attemptStanding(adoption, fence, progress);
  }

  /** Arms the alarm unless it is early enough already: a beat need not move it, since it re-arms itself. */
  #arm(job: WatchRecord, now: number): void {
    if (job.next_at === null) {
      return;
    }
    const at = Math.max(job.next_at, now + 1);
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
