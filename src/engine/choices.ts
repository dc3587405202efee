/**
 * Which instances of one run a clear or a mark changes.
 *
 * @module
 */
import type { ClearRequest, MarkRequest } from "./objects.ts";
import {
  isSelected,
  selectAll,
  selectBelow,
  selectForClear,
  selectForClearOfRuns,
  selectForMark,
  type Selection,
  type TaskName,
} from "./relatives.ts";
import type { RunState } from "./run-state.ts";
import type { TaskInstanceState } from "./states.ts";
import type { NodeInstance } from "./task-node.ts";

/** Instances that a clear chooses: by task, by neighbourhood, and by state. */
export function chooseForClear(state: RunState, request: ClearRequest): NodeInstance[] {
  const { task_ids: names, include_upstream = false, include_downstream = false } = request;
  const directions = { upstream: include_upstream, downstream: include_downstream };
  const select = request.run_id === null ? selectForClearOfRuns : selectForClear;
  const selection = names === null ? selectAll(state.graph) : select(state.graph, names, directions);
  const chosen = chosenInstances(state, selection);
  const wanted = new Set<TaskInstanceState>([
    ...(request.only_failed === true ? (["failed", "upstream_failed"] as const) : []),
    ...(request.only_running === true ? (["running"] as const) : []),
  ]);
  return wanted.size === 0 ? chosen : chosen.filter((instance) => wanted.has(instance.state));
}

/** Instances that a mark gives another state. */
export function chooseForMark(state: RunState, request: MarkRequest): NodeInstance[] {
  const { include_upstream = false, include_downstream = false } = request;
  const directions = { upstream: include_upstream, downstream: include_downstream };
  const selection = selectForMark(state.graph, namesOf(request), directions);
  return chosenInstances(state, selection).filter((instance) => instance.state !== request.new_state);
}

/**
 * Instances below marked tasks that have failed, which a mark lets run again: also those that it has just marked failed. No
 * instance of the marked tasks themselves is among them.
 */
export function chooseToResume(state: RunState, taskIds: readonly string[]): NodeInstance[] {
  return chosenInstances(state, selectBelow(state.graph, taskIds)).filter((instance) => isFailure(instance.state));
}

/** Ids of the tasks that a mark names. */
export function markedTasks({ task_id: ids }: MarkRequest): string[] {
  return typeof ids === "string" ? [ids] : [...ids];
}

/** What a mark names, as a selection is made from it. */
export function namesOf(request: MarkRequest): TaskName[] {
  const { map_index: mapIndex } = request;
  return markedTasks(request).map((id) => (mapIndex === null ? id : [id, mapIndex]));
}

function chosenInstances(state: RunState, selection: Selection): NodeInstance[] {
  return state.nodes.flatMap((node) =>
    node.instances.filter(({ mapIndex, deleted }) => !deleted && isSelected(selection, node.task.index, mapIndex)),
  );
}

function isFailure(state: TaskInstanceState): boolean {
  return state === "failed" || state === "upstream_failed";
}
