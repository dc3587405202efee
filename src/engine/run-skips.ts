/**
 * Skips at run time: from a task's answer to the instances it skips, in its own run.
 *
 * @module
 */
import { reachable, tasksOfGroup, type Graph } from "./graph.ts";
import { latestOnlyProceeds } from "./latest-only.ts";
import type { RunState } from "./run-state.ts";
import { branchSkips, shortCircuitSkips, type SkipDecision } from "./skips.ts";
import type { TaskInstanceState } from "./states.ts";
import type { NodeInstance } from "./task-node.ts";
import { compileTimetable } from "./timetable/compile.ts";
import type { Outcome } from "./work.ts";

/**
 * What a successful branch or short circuit skips; null for every other task.
 *
 * @throws BranchError if a branch names what is neither a task nor a group.
 */
export function skipsOf(
  state: RunState,
  instance: NodeInstance,
  outcome: Outcome & { state: "success" },
): SkipDecision | null {
  const { graph } = state;
  const task = instance.node.task;
  const idOf = (index: number): string => graph.tasks[index]?.id ?? "";
  const below = (id: string): Set<string> =>
    new Set([...reachable(graph.tasks, graph.byId.get(id)?.index ?? -1, "downstream")].map(idOf));
  if (task.spec.operator === "branch") {
    return branchSkips({
      directDownstream: task.downstream.map(idOf),
      returned: outcome.follow ?? null,
      isList: outcome.mapLength !== undefined,
      expandId: (id) => (graph.byId.has(id) ? [id] : groupRoots(graph, id)),
      reachable: below,
    });
  }
  if (task.spec.operator === "short_circuit") {
    return shortCircuitSkips({
      proceed: outcome.proceed !== false,
      ignoreDownstreamTriggerRules: task.spec.ignore_downstream_trigger_rules,
      directDownstream: task.downstream.map(idOf),
      allDownstream: () => below(task.id),
      isTeardown: (id) => graph.byId.get(id)?.spec.is_teardown === true,
    });
  }
  return null;
}

/** What a latest_only decides: by the schedule of the run's own version of the DAG. */
export function latestOnly({ graph, info }: RunState, instance: NodeInstance, now: number): SkipDecision {
  const direct = instance.node.task.downstream.map((index) => graph.tasks[index]?.id ?? "");
  const date = info.logical_date ?? info.run_after;
  const proceeds = latestOnlyProceeds({
    runType: info.run_type,
    now,
    interval: { start: info.data_interval_start ?? date, end: info.data_interval_end ?? date },
    timetable: compileTimetable(graph.spec.schedule, graph.spec.timezone),
  });
  return { skip: proceeds ? [] : direct, record: { followed: proceeds ? direct : [] } };
}

/** States that a skip leaves alone: with a worker, over by themselves, or gone. */
const NOT_SKIPPED: ReadonlySet<TaskInstanceState> = new Set([
  "running",
  "success",
  "failed",
  "skipped",
  "removed",
] as const);

/**
 * Skips at once what has not begun, also what is `upstream_failed`: so it does not matter whether this answer or a failure
 * beside it comes first. The record makes the skip outlive a clear.
 */
export function skipDownstream(state: RunState, instance: NodeInstance, skips: SkipDecision | null, now: number): void {
  if (skips === null) {
    return;
  }
  instance.skipRecord = skips.record;
  const own = instance.node;
  for (const id of skips.skip) {
    const target = state.nodes[state.graph.byId.get(id)?.index ?? -1];
    const sameGroup =
      target !== undefined && own.task.mappedGroup >= 0 && target.task.mappedGroup === own.task.mappedGroup;
    const byElement = own.expanded && sameGroup && target.expanded;
    const targets = byElement ? [target.at(instance.mapIndex)] : own.expanded ? [] : (target?.instances ?? []);
    for (const skipped of targets) {
      if (skipped !== undefined && !NOT_SKIPPED.has(skipped.state)) {
        state.set(skipped, "skipped", now);
      }
    }
  }
}

/** Tasks of a group that no other task of it precedes: what following the group means. Null if there is no such group. */
function groupRoots(graph: Graph, groupId: string): string[] | null {
  if (!graph.spec.task_groups.some((group) => group.group_id === groupId)) {
    return null;
  }
  const members = new Set(tasksOfGroup(graph.spec, groupId));
  return [...members].filter((id) => !(graph.byId.get(id)?.spec.upstream_task_ids ?? []).some((up) => members.has(up)));
}
