/**
 * Does the run before let a task go on? `depends_on_past`, `wait_for_downstream` and `ignore_first_depends_on_past`, as
 * Airflow's PrevDagrunDep decides them. The caller looks up what is asked for; a task that is not `depends_on_past` is
 * never asked about.
 *
 * @module
 */
import type { GraphTask } from "./graph.ts";
import type { RunInfo } from "./run-state.ts";
import type { TaskInstanceState } from "./states.ts";

/** How the instances of one task in one run stand. Those that were removed count as not there. */
export interface PastTally {
  present: number;
  /** Of them, those that neither succeeded nor were skipped: what is not over yet is among them. */
  unsuccessful: number;
}

/** The run before, as far as one task asks. */
export interface PreviousRun {
  /** Epoch milliseconds. */
  logical_date: number;
  /** A task by its id; of one that the run does not have, nothing is present. */
  tally(taskId: string): PastTally;
}

/** What surrounds a run in time. */
export interface PastFacts {
  /** The run that asks. */
  run: Pick<RunInfo, "logical_date" | "backfill_id" | "sort_ordinal">;
  /** Of the run's own version. */
  dag: { catchup: boolean; start_date: string | null };
  /** The run before; see `countsManualRuns`. Null: there is none. */
  previous: PreviousRun | null;
  /** Says whether any run of an earlier logical date has an instance of the task. */
  isInAnyEarlierRun(taskId: string): boolean;
}

/** Says whether the run before may be one that was made by hand: not where missed runs are made up for. */
export function countsManualRuns(dag: { catchup: boolean }): boolean {
  return !dag.catchup;
}

/** Why a task with `depends_on_past` must wait, in Airflow's words; null if it need not. */
export function unmetPast(task: GraphTask, downstreamIds: readonly string[], facts: PastFacts): string | null {
  const { run, dag, previous } = facts;
  if (run.logical_date === null || isFirstOfBackfill(run) || previous === null) {
    return null;
  }
  if (dag.catchup && dag.start_date !== null && previous.logical_date < Date.parse(dag.start_date)) {
    return null;
  }
  const { present, unsuccessful } = previous.tally(task.id);
  if (present === 0) {
    return task.spec.ignore_first_depends_on_past && !facts.isInAnyEarlierRun(task.id)
      ? null
      : "depends_on_past is true for this task's DAG, but the previous task instance has not run yet.";
  }
  if (unsuccessful > 0) {
    return `depends_on_past is true for this task, but ${unsuccessful} previous task instance(s) are not in a successful state.`;
  }
  const isDownstreamOver =
    !task.spec.wait_for_downstream || downstreamIds.every((id) => previous.tally(id).unsuccessful === 0);
  return isDownstreamOver
    ? null
    : "The tasks downstream of the previous task instance(s) haven't completed, and wait_for_downstream is True.";
}

/** Counts the instances of a task. */
export function tallyOf(states: Iterable<TaskInstanceState>): PastTally {
  const tally: PastTally = { present: 0, unsuccessful: 0 };
  for (const state of states) {
    tally.present += Number(state !== "removed");
    tally.unsuccessful += Number(state !== "removed" && state !== "success" && state !== "skipped");
  }
  return tally;
}

function isFirstOfBackfill({ backfill_id = null, sort_ordinal = null }: PastFacts["run"]): boolean {
  return backfill_id !== null && sort_ordinal === 1;
}
