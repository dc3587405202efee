/**
 * How a run ends: by its own outcome, by its timeout, or early because a `fail_fast` task failed.
 *
 * @module
 */
import { checkDependencies } from "./dependencies.ts";
import type { RunEndReason, RunState } from "./run-state.ts";
import { isFinished } from "./states.ts";
import type { NodeInstance } from "./task-node.ts";

/**
 * With `fail_fast`, a failure ends all other tasks but teardowns: what runs fails, the rest is skipped, what was not to run
 * for want of something upstream too. Other instances of the task itself go on.
 */
export function failFast(state: RunState, failed: NodeInstance, now: number): void {
  if (!state.graph.spec.fail_fast) {
    return;
  }
  const reason = `"${failed.node.task.id}" failed and the DAG is fail_fast`;
  for (const node of state.nodes) {
    if (node === failed.node || node.task.spec.is_teardown) {
      continue;
    }
    for (const instance of node.instances) {
      if (!isFinished(instance.state) || instance.state === "upstream_failed") {
        abandon(state, instance, instance.state === "running" ? "failed" : "skipped", reason, now);
      }
    }
  }
}

/** Ends an instance from outside; its worker, if it has one, is stopped. */
function abandon(state: RunState, instance: NodeInstance, to: "failed" | "skipped", reason: string, now: number): void {
  if (instance.state === "running" || instance.state === "restarting") {
    state.stop(instance, reason);
  }
  if (to === "failed") {
    instance.error = { type: "Stopped", message: reason };
  }
  state.set(instance, to, now);
  instance.fence += 1;
}

/** When the run exceeds its `dagrun_timeout` (epoch ms), or null. */
export function timesOutAt(state: RunState): number | null {
  const seconds = state.graph.spec.dagrun_timeout;
  return seconds === null || state.info.start_date === null ? null : state.info.start_date + seconds * 1000;
}

/** Ends a run that exceeded its `dagrun_timeout`: what runs fails and is stopped, the rest is skipped. */
export function timeOut(state: RunState, now: number): void {
  const reason = `the run exceeded its dagrun_timeout of ${state.graph.spec.dagrun_timeout} s`;
  for (const node of state.nodes) {
    for (const instance of node.instances) {
      const { state: current } = instance;
      if (!isFinished(current)) {
        abandon(state, instance, current === "running" || current === "restarting" ? "failed" : "skipped", reason, now);
      }
    }
  }
  endRun(state, "failed", "timed_out", now);
}

/** Airflow's `DagRun.update_state`: over when nothing is unfinished; deadlocked when nothing can ever move again. */
export function decideEnd(state: RunState, now: number): void {
  if (state.unfinished === 0) {
    const failed = state.failedLeaves > 0;
    endRun(state, failed ? "failed" : "success", failed ? "task_failure" : "success", now);
  } else if (state.active === 0 && !isHeldFromOutside(state) && !anyTimerMatters(state)) {
    endRun(state, "failed", "all_tasks_deadlocked", now);
  }
}

/** Says whether something unfinished may wait for what other runs do, so that it is not for this run to give up. */
function isHeldFromOutside(state: RunState): boolean {
  return state.nodes.some(({ task: { spec }, unfinished }) => {
    const hasLimit = spec.max_active_tis_per_dag !== null || spec.max_active_tis_per_dagrun !== null;
    return unfinished > 0 && (spec.depends_on_past || hasLimit);
  });
}

/** Says whether an instance waits for its time alone. */
function anyTimerMatters(state: RunState): boolean {
  return state.timers.some((instance) => checkDependencies(state.nodes, instance) === "pass");
}

/** Ends a run. */
export function endRun(state: RunState, to: "success" | "failed", reason: RunEndReason, now: number): void {
  state.info.state = to;
  state.info.reason = reason;
  state.info.end_date = now;
  state.changes.run = true;
}
