/**
 * What both sides play: a DAG, the outcome of each try of its tasks, and what users do to its runs afterwards.
 *
 * @module
 */
import type { DagSpecInput, Json } from "../../../src/engine/spec.ts";

/** How a try ends. What it returns is a branch's or short circuit's answer, or a list that others are mapped over. */
export type Outcome =
  | { do: "return"; value: Json }
  | { do: "fail" }
  /** Fails however many tries are left. */
  | { do: "fail_for_good" }
  | { do: "skip" };

/** A call of the API below `/api/v2/dags/{dag_id}`, the same on both sides. */
export interface Action {
  method: "POST" | "PATCH";
  path: string;
  body: Record<string, Json>;
}

/** A DAG, what its tasks do, and what is done to its runs. */
export interface Scenario {
  spec: DagSpecInput;
  /** By task id, or by `task_id[map_index]`, which wins: outcomes by try, the last of which holds for all later tries. */
  outcomes: Record<string, Outcome[]>;
  /** What the order in which task instances end is made from. */
  salt: string;
  /** Runs made by hand: their ids and logical dates. Empty if the schedule makes them. */
  runs: { dag_run_id: string; logical_date: string | null }[];
  /** How many runs the schedule makes. */
  scheduledRuns: number;
  /** After the actions of a phase the runs go on to their end. The first phase has none. */
  phases: { actions: Action[] }[];
}

/** A run as Jobbers made it; Airflow's is made alike. */
export interface RunDates {
  dag_run_id: string;
  run_type: string;
  logical_date: string | null;
  data_interval_start: string | null;
  data_interval_end: string | null;
  run_after: string;
}

/** State, try_number and max_tries of a task instance. */
export type InstanceResult = [state: string | null, tryNumber: number, maxTries: number];

/** What a phase came to: the statuses of its actions, and the states of the runs at their end. */
export interface PhaseResult {
  statuses: number[];
  runs: Record<string, { state: string; tis: Record<string, InstanceResult> }>;
}

/** What a side made of a scenario. */
export type Played = { refused: string } | { phases: PhaseResult[] };

/** Name of a task instance in results: `m[2]`, or `m` if it is not expanded. */
export function instanceName(taskId: string, mapIndex: number): string {
  return mapIndex < 0 ? taskId : `${taskId}[${mapIndex}]`;
}

/** The stated outcome of a try. */
export function outcomeOf(scenario: Scenario, taskId: string, mapIndex: number, tryNumber: number): Outcome {
  const tries = scenario.outcomes[`${taskId}[${mapIndex}]`] ?? scenario.outcomes[taskId] ?? [];
  const stated = tries[Math.min(tryNumber, tries.length) - 1];
  if (stated === undefined) {
    throw new Error(`expected the scenario to state an outcome for ${instanceName(taskId, mapIndex)}`);
  }
  return stated;
}
