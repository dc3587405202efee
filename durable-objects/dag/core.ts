/**
 * What every part of a `Dag` object stands on: opening it once per wake, the one transaction of a turn, and what follows a
 * commit (messages, stop orders, waiters, the alarm).
 *
 * @module
 */
import { compareRuns, waitsForRoom } from "../../src/engine/across-runs.ts";
import type { Look } from "../../src/engine/liveness.ts";
import type { Result } from "../../src/engine/objects.ts";
import { refuse } from "../../src/engine/result.ts";
import { DEFAULT_QUEUE_TIMING } from "../../src/engine/queue-timing.ts";
import { runIdOf, type DatedRunType } from "../../src/engine/run-ids.ts";
import type { DagSpec } from "../../src/engine/spec.ts";
import { isRunFinished } from "../../src/engine/states.ts";
import type { NodeInstance } from "../../src/engine/task-node.ts";
import type { TaskInstanceKey } from "../../src/engine/work.ts";
import type { AnyTaskDefinition } from "../../src/sdk/index.ts";
import type { ObjectEnv } from "../env.ts";
import { migrate } from "../migrate.ts";
import { PayloadDeletions } from "../payload-deletions.ts";
import { tellSweeper } from "../tell-sweeper.ts";
import { Waiters } from "../waiters.ts";
import { BackfillBook } from "./backfill-book.ts";
import { BATCH_PREFIX } from "./batch.ts";
import { DAG_MIGRATIONS } from "./migrations.ts";
import { DagAlarm } from "./dag-alarm.ts";
import { isBusy, nextDue } from "./due.ts";
import { Outbox } from "./outbox.ts";
import { PastDesk } from "./past.ts";
import { PermitDesk } from "./permit-desk.ts";
import { RunBook, type LoadedRun } from "./run-book.ts";
import { Scheduler } from "./scheduler.ts";
import { DagStorage, type RunRow } from "./storage.ts";
import { Wipe } from "./wipe.ts";
import { WorkerBook } from "./worker-book.ts";

/** The shared inside of one `Dag` object. */
export class DagCore {
  readonly name: string;
  readonly storage: DagStorage;
  readonly runs: RunBook;
  readonly outbox: Outbox;
  readonly payloads: PayloadDeletions;
  readonly wipe: Wipe;
  readonly scheduler: Scheduler;
  readonly backfills = new BackfillBook(this);
  readonly permits: PermitDesk;
  readonly past = new PastDesk(this);
  readonly waiters = new Waiters();
  readonly workers: WorkerBook;
  isPaused = false;
  /** Goes up when everything is deleted: what was remembered of an earlier DAG of this name holds no more. */
  generation = 0;
  #isRegistered = false;
  readonly #ctx: DurableObjectState;
  readonly #env: ObjectEnv;
  readonly #alarm: DagAlarm;
  readonly #codeSpec: (dagId: string) => DagSpec | null;
  #isOpen = false;
  /** When the sweeper looks whether what is due has happened; null if it does not. */
  #toldAt: number | null = null;
  #stored = new Set<LoadedRun>();
  /** An instance ended whose task is limited over all runs. */
  #isRoomFreed = false;

  /**
   * @param codeSpec Gives the spec the deployed code has for a DAG, or null.
   * @param taskOf Gives the task that is registered under the name of a handler.
   */
  constructor(
    ctx: DurableObjectState,
    env: ObjectEnv,
    codeSpec: (dagId: string) => DagSpec | null,
    taskOf: (handler: string) => AnyTaskDefinition | undefined,
  ) {
    this.#ctx = ctx;
    this.#env = env;
    this.#codeSpec = codeSpec;
    this.name = ctx.id.name ?? "";
    this.storage = new DagStorage(ctx.storage.sql);
    this.#alarm = new DagAlarm(ctx, () => this.storage.countRow());
    this.workers = new WorkerBook(this.storage);
    this.permits = new PermitDesk(this, ctx, env, taskOf);
    this.runs = new RunBook(this.storage, this.name, DEFAULT_QUEUE_TIMING, (run) => {
      this.permits.watch(run);
      this.past.attach(run);
      run.machine.resumeLeases(this.workers.heartbeats);
    });
    this.outbox = new Outbox(this.storage, env, ctx, this.name);
    const { payloads } = this.storage.xcoms;
    this.payloads = new PayloadDeletions(payloads, env.PAYLOADS, this.name);
    this.wipe = new Wipe(ctx, payloads, this.payloads);
    this.scheduler = new Scheduler(this);
  }

  /** It keeps a bulk submission and no DAG. */
  get isBatch(): boolean {
    return this.name.startsWith(BATCH_PREFIX);
  }

  /** The deployed code defines this DAG. */
  get isOfCode(): boolean {
    return this.#codeSpec(this.name) !== null;
  }

  /** The DAG came by registration. One that the code defines too is the code's. */
  get isRegistered(): boolean {
    return this.#isRegistered && !this.isOfCode;
  }

  /** Opens the object once per wake. False, and nothing is written, if there is no such DAG. */
  open(): boolean {
    if (this.#isOpen) {
      return true;
    }
    const spec = this.#codeSpec(this.name);
    if (spec === null && !this.wipe.isDag) {
      return false;
    }
    this.openAs(() => spec, Date.now());
    return true;
  }

  /** Opens it, making it if it is new. The spec becomes a version if it is not the newest one already. */
  openAs(spec: () => DagSpec | null, now: number): void {
    if (this.#isOpen) {
      return;
    }
    migrate(this.#ctx.storage, DAG_MIGRATIONS);
    this.#ctx.storage.transactionSync(() => {
      const stored = this.storage.readDag();
      const current = stored !== null && this.name.startsWith(BATCH_PREFIX) ? null : spec();
      this.isPaused = stored?.isPaused ?? current?.is_paused_upon_creation ?? false;
      this.#isRegistered = stored?.isRegistered ?? false;
      if (stored === null) {
        this.storage.saveDag(this.name, this.isPaused);
      }
      if (current !== null) {
        this.runs.register(current, now);
      }
      this.scheduler.load(now);
    });
    this.workers.open(now);
    this.runs.loadUnfinished();
    this.#isOpen = true;
    this.act(now, () => {
      for (const run of this.inTurn()) {
        run.machine.resumeWishes(now);
        run.machine.hold(this.holds(run), now);
        this.workers.resume(run.machine, this.#env.TASK_CONSUMER, now);
        this.store(run, now);
      }
      this.scheduler.askForAdmission();
    });
  }

  /** Stores a spec that came by registration, and makes the DAG if it is new. */
  register(spec: DagSpec, now: number): void {
    const isNew = !this.open();
    this.openAs(() => spec, now);
    this.act(now, () => {
      if (!isNew) {
        this.runs.register(spec, now);
        this.scheduler.load(now);
        this.scheduler.askForAdmission();
      }
      this.storage.summaries.setRegistered();
    });
    this.#isRegistered = true;
  }

  /**
   * Deletes everything that is stored, the alarm too, if `isAllowed` still says so once nothing else can come between.
   * Who waits for a run looks again. Messages and reports that come later find no such DAG. Values in the bucket are
   * deleted before this ends; what the bucket refuses to delete is all that stays, until the alarm could delete it.
   */
  async deleteAll(isAllowed: () => boolean): Promise<boolean> {
    const isDone = await this.#ctx.blockConcurrencyWhile(async () => {
      if (!isAllowed()) {
        return false;
      }
      const held = this.permits.all();
      const now = Date.now();
      await this.wipe.begin(now);
      this.#forget();
      this.permits.giveBack(held, now);
      return true;
    });
    this.waiters.wakeAll();
    if (isDone) {
      await this.wipe.finish(Date.now());
    }
    return isDone;
  }

  #forget(): void {
    this.runs.clear();
    this.scheduler.clear();
    this.backfills.clear();
    this.past.clear();
    this.outbox.forget();
    this.permits.discard();
    this.payloads.discard();
    this.workers.forget();
    this.#stored.clear();
    this.isPaused = false;
    this.#isRegistered = false;
    this.#alarm.forget();
    this.#toldAt = null;
    this.#isOpen = false;
    this.generation += 1;
  }

  unfinished(): LoadedRun[] {
    return [...this.runs.loaded()].filter((run) => !isRunFinished(run.row.state));
  }

  /** Unfinished runs, those first whose task instances come first under a limit that the runs share. */
  inTurn(which: (run: LoadedRun) => boolean = () => true): LoadedRun[] {
    return this.unfinished()
      .filter(which)
      .toSorted((a, b) => compareRuns(a.machine.state, b.machine.state));
  }

  /**
   * One turn: `decide` changes machines and stores them with `store`, all in one transaction; then messages leave. If it
   * throws, nothing is stored and memory is read anew at the next turn.
   */
  act<T>(now: number, decide: () => T): T {
    // Before and not after: who waited for a run to end looks at it once this turn is over.
    this.runs.trim();
    let answer: T;
    try {
      answer = this.#ctx.storage.transactionSync(() => {
        const decided = decide();
        do {
          this.scheduler.admit(now);
          this.#admitAcrossRuns(now);
        } while (this.past.goOn(now) || this.scheduler.isAdmissionDue);
        this.payloads.endTurn(now);
        return decided;
      });
    } catch (error) {
      this.runs.clear();
      this.scheduler.clear();
      this.backfills.clear();
      this.past.clear();
      this.outbox.discard();
      this.permits.discard();
      this.payloads.discard();
      this.#stored.clear();
      this.#isOpen = false;
      throw error;
    }
    for (const run of this.#stored) {
      this.waiters.wake(`log:${run.row.run_id}`);
      if (isRunFinished(run.row.state)) {
        this.waiters.wake(`run:${run.row.run_id}`);
      }
      if (run.batch !== null) {
        this.waiters.wake("members");
      }
    }
    this.#stored.clear();
    this.outbox.send(now);
    this.permits.send(now);
    this.arm(now);
    return answer;
  }

  /** Room under a limit over all runs of the DAG goes to the earliest run that waits for it. */
  #admitAcrossRuns(now: number): void {
    while (this.#isRoomFreed) {
      this.#isRoomFreed = false;
      for (const run of this.inTurn(({ machine }) => waitsForRoom(machine))) {
        run.machine.advance(now);
        this.store(run, now);
      }
    }
  }

  /** Stores what a run's machine changed; only inside `act`. */
  store(run: LoadedRun, now: number): void {
    const changes = run.machine.drain();
    if (changes.run) {
      run.row.updated_at = now;
      this.storage.updateRun(run.row.id, run.row);
      if (isRunFinished(run.row.state)) {
        this.scheduler.runEnded(run, now);
      }
    }
    this.scheduler.runStored(run);
    this.storage.saveChanges(run.row.id, changes, now);
    this.past.changed(run, changes);
    this.outbox.collect(run, changes);
    this.permits.collect(run, changes, now);
    this.workers.logLosses(this.name, run.row.run_id, changes.losses);
    this.#isRoomFreed ||= changes.freed;
    this.runs.keep(run);
    this.#stored.add(run);
  }

  /** Makes a run and starts it if it is due; only inside `act`. */
  createRun(
    row: Omit<RunRow, "id">,
    now: number,
    options: {
      sizes?: ReadonlyMap<string, number>;
      afterInsert?: (id: number) => void;
      beforeStart?: (run: LoadedRun) => void;
    } = {},
  ): LoadedRun {
    const run = this.runs.create(row, options.sizes ?? new Map<string, number>());
    run.machine.hold(this.holds(run), now);
    options.beforeStart?.(run);
    this.startIfDue(run, now);
    // Inserted as it stands by now, started or not: one write instead of two.
    run.row.id = this.storage.insertRun(run.row);
    run.machine.state.changes.run = false;
    options.afterInsert?.(run.row.id);
    this.store(run, now);
    this.past.cameOrWent(run);
    return run;
  }

  /** Says whether the tasks of a run must wait because its DAG is paused. A backfill goes on. */
  holds({ row }: LoadedRun): boolean {
    return this.isPaused && row.backfill_id === null;
  }

  /** Starts a queued run whose time has come, unless its DAG is paused or as many run as may. One of a backfill takes its turn. */
  startIfDue(run: LoadedRun, now: number): void {
    if (run.row.backfill_id !== null) {
      this.scheduler.askForAdmission();
      return;
    }
    const isDue = run.row.state === "queued" && run.row.run_after <= now;
    if (isDue && !this.isPaused && this.scheduler.hasRoom()) {
      run.machine.begin(now);
    } else if (isDue && run.machine.state.graph.dependsOnPast) {
      // Those that run may wait for it.
      this.scheduler.askForAdmission();
    }
  }

  /** Pauses the DAG from inside a turn: too many of its runs failed. */
  pauseNow(now: number): void {
    this.isPaused = true;
    this.storage.saveDag(this.name, true);
    for (const run of this.unfinished()) {
      run.machine.hold(this.holds(run), now);
      this.store(run, now);
    }
  }

  /** An id for a run that nobody named; of several of one time, each a microsecond later. */
  freeRunId(type: DatedRunType, runAfter: number): string {
    for (let micros = 0; ; micros += 1) {
      const runId = runIdOf(type, runAfter, micros);
      if (this.runs.get(runId) === null) {
        return runId;
      }
    }
  }

  /** A run by its id. */
  find(runId: string): Result<LoadedRun> {
    if (!this.open()) {
      return this.unknown();
    }
    if (this.runs.peek(runId) === null) {
      // Who only looks at runs, one after the other, does not gather them all.
      this.runs.trim();
    }
    const run = this.runs.get(runId);
    return run === null ? this.unknownRun(runId) : { ok: true, value: run };
  }

  /** A task instance by its key. */
  instance(key: TaskInstanceKey): Result<{ run: LoadedRun; instance: NodeInstance }> {
    const run = this.find(key.run_id);
    if (!run.ok) {
      return run;
    }
    const instance = run.value.machine.find(key.task_id, key.map_index);
    const mapped = key.map_index === -1 && instance === undefined ? run.value.machine.mappedLength(key.task_id) : null;
    if (mapped !== null) {
      return refuse("not_found", `\`${key.task_id}\` is mapped: name one of its ${mapped} instances`, [
        "path",
        "map_index",
      ]);
    }
    const where = `"${key.task_id}" with map_index ${key.map_index} in run "${key.run_id}"`;
    return instance === undefined || instance.deleted
      ? refuse("not_found", `there is no task instance ${where}`)
      : { ok: true, value: { run: run.value, instance } };
  }

  /** The refusal for a run that this DAG does not have, in Airflow's words. */
  unknownRun<T>(runId: string): Result<T> {
    return refuse("not_found", `The DagRun with dag_id: \`${this.name}\` and run_id: \`${runId}\` was not found`);
  }

  /** The refusal for a DAG that neither the code nor storage knows. */
  unknown<T>(): Result<T> {
    return refuse("not_found", `there is no DAG "${this.name}"`);
  }

  /** Notes that the alarm has fired: none is set any more. */
  alarmFired(): void {
    this.#alarm.forget();
  }

  /** Arms the alarm for the earliest thing that is due; leaves one that is early enough alone, since setting it is a write. */
  arm(now: number): void {
    // Deleted while a stop order was on its way.
    if (!this.#isOpen) {
      return;
    }
    const next = nextDue(this, now);
    // An alarm at or before now would be dropped inside alarm().
    if (next !== null) {
      this.#alarm.setBy(Math.max(next, now + 1));
    }
    this.#tellSweeper(next, now);
  }

  /** Attempts have beaten, and will have beaten again by `until`: there is no need to look at their leases before. */
  postponeAlarm(now: number, until: number): void {
    if (this.#isOpen) {
      this.#alarm.postpone(until, () => nextDue(this, now));
    }
  }

  /** Does all that is due, and says what may have got lost again: the work of the alarm, and of the sweeper. */
  async reconcile(): Promise<void> {
    const isLapsed = this.unfinished().some(({ machine }) => machine.hasLapsed(Date.now()));
    const look = isLapsed ? await this.workers.listen() : this.workers.look();
    // Everything may have been deleted meanwhile.
    if (this.open()) {
      this.#reconcile(Date.now(), look);
    }
  }

  #reconcile(now: number, look: Look): void {
    const roles = this.outbox.rolesKnown(now);
    this.act(now, () => {
      this.permits.retry(now);
      for (const run of this.unfinished()) {
        run.machine.tick(now, look, (instance) => this.workers.isMoving(run.row.run_id, instance, roles, now));
        this.store(run, now);
      }
      this.scheduler.askForAdmission();
    });
  }

  /** For the sweeper: what is due is done, wishes are said again. Gives when there is something to do next, or null. */
  async wake(): Promise<number | null> {
    if (!this.open()) {
      return null;
    }
    const now = Date.now();
    this.act(now, () => {
      for (const run of this.unfinished()) {
        this.permits.askAgain(run, now);
      }
    });
    await this.reconcile();
    this.#toldAt = !this.#isOpen ? null : isBusy(this) ? now : nextDue(this, now);
    return this.#toldAt;
  }

  /** Says once that there is something to do, and again if it is earlier than was said. While work is done that is at once. */
  #tellSweeper(next: number | null, now: number): void {
    if (this.#toldAt !== null && this.#toldAt <= now) {
      return;
    }
    const due = isBusy(this) ? now : next;
    if (due !== null && (this.#toldAt === null || due < this.#toldAt)) {
      this.#toldAt = due;
      this.#ctx.waitUntil(tellSweeper(this.#env, this.name, due));
    }
  }
}
