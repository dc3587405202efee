/**
 * The task instances of one task in one run, with the counters of what lies upstream of them. Counters are kept by
 * deltas, so that an event costs the edges it touches; they are recounted only when a task expands or shrinks.
 *
 * @module
 */
import type { EdgeKind, GraphTask } from "./graph.ts";
import type { PastGate } from "./past-gate.ts";
import { isFinished, isScheduleable, type TaskInstanceState } from "./states.ts";
import { TaskInstance } from "./task-instance.ts";
import type { UpstreamCounts } from "./trigger-rules.ts";

/** A task instance as the run machine knows it. */
export type NodeInstance = TaskInstance<TaskNode>;

/** One task in one run. */
export class TaskNode {
  readonly task: GraphTask;
  /** By map index once expanded; before that the one unexpanded instance, whose map index is -1. */
  instances: NodeInstance[];
  /** False for an unmapped task and for a mapped one whose length is not known yet. */
  expanded = false;
  /** Instances that wait for their dependencies or a timer. */
  waiting = 1;
  /** Instances of states that are not finished. */
  unfinished = 1;
  /** It is under some limit; see `admission.ts`. */
  isLimited = false;
  /** It needs something from outside of its DAG before it is queued. */
  needsPermits = false;
  /** Scheduled instances that wait for room in the DAG, in the order they came. */
  readonly line = new Set<NodeInstance>();
  /** Instances that are queued, running or restarting. */
  executing = 0;
  /** Scheduled instances whose wish is out, those that stand in a ledger's line left out. */
  asked = 0;
  /** The gate to the run before; null where the task does not look at it, or the run has no past. */
  past: PastGate | null = null;
  /** A task that feeds the expansion ended again, so that its length may have changed. */
  lengthStale = false;

  /** Counters over direct upstream instances. */
  #direct = new Tally();
  /** The same over indirect setups, and over what lies in the scope of a teardown; null where there is none. */
  #setups: Tally | null = null;
  #scope: Tally | null = null;
  /** A branch or short circuit right above has an answer per element. */
  #skippedByElement = false;
  readonly #firstFence: number;

  /** @param firstFence Where the tokens of its instances begin; see `RunInfo.created_at`. */
  constructor(task: GraphTask, firstFence: number) {
    this.task = task;
    this.#firstFence = firstFence;
    this.instances = [this.newInstance(-1)];
  }

  /** An instance nothing was decided about; the caller puts it where it belongs. */
  newInstance(mapIndex: number): NodeInstance {
    const instance = new TaskInstance<TaskNode>(this, mapIndex, this.task.spec.retries);
    instance.fence = this.#firstFence;
    return instance;
  }

  /** The instance at a map index (-1 for an unmapped or unexpanded task), or undefined. */
  at(mapIndex: number): NodeInstance | undefined {
    return this.expanded ? this.instances[mapIndex] : mapIndex === -1 ? this.instances[0] : undefined;
  }

  /** Counters of one instance's direct upstream. */
  countsOf(mapIndex: number): UpstreamCounts {
    return this.#direct.of(mapIndex);
  }

  /** Counters of one instance's indirect setups, or null if it has none. */
  setupCountsOf(mapIndex: number): UpstreamCounts | null {
    return this.#setups?.of(mapIndex) ?? null;
  }

  /** Counters of what a teardown's instance has to wait for beyond its direct upstream, or null if that is nothing. */
  scopeCountsOf(mapIndex: number): UpstreamCounts | null {
    return this.#scope?.of(mapIndex) ?? null;
  }

  /** Counts all upstream instances anew: after this task or one of its upstream tasks expanded, shrank or was loaded. */
  recount(nodes: readonly TaskNode[]): void {
    this.#direct = new Tally();
    this.#setups = null;
    this.#scope = null;
    this.#skippedByElement = this.task.skipParents.some((index) => nodes[index]?.expanded === true);
    for (const edge of this.task.in) {
      const from = nodes[edge.from];
      if (from === undefined) {
        continue;
      }
      const byElement = edge.element && from.expanded;
      const tally = this.#makeTally(edge.kind);
      if (byElement && !this.expanded) {
        continue;
      }
      if (byElement) {
        tally.perElement ??= Array.from({ length: this.instances.length }, noCounts);
      }
      for (const instance of from.instances) {
        const bank = tally.bank(byElement, instance.mapIndex);
        // A deleted element is not there any more; a deleted task is, and will never be over.
        if (bank !== undefined && !(instance.deleted && from.expanded)) {
          countOne(bank, from.task.spec.is_setup, null, instance.deleted ? null : instance.state, 1);
        }
      }
    }
  }

  /** The counters an upstream instance counts in, or undefined if no instance here waits for that element. */
  bankFor(kind: EdgeKind, byElement: boolean, mapIndex: number): UpstreamCounts | undefined {
    const tally = kind === "direct" ? this.#direct : kind === "setup" ? this.#setups : this.#scope;
    return tally?.bank(byElement, mapIndex);
  }

  #makeTally(kind: EdgeKind): Tally {
    if (kind === "direct") {
      return this.#direct;
    }
    return kind === "setup" ? (this.#setups ??= new Tally()) : (this.#scope ??= new Tally());
  }

  /** Counts again how many instances wait or are unfinished; after loading, expanding or shrinking. */
  recountWaiting(): void {
    this.waiting = this.instances.reduce((n, instance) => n + (isScheduleable(instance.state) ? 1 : 0), 0);
    this.unfinished = this.instances.reduce((n, instance) => n + (isFinished(instance.state) ? 0 : 1), 0);
  }

  /** All instances that wait get the same verdict, so that looking at one is enough while it is "wait". */
  get judgesAlike(): boolean {
    const tallies = [this.#direct, this.#setups, this.#scope];
    const ownElement = this.#skippedByElement || tallies.some((tally) => (tally?.perElement ?? null) !== null);
    return !ownElement && this.#direct.shared.removed === 0 && (this.#setups?.shared.removed ?? 0) === 0;
  }
}

/** Counters over the upstream instances of one kind of edge. */
class Tally {
  /** Over instances that count for every instance of the task. */
  readonly shared = noCounts();
  /** Over instances of the same element, by map index; null when there is no such edge. */
  perElement: UpstreamCounts[] | null = null;

  /** What one instance sees. */
  of(mapIndex: number): UpstreamCounts {
    const own = this.perElement?.[mapIndex];
    return own === undefined ? this.shared : sum(this.shared, own);
  }

  /** Where an upstream instance counts. */
  bank(byElement: boolean, mapIndex: number): UpstreamCounts | undefined {
    return byElement ? this.perElement?.[mapIndex] : this.shared;
  }
}

/** Moves one upstream instance from a state to another in a counter; `added` is 1 when it is counted for the first time. */
export function countOne(
  bank: UpstreamCounts,
  isSetup: boolean,
  from: TaskInstanceState,
  to: TaskInstanceState,
  added: 0 | 1,
): void {
  bank.total += added;
  if (isSetup) {
    bank.setupTotal += added;
  }
  bump(bank, isSetup, from, -1);
  bump(bank, isSetup, to, 1);
}

function bump(bank: UpstreamCounts, isSetup: boolean, state: TaskInstanceState, by: 1 | -1): void {
  switch (state) {
    case "success":
      bank.success += by;
      if (isSetup) {
        bank.setupSuccess += by;
      }
      break;
    case "skipped":
      bank.skipped += by;
      if (isSetup) {
        bank.setupSkipped += by;
      }
      break;
    case "failed":
      bank.failed += by;
      break;
    case "upstream_failed":
      bank.upstreamFailed += by;
      break;
    case "removed":
      bank.removed += by;
      break;
    default:
  }
}

function noCounts(): UpstreamCounts {
  return {
    total: 0,
    success: 0,
    skipped: 0,
    failed: 0,
    upstreamFailed: 0,
    removed: 0,
    setupTotal: 0,
    setupSuccess: 0,
    setupSkipped: 0,
  };
}

function sum(a: UpstreamCounts, b: UpstreamCounts): UpstreamCounts {
  return {
    total: a.total + b.total,
    success: a.success + b.success,
    skipped: a.skipped + b.skipped,
    failed: a.failed + b.failed,
    upstreamFailed: a.upstreamFailed + b.upstreamFailed,
    removed: a.removed + b.removed,
    setupTotal: a.setupTotal + b.setupTotal,
    setupSuccess: a.setupSuccess + b.setupSuccess,
    setupSkipped: a.setupSkipped + b.setupSkipped,
  };
}
