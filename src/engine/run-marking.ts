/**
 * States by a user's word: of task instances (Airflow's `set_task_instance_state`) and of the run
 * (`set_dag_run_state_to_success`, `…_failed`, `…_queued`).
 *
 * @module
 */
import { requeue } from "./run-clearing.ts";
import { endRun } from "./run-end.ts";
import type { RunState } from "./run-state.ts";
import { isFinished, type TaskInstanceState } from "./states.ts";
import type { NodeInstance } from "./task-node.ts";
import type { TaskError } from "./work.ts";

/** What a user may mark a task instance. */
export type MarkedState = "success" | "failed" | "skipped";

/** Ends an instance by a user's word: whatever runs is stopped, its late answer changes nothing. False: it was so already. */
export function markInstance(
  state: RunState,
  instance: NodeInstance,
  to: MarkedState,
  error: TaskError | null,
  now: number,
): boolean {
  if (instance.state === to || instance.deleted) {
    return false;
  }
  if (instance.state === "running" || instance.state === "restarting") {
    state.stop(instance, error?.message ?? `the task instance was marked ${to}`);
  }
  instance.fence += 1;
  instance.error = error;
  state.set(instance, to, now);
  return true;
}

/**
 * Instances that a mark of the run changes, with what they become: what has begun becomes what the run is marked, what has
 * not is skipped. What is finished stays as it is, and so do teardowns, which have still to clear up.
 */
export function runMarks(state: RunState, to: "success" | "failed"): { instance: NodeInstance; to: MarkedState }[] {
  return instancesOf(state)
    .filter(({ node, state: current }) => !node.task.spec.is_teardown && !isFinished(current))
    .map((instance) => ({ instance, to: HAS_BEGUN.has(instance.state) ? to : "skipped" }));
}

/** States in which an instance has begun and not ended. One that is cleared has it behind itself: it is to begin again. */
const HAS_BEGUN: ReadonlySet<TaskInstanceState> = new Set(["running", "deferred", "up_for_reschedule"] as const);

/**
 * Marks the run. The run itself ends only if no teardown is left to do; else it goes on until that is done.
 */
export function markRun(state: RunState, to: "queued" | "success" | "failed", now: number): void {
  if (to === "queued") {
    if (state.info.state !== "queued") {
      requeue(state, now);
    }
    return;
  }
  for (const mark of runMarks(state, to)) {
    const isFailure = mark.to === "failed";
    const error: TaskError | null = isFailure ? { type: "Marked", message: `the run was marked ${to}` } : null;
    markInstance(state, mark.instance, mark.to, error, now);
  }
  const isTeardownLeft = instancesOf(state).some(
    ({ node, state: current }) => node.task.spec.is_teardown && !isFinished(current),
  );
  if (!isTeardownLeft && state.info.state !== to) {
    state.info.start_date ??= now;
    endRun(state, to, to === "success" ? "success" : "task_failure", now);
  }
}

function instancesOf(state: RunState): NodeInstance[] {
  return state.nodes.flatMap((node) => node.instances);
}
