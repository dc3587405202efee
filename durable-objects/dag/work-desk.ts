/**
 * The object as an owner of work: who may run what, and what became of it. Everything is fenced by tokens and can be
 * called twice.
 *
 * @module
 */
import { PUNCTUAL_BEAT } from "../../src/engine/liveness.ts";
import { leaseRateMs } from "../../src/engine/object-runs.ts";
import { leaseEnd } from "../../src/engine/run-leases.ts";
import { isRunFinished } from "../../src/engine/states.ts";
import type { NodeInstance } from "../../src/engine/task-node.ts";
import {
  payloadsOf,
  type AttemptBeat,
  type AttemptStanding,
  type BeatAnswer,
  type ClaimedTask,
  type Outcome,
  type Progress,
  type Report,
  type ReportAnswer,
  type TaskError,
  type TaskInstanceKey,
  type Verdict,
  type WorkerIdentity,
} from "../../src/engine/work.ts";
import type { DagCore } from "./core.ts";
import { InputResolver } from "./inputs.ts";
import type { LoadedRun } from "./run-book.ts";

/** Answers kept to be given again when the same report comes twice because its answer was lost. */
const ANSWERS_KEPT = 32;

/** Claims, reports and beats of one `Dag` object. */
export class WorkDesk {
  readonly #core: DagCore;
  readonly #answers = new Map<string, ReportAnswer>();

  constructor(core: DagCore) {
    this.#core = core;
  }

  claim(requests: readonly (TaskInstanceKey & { try_number: number })[], worker: WorkerIdentity): ClaimedTask[] {
    if (!this.#core.open()) {
      return [];
    }
    const now = Date.now();
    this.#core.workers.hear(worker, now);
    // What is not over is in memory: messages of finished runs, which may come by the thousand, cost a look.
    const runs = requests.map(({ run_id: runId }) => this.#core.runs.peek(runId));
    if (runs.every((run) => run === null || isRunFinished(run.row.state))) {
      return [];
    }
    return this.#core.act(now, () => {
      const claimed = new Map<LoadedRun, NodeInstance[]>();
      for (const request of requests) {
        const run = this.#core.runs.peek(request.run_id);
        const instance =
          run?.machine.claim(request.task_id, request.map_index, request.try_number, worker, now) ?? null;
        if (run !== null && instance !== null) {
          const instances = claimed.get(run) ?? [];
          instances.push(instance);
          claimed.set(run, instances);
        }
      }
      return [...claimed].flatMap(([run, instances]) => this.#handOut(run, instances, worker, now));
    });
  }

  report(reports: readonly Report[], worker: WorkerIdentity, followUpLimit: number): ReportAnswer {
    const [first] = reports;
    if (first === undefined || !this.#core.open()) {
      this.#core.wipe.deleteStray(reports.flatMap(payloadsOf), Date.now());
      return { verdicts: reports.map(() => "late" as const), followUps: [] };
    }
    const key = `${this.#core.generation}\n${worker.hostname}\n${reports.length}\n${first.run_id}\n${first.task_id}\n${first.map_index}\n${first.token}`;
    const answered = this.#answers.get(key);
    if (answered !== undefined) {
      return answered;
    }
    const now = Date.now();
    const roles = this.#core.outbox.rolesKnown(now);
    this.#core.workers.hear(worker, now);
    const answer = this.#core.act(now, (): ReportAnswer => {
      const touched = new Set<LoadedRun>();
      const verdicts = reports.map((report) => this.#take(report, worker, touched, now));
      const followUps: ClaimedTask[] = [];
      for (const run of touched) {
        const claimed = run.machine.advance(now, followUpLimit - followUps.length, worker, roles);
        followUps.push(...this.#handOut(run, claimed, worker, now));
      }
      if (verdicts.every((verdict) => verdict === "duplicate")) {
        followUps.push(...this.#handOutAgain(reports, worker, now));
      }
      this.#deleteUnkept(reports, now);
      return { verdicts, followUps };
    });
    if (answer.followUps.length > 0) {
      this.#remember(key, answer);
    }
    return answer;
  }

  /** A worker beats for attempts; one row for all of them, and one for each whose job is new. */
  beat(beats: readonly AttemptBeat[], worker: WorkerIdentity): BeatAnswer[] {
    if (!this.#core.open()) {
      return beats.map(() => ({ verdict: "stop", reason: `there is no DAG "${this.#core.name}"` }));
    }
    const now = Date.now();
    const answered = this.#core.act(now, () => {
      const touched = new Set<LoadedRun>();
      const answers = beats.map((beat) => this.#takeBeat(beat, touched, now));
      if (answers.some(({ verdict }) => verdict === "continue")) {
        this.#core.workers.beat(worker.hostname, now);
      }
      for (const run of touched) {
        run.machine.advance(now);
        this.#core.store(run, now);
      }
      return answers;
    });
    this.#core.postponeAlarm(now, now + this.#untilNextBeat(beats));
    return answered;
  }

  /** Milliseconds until these attempts will have beaten again, or can be taken for late. */
  #untilNextBeat(beats: readonly AttemptBeat[]): number {
    const rates = beats.map(({ run_id: runId, task_id: taskId, map_index: mapIndex }) => {
      const instance = this.#core.runs.peek(runId)?.machine.find(taskId, mapIndex);
      return instance === undefined ? Number.POSITIVE_INFINITY : leaseRateMs(instance);
    });
    const rateMs = Math.min(...rates);
    return Number.isFinite(rateMs) ? rateMs * PUNCTUAL_BEAT : 0;
  }

  /** How an attempt stands, for its job, which brings its progress. Ends it if its worker is lost. */
  async standing(key: TaskInstanceKey, token: number, progress: Progress | null): Promise<AttemptStanding> {
    const seen = this.#look(key, token);
    if (seen.attempt === null || (leaseEnd(seen.attempt.instance) ?? Number.POSITIVE_INFINITY) > Date.now()) {
      return seen.standing;
    }
    seen.attempt.instance.progress ??= progress;
    const look = await this.#core.workers.listen();
    // Everything may have changed meanwhile.
    const { attempt, standing } = this.#look(key, token);
    if (attempt === null) {
      return standing;
    }
    const { run, instance } = attempt;
    const now = Date.now();
    this.#core.act(now, () => {
      run.machine.checkLease(instance, now, look);
      run.machine.advance(now);
      this.#core.store(run, now);
    });
    return this.#look(key, token).standing;
  }

  /** An attempt as it stands now; with its instance as long as its lease counts. */
  #look(
    key: TaskInstanceKey,
    token: number,
  ): { attempt: { run: LoadedRun; instance: NodeInstance } | null; standing: AttemptStanding } {
    const found = this.#core.instance(key);
    if (!found.ok) {
      return {
        attempt: null,
        standing: { state: "failed", error: { type: "Stopped", message: found.refusal.message } },
      };
    }
    const { run, instance } = found.value;
    const { state, fence, latestHeartbeat, startDate } = instance;
    if ((state === "running" && fence === token) || (state === "restarting" && fence === token + 1)) {
      return {
        attempt: found.value,
        standing: { state: "running", latest_heartbeat: latestHeartbeat ?? startDate ?? 0 },
      };
    }
    return { attempt: null, standing: this.#endOf(run, instance, token) };
  }

  attemptEnded(key: TaskInstanceKey, token: number, outcome: Outcome): Verdict {
    const found = this.#core.instance(key);
    if (!found.ok) {
      return "late";
    }
    const { run, instance } = found.value;
    const now = Date.now();
    return this.#core.act(now, () => {
      const verdict = run.machine.attemptEnded(instance, token, outcome, now);
      run.machine.advance(now);
      this.#core.store(run, now);
      return verdict;
    });
  }

  /** Takes one beat. What is not over is in memory: of a run that is not there nothing runs any more. */
  #takeBeat(beat: AttemptBeat, touched: Set<LoadedRun>, now: number): BeatAnswer {
    const run = this.#core.runs.peek(beat.run_id);
    const instance = run?.machine.find(beat.task_id, beat.map_index);
    if (run === null || instance === undefined) {
      return { verdict: "stop", reason: "the attempt is no longer the current one; its run is over" };
    }
    const { jobId } = instance;
    if (run.machine.isRunElsewhere(instance, beat)) {
      return { verdict: "stop", reason: "another job runs the attempt" };
    }
    if (run.machine.beat(instance, beat, now)) {
      if (instance.jobId !== jobId) {
        touched.add(run);
      }
      return { verdict: "continue" };
    }
    const state = instance.state ?? "cleared";
    const reason = instance.stopReason ?? `the attempt is no longer the current one; its task instance is ${state}`;
    // This answer is how the worker learns that it must stop, so a cleared instance need not wait any longer.
    run.machine.attemptEnded(instance, beat.token, STOPPED, now);
    touched.add(run);
    return { verdict: "stop", reason };
  }

  /** How an attempt ended that is not the current one any more, or is over. */
  #endOf(run: LoadedRun, instance: NodeInstance, token: number): AttemptStanding {
    if (instance.fence === token || instance.fence === token + 1) {
      const { state, error, stopReason } = instance;
      if (state === "success" || state === "skipped" || state === "up_for_reschedule") {
        return { state: state === "skipped" ? "skipped" : "success", error: null };
      }
      const message = stopReason ?? "the attempt was stopped";
      return { state: "failed", error: error ?? { type: "Stopped", message } };
    }
    const past = this.#core.storage.history(run.row.id, instance.node.task.id, instance.mapIndex);
    const ended = past.find(({ fence }) => fence === token || fence === token + 1);
    if (ended?.state === "success" || ended?.state === "skipped") {
      return { state: ended.state, error: null };
    }
    const error = ended?.error === undefined || ended.error === null ? null : (JSON.parse(ended.error) as TaskError);
    return { state: "failed", error: error ?? { type: "Stopped", message: "the attempt was stopped" } };
  }

  /** Takes one report into its run's machine, with what comes along: other values, log lines, or the note that it was late. */
  #take(report: Report, worker: WorkerIdentity, touched: Set<LoadedRun>, now: number): Verdict {
    const { runs, storage } = this.#core;
    const run = runs.get(report.run_id);
    const instance = run?.machine.find(report.task_id, report.map_index);
    if (run === null || instance === undefined) {
      return "late";
    }
    touched.add(run);
    const tryNumber = instance.tryNumber;
    if (report.job_id !== undefined && instance.fence === report.token && instance.state === "running") {
      instance.jobId = report.job_id;
    }
    const verdict = run.machine.report(instance, report.token, report.outcome, worker, now);
    if (verdict === "late") {
      storage.insertLateResult(run.row.id, report, now);
      this.#keepLog(run, report, this.#tryOf(run, instance, report.token));
    } else if (verdict === "accepted") {
      if (report.xcoms !== undefined) {
        storage.xcoms.saveXComs(run.row.id, report, now);
      }
      this.#keepLog(run, report, tryNumber);
    }
    return verdict;
  }

  /** What reports have put into the bucket and no row has taken is deleted there: they were refused, or failed in the end. */
  #deleteUnkept(reports: readonly Report[], now: number): void {
    const { payloads, runs, storage } = this.#core;
    for (const report of reports) {
      const keys = payloadsOf(report);
      if (keys.length > 0) {
        const id = runs.get(report.run_id)?.row.id ?? null;
        payloads.add(storage.xcoms.payloads.unreferenced(id, report.task_id, report.map_index, keys), now);
      }
    }
  }

  #keepLog(run: LoadedRun, { task_id, map_index, logs }: Report, tryNumber: number | null): void {
    if (logs !== undefined && tryNumber !== null) {
      this.#core.storage.logs.save(run.row.id, task_id, map_index, tryNumber, logs);
    }
  }

  /**
   * The try that a worker was given with a token that is no longer the newest: its result counts no more, but what it
   * logged tells why. A try's end, a clear or a mark added one to the token, so it is known by the token it ended with.
   */
  #tryOf(run: LoadedRun, instance: NodeInstance, token: number): number | null {
    const past = this.#core.storage.history(run.row.id, instance.node.task.id, instance.mapIndex);
    const ended = past.find(({ fence }) => fence === token || fence === token + 1);
    return ended?.try_number ?? (instance.fence === token + 1 ? instance.tryNumber : null);
  }

  /**
   * Stores a run and makes what the runner gets of its claimed instances, whose inputs may read what was just stored. One
   * whose input cannot be made fails its try instead.
   */
  #handOut(run: LoadedRun, instances: readonly NodeInstance[], worker: WorkerIdentity, now: number): ClaimedTask[] {
    for (const instance of instances) {
      if (instance.tryNumber > 1) {
        this.#core.storage.xcoms.clearXComs(run.row.id, instance.node.task.id, instance.mapIndex);
      }
    }
    this.#core.store(run, now);
    const resolver = new InputResolver(this.#core.storage, run);
    const tasks: ClaimedTask[] = [];
    for (const instance of instances) {
      try {
        tasks.push({ ...resolver.claimed(instance), ...this.#goingOn(run, instance) });
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        const outcome: Outcome = { state: "failed", error: { type: "InputError", message }, retryable: false };
        run.machine.report(instance, instance.fence, outcome, worker, now);
      }
    }
    if (tasks.length < instances.length) {
      run.machine.advance(now);
      this.#core.store(run, now);
    }
    return tasks;
  }

  /** Where the log of a try goes on that was claimed before and then rescheduled. */
  #goingOn({ row }: LoadedRun, { fence, tryNumber, mapIndex, node }: NodeInstance): { log_from?: number } {
    // Tokens begin at the run's creation. Every try has a claim of its own, so that one claimed for the first time seldom
    // has more claims than tries.
    const logFrom =
      fence - row.created_at > tryNumber ? this.#core.storage.logs.end(row.id, node.task.id, mapIndex, tryNumber) : 0;
    return logFrom > 0 ? { log_from: logFrom } : {};
  }

  /**
   * The follow-up work of reports that were taken before this object woke: the answer may have been lost with its memory.
   * Such work began in the turn that ended what was reported, for the same worker, and no job watches it yet. Where
   * a task began and ended within one millisecond its siblings look alike; they are left to their leases.
   */
  #handOutAgain(reports: readonly Report[], worker: WorkerIdentity, now: number): ClaimedTask[] {
    const turns = new Map<LoadedRun, Set<number>>();
    for (const report of reports) {
      const run = this.#core.runs.get(report.run_id);
      const { startDate = null, endDate = null } = run?.machine.find(report.task_id, report.map_index) ?? {};
      if (run !== null && startDate !== null && endDate !== null && startDate < endDate) {
        turns.set(run, (turns.get(run) ?? new Set()).add(endDate));
      }
    }
    return [...turns].flatMap(([run, ends]) => {
      const given = run.machine.state.nodes
        .flatMap((node) => node.instances)
        .filter(({ state, hostname }) => state === "running" && hostname === worker.hostname)
        // One that has beaten did arrive.
        .filter(({ jobId, latestHeartbeat }) => jobId === null && latestHeartbeat === null)
        .filter(({ startDate }) => startDate !== null && ends.has(startDate));
      return this.#handOut(run, given, worker, now);
    });
  }

  #remember(key: string, answer: ReportAnswer): void {
    this.#answers.set(key, answer);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > ANSWERS_KEPT && oldest !== undefined) {
      this.#answers.delete(oldest);
    }
  }
}

const STOPPED: Outcome = { state: "failed", error: { type: "Stopped", message: "stopped" }, retryable: false };
