/**
 * Which instances of one run a clear or a mark changes.
 *
 * @module
 */
import type { ClearRequest, MarkRequest } from "./objects.ts";
import { isSelected, selectAll, selectForClear, selectForMark, type Selection } from "./relatives.ts";
import type { RunState } from "./run-state.ts";
import type { TaskInstanceState } from "./states.ts";
import type { NodeInstance } from "./task-node.ts";

/** Instances that a clear chooses: by task, by neighbourhood, and by state. */
export function chooseForClear(state: RunState, request: ClearRequest): NodeInstance[] {
  const { task_ids: names, include_upstream = false, include_downstream = false } = request;
  const directions = { upstream: include_upstream, downstream: include_downstream };
  const selection = names === null ? selectAll(state.graph) : selectForClear(state.graph, names, directions);
  const chosen = chosenInstances(state, selection);
  const wanted = new Set<TaskInstanceState>([
    ...(request.only_failed === true ? (["failed", "upstream_failed"] as const) : []),
    ...(request.only_running === true ? (["running"] as const) : []),
  ]);
  return wanted.size === 0 ? chosen : chosen.filter((instance) => wanted.has(instance.state));
}

/** Instances that a mark gives another state. */
export function chooseForMark(state: RunState, request: MarkRequest): NodeInstance[] {
  const { task_id, map_index, include_upstream = false, include_downstream = false } = request;
  const name = map_index === null ? task_id : ([task_id, map_index] satisfies [string, number]);
  const selection = selectForMark(state.graph, name, { upstream: include_upstream, downstream: include_downstream });
  return chosenInstances(state, selection).filter((instance) => instance.state !== request.new_state);
}

/** Instances below a marked task that failed for want of it, which a mark lets run again; the marked ones left out. */
export function chooseToResume(state: RunState, taskId: string, marked: ReadonlySet<NodeInstance>): NodeInstance[] {
  const below = selectForClear(state.graph, [taskId], { upstream: false, downstream: true });
  return chosenInstances(state, below).filter(
    (instance) => isFailure(instance.state) && instance.node.task.id !== taskId && !marked.has(instance),
  );
}

function chosenInstances(state: RunState, selection: Selection): NodeInstance[] {
  return state.nodes.flatMap((node) =>
    node.instances.filter(({ mapIndex, deleted }) => !deleted && isSelected(selection, node.task.index, mapIndex)),
  );
}

function isFailure(state: TaskInstanceState): boolean {
  return state === "failed" || state === "upstream_failed";
}
