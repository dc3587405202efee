/**
 * The machine of one run: events in, changes out. It decides what Airflow's scheduler decides for a run (dependencies,
 * expansion, retries, skips, timeouts, outcome), one event at a time, with `now` (epoch ms) as an argument and without
 * any I/O. The caller stores what `drain()` gives in one transaction and only then acts on it.
 *
 * States and edges are drawn in `docs/state-machines.md`.
 *
 * @module
 */
import {
  admissions,
  grant,
  lineUp,
  reserved,
  resumeWishes,
  standOutside,
  timeCame,
  withdrawWishes,
} from "./admission.ts";
import { chooseToResume } from "./choices.ts";
import type { Graph } from "./graph.ts";
import { livenessDeadline, type Look } from "./liveness.ts";
import { isForWorker } from "./queue-spread.ts";
import { DEFAULT_QUEUE_TIMING, resendOrFail, sendMessage, type IsMoving, type QueueTiming } from "./queue-timing.ts";
import { endAttempt } from "./run-attempts.ts";
import { clearInstances, forgetInstance, resetInstance, resetRun } from "./run-clearing.ts";
import { decideEnd, timeOut, timesOutAt } from "./run-end.ts";
import { expandKnown, grow } from "./run-expansion.ts";
import {
  endDead,
  endLapsed,
  endLost,
  endOfEnded,
  isLapsed,
  leaseEnd,
  resumeLeases,
  takeBeat,
  type BeatOfAttempt,
} from "./run-leases.ts";
import { markInstance, markRun, type MarkedState } from "./run-marking.ts";
import { settle } from "./run-settling.ts";
import { RunState, type RunChanges, type RunInfo } from "./run-state.ts";
import type { TaskInstanceRow } from "./task-instance.ts";
import type { NodeInstance, TaskNode } from "./task-node.ts";
import type { Outcome, StoredValue, TaskError, Verdict, WorkerIdentity } from "./work.ts";

const NO_ROLES: ReadonlyMap<string, string> = new Map();

/** A run's decisions. Construct with `RunMachine.create` or `RunMachine.load`. */
export class RunMachine {
  readonly state: RunState;
  readonly #timing: QueueTiming;
  /** While held (its DAG is paused), ready task instances stay scheduled and nothing new is queued. */
  #held = false;

  private constructor(state: RunState, timing: QueueTiming) {
    this.state = state;
    this.#timing = timing;
  }

  /**
   * Makes a new run; call `begin` to start it. `sizes` fixes how many instances a task has that no expansion in the spec
   * describes: the tasks of a bulk submission.
   */
  static create(
    graph: Graph,
    info: RunInfo,
    timing: QueueTiming = DEFAULT_QUEUE_TIMING,
    sizes: ReadonlyMap<string, number> = new Map(),
  ): RunMachine {
    const state = new RunState(graph, info);
    expandKnown(state);
    for (const node of state.nodes) {
      const size = sizes.get(node.task.id);
      if (size !== undefined) {
        grow(state, node, size);
      }
    }
    return new RunMachine(state, timing);
  }

  /** Rebuilds a run from its rows, exactly as it was stored. */
  static load(
    graph: Graph,
    info: RunInfo,
    mapLengths: readonly { task_id: string; length: number }[],
    rows: readonly TaskInstanceRow[],
    timing: QueueTiming = DEFAULT_QUEUE_TIMING,
  ): RunMachine {
    const state = new RunState(graph, info);
    const nodeOf = (taskId: string): TaskNode | undefined => state.nodes[graph.byId.get(taskId)?.index ?? -1];
    for (const { task_id, length } of mapLengths) {
      const node = nodeOf(task_id);
      if (node !== undefined) {
        grow(state, node, length);
      }
    }
    for (const row of rows) {
      const node = nodeOf(row.task_id);
      if (node !== undefined && row.map_index >= node.instances.length) {
        grow(state, node, row.map_index + 1);
      }
      node?.at(row.map_index)?.load(row);
    }
    state.recountAll();
    state.dirtyNodes.clear();
    state.drain();
    return new RunMachine(state, timing);
  }

  get info(): RunInfo {
    return this.state.info;
  }

  /** Instance by task and map index, or undefined. */
  find(taskId: string, mapIndex: number): NodeInstance | undefined {
    const index = this.state.graph.byId.get(taskId)?.index;
    return index === undefined ? undefined : this.state.nodes[index]?.at(mapIndex);
  }

  /** How many instances a mapped task has; null if it is not mapped, or its length is not known. */
  mappedLength(taskId: string): number | null {
    const node = this.state.nodes[this.state.graph.byId.get(taskId)?.index ?? -1];
    return node?.expanded === true ? node.instances.length : null;
  }

  /** Earliest time at which `tick` has something to do, or null. */
  nextDue(): number | null {
    if (this.info.state !== "running") {
      return null;
    }
    const timer = this.state.timers.next();
    const timeout = timesOutAt(this.state);
    return timer === null ? timeout : timeout === null ? timer : Math.min(timer, timeout);
  }

  /** Takes everything that changed; see `RunState.drain`. */
  drain(): RunChanges {
    return this.state.drain();
  }

  /** It runs and is not held, so that its ready task instances are queued as soon as there is room. */
  get isMoving(): boolean {
    return this.info.state === "running" && !this.#held;
  }

  /** Holds or releases the queueing of ready task instances; work that is queued or running goes on. */
  hold(held: boolean, now: number): void {
    if (held) {
      withdrawWishes(this.state);
    } else if (this.#held) {
      this.state.sortReady();
    }
    this.#held = held;
    this.#advance(now);
  }

  /** Starts a queued run. Does nothing for one that runs or is over. */
  begin(now: number): void {
    if (this.info.state !== "queued") {
      return;
    }
    this.info.state = "running";
    this.info.start_date = now;
    this.info.end_date = null;
    this.state.sortReady();
    this.state.changes.run = true;
    for (const node of this.state.nodes) {
      this.state.dirtyNodes.add(node);
    }
    this.#advance(now);
  }

  /** Keeps an instance from being scheduled before a time; only before the run begins. */
  delay(taskId: string, mapIndex: number, until: number): void {
    const instance = this.find(taskId, mapIndex);
    if (instance !== undefined && instance.state === null) {
      this.state.setTimer(instance, until);
    }
  }

  /**
   * A worker asks to run one queued try. Null if it may not: the message was a duplicate, or the try was cleared, killed,
   * replaced or claimed by somebody else.
   */
  claim(taskId: string, mapIndex: number, tryNumber: number, worker: WorkerIdentity, now: number): NodeInstance | null {
    const instance = this.find(taskId, mapIndex);
    if (instance === undefined || instance.state !== "queued" || instance.tryNumber !== tryNumber) {
      return null;
    }
    this.#start(instance, worker, now);
    return instance;
  }

  /**
   * A worker reports how a try ended. `late`: the token is not the newest; nothing but the count of late results
   * changes. `duplicate`: this very report was taken already. Call `advance` after the last report of a batch.
   */
  report(instance: NodeInstance, token: number, outcome: Outcome, worker: WorkerIdentity, now: number): Verdict {
    if (instance.fence !== token) {
      return this.#late(instance);
    }
    if (instance.state !== "running") {
      return "duplicate";
    }
    instance.hostname = worker.hostname;
    instance.unixname = worker.unixname;
    instance.workerLosses = 0;
    endAttempt(this.state, instance, outcome, now);
    return "accepted";
  }

  /**
   * Settles what a batch of reports caused; claims up to `followUps` ready instances for `worker`, of those that are of its
   * queue. `roles`: queues by the roles that are known.
   */
  advance(
    now: number,
    followUps = 0,
    worker: WorkerIdentity | null = null,
    roles: ReadonlyMap<string, string> = NO_ROLES,
  ): NodeInstance[] {
    return this.#advance(now, followUps, worker, roles);
  }

  /** The worker of a try proves that it lives. False if the try is not the current one: it must stop. */
  beat(instance: NodeInstance, beat: BeatOfAttempt, now: number): boolean {
    return takeBeat(this.state, instance, beat, now);
  }

  /** Says whether another job than the one that beats runs the current attempt: its claim was handed out twice. */
  isRunElsewhere({ state, fence, jobId }: NodeInstance, beat: BeatOfAttempt): boolean {
    const isCurrent = state === "running" && fence === beat.token && beat.object_host !== undefined;
    return isCurrent && jobId !== null && jobId !== beat.job_id;
  }

  /** Takes up the leases of running tries after a load. `heartbeats`: when workers last beat, by their hostname. */
  resumeLeases(heartbeats: ReadonlyMap<string, number>): void {
    resumeLeases(this.state, heartbeats);
  }

  /** The processes of some workers have ended: what they ran is lost, and need not wait for its lease. Call `advance` after it. */
  workersEnded(hasEnded: (hostname: string | null) => boolean, now: number): void {
    endOfEnded(this.state, hasEnded, now);
  }

  /** Ends a running try whose lease has lapsed, before its timer is due; call `advance` after it. `look`: as in `tick`. */
  checkLease(instance: NodeInstance, now: number, look: Look): void {
    const end = leaseEnd(instance);
    if (end !== null && end <= look.lookedAt) {
      endLapsed(this.state, instance, end, now, look);
    }
  }

  /** Says whether a lease has lapsed, so that it is time to listen before `tick`. */
  hasLapsed(now: number): boolean {
    const { info, timers } = this.state;
    const due = timers.next();
    return info.state === "running" && due !== null && due <= now && timers.some((one) => isLapsed(one, now));
  }

  /** The worker of a try is gone (`zombie`), or it obeyed a stop (`stopped`): a cleared instance may run again now. */
  attemptEnded(instance: NodeInstance, token: number, outcome: Outcome, now: number): Verdict {
    if (instance.state === "restarting" && token === instance.fence - 1) {
      resetInstance(this.state, instance, now);
      this.#advance(now);
      return "accepted";
    }
    if (instance.fence !== token || instance.state !== "running") {
      return "duplicate";
    }
    if (outcome.state === "failed" && outcome.isWorkerLost === true) {
      endLost(this.state, instance, outcome.error.message, now);
    } else {
      endDead(this.state, instance, outcome, now);
    }
    return "accepted";
  }

  /**
   * Does everything whose time has come: retries, reschedules, lapsed leases, re-sends, the run's timeout. `look`: whether workers
   * could be heard; left out, they could. `isMoving`: whether queues move; left out, none does.
   */
  tick(
    now: number,
    look: Look = { lookedAt: now, openedAt: Number.NEGATIVE_INFINITY, lagMs: 0 },
    isMoving: IsMoving = () => false,
  ): void {
    if (this.info.state !== "running") {
      return;
    }
    const timeout = timesOutAt(this.state);
    if (timeout !== null && now >= timeout) {
      timeOut(this.state, now);
      return;
    }
    for (const due of this.state.takeAllDue(now)) {
      // What an earlier one caused (`fail_fast`) may have ended it.
      if (due.dueAt !== null && due.dueAt <= now) {
        this.#onDue(due, now, look, isMoving);
      }
    }
    this.#advance(now);
  }

  /** A ledger granted what an instance asked for; call `advance` after the last. False: it is not wanted (any more). */
  grant(instance: NodeInstance, ledger: string, token: number, now: number): boolean {
    return grant(this.state, instance, ledger, token, now);
  }

  /** A ledger has put what an instance asked for in its line; call `advance` after the last. False: that changes nothing. */
  standOutside(instance: NodeInstance, token: number): boolean {
    return standOutside(this.state, instance, token);
  }

  /** Takes up the wishes for permits that were stored; call once, after `load`. */
  resumeWishes(now: number): void {
    resumeWishes(this.state, now);
  }

  /** Rate limits say when an instance may start; call `advance` after the last. */
  reserved(instance: NodeInstance, token: number, at: number, now: number): void {
    reserved(this.state, instance, token, at, now);
  }

  /** Sends the message of every queued instance again: whoever held them may be gone. Harmless if not. */
  resendQueued(now: number): void {
    for (const node of this.state.nodes) {
      for (const instance of node.instances) {
        if (instance.state === "queued") {
          sendMessage(this.state, instance, this.#timing, now);
        }
      }
    }
  }

  /**
   * Clears instances so that they run again; see `clearInstances`. With `resetRun` a run that is over is queued again
   * (call `begin` to start it); without, it stays over and nothing runs until somebody queues it.
   */
  clear(instances: readonly NodeInstance[], now: number, resetRunToo = true): void {
    clearInstances(this.state, instances, now);
    if (resetRunToo) {
      resetRun(this.state, now);
    }
    this.#advance(now);
  }

  /** Ends one instance by a user's word (kill or mark), also in a run that is over. False: it was so already. */
  mark(instance: NodeInstance, to: MarkedState, error: TaskError | null, now: number): boolean {
    return this.markAll([instance], to, error, now);
  }

  /**
   * Ends instances by a user's word, all at once, and then clears what has failed below the tasks of `resumeBelow`: that may
   * queue a run again that was over, for the caller to `begin`. Unlike a failure, a mark does not fail a DAG fast. False:
   * all of them were so already.
   */
  markAll(
    instances: readonly NodeInstance[],
    to: MarkedState,
    error: TaskError | null,
    now: number,
    resumeBelow: readonly string[] = [],
  ): boolean {
    const marked = instances.filter((instance) => markInstance(this.state, instance, to, error, now));
    const resumed = chooseToResume(this.state, resumeBelow);
    if (resumed.length > 0) {
      clearInstances(this.state, resumed, now);
      resetRun(this.state, now);
    }
    this.#advance(now);
    return marked.length > 0;
  }

  /** Marks the run and, by Airflow's rules, its instances; see `markRun`. Call `begin` after `queued`. */
  markRun(to: "queued" | "success" | "failed", now: number): void {
    markRun(this.state, to, now);
    if (this.info.state === "queued") {
      withdrawWishes(this.state);
    }
    this.#advance(now);
  }

  /** Takes an instance out of the run; see `forgetInstance`. */
  forget(instance: NodeInstance, now: number): void {
    forgetInstance(this.state, instance, now);
    this.#advance(now);
  }

  /**
   * Puts a user's value in the place of what a task instance returned; null takes it away. Whatever has run with the old
   * one stays, and so do mapped instances that ran; a mapped task of which some still wait fits itself to the new length.
   */
  setValue(instance: NodeInstance, value: StoredValue | null, mapLength: number | null, now: number): void {
    instance.hasValue = value !== null;
    instance.mapLength = mapLength;
    this.state.changes.values.set(instance, value);
    this.state.touch(instance);
    this.state.feed(instance.node);
    this.#advance(now);
  }

  // ── what follows from an event ──────────────────────────────────────────────────────────────────────────────────

  #advance(now: number, followUps = 0, worker: WorkerIdentity | null = null, roles = NO_ROLES): NodeInstance[] {
    if (this.info.state !== "running") {
      return [];
    }
    const claimed: NodeInstance[] = [];
    for (const instance of this.#admitted(now)) {
      this.state.set(instance, "queued", now);
      instance.queuedWhen = now;
      instance.sends = 0;
      const fits =
        worker !== null && claimed.length < followUps && isForWorker(instance, this.info.run_id, worker, roles);
      if (fits) {
        this.#start(instance, worker, now);
        claimed.push(instance);
      } else {
        sendMessage(this.state, instance, this.#timing, now);
      }
    }
    decideEnd(this.state, now);
    return claimed;
  }

  /** Settles the run and gives what may be queued now; the caller queues each before it takes the next. */
  *#admitted(now: number): Generator<NodeInstance> {
    const { state } = this;
    settle(state, now);
    while (!this.#held) {
      const { ready } = state;
      if (ready.length > 0) {
        state.ready = [];
      }
      for (const instance of ready) {
        // One that was cleared while the run was held stands there twice.
        if (instance.state === "scheduled" && instance.wish === null && !lineUp(state, instance)) {
          yield instance;
        }
      }
      if (state.lines.size > 0 || state.cleared.size > 0) {
        yield* admissions(state, now);
      }
      if (state.dirtyNodes.size === 0 && state.dirtyInstances.size === 0) {
        return;
      }
      // One whose limits could not be told has failed.
      settle(state, now);
    }
  }

  #start(instance: NodeInstance, worker: WorkerIdentity, now: number): void {
    this.state.set(instance, "running", now);
    instance.fence += 1;
    instance.startDate = now;
    instance.endDate = null;
    instance.hostname = worker.hostname;
    instance.unixname = worker.unixname;
    instance.jobId = null;
    instance.progress = null;
    instance.stopReason = null;
    instance.allowances = 0;
    instance.latestHeartbeat = null;
    if (instance.hasValue || instance.skipRecord !== null) {
      instance.hasValue = false;
      instance.mapLength = null;
      instance.skipRecord = null;
      this.state.changes.values.set(instance, null);
    }
    this.state.setTimer(instance, livenessDeadline(now, instance.node.task.spec.heartrate * 1000));
  }

  #onDue(instance: NodeInstance, now: number, look: Look, isMoving: IsMoving): void {
    switch (instance.state) {
      case "queued":
        resendOrFail(this.state, instance, this.#timing, now, isMoving);
        break;
      case "running":
      case "restarting":
        endLapsed(this.state, instance, instance.nextAt ?? now, now, look);
        break;
      case "scheduled":
        timeCame(this.state, instance, now);
        break;
      default:
        this.state.dirtyInstances.add(instance);
    }
  }

  #late(instance: NodeInstance): Verdict {
    instance.lateResults += 1;
    this.state.touch(instance);
    return "late";
  }
}
