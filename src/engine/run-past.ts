/**
 * What a run does about the run before it: it is given a source to ask, and is told when answers may have changed.
 *
 * @module
 */
import type { GraphTask } from "./graph.ts";
import { PastGate, type PastSource } from "./past-gate.ts";
import type { RunState } from "./run-state.ts";
import type { TaskNode } from "./task-node.ts";

/**
 * Puts gates before the tasks that depend on the past. A run that was loaded while it ran looks through them at its next
 * `advance`: what changed before it was loaded told nobody.
 */
export function givePast(state: RunState, source: PastSource): void {
  for (const node of gated(state)) {
    node.past = new PastGate(source, node.task);
    lookAgain(state, node);
  }
}

/** Forgets what is known of the past of every task. Call `advance` then. */
export function forgetPast(state: RunState): void {
  for (const node of gated(state)) {
    node.past?.forget();
    lookAgain(state, node);
  }
}

/** How a task of the run before stands: some of it is unfinished, all of it is over, or there is nothing (any more) of it. */
export type Standing = "unfinished" | "over" | "gone";

/**
 * The run before changed. `tasks` are those of its tasks that did, null for all; `standing` says how a task stands there: as
 * long as something that is asked about is unfinished, a gate that is shut stays shut. True if the run must advance.
 */
export function previousChanged(
  state: RunState,
  tasks: Iterable<string> | null,
  standing: (taskId: string) => Standing,
): boolean {
  let mustAdvance = false;
  for (const node of tasks === null ? gated(state) : dependentOn(state, tasks)) {
    const known = node.past?.known ?? null;
    const stays = known === null || (!known && isUnfinished(state, node.task, standing));
    if (!stays) {
      node.past?.forget();
      // An answer that was yes can only become no, and that sets nothing in motion.
      mustAdvance = (!known && lookAgain(state, node)) || mustAdvance;
    }
  }
  return mustAdvance;
}

/** Something that a task asks about is unfinished. Nobody asks about what is downstream of a task that is gone. */
function isUnfinished({ graph }: RunState, task: GraphTask, standing: (taskId: string) => Standing): boolean {
  const own = standing(task.id);
  const waits = own === "over" && task.spec.wait_for_downstream;
  return (
    own === "unfinished" || (waits && idsDownstream(graph.tasks, task).some((id) => standing(id) === "unfinished"))
  );
}

/** Ids of the tasks directly downstream. */
export function idsDownstream(tasks: readonly GraphTask[], task: GraphTask): string[] {
  return task.downstream.flatMap((index) => tasks[index]?.id ?? []);
}

function gated(state: RunState): TaskNode[] {
  return state.graph.dependsOnPast ? state.nodes.filter(({ task }) => task.spec.depends_on_past) : [];
}

/** The nodes that ask about any of these tasks of the run before. */
function dependentOn({ graph, nodes }: RunState, taskIds: Iterable<string>): Set<TaskNode> {
  const dependent = new Set<TaskNode>();
  for (const id of taskIds) {
    const task = graph.byId.get(id);
    for (const index of task === undefined ? [] : [task.index, ...task.upstream]) {
      const node = nodes[index];
      const asks = index === task?.index ? node?.task.spec.depends_on_past : node?.task.spec.wait_for_downstream;
      if (node !== undefined && asks === true) {
        dependent.add(node);
      }
    }
  }
  return dependent;
}

function lookAgain(state: RunState, node: TaskNode): boolean {
  if (state.info.state !== "running" || node.waiting === 0) {
    return false;
  }
  state.dirtyNodes.add(node);
  return true;
}
