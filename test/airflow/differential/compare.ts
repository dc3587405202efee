/**
 * Where two sides that played a scenario differ.
 *
 * @module
 */
import type { PhaseResult, Played } from "./scenario.ts";

/** One difference: where it is, and what each side has there. */
export interface Difference {
  phase: number;
  /** e.g. `run_0: b[1]`, `run_0` for the run's own state, `action 1` for the status of an answer. */
  where: string;
  airflow: string;
  jobbers: string;
}

/** All differences, phase by phase. */
export function differences(airflow: Played, jobbers: Played): Difference[] {
  if ("refused" in airflow || "refused" in jobbers) {
    const [left, right] = [airflow, jobbers].map((side) => ("refused" in side ? `refused: ${side.refused}` : "played"));
    const both = "refused" in airflow && "refused" in jobbers;
    return both ? [] : [{ phase: 0, where: "the DAG", airflow: left ?? "", jobbers: right ?? "" }];
  }
  return airflow.phases.flatMap((left, phase) => {
    const right = jobbers.phases[phase];
    return right === undefined ? [] : inPhase(phase, left, right);
  });
}

function inPhase(phase: number, airflow: PhaseResult, jobbers: PhaseResult): Difference[] {
  const [left, right] = [flatten(airflow), flatten(jobbers)];
  return [...new Set([...left.keys(), ...right.keys()])]
    .map((where) => ({ phase, where, airflow: left.get(where) ?? "absent", jobbers: right.get(where) ?? "absent" }))
    .filter((one) => one.airflow !== one.jobbers);
}

function flatten({ statuses, runs }: PhaseResult): Map<string, string> {
  const flat = new Map<string, string>();
  statuses.forEach((status, action) => flat.set(`action ${action}`, String(status)));
  for (const [runId, { state, tis }] of Object.entries(runs)) {
    flat.set(runId, state);
    for (const [name, [tiState, tryNumber, maxTries]] of Object.entries(tis)) {
      flat.set(`${runId}: ${name}`, `${tiState ?? "none"}, try ${tryNumber} of ${maxTries + 1}`);
    }
  }
  return flat;
}
