/**
 * The backfills of a DAG as its runs meet them: which of their runs may start, and what follows when one ends. Runs that wait are
 * rows and nothing else until they start.
 *
 * @module
 */
import type { BackfillEndReason } from "../../src/engine/backfill-objects.ts";
import { nextStep, startsUntil } from "../../src/engine/backfill-progress.ts";
import { counted } from "../../src/engine/explain-words.ts";
import type { QueuedRun, RunLimit } from "../../src/engine/run-admission.ts";
import type { BackfillRow } from "./backfill-storage.ts";
import type { DagCore } from "./core.ts";
import type { RunRow } from "./storage.ts";

/** Runs of backfills that one turn starts: those without work end where they start, and make room for the next. */
const STARTS_PER_TURN = 100;

/** What admission has to know of backfills. */
export interface BackfillAdmission {
  queued: (QueuedRun & { run_id: string })[];
  running: Map<number, number>;
  limits: Map<number, RunLimit>;
}

/** Backfills of one `Dag` object. */
export class BackfillBook {
  readonly #core: DagCore;
  /** There has been a backfill; null while nobody has looked. */
  #isUsed: boolean | null = null;
  #started = 0;

  constructor(core: DagCore) {
    this.#core = core;
  }

  /** A turn has started as many runs as it may; others may be able to start too. */
  get isLeftOver(): boolean {
    return this.#started >= STARTS_PER_TURN;
  }

  /** Forgets what it read: it may no longer agree with what is stored. */
  clear(): void {
    this.#isUsed = null;
    this.#started = 0;
  }

  /** Notes that there is a backfill now. */
  noteUse(): void {
    this.#isUsed = true;
  }

  /** Begins to count the runs that a turn starts. */
  beginTurn(): void {
    this.#started = 0;
  }

  /** Notes that a run of a backfill was started. */
  noteStart(): void {
    this.#started += 1;
  }

  /** The runs that may start now, with what they are measured against. */
  admission(): BackfillAdmission {
    const admission: BackfillAdmission = { queued: [], running: new Map(), limits: new Map() };
    const { backfills } = this.#core.storage;
    this.#isUsed ??= backfills.hasAny();
    for (const id of this.#isUsed ? backfills.withQueuedRuns() : []) {
      const backfill = backfills.get(id);
      if (backfill !== null) {
        this.#admit(backfill, admission);
      }
    }
    return admission;
  }

  /** Why a queued run waits for the canary of its backfill; null if it does not. */
  explainCanary({ backfill_id: id, sort_ordinal: place }: RunRow): string | null {
    const backfill = id === null ? null : this.#core.storage.backfills.get(id);
    if (backfill === null || backfill.completed_at !== null) {
      return null;
    }
    const paused = backfill.is_paused ? `backfill ${id} is paused; ` : "";
    if (backfill.canary_state === "waiting") {
      return `backfill ${id} waits to be unpaused once its first runs have been looked at`;
    }
    const until = startsUntil(backfill);
    return until !== null && (place ?? 0) > until
      ? `${paused}${counted(until, "run")} of backfill ${id} ${until === 1 ? "goes" : "go"} before it, as its canary`
      : null;
  }

  /** Why a run of a backfill failed before anything of it started; null if its backfill did not end it. */
  explainEnd({ backfill_id: id, start_date: startDate, state }: RunRow): string | null {
    const backfill = id === null ? null : this.#core.storage.backfills.get(id);
    if (backfill === null || state !== "failed" || startDate !== null) {
      return null;
    }
    switch (backfill.end_reason) {
      case "cancelled":
        return `since backfill ${id} was cancelled`;
      case "first_failure":
        return `since backfill ${id} stopped at its first failed run`;
      default:
        return null;
    }
  }

  /** Goes on with the backfill of a run that has ended. Only inside `act`. */
  runEnded({ backfill_id: id, state, run_id: runId }: RunRow, now: number): void {
    const backfill = id === null ? null : this.#core.storage.backfills.get(id);
    if (backfill !== null) {
      this.settle(backfill, state === "failed" ? runId : null, now);
    }
  }

  /** Goes on with the backfill of a run that was deleted. Only inside `act`. */
  runDeleted({ id, backfill_id: backfillId }: RunRow, now: number): void {
    const { backfills } = this.#core.storage;
    this.#isUsed ??= backfills.hasAny();
    if (this.#isUsed) {
      // Also the earlier backfills that had it.
      backfills.runDeleted(id);
    }
    const backfill = backfillId === null ? null : backfills.get(backfillId);
    if (backfill !== null) {
      this.settle(backfill, null, now);
    }
  }

  /** Takes the step that a backfill's runs call for. Only inside `act`. */
  settle(backfill: BackfillRow, failedRunId: string | null, now: number): void {
    const { backfills } = this.#core.storage;
    const step = nextStep(backfill, failedRunId !== null, (until) => backfills.isUnfinished(backfill.id, until));
    switch (step) {
      case "go_on":
        break;
      case "wait_for_canary":
        backfills.update({ ...backfill, is_paused: true, canary_state: "waiting", updated_at: now });
        break;
      case "complete":
        this.end(backfill, "completed", null, now);
        break;
      case "stop":
        this.end(backfill, "first_failure", failedRunId, now);
    }
  }

  /** Ends a backfill: what is queued of it fails, what runs goes on. Only inside `act`. */
  end(backfill: BackfillRow, reason: BackfillEndReason, firstFailedRunId: string | null, now: number): void {
    const { storage, runs, waiters } = this.#core;
    // First: the runs that end by it are not to end it again.
    storage.backfills.update({
      ...backfill,
      // As Airflow leaves it: a cancel pauses first.
      is_paused: backfill.is_paused || reason !== "completed",
      completed_at: now,
      end_reason: reason,
      first_failed_run_id: firstFailedRunId,
      updated_at: now,
    });
    for (const run of runs.loaded()) {
      const { row, machine } = run;
      if (row.backfill_id === backfill.id && row.state === "queued" && machine.state.active > 0) {
        // It was queued again while tasks of it run: their workers are to stop, and what they hold is given back.
        machine.markRun("failed", now);
        this.#core.store(run, now);
      }
    }
    for (const runId of storage.backfills.failQueued(backfill.id, now)) {
      const row = runs.peek(runId)?.row;
      if (row !== undefined) {
        row.state = "failed";
        row.reason = "task_failure";
        row.end_date = now;
        row.updated_at = now;
        runs.forget(runId);
      }
      waiters.wake(`run:${runId}`);
    }
  }

  #admit(backfill: BackfillRow, { queued, running, limits }: BackfillAdmission): void {
    const { id, max_active_runs: limit, completed_at: completedAt } = backfill;
    // A run of one that is over was queued again by a user, and starts as any other.
    const isPaused = backfill.is_paused && completedAt === null;
    const count = this.#runningRuns(id);
    const idle = this.#core.scheduler.idleRuns().get(id) ?? [];
    const room = isPaused ? 0 : Math.min(limit - count + idle.length, STARTS_PER_TURN - this.#started);
    if (room > 0) {
      queued.push(...this.#core.storage.backfills.queuedRuns(id, room, startsUntil(backfill)));
    }
    running.set(id, count);
    limits.set(id, { max_active_runs: limit, is_paused: isPaused });
  }

  #runningRuns(backfillId: number): number {
    let running = 0;
    for (const { row } of this.#core.runs.loaded()) {
      running += Number(row.backfill_id === backfillId && row.state === "running");
    }
    return running;
  }
}
