/**
 * Settling a run: what follows from what changed. Judges dependencies, applies forced states, expands mapped tasks and
 * schedules what may go on.
 *
 * @module
 */
import { checkDependencies } from "./dependencies.ts";
import { expandNode, reviseNode } from "./run-expansion.ts";
import { latestOnly, skipDownstream } from "./run-skips.ts";
import type { RunState } from "./run-state.ts";
import { isScheduleable } from "./states.ts";
import type { NodeInstance, TaskNode } from "./task-node.ts";
import type { ForcedState } from "./trigger-rules.ts";

/** One whose dependencies are met, and the index by which it was judged: an expansion may change it. */
interface Passed {
  instance: NodeInstance;
  mapIndex: number;
}

/**
 * Goes over what must be looked at in rounds, until nothing changes. A round judges all of it by the states at its
 * beginning, then applies what is forced, then lets go on what may, first what skips others as it goes on: so neither the
 * order of tasks in the spec nor that of events decides anything.
 */
export function settle(state: RunState, now: number): void {
  const { dirtyNodes, dirtyInstances } = state;
  while (dirtyNodes.size > 0 || dirtyInstances.size > 0) {
    const nodes = [...dirtyNodes];
    const instances = [...dirtyInstances];
    dirtyNodes.clear();
    dirtyInstances.clear();
    const passed: Passed[] = [];
    const deciding: Passed[] = [];
    const forced: { instance: NodeInstance; to: ForcedState }[] = [];
    const judge = (instance: NodeInstance): void => {
      const verdict = isScheduleable(instance.state) ? checkDependencies(state.nodes, instance) : "wait";
      if (verdict === "pass") {
        const isDeciding = instance.node.task.spec.operator === "latest_only";
        (isDeciding ? deciding : passed).push({ instance, mapIndex: instance.mapIndex });
      } else if (verdict !== "wait") {
        forced.push({ instance, to: verdict });
      }
    };
    for (const node of nodes) {
      judgeNode(state, node, judge);
    }
    for (const instance of instances) {
      judge(instance);
    }
    for (const { instance, to } of forced) {
      state.set(instance, to, now);
    }
    letGoOn(state, deciding, now);
    for (const { instance } of deciding) {
      if (instance.state === "success") {
        skipDownstream(state, instance, latestOnly(state, instance, now), now);
      }
    }
    letGoOn(state, passed, now);
  }
}

function letGoOn(state: RunState, passed: readonly Passed[], now: number): void {
  for (const { instance, mapIndex } of passed) {
    // One that an earlier one expanded (its mapped group), removed (its length changed) or skipped is judged again.
    if (isScheduleable(instance.state) && instance.mapIndex === mapIndex) {
      goOn(state, instance, now);
    }
  }
}

function judgeNode(state: RunState, node: TaskNode, judge: (instance: NodeInstance) => void): void {
  if (node.waiting === 0) {
    return;
  }
  const first = node.instances.find((instance) => isScheduleable(instance.state));
  if (first !== undefined && node.judgesAlike && checkDependencies(state.nodes, first) === "wait") {
    return;
  }
  for (const instance of node.instances) {
    judge(instance);
  }
}

/** What an instance does whose dependencies are met: waits for its timer, expands, or is scheduled. */
function goOn(state: RunState, instance: NodeInstance, now: number): void {
  const due = instance.dueAt;
  if (due !== null && due > now) {
    return;
  }
  const node = instance.node;
  if (node.task.expand !== null && !node.expanded) {
    expandNode(state, node, now);
    return;
  }
  if (node.lengthStale) {
    reviseNode(state, node, now);
    if (!isScheduleable(instance.state)) {
      return;
    }
  }
  schedule(state, instance, now);
}

function schedule(state: RunState, instance: NodeInstance, now: number): void {
  const spec = instance.node.task.spec;
  if (instance.state !== "up_for_reschedule") {
    instance.tryNumber += 1;
  }
  if (spec.operator === "empty" || spec.operator === "latest_only") {
    state.set(instance, "success", now);
    return;
  }
  state.set(instance, "scheduled", now);
  instance.scheduledWhen = now;
  instance.startDate = null;
  instance.endDate = null;
  state.ready.push(instance);
}
