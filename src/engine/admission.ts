/**
 * Which scheduled task instances may be queued, and which must wait for room: limits of the run, the task and the DAG, and
 * what lies outside of it (pools, concurrency keys, rate limits). Part of the run machine.
 *
 * A task without limits never comes here. One with limits stands in its task's line. Where there is room in the DAG, it is
 * queued, or, if it needs something from outside, its wish goes out; holding all of it, it is queued before those that stand in
 * line. A wish that is out does not take the room of the DAG: tasks that need nothing from outside may pass it. One that stands in a
 * ledger's line takes none at all.
 *
 * @module
 */
import {
  dropPassedTime,
  giveBackSlots,
  newWish,
  nextStep,
  takeGrant,
  takeTime,
  type PermitNeeds,
} from "./permits/wish.ts";
import { weightsOf } from "./priority.ts";
import { endAttempt } from "./run-attempts.ts";
import { byAge, type RunState } from "./run-state.ts";
import { countAsked, countOutside, withdrawWish } from "./run-wishes.ts";
import type { NodeInstance, TaskNode } from "./task-node.ts";

/** What the machine of one run cannot know by itself. */
export interface Surroundings {
  /** The task needs something from outside, whatever its input. */
  needsPermits(node: TaskNode): boolean;
  /**
   * What an instance must hold. Null: that is not known yet; it stays in line, and the run advances when it is.
   *
   * @throws Error if that cannot be told: the try fails with its message.
   */
  needs(state: RunState, instance: NodeInstance): PermitNeeds | null;
  /** Instances of a task that are queued or running in other runs of the DAG. */
  executingElsewhere(state: RunState, taskId: string): number;
  /** An earlier run has instances of this task in line. */
  isBehind(state: RunState, taskId: string): boolean;
}

/** A limit of the DAG that leaves no room. */
export interface FullLimit {
  name: "max_active_tasks" | "max_active_tis_per_dagrun" | "max_active_tis_per_dag";
  limit: number;
  taken: number;
}

/** Notes which tasks of a run are under limits. Call it once, before anything happens to the run. */
export function setSurroundings(state: RunState, surroundings: Surroundings): void {
  state.surroundings = surroundings;
  const isRunLimited = state.graph.spec.max_active_tasks !== null;
  for (const node of state.nodes) {
    const { max_active_tis_per_dag: perDag, max_active_tis_per_dagrun: perRun } = node.task.spec;
    node.needsPermits = surroundings.needsPermits(node);
    node.isLimited = isRunLimited || perDag !== null || perRun !== null || node.needsPermits;
  }
}

/** Puts a scheduled instance into its task's line; false if it need not wait for anything. */
export function lineUp(state: RunState, instance: NodeInstance): boolean {
  const { node } = instance;
  if (!node.isLimited) {
    return false;
  }
  node.line.add(instance);
  state.lines.add(node);
  return true;
}

/**
 * Gives the instances that may be queued now, in order; the caller queues each before it takes the next. Others send their
 * wishes out.
 */
export function* admissions(state: RunState, now: number): Generator<NodeInstance> {
  const weights = weightsOf(state.graph);
  const comesBefore = (a: TaskNode, b: TaskNode): number =>
    (weights[b.task.index] ?? 0) - (weights[a.task.index] ?? 0) || a.task.index - b.task.index;
  for (const instance of byAge(state.cleared).toSorted((a, b) => comesBefore(a.node, b.node))) {
    if (fullLimit(state, instance.node, "cleared") !== null) {
      continue;
    }
    state.cleared.delete(instance);
    if (instance.wish !== null && nextStep(instance.wish, now).kind !== "done") {
      // There was no room when its time came.
      delete instance.wish.letAt;
      goOnWishing(state, instance, now);
    } else {
      yield instance;
    }
  }
  for (const node of [...state.lines].toSorted(comesBefore)) {
    for (const instance of node.line) {
      if (fullLimit(state, node, "line") !== null) {
        break;
      }
      const next = makeWish(state, instance, now);
      if (next !== "unknown") {
        node.line.delete(instance);
      }
      if (next === "queue") {
        yield instance;
      }
    }
    if (node.line.size === 0) {
      state.lines.delete(node);
    }
  }
}

/** Sends out what an instance needs from outside. `queue`: that is nothing. `unknown`: it is not known yet. */
function makeWish(state: RunState, instance: NodeInstance, now: number): "queue" | "asks" | "unknown" {
  const { node } = instance;
  if (!node.needsPermits || state.surroundings === null) {
    return "queue";
  }
  let wish;
  try {
    const needs = state.surroundings.needs(state, instance);
    if (needs === null) {
      return "unknown";
    }
    wish = newWish(needs, instance.fence);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    endAttempt(state, instance, { state: "failed", error: { type: "LimitError", message }, retryable: false }, now);
    return "asks";
  }
  if (wish === null) {
    return "queue";
  }
  instance.wish = wish;
  countAsked(state, instance);
  state.touch(instance);
  state.changes.steps.add(instance);
  return "asks";
}

/**
 * Who wants room in the DAG. `line`: one that has not asked for anything; wishes that are out count before it, and earlier runs go
 * first. `granted`: one that was granted what it waited for; those that hold everything count before it. `cleared`: one of those.
 */
type Claimant = "line" | "granted" | "cleared";

/** The first limit of the DAG that has no room for one more of a task. */
export function fullLimit(state: RunState, node: TaskNode, claimant: Claimant): FullLimit | null {
  const inRun = runLimit(state, node, claimant);
  const { task_id: taskId, max_active_tis_per_dag: limit } = node.task.spec;
  if (inRun !== null || limit === null || state.surroundings === null) {
    return inRun;
  }
  const taken = executingBefore(state, node, claimant).ofTask + state.surroundings.executingElsewhere(state, taskId);
  return taken >= limit || (claimant === "line" && state.surroundings.isBehind(state, taskId))
    ? { name: "max_active_tis_per_dag", limit, taken }
    : null;
}

/** The same, of the limits that concern its run alone. */
export function runLimit(state: RunState, node: TaskNode, claimant: Claimant): FullLimit | null {
  const { max_active_tasks: ofRun } = state.graph.spec;
  const { max_active_tis_per_dagrun: ofTask } = node.task.spec;
  const taken = executingBefore(state, node, claimant);
  if (ofRun !== null && taken.inRun >= ofRun) {
    return { name: "max_active_tasks", limit: ofRun, taken: taken.inRun };
  }
  return ofTask !== null && taken.ofTask >= ofTask
    ? { name: "max_active_tis_per_dagrun", limit: ofTask, taken: taken.ofTask }
    : null;
}

/** How many count before a claimant: those that are on their way, and others that have a right to be. */
function executingBefore(state: RunState, node: TaskNode, claimant: Claimant): { inRun: number; ofTask: number } {
  const { executing: inRun } = state;
  const { executing: ofTask } = node;
  if (claimant === "line" && node.needsPermits) {
    return { inRun: inRun + state.asked, ofTask: ofTask + node.asked };
  }
  if (claimant === "granted") {
    const alike = [...state.cleared].filter((instance) => instance.node === node);
    return { inRun: inRun + state.cleared.size, ofTask: ofTask + alike.length };
  }
  return { inRun, ofTask };
}

/**
 * Takes word that an instance holds what it asked of a ledger. False if it does not want it: it was cleared, killed, or
 * ended since, its DAG is paused, or it had stood in the ledger's line and there is no room in the DAG any more. Then it is put in
 * line here and asks again when there is room, at its old age, instead of holding idle what others could use.
 */
export function grant(state: RunState, instance: NodeInstance, ledger: string, token: number, now: number): boolean {
  const { wish, node } = instance;
  if (wish === null || wish.token !== token) {
    return false;
  }
  const verdict = takeGrant(wish, ledger);
  if (verdict !== "new") {
    return verdict === "known";
  }
  if (state.outside.has(instance)) {
    if (fullLimit(state, node, "granted") !== null) {
      withdrawWish(state, instance);
      backIntoLine(state, instance);
      return false;
    }
    countAsked(state, instance);
  }
  state.touch(instance);
  goOnWishing(state, instance, now);
  return true;
}

/** Puts one that gave back what it was granted where its age says: as a rule before all others of its task. */
function backIntoLine(state: RunState, instance: NodeInstance): void {
  const { line } = instance.node;
  const inOrder = byAge([instance, ...line]);
  line.clear();
  inOrder.forEach((each) => line.add(each));
  state.lines.add(instance.node);
}

/** Takes word that a ledger has put a wish in its line. True if that makes room for other wishes; see `advance`. */
export function standOutside(state: RunState, instance: NodeInstance, token: number): boolean {
  const { wish, node } = instance;
  const isCounted =
    state.graph.spec.max_active_tasks !== null ||
    node.task.spec.max_active_tis_per_dagrun !== null ||
    node.task.spec.max_active_tis_per_dag !== null;
  const isOut = wish?.token === token && instance.state === "scheduled" && !state.cleared.has(instance);
  if (!isCounted || !isOut || state.outside.has(instance)) {
    return false;
  }
  countOutside(state, instance);
  return true;
}

/** Takes the time at which an instance may start. If it is far ahead the instance gives its slots back until then. */
export function reserved(state: RunState, instance: NodeInstance, token: number, at: number, now: number): void {
  const { wish } = instance;
  const isKnown = wish?.at === at && at > now;
  if (
    wish === null ||
    wish.token !== token ||
    instance.state !== "scheduled" ||
    state.cleared.has(instance) ||
    isKnown
  ) {
    return;
  }
  takeTime(wish, at, now);
  state.touch(instance);
  goOnWishing(state, instance, now);
}

/**
 * A time has come: to ask for its slots, or to start. The key may have been slowed down meanwhile, or it may be late, so the rate
 * limits are asked again.
 */
export function timeCame(state: RunState, instance: NodeInstance, now: number): void {
  state.setTimer(instance, null);
  goOnWishing(state, instance, now);
}

/** Does the next thing for a wish that got on. */
function goOnWishing(state: RunState, instance: NodeInstance, now: number): void {
  if (instance.wish === null || instance.state !== "scheduled") {
    return;
  }
  dropPassedTime(instance.wish, now);
  const back = giveBackSlots(instance.wish, () => (instance.fence += 1), now);
  if (back !== null) {
    state.changes.releases.push({ instance, wish: back });
    state.touch(instance);
    countOutside(state, instance);
  }
  const step = nextStep(instance.wish, now);
  if (step.kind === "wait") {
    state.setTimer(instance, step.until);
  } else if (step.kind === "done" || instance.wish.letAt !== undefined) {
    state.cleared.add(instance);
  } else {
    state.changes.steps.add(instance);
  }
}

/** Goes on with the wishes of a run that was read from storage. Those whose time came meanwhile ask for it again. */
export function resumeWishes(state: RunState, now: number): void {
  for (const instance of openWishes(state)) {
    goOnWishing(state, instance, now);
  }
}

/** All wishes of a run that are out: to be asked for again when the object wakes, as they may never have arrived. */
export function openWishes(state: RunState): NodeInstance[] {
  return state.asked + state.outside.size === 0
    ? []
    : state.nodes.flatMap((node) =>
        node.instances.filter(({ state: own, wish }) => own === "scheduled" && wish !== null),
      );
}

/**
 * Takes back all wishes of a run that does not move (its DAG was paused, or it was queued again), and its place in lines: what
 * waits must not hold what others could use.
 */
export function withdrawWishes(state: RunState): void {
  const wishers = openWishes(state);
  for (const instance of wishers) {
    withdrawWish(state, instance);
  }
  const inLine = [...state.lines].flatMap(({ line }) => [...line]);
  for (const node of state.lines) {
    node.line.clear();
  }
  state.lines.clear();
  state.ready = byAge([...wishers, ...inLine, ...state.ready]);
  state.changes.freed ||= inLine.length > 0;
}
