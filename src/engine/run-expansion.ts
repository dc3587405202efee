/**
 * Mapped tasks at run time: one instance becomes as many as its sources have elements (Airflow: `expand_mapped_task` and
 * `_revise_map_indexes_if_mapped`).
 *
 * @module
 */
import { expansionLength } from "./expansion.ts";
import type { RunState } from "./run-state.ts";
import { LIMITS } from "./spec.ts";
import { isFinished, isScheduleable } from "./states.ts";
import type { NodeInstance, TaskNode } from "./task-node.ts";
import type { TaskError } from "./work.ts";

/** Expands every task whose length is known from the spec and the params alone, before the run begins. */
export function expandKnown(state: RunState): void {
  for (const node of state.nodes) {
    if (node.task.expand === null || node.task.feeders.length > 0) {
      continue;
    }
    const length = lengthOfExpansion(state, node);
    if (length !== null && length > 0 && fits(state, length)) {
      grow(state, node, length);
    }
  }
}

/**
 * Expands an unexpanded instance whose dependencies are met. Zero elements skip it; a length that cannot be known, or
 * one over the limit of a run, makes it upstream_failed. Other tasks of the same mapped group expand with it, so
 * that element i of one waits for element i of the other and not for all.
 */
export function expandNode(state: RunState, node: TaskNode, now: number): void {
  const instance = node.instances[0];
  if (instance === undefined) {
    return;
  }
  const length = lengthOfExpansion(state, node);
  if (length === null) {
    fail(
      state,
      instance,
      `expected upstream tasks to leave a list or an object to map "${node.task.id}" over, got none`,
      now,
    );
  } else if (length === 0) {
    state.set(instance, "skipped", now);
  } else if (!fits(state, length)) {
    fail(state, instance, tooMany(node, length), now);
  } else {
    grow(state, node, length);
    for (const sibling of node.task.mappedGroup < 0 ? [] : state.nodes) {
      const unexpanded = sibling.instances[0];
      const together = sibling !== node && sibling.task.mappedGroup === node.task.mappedGroup && !sibling.expanded;
      if (together && unexpanded !== undefined && isScheduleable(unexpanded.state) && fits(state, length)) {
        grow(state, sibling, length);
      }
    }
  }
}

/** Fits an expanded task to a length that changed: missing instances are added, surplus ones removed. */
export function reviseNode(state: RunState, node: TaskNode, now: number): void {
  node.lengthStale = false;
  const length = lengthOfExpansion(state, node);
  if (length === null) {
    return;
  }
  for (const instance of node.instances.slice(length)) {
    if (instance.state !== "removed") {
      if (instance.state === "running" || instance.state === "restarting") {
        state.stop(instance, "its element is gone: the length it is mapped over changed");
        instance.fence += 1;
      }
      state.set(instance, "removed", now);
    }
  }
  if (length <= node.instances.length) {
    return;
  }
  if (fits(state, 1 + length - node.instances.length)) {
    grow(state, node, length);
    return;
  }
  // Whatever still waits must not go on as if these were all its elements, now or after a clear.
  node.lengthStale = true;
  for (const instance of node.instances.filter(({ state: current }) => isScheduleable(current))) {
    fail(state, instance, tooMany(node, length), now);
  }
}

/** Makes a node have `length` instances; also used to load an expanded node. Does not evaluate anything. */
export function grow(state: RunState, node: TaskNode, length: number): void {
  const first = node.instances[0];
  if (!node.expanded && first !== undefined) {
    if (first.stored) {
      state.changes.removedRows.push({ task_id: node.task.id, map_index: -1 });
      first.stored = false;
      state.touch(first);
    }
    first.mapIndex = 0;
    node.expanded = true;
  }
  const before = node.instances.length;
  for (let index = before; index < length; index += 1) {
    node.instances.push(node.newInstance(index));
  }
  const added = node.instances.length - before;
  state.total += added;
  state.unfinished += added;
  node.recountWaiting();
  node.recount(state.nodes);
  for (const index of node.task.out.map((edge) => edge.to)) {
    const target = state.nodes[index];
    target?.recount(state.nodes);
    if (target !== undefined && target.waiting > 0) {
      state.dirtyNodes.add(target);
    }
  }
  state.dirtyNodes.add(node);
  state.changes.mapLengths.push({ task_id: node.task.id, length });
}

/** The number of elements a node's sources have now, or null while it cannot be known. */
export function lengthOfExpansion(state: RunState, node: TaskNode): number | null {
  const expand = node.task.expand;
  return expand === null ? null : expansionLength(expand, (taskId) => lengthOfValue(state, taskId), state.info.params);
}

/** Length of a task's value: of an expanded task, how many of its instances left one, once all are over. */
export function lengthOfValue(state: RunState, taskId: string): number | null {
  const index = state.graph.byId.get(taskId)?.index;
  const node = index === undefined ? undefined : state.nodes[index];
  if (node === undefined) {
    return null;
  }
  if (!node.expanded) {
    const only = node.instances[0];
    return only?.state === "success" ? only.mapLength : null;
  }
  let values = 0;
  for (const instance of node.instances) {
    if (!isFinished(instance.state)) {
      return null;
    }
    values += Number(instance.hasValue && instance.state !== "removed");
  }
  return values;
}

function fits(state: RunState, length: number): boolean {
  return state.total + length - 1 <= LIMITS.taskInstancesPerRun;
}

function tooMany(node: TaskNode, length: number): string {
  const limit = LIMITS.taskInstancesPerRun;
  return `expected at most ${limit} task instances in a run, mapping "${node.task.id}" over ${length} elements would exceed it`;
}

function fail(state: RunState, instance: NodeInstance, message: string, now: number): void {
  const error: TaskError = { type: "ExpansionError", message };
  instance.error = error;
  state.set(instance, "upstream_failed", now);
}
