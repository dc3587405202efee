/**
 * What becomes of a task instance's wish for permits when its state changes. Whatever it holds is given back as soon as it is
 * neither on its way to a worker nor with one.
 *
 * @module
 */
import type { RunState } from "./run-state.ts";
import type { TaskInstanceState } from "./states.ts";
import type { NodeInstance } from "./task-node.ts";

/** States in which an instance takes up room in its DAG: Airflow's execution states, and the wait for a stopped worker. */
const EXECUTING: ReadonlySet<TaskInstanceState> = new Set(["queued", "running", "restarting"] as const);
/** States in which it keeps what it holds or asked for. */
const KEEPS: ReadonlySet<TaskInstanceState> = new Set([...EXECUTING, "scheduled", "deferred"] as const);

/** Says whether an instance in this state takes up room in its DAG. */
export function isExecuting(state: TaskInstanceState): boolean {
  return EXECUTING.has(state);
}

/** Keeps counts, lines and permits in step with a change of state; called by `RunState.set` after it. */
export function moved(state: RunState, instance: NodeInstance, from: TaskInstanceState): void {
  const { node, state: to, wish } = instance;
  const change = Number(isExecuting(to)) - Number(isExecuting(from));
  state.executing += change;
  node.executing += change;
  if (!node.isLimited && wish === null) {
    return;
  }
  const isOutOfLine = from === "scheduled" && to !== "queued";
  if ((change < 0 || isOutOfLine) && node.task.spec.max_active_tis_per_dag !== null) {
    state.changes.freed = true;
  }
  if (from === "scheduled") {
    node.line.delete(instance);
    if (wish !== null) {
      forgetAsked(state, instance);
    }
  }
  if (wish !== null && !KEEPS.has(to)) {
    state.changes.releases.push({ instance, wish });
    instance.wish = null;
  }
}

/** Takes back the wish of an instance that stays scheduled, as if it had not asked. */
export function dropWish(state: RunState, instance: NodeInstance): void {
  const { wish } = instance;
  if (wish !== null) {
    forgetAsked(state, instance);
    state.changes.releases.push({ instance, wish });
    instance.wish = null;
    state.touch(instance);
  }
}

/** Takes the wish of a scheduled instance back and puts it in line again, under a new name for when it asks next. */
export function withdrawWish(state: RunState, instance: NodeInstance): void {
  dropWish(state, instance);
  instance.fence += 1;
  state.setTimer(instance, null);
}

/** Counts a wish that is out, or one that a ledger granted after it had stood in its line. */
export function countAsked(state: RunState, instance: NodeInstance): void {
  state.outside.delete(instance);
  delete instance.wish?.isInLine;
  state.asked += 1;
  instance.node.asked += 1;
}

/** A ledger has put the wish in its line, or its time is far ahead: others may ask meanwhile. */
export function countOutside(state: RunState, instance: NodeInstance): void {
  if (!state.outside.has(instance)) {
    state.asked -= 1;
    instance.node.asked -= 1;
    state.outside.add(instance);
    if (instance.wish !== null) {
      instance.wish.isInLine = true;
      state.touch(instance);
    }
    state.changes.freed ||= instance.node.task.spec.max_active_tis_per_dag !== null;
  }
}

function forgetAsked(state: RunState, instance: NodeInstance): void {
  if (!state.outside.delete(instance)) {
    state.asked -= 1;
    instance.node.asked -= 1;
  }
  state.cleared.delete(instance);
}
