/**
 * The part of a `Dag` object that makes its scheduled runs and lets queued ones start. Nothing polls: the object's alarm
 * rings when the next run is due, and a run that ends lets the next one start.
 *
 * @module
 */
import { dagScheduleOf, type DagSchedule } from "../../src/engine/dag-schedule.ts";
import { resolveParams } from "../../src/engine/params.ts";
import { explainAdmission, isFailingTooOften, runsToStart } from "../../src/engine/run-admission.ts";
import { isRunFinished } from "../../src/engine/states.ts";
import { previewRuns, runToMake } from "../../src/engine/timetable/iterate.ts";
import type { DagRunInfo, DataInterval } from "../../src/engine/timetable/timetable.ts";
import type { DagCore } from "./core.ts";
import type { LoadedRun } from "./run-book.ts";
import type { ScheduleState } from "./schedule-storage.ts";
import type { RunRow, VersionRow } from "./storage.ts";
import { newRunRow } from "./views.ts";

/** Dates looked at in one turn: a DAG that catches up leaves room for other work between. */
const RUNS_PER_TURN = 10;

/** Runs that may wait before those that have ended, where the last ends are looked for. */
const WAITING_PASSED = 100;

/** Schedule and admission of one `Dag` object. */
export class Scheduler {
  readonly #core: DagCore;
  #version: VersionRow | null = null;
  #schedule: DagSchedule | null = null;
  #state: ScheduleState | null = null;
  /** A run ended or may start now: look at the queued ones. */
  #isAdmissionDue = false;
  /** Runs that were idle when they were stored. */
  #idle = new WeakSet<LoadedRun>();

  constructor(core: DagCore) {
    this.#core = core;
  }

  /** The next scheduled run, or null: of those that were missed the one that is made when it may be. */
  nextAt(now: number): DagRunInfo | null {
    const { timetable, restriction } = this.#schedule ?? {};
    const planned = this.#state?.next ?? null;
    return planned === null || timetable === undefined || restriction === undefined || this.#isContinuous
      ? planned
      : runToMake(timetable, planned, restriction, now);
  }

  /** The data interval of a run made by hand for a time (epoch ms). */
  manualInterval(at: number): DataInterval {
    return this.#schedule?.timetable.manualInterval(at) ?? { start: at, end: at };
  }

  /** Runs that may be running at a time. */
  get maxActiveRuns(): number {
    return this.#schedule?.maxActiveRuns ?? Infinity;
  }

  /** Reads where the schedule stands, and plans anew if the spec's schedule is another one now. Only inside a transaction. */
  load(now: number): void {
    const version = this.#core.storage.newestVersion();
    this.#version = version;
    this.#schedule = version === null || this.#core.isBatch ? null : dagScheduleOf(version.spec);
    this.#state = this.#core.storage.schedule.read();
    const key = this.#schedule?.key ?? "";
    const isScheduled = version !== null && version.spec.schedule !== null;
    if (this.#schedule !== null && this.#state?.key !== key && (isScheduled || this.#state !== null)) {
      this.#plan({ key, last: this.#state?.last ?? null, next: null }, now);
    }
  }

  /** Forgets what it read: it may no longer agree with what is stored. */
  clear(): void {
    this.#version = null;
    this.#schedule = null;
    this.#state = null;
    this.#isAdmissionDue = false;
    this.#idle = new WeakSet();
  }

  /** The next `count` runs as they would be made if time passed. */
  preview(count: number, now: number): DagRunInfo[] {
    const { timetable, restriction } = this.#schedule ?? {};
    return timetable === undefined || restriction === undefined
      ? []
      : previewRuns(timetable, this.#state?.last ?? null, restriction, now, count, this.nextAt(now));
  }

  /** When the schedule has something to do (epoch ms), or null: nothing is planned, or a run must end first. */
  dueAt(): number | null {
    const next = this.#state?.next ?? null;
    return next === null || this.#core.isPaused || this.#activeRuns() >= this.maxActiveRuns ? null : next.run_after;
  }

  /** When the object must wake for runs to be made or started (epoch ms), or null. */
  wakeAt(): number | null {
    return this.#core.backfills.isLeftOver ? 0 : this.dueAt();
  }

  /** Makes the runs that are due, as many as `max_active_runs` lets be active; only inside `act`. */
  makeDue(now: number): void {
    const version = this.#version;
    if (version === null) {
      return;
    }
    // Dates that are there already count too: `@continuous` has the same one for as long as the clock stands.
    for (let looked = 0; looked < RUNS_PER_TURN; looked += 1) {
      const due = this.dueAt();
      const run = this.#dueRun(now);
      if (due === null || due > now || run === null) {
        return;
      }
      // A run of that date is there already if somebody triggered it: the schedule goes on behind it.
      if (this.#core.storage.runByLogicalDate(run.logical_date) === null) {
        this.#create(run, version, now);
      }
      this.#plan({ key: this.#schedule?.key ?? "", last: run.data_interval, next: null }, now);
    }
  }

  /** Says whether one more run may start now. */
  hasRoom(): boolean {
    const { runs } = this.#core;
    return runs.size <= this.maxActiveRuns || this.#runningRuns() < this.maxActiveRuns;
  }

  /** Somebody asked for a look at the queued runs that has not been taken. */
  get isAdmissionDue(): boolean {
    return this.#isAdmissionDue;
  }

  /** Asks for a look at the queued runs at the end of this turn. */
  askForAdmission(): void {
    this.#isAdmissionDue = true;
  }

  /** Notes how a run stands that was stored: one that has become idle may yield its place to one before it. Only inside `act`. */
  runStored(run: LoadedRun): void {
    if (!isIdle(run)) {
      this.#idle.delete(run);
    } else if (!this.#idle.has(run)) {
      this.#idle.add(run);
      this.askForAdmission();
    }
  }

  /** Notes that a run has ended: another may start, and too many failures pause the DAG. Only inside `act`. */
  runEnded(run: LoadedRun, now: number): void {
    this.askForAdmission();
    this.#core.backfills.runEnded(run.row, now);
    const limit = this.#version?.spec.max_consecutive_failed_dag_runs ?? 0;
    if (run.row.state === "failed" && limit > 0 && !this.#core.isPaused) {
      const states = this.#core.storage.summaries.latestStates(limit);
      if (isFailingTooOften(states, limit)) {
        this.#core.pauseNow(now);
      }
    }
  }

  /** Makes and starts the runs that may start, if there is a reason to look; only inside `act`. */
  admit(now: number): void {
    if (!this.#isAdmissionDue) {
      return;
    }
    this.makeDue(now);
    this.#core.backfills.beginTurn();
    // A run without work ends where it starts, and lets the next one start.
    while (this.#isAdmissionDue) {
      this.#isAdmissionDue = false;
      this.#startQueued(now);
    }
  }

  #startQueued(now: number): void {
    const core = this.#core;
    const waiting = core.unfinished().filter(({ row }) => row.state === "queued" && row.backfill_id === null);
    const backfills = core.backfills.admission();
    const queued = [...waiting.map(({ row }) => row), ...backfills.queued];
    const runIds = new Map(queued.map(({ id, run_id }) => [id, run_id]));
    const started = runsToStart({
      queued,
      running: new Map<number | null, number>([...backfills.running, [null, this.#runningRuns()]]),
      idle: this.idleRuns(),
      dag: { max_active_runs: this.maxActiveRuns, is_paused: core.isPaused },
      backfills: backfills.limits,
      now,
    });
    for (const { id } of started) {
      const run = core.runs.get(runIds.get(id) ?? "");
      // One that started before it may have ended their backfill.
      if (run !== null && run.row.state === "queued") {
        run.machine.begin(now);
        if (run.row.backfill_id !== null) {
          core.backfills.noteStart();
        }
        core.store(run, now);
      }
    }
  }

  /** After how many failed runs in a row the DAG paused itself; null if it is not paused, or was by a user. */
  pausedAfter(): number | null {
    const limit = this.#version?.spec.max_consecutive_failed_dag_runs ?? 0;
    if (!this.#core.isPaused || limit === 0) {
      return null;
    }
    // Runs that were triggered since wait; they have not ended.
    const states = this.#core.storage.summaries.latestStates(limit + WAITING_PASSED);
    const isTooOften = isFailingTooOften(
      states.filter((state) => state === "failed" || state === "success"),
      limit,
    );
    return isTooOften ? limit : null;
  }

  /** Why a queued run does not start, or why one failed that never did; null if there is nothing to say. */
  explain({ row }: LoadedRun, now: number): string | null {
    if (row.state !== "queued") {
      return this.#core.backfills.explainEnd(row);
    }
    const alike = [...this.#core.runs.loaded()].filter(({ row: other }) => other.backfill_id === row.backfill_id);
    const names = {
      running: alike.filter(({ row: other }) => other.state === "running").map(({ row: other }) => other.run_id),
      before: alike.filter(({ row: other }) => other.state === "queued" && comesBefore(other, row)).length,
    };
    const backfills = this.#core.backfills.admission();
    const canary = this.#core.backfills.explainCanary(row);
    return (
      canary ??
      explainAdmission(
        row,
        {
          queued: [],
          running: new Map<number | null, number>([...backfills.running, [null, this.#runningRuns()]]),
          idle: this.idleRuns(),
          dag: { max_active_runs: this.maxActiveRuns, is_paused: this.#core.isPaused },
          backfills: backfills.limits,
          now,
        },
        names,
      )
    );
  }

  /** The run to make now. One of `@continuous` is about the time until now, whenever it was planned. */
  #dueRun(now: number): DagRunInfo | null {
    const { timetable, restriction } = this.#schedule ?? {};
    if (!this.#isContinuous || timetable === undefined || restriction === undefined) {
      return this.nextAt(now);
    }
    return timetable.next(this.#state?.last ?? null, restriction, now);
  }

  get #isContinuous(): boolean {
    return this.#version?.spec.schedule?.type === "continuous";
  }

  #create(run: DagRunInfo, version: VersionRow, now: number): void {
    const core = this.#core;
    const params = resolveParams(version.spec.params, {});
    const { start, end } = run.data_interval;
    core.createRun(
      {
        ...newRunRow({
          run_id: core.freeRunId("scheduled", run.run_after),
          run_after: run.run_after,
          queued_at: now,
          triggered_by: "timetable",
          conf: {},
          // A scheduled DAG's params have valid defaults: the spec was refused otherwise.
          params: params.ok ? params.params : {},
          version_number: version.version_number,
        }),
        run_type: "scheduled",
        logical_date: run.logical_date,
        data_interval_start: start,
        data_interval_end: end,
      },
      now,
    );
  }

  #plan(state: ScheduleState, now: number): void {
    const { timetable, restriction } = this.#schedule ?? {};
    const next =
      timetable === undefined || restriction === undefined ? null : timetable.next(state.last, restriction, now);
    this.#state = { ...state, next };
    this.#core.storage.schedule.save(this.#state);
  }

  /** `run_after` of idle runs, by backfill. */
  idleRuns(): Map<number | null, number[]> {
    const idle = new Map<number | null, number[]>();
    for (const run of this.#core.runs.loaded()) {
      if (isIdle(run)) {
        const dates = idle.get(run.row.backfill_id) ?? [];
        dates.push(run.row.run_after);
        idle.set(run.row.backfill_id, dates);
      }
    }
    return idle;
  }

  /** Runs of no backfill that are queued or running. */
  #activeRuns(): number {
    let active = 0;
    for (const { row } of this.#core.runs.loaded()) {
      active += Number(row.backfill_id === null && !isRunFinished(row.state));
    }
    return active;
  }

  /** Runs of no backfill that are running. */
  #runningRuns(): number {
    let running = 0;
    for (const { row } of this.#core.runs.loaded()) {
      running += Number(row.backfill_id === null && row.state === "running");
    }
    return running;
  }
}

/** Says whether a run runs in which nothing is on its way, and in which something may wait for the run before. */
function isIdle({ row, machine: { state } }: LoadedRun): boolean {
  return row.state === "running" && state.graph.dependsOnPast && state.active === 0;
}

/** Says whether one queued run starts before another of its kind. */
function comesBefore(a: RunRow, b: RunRow): boolean {
  return (
    (a.sort_ordinal ?? 0) - (b.sort_ordinal ?? 0) < 0 ||
    a.run_after - b.run_after < 0 ||
    (a.run_after === b.run_after && a.id < b.id)
  );
}
