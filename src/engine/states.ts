/**
 * The vocabulary of states and their legal transitions. Drawn in `docs/state-machines.md`; the names are Airflow's and
 * are the same in code, SQL and the API.
 *
 * @module
 */

/** Every state of a task instance but "none", which is `null` in code, SQL and JSON. */
export const TASK_INSTANCE_STATES = [
  "scheduled",
  "queued",
  "running",
  "success",
  "failed",
  "skipped",
  "upstream_failed",
  "removed",
  "restarting",
  "up_for_retry",
  "up_for_reschedule",
  "deferred",
] as const;

/** State of a task instance; `null` is Airflow's "none": created, nothing decided yet. */
export type TaskInstanceState = (typeof TASK_INSTANCE_STATES)[number] | null;

/** State of a DAG run. */
export const DAG_RUN_STATES = ["queued", "running", "success", "failed"] as const;
export type DagRunState = (typeof DAG_RUN_STATES)[number];

/**
 * State of a job. Airflow's four (`running`, `success`, `restarting`, `failed`), and those a standalone task needs
 * because its job holds its whole life: `queued`, `up_for_retry`, `up_for_reschedule`, `skipped`.
 */
export const JOB_STATES = [
  "queued",
  "running",
  "restarting",
  "up_for_retry",
  "up_for_reschedule",
  "success",
  "failed",
  "skipped",
] as const;
export type JobState = (typeof JOB_STATES)[number];

/** States in which a task instance is over, until somebody clears it. */
export type FinishedState = "success" | "failed" | "skipped" | "upstream_failed" | "removed";

const FINISHED: ReadonlySet<TaskInstanceState> = new Set([
  "success",
  "failed",
  "skipped",
  "upstream_failed",
  "removed",
] as const);

/** States that may be (re)scheduled once their dependencies and timers allow it. */
const SCHEDULEABLE: ReadonlySet<TaskInstanceState> = new Set([null, "up_for_retry", "up_for_reschedule"] as const);

/** Says whether a task instance in `state` is over. */
export function isFinished(state: TaskInstanceState): state is FinishedState {
  return FINISHED.has(state);
}

/** Says whether a task instance in `state` waits for its dependencies or a timer (Airflow's SCHEDULEABLE_STATES). */
export function isScheduleable(state: TaskInstanceState): state is null | "up_for_retry" | "up_for_reschedule" {
  return SCHEDULEABLE.has(state);
}

/** Says whether a DAG run in `state` is over. */
export function isRunFinished(state: DagRunState): boolean {
  return state === "success" || state === "failed";
}

/** Says whether a job in `state` is over. */
export function isJobFinished(state: JobState): boolean {
  return state === "success" || state === "failed" || state === "skipped";
}

type StateName = Exclude<TaskInstanceState, null> | "none";

/**
 * Legal transitions of a task instance, `none` standing for `null`. What users may force (mark, clear) and what a
 * change of the DAG may force (`removed`) is allowed from every state and is not listed per state.
 */
const TRANSITIONS: Record<StateName, readonly StateName[]> = {
  none: ["scheduled", "success", "skipped", "upstream_failed"],
  scheduled: ["queued", "none", "skipped"],
  queued: ["running", "scheduled", "failed", "none", "skipped"],
  running: ["success", "failed", "skipped", "up_for_retry", "up_for_reschedule", "deferred", "restarting"],
  restarting: ["none", "up_for_retry", "failed", "skipped"],
  up_for_retry: ["scheduled", "skipped", "upstream_failed", "none"],
  up_for_reschedule: ["scheduled", "skipped", "upstream_failed", "failed", "none"],
  deferred: ["scheduled", "success", "failed", "skipped", "none"],
  success: ["none"],
  failed: ["none"],
  skipped: ["none"],
  // By a branch or a short circuit that answers later, and by fail_fast.
  upstream_failed: ["none", "skipped"],
  removed: ["none"],
};

const USER_TARGETS: ReadonlySet<StateName> = new Set(["success", "failed", "skipped", "removed"]);

/**
 * Says whether a task instance may go from one state to another by the machine itself, or, with `byUser`, by a mark.
 *
 * @example
 * canTransition("running", "success"); // true
 * canTransition("success", "running"); // false
 */
export function canTransition(from: TaskInstanceState, to: TaskInstanceState, byUser = false): boolean {
  const target = to ?? "none";
  if (target === "removed" || (byUser && USER_TARGETS.has(target))) {
    return from !== to;
  }
  return TRANSITIONS[from ?? "none"].includes(target);
}

const RUN_TRANSITIONS: Record<DagRunState, readonly DagRunState[]> = {
  queued: ["running", "success", "failed"],
  running: ["success", "failed", "queued"],
  success: ["queued", "failed"],
  failed: ["queued", "success"],
};

/** Says whether a DAG run may go from one state to another. */
export function canRunTransition(from: DagRunState, to: DagRunState): boolean {
  return RUN_TRANSITIONS[from].includes(to);
}
