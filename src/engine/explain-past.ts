/**
 * What a task with `depends_on_past` waits for in the run before, in plain words.
 *
 * @module
 */
import { code } from "./explain-words.ts";
import type { TaskInstanceState } from "./states.ts";

/** The run before, as far as it is spoken of. */
export interface PreviousRunFacts {
  run_id: string;
  /** Epoch milliseconds. */
  logical_date: number;
  /** The states of a task's instances; none for a task that the run does not have. */
  statesOf(taskId: string): readonly TaskInstanceState[];
  /** The run that a task of it waits for in turn; null if it does not. */
  waitsFor(taskId: string): string | null;
}

/** Says which task of the run before is waited for, and what became of it. */
export function sayPast(taskId: string, downstreamIds: readonly string[], previous: PreviousRunFacts): string {
  const run = `of run ${code(previous.run_id)} (${new Date(previous.logical_date).toISOString().slice(0, 10)})`;
  const present = previous.statesOf(taskId).filter((state) => state !== "removed");
  if (present.length === 0) {
    return `it waits for ${code(taskId)} ${run}, which does not have it (ignore_first_depends_on_past is false, or an earlier run has it)`;
  }
  const own = worst(present);
  if (own !== undefined) {
    const waitsFor = own === null ? previous.waitsFor(taskId) : null;
    const chain = waitsFor === null ? "" : `: ${code(taskId)} itself waits for run ${code(waitsFor)}`;
    return `it waits for ${code(taskId)} ${run}, ${fate(own)}${chain}`;
  }
  for (const id of downstreamIds) {
    const state = worst(previous.statesOf(id));
    if (state !== undefined) {
      return `it waits for ${code(id)} ${run}, downstream of ${code(taskId)} (wait_for_downstream), ${fate(state)}`;
    }
  }
  return `it waits for ${code(taskId)} ${run}`;
}

/** The state that keeps others waiting: a failed one before one that is not over. Undefined if all are fine. */
function worst(states: readonly TaskInstanceState[]): TaskInstanceState | undefined {
  const bad = states.filter((state) => state !== "removed" && state !== "success" && state !== "skipped");
  return bad.find((state) => state === "failed" || state === "upstream_failed") ?? bad[0];
}

function fate(state: TaskInstanceState): string {
  switch (state) {
    case null:
      return "which has not started";
    case "failed":
      return "which failed: clear or mark it";
    case "upstream_failed":
      return "which could not run, as something upstream of it failed: clear or mark that";
    default:
      return `which is ${state}`;
  }
}
