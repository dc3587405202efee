/**
 * Clearing task instances so that they run again, as Airflow's `clear_task_instances`, and forgetting one for good.
 *
 * @module
 */
import { livenessDeadline } from "./liveness.ts";
import { leaseRateMs } from "./object-runs.ts";
import { remember } from "./run-attempts.ts";
import { forgetPast } from "./run-past.ts";
import type { RunState } from "./run-state.ts";
import { isRunFinished } from "./states.ts";
import type { NodeInstance } from "./task-node.ts";

/**
 * Clears instances: the present try goes to the history, a running one is stopped first (`restarting`), `max_tries`
 * becomes the tries so far plus the task's retries. What was never scheduled stays as it is.
 */
export function clearInstances(state: RunState, instances: readonly NodeInstance[], now: number): void {
  for (const instance of instances) {
    const { retries } = instance.node.task.spec;
    if (instance.state === null || instance.state === "restarting" || instance.deleted) {
      continue;
    }
    const running = instance.state === "running";
    if (instance.tryNumber > 0 && instance.state !== "up_for_retry") {
      remember(state, instance, now);
    }
    instance.maxTries = instance.tryNumber + retries;
    instance.fence += 1;
    instance.error = null;
    if (running) {
      state.stop(instance, "the task instance was cleared");
      instance.allowances = 0;
      state.set(instance, "restarting", now);
      state.setTimer(instance, livenessDeadline(now, leaseRateMs(instance)));
    } else {
      resetInstance(state, instance, now);
    }
  }
}

/** Makes an instance as if nothing had been decided yet; its tries stay counted. */
export function resetInstance(state: RunState, instance: NodeInstance, now: number): void {
  state.set(instance, null, now);
  instance.scheduledWhen = null;
  instance.queuedWhen = null;
  instance.startDate = null;
  instance.endDate = null;
  instance.jobId = null;
  instance.workerLosses = 0;
}

/** Queues a run again; one that is queued already gets a new date. The caller begins it. */
export function requeue(state: RunState, now: number): void {
  state.info.state = "queued";
  state.info.queued_at = now;
  state.info.start_date = null;
  state.info.end_date = null;
  state.info.reason = null;
  state.changes.run = true;
  // While it was over, nobody told it of the run before.
  forgetPast(state);
}

/** What a clear does to the run it was in: one that is over is queued again, any other goes on. */
export function resetRun(state: RunState, now: number): void {
  if (isRunFinished(state.info.state)) {
    requeue(state, now);
  } else {
    state.info.queued_at = now;
    state.changes.run = true;
  }
}

/**
 * Takes an instance out of the run: stopped if it runs, then `removed`, and hidden. As in Airflow, what follows a mapped task
 * goes on without a deleted element, and what follows a deleted task never runs, unless its rule is met without it.
 */
export function forgetInstance(state: RunState, instance: NodeInstance, now: number): void {
  if (instance.state === "running" || instance.state === "restarting") {
    state.stop(instance, "the task instance was deleted");
  }
  instance.fence += 1;
  instance.error = null;
  instance.note = null;
  instance.hasValue = false;
  instance.mapLength = null;
  instance.skipRecord = null;
  instance.jobId = null;
  state.set(instance, "removed", now);
  instance.deleted = true;
  for (const { to } of instance.node.task.out) {
    const target = state.nodes[to];
    target?.recount(state.nodes);
    if (target !== undefined && target.waiting > 0) {
      state.dirtyNodes.add(target);
    }
  }
  state.changes.values.set(instance, null);
  state.touch(instance);
}
