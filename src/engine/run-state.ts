/**
 * The state of one run in memory: its nodes, the counters that decide its end, what changed since the last drain and
 * what must be looked at again. Every change of a task instance's state goes through `set`.
 *
 * @module
 */
import type { Graph } from "./graph.ts";
import type { Json } from "./spec.ts";
import { isFinished, isScheduleable, type DagRunState, type TaskInstanceState } from "./states.ts";
import type { TaskInstanceRow } from "./task-instance.ts";
import type { Surroundings } from "./admission.ts";
import type { PermitWish } from "./permits/wish.ts";
import { isExecuting, moved } from "./run-wishes.ts";
import { countOne, TaskNode, type NodeInstance } from "./task-node.ts";
import { TimerHeap } from "./timers.ts";
import type { StoredValue } from "./work.ts";

/** Why a run ended. Names are Airflow's. */
export type RunEndReason = "success" | "task_failure" | "all_tasks_deadlocked" | "timed_out";

/** What the machine knows of its run; times in epoch milliseconds. */
export interface RunInfo {
  run_id: string;
  run_type: string;
  state: DagRunState;
  reason: RunEndReason | null;
  logical_date: number | null;
  /** Both, or neither; left out is null. */
  data_interval_start?: number | null;
  data_interval_end?: number | null;
  run_after: number;
  queued_at: number | null;
  start_date: number | null;
  end_date: number | null;
  params: Record<string, Json>;
  /**
   * When the run was made. Its tokens begin here, so that a run made under the id of a deleted one shares none with it: a
   * late report of the old one finds nothing to change. Left out: they begin at 0.
   */
  created_at?: number;
  /** The backfill it belongs to; null, or left out, for none. */
  backfill_id?: number | null;
  /** Its place in its backfill, from 1. */
  sort_ordinal?: number | null;
}

/** A try that is over, for the history: the row as it was. */
export interface HistoryEntry {
  row: TaskInstanceRow;
}

/** A worker that must stop: the attempt it runs is no longer the current one. */
export interface StopOrder {
  job_id: string;
  task_id: string;
  map_index: number;
  reason: string;
}

/** What changed since the last drain. */
export interface RunChanges {
  /** Instances whose rows must be written. */
  instances: NodeInstance[];
  /** Values to store with them; null clears the stored one. */
  values: Map<NodeInstance, StoredValue | null>;
  /** Rows of unexpanded instances that became expanded ones. */
  removedRows: { task_id: string; map_index: number }[];
  /** Lengths of tasks that expanded. */
  mapLengths: { task_id: string; length: number }[];
  history: HistoryEntry[];
  /** Queued instances whose message must be sent (again). */
  send: NodeInstance[];
  stops: StopOrder[];
  /** Jobs of tries that ended without their workers. */
  lost: { job_id: string; token: number }[];
  /** Instances whose wish is to be taken a step further. */
  steps: Set<NodeInstance>;
  /** What is held or asked for no longer. */
  releases: { instance: NodeInstance; wish: PermitWish }[];
  /** Rate limits of keys that a handler asked to slow down, with the time until which. */
  slowDowns: { limiter: string; until: number }[];
  /** Tries whose worker was lost, with what was found out about it. */
  losses: { instance: NodeInstance; message: string }[];
  /** There is room for instances of other runs. */
  freed: boolean;
  /** The run's own row changed. */
  run: boolean;
}

/** The mutable heart of a run; the machine and its helpers share it. */
export class RunState {
  readonly graph: Graph;
  readonly info: RunInfo;
  readonly nodes: TaskNode[];
  /** Instances of states that are not finished. */
  unfinished: number;
  /** Instances that are scheduled, queued, running, restarting or deferred: they move on without a scheduler. */
  active = 0;
  /** Instances of effective leaves that are failed or upstream_failed. */
  failedLeaves = 0;
  total: number;
  readonly dirtyNodes = new Set<TaskNode>();
  readonly dirtyInstances = new Set<NodeInstance>();
  readonly timers = new TimerHeap<NodeInstance>((instance) => instance.dueAt);
  /** Scheduled instances in the order they became ready; those under limits go on to the lines of their tasks. */
  ready: NodeInstance[] = [];
  /** Null in a run without anything around it, where no task needs anything from outside. */
  surroundings: Surroundings | null = null;
  /** Tasks with instances in line. */
  readonly lines = new Set<TaskNode>();
  /** Scheduled instances that hold all they asked for. */
  readonly cleared = new Set<NodeInstance>();
  /** Instances that are queued, running or restarting. */
  executing = 0;
  /** Scheduled instances whose wish is out, those that stand in a ledger's line left out. */
  asked = 0;
  /** Scheduled instances whose wish stands in a ledger's line, as far as its answers said so. */
  readonly outside = new Set<NodeInstance>();
  #changed = new Set<NodeInstance>();
  #changes = noChanges();

  constructor(graph: Graph, info: RunInfo) {
    this.graph = graph;
    this.info = info;
    this.nodes = graph.tasks.map((task) => new TaskNode(task, info.created_at ?? 0));
    this.unfinished = this.nodes.length;
    this.total = this.nodes.length;
    for (const node of this.nodes) {
      node.recount(this.nodes);
    }
  }

  /** Everything that changed since the last drain; the caller must store all of it in one transaction. */
  drain(): RunChanges {
    const changes = this.#changes;
    changes.instances = [...this.#changed];
    this.#changed = new Set();
    this.#changes = noChanges();
    for (const instance of changes.instances) {
      instance.stored = true;
    }
    return changes;
  }

  get changes(): RunChanges {
    return this.#changes;
  }

  /** Marks an instance's row as changed. */
  touch(instance: NodeInstance): void {
    this.#changed.add(instance);
  }

  /** Sets the timer of an instance; null clears it. */
  setTimer(instance: NodeInstance, at: number | null): void {
    instance.nextAt = at;
    const due = instance.dueAt;
    if (due !== null) {
      this.timers.add(due, instance);
    }
    this.touch(instance);
  }

  /** Sets a timer that need not be stored: the lease of an attempt, which begins anew with each beat; the patience with a queue. */
  renew(instance: NodeInstance, at: number): void {
    if (instance.nextAt !== at) {
      instance.nextAt = at;
      this.timers.add(at, instance);
    }
  }

  /** Has the worker of an instance stopped: its next beat is answered so. The job of one that has a job learns it before. */
  stop(instance: NodeInstance, reason: string): void {
    const { jobId, mapIndex, node } = instance;
    instance.stopReason = reason;
    if (jobId !== null) {
      this.#changes.stops.push({ job_id: jobId, task_id: node.task.id, map_index: mapIndex, reason });
    }
  }

  /** Takes every instance whose timer is due: the earliest first, of equal ones in the order of the spec. */
  takeAllDue(now: number): NodeInstance[] {
    const due: { at: number; instance: NodeInstance }[] = [];
    for (let instance = this.timers.takeDue(now); instance !== undefined; instance = this.timers.takeDue(now)) {
      due.push({ at: instance.dueAt ?? now, instance });
    }
    due.sort(
      (a, b) =>
        a.at - b.at ||
        a.instance.node.task.index - b.instance.node.task.index ||
        a.instance.mapIndex - b.instance.mapIndex,
    );
    return due.map(({ instance }) => instance);
  }

  /**
   * Moves an instance to a state: dates as Airflow's `TI.set_state`, counters downstream, what must be evaluated again.
   * Clears its timer; set the new one after it.
   */
  set(instance: NodeInstance, to: TaskInstanceState, now: number): void {
    const from = instance.state;
    if (from === to) {
      return;
    }
    const node = instance.node;
    instance.state = to;
    instance.nextAt = null;
    this.touch(instance);
    const over = isFinished(to);
    if (over || to === "up_for_retry") {
      instance.startDate ??= now;
      instance.endDate = now;
    }
    node.waiting += Number(isScheduleable(to)) - Number(isScheduleable(from));
    node.unfinished += Number(!over) - Number(!isFinished(from));
    this.unfinished += Number(!over) - Number(!isFinished(from));
    this.active += Number(isActive(to)) - Number(isActive(from));
    moved(this, instance, from);
    if (node.task.leaf) {
      this.failedLeaves += Number(isFailure(to)) - Number(isFailure(from));
    }
    if (from === "removed") {
      instance.deleted = false;
      // Somebody brought it back; whether its element exists is for the length to say.
      node.lengthStale = node.expanded;
    }
    if (isScheduleable(to)) {
      // What lies upstream may have changed while it ran.
      this.dirtyInstances.add(instance);
    }
    if (over || isFinished(from)) {
      this.#tellDownstream(instance, from, to);
    }
  }

  #tellDownstream(instance: NodeInstance, from: TaskInstanceState, to: TaskInstanceState): void {
    const node = instance.node;
    const isSetup = node.task.spec.is_setup;
    for (const edge of node.task.out) {
      const target = this.nodes[edge.to];
      if (target === undefined) {
        continue;
      }
      const byElement = edge.element && node.expanded;
      const bank = target.bankFor(edge.kind, byElement, instance.mapIndex);
      if (bank === undefined) {
        continue;
      }
      countOne(bank, isSetup, from, to, 0);
      if (target.waiting === 0) {
        continue;
      }
      const element = byElement ? target.instances[instance.mapIndex] : undefined;
      if (element === undefined) {
        this.dirtyNodes.add(target);
      } else {
        this.dirtyInstances.add(element);
      }
    }
    this.feed(node);
  }

  /** Notes that what mapped tasks are mapped over may have changed: those that have not run yet look at it again. */
  feed(node: TaskNode): void {
    for (const index of node.task.feeds) {
      const fed = this.nodes[index];
      if (fed !== undefined) {
        fed.lengthStale = fed.expanded;
        this.dirtyNodes.add(fed);
      }
    }
  }

  /** Counts everything anew from the instances' states: after loading. */
  recountAll(): void {
    this.unfinished = 0;
    this.active = 0;
    this.failedLeaves = 0;
    this.total = 0;
    this.executing = 0;
    this.asked = 0;
    for (const node of this.nodes) {
      node.recount(this.nodes);
      node.recountWaiting();
      node.executing = 0;
      node.asked = 0;
      node.lengthStale = node.expanded;
      for (const instance of node.instances) {
        this.total += 1;
        this.unfinished += Number(!isFinished(instance.state));
        this.active += Number(isActive(instance.state));
        this.failedLeaves += Number(node.task.leaf && isFailure(instance.state));
        if (instance.dueAt !== null) {
          this.timers.add(instance.dueAt, instance);
        }
        node.executing += Number(isExecuting(instance.state));
        if (instance.state === "scheduled" && instance.wish === null) {
          this.ready.push(instance);
        } else if (instance.state === "scheduled" && instance.wish?.isInLine === true) {
          this.outside.add(instance);
        } else if (instance.state === "scheduled") {
          node.asked += 1;
        }
      }
      this.executing += node.executing;
      this.asked += node.asked;
    }
    this.sortReady();
  }

  /** Puts ready instances in order again: one that was cleared while the run did not move stands at its old place too. */
  sortReady(): void {
    this.ready = byAge(new Set(this.ready.filter(({ state }) => state === "scheduled")));
  }
}

/** Scheduled instances in the order in which they were scheduled; of one millisecond in that of the spec. */
export function byAge(instances: Iterable<NodeInstance>): NodeInstance[] {
  return [...instances].toSorted(
    (a, b) =>
      (a.scheduledWhen ?? 0) - (b.scheduledWhen ?? 0) ||
      a.node.task.index - b.node.task.index ||
      a.mapIndex - b.mapIndex,
  );
}

function isActive(state: TaskInstanceState): boolean {
  return !isScheduleable(state) && !isFinished(state);
}

function isFailure(state: TaskInstanceState): boolean {
  return state === "failed" || state === "upstream_failed";
}

function noChanges(): RunChanges {
  return {
    instances: [],
    values: new Map(),
    removedRows: [],
    mapLengths: [],
    history: [],
    send: [],
    stops: [],
    lost: [],
    steps: new Set(),
    releases: [],
    slowDowns: [],
    losses: [],
    freed: false,
    run: false,
  };
}
