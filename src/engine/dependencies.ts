/**
 * May a task instance be scheduled? The same dependencies as Airflow's `SCHEDULER_QUEUED_DEPS`: previously skipped, mapped
 * upstream, indirect setups, trigger rule, the scope of a teardown, the run before. Timers are judged by the machine.
 *
 * @module
 */
import type { GraphTask } from "./graph.ts";
import { isSkippedByRecord } from "./skips.ts";
import { isFinished, type TaskInstanceState } from "./states.ts";
import type { NodeInstance, TaskNode } from "./task-node.ts";
import { evaluateScope, evaluateSetups, evaluateTriggerRule, type ForcedState } from "./trigger-rules.ts";

/** `wait`: not yet. `pass`: all met. Otherwise the state that the dependencies force. */
export type DependencyVerdict = "wait" | "pass" | ForcedState;

/** Judges one instance that is in a schedulable state. */
export function checkDependencies(nodes: readonly TaskNode[], instance: NodeInstance): DependencyVerdict {
  const node = instance.node;
  const task = node.task;
  if (task.skipParents.length > 0 && wasSkipped(nodes, instance)) {
    return "skipped";
  }
  const mapped = task.feeders.length === 0 ? "pass" : checkMappedUpstream(nodes, task);
  if (mapped !== "pass" && mapped !== "wait") {
    return mapped;
  }
  const setupCounts = node.setupCountsOf(instance.mapIndex);
  const setups = setupCounts === null ? null : evaluateSetups(setupCounts, instance.mapIndex);
  if (setups !== null && setups.forced !== null) {
    return setups.forced;
  }
  const rule = evaluateTriggerRule(task.spec.trigger_rule, node.countsOf(instance.mapIndex), instance.mapIndex);
  if (rule.forced !== null) {
    return rule.forced;
  }
  const scope = node.scopeCountsOf(instance.mapIndex);
  const isScopeOver = scope === null || evaluateScope(scope);
  const isMet = rule.passes && isScopeOver && mapped === "pass" && (setups === null || setups.passes);
  // Last, since it may have to be looked up: nobody asks about the past of what waits for something nearer.
  return isMet && (node.past === null || node.past.isOpen) ? "pass" : "wait";
}

/** A skip outlives a clear of what it skipped, as long as the branch's answer stands (Airflow: NotPreviouslySkippedDep). */
export function wasSkipped(nodes: readonly TaskNode[], instance: NodeInstance): boolean {
  const task = instance.node.task;
  return task.skipParents.some((index) => {
    const parent = nodes[index];
    const answer = parent?.at(parent.expanded ? instance.mapIndex : -1);
    return (
      answer !== undefined &&
      isFinished(answer.state) &&
      answer.skipRecord !== null &&
      isSkippedByRecord(answer.skipRecord, task.id)
    );
  });
}

/**
 * What feeds an expansion must have succeeded. A feeding task that is itself mapped and expanded must be over, since
 * the length is how many of its instances left a value; how they ended is judged by the trigger rule: only one that ended
 * before it expanded fails or skips what it feeds (Airflow: MappedTaskUpstreamDep).
 */
export function checkMappedUpstream(nodes: readonly TaskNode[], task: GraphTask): DependencyVerdict {
  let verdict: DependencyVerdict = "pass";
  for (const index of task.feeders) {
    const feeder = nodes[index];
    const state = feeder === undefined ? "success" : feedingState(feeder);
    if (state === "failed" || state === "upstream_failed") {
      return "upstream_failed";
    }
    if (state === "skipped") {
      verdict = "skipped";
    } else if (state !== "success" && verdict === "pass") {
      verdict = "wait";
    }
  }
  return verdict;
}

function feedingState(feeder: TaskNode): TaskInstanceState {
  if (feeder.expanded) {
    return feeder.unfinished === 0 ? "success" : null;
  }
  return feeder.instances[0]?.state ?? null;
}
