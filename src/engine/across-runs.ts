/**
 * Limits that the runs of a DAG share: what the machine of one run has to know of the others, and whose turn it is.
 *
 * @module
 */
import { runLimit } from "./admission.ts";
import type { RunMachine } from "./run-machine.ts";
import type { RunState } from "./run-state.ts";
import type { TaskNode } from "./task-node.ts";

/** Instances of a task that are queued or running in other runs. */
export function executingElsewhere(runs: Iterable<RunMachine>, state: RunState, taskId: string): number {
  let executing = 0;
  for (const machine of runs) {
    if (machine.state !== state) {
      executing += nodeOf(machine.state, taskId)?.executing ?? 0;
    }
  }
  return executing;
}

/** An earlier run has instances of this task in line. One that does not move, or that is kept back by its own limits, takes nobody's turn. */
export function isBehind(runs: Iterable<RunMachine>, state: RunState, taskId: string): boolean {
  for (const machine of runs) {
    const node = nodeOf(machine.state, taskId);
    const isInLine = node !== undefined && node.line.size > 0 && machine.isMoving;
    if (isInLine && compareRuns(machine.state, state) < 0 && runLimit(machine.state, node, "line") === null) {
      return true;
    }
  }
  return false;
}

/** Instances of a task that earlier runs have in line: they go first under a limit over all runs. */
export function aheadOf(runs: Iterable<RunMachine>, state: RunState, taskId: string): number {
  let ahead = 0;
  for (const machine of runs) {
    if (machine.isMoving && machine.state !== state && compareRuns(machine.state, state) < 0) {
      ahead += nodeOf(machine.state, taskId)?.line.size ?? 0;
    }
  }
  return ahead;
}

/** Says whether a run has instances that wait for room. */
export function waitsForRoom({ state }: RunMachine): boolean {
  return state.lines.size > 0 || state.cleared.size > 0;
}

/** Whose task instances come first: those of no backfill, then by date, then by name. */
export function compareRuns({ info: a }: RunState, { info: b }: RunState): number {
  return (
    Number((a.backfill_id ?? null) !== null) - Number((b.backfill_id ?? null) !== null) ||
    (a.logical_date ?? a.run_after) - (b.logical_date ?? b.run_after) ||
    (a.run_id < b.run_id ? -1 : 1)
  );
}

function nodeOf(state: RunState, taskId: string): TaskNode | undefined {
  return state.nodes[state.graph.byId.get(taskId)?.index ?? -1];
}
