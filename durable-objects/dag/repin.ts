/**
 * A run that goes on with the newest version of its DAG.
 *
 * @module
 */
import type { GraphTask } from "../../src/engine/graph.ts";
import { isFinished } from "../../src/engine/states.ts";
import type { DagCore } from "./core.ts";
import type { LoadedRun } from "./run-book.ts";

/**
 * Puts a run on the newest version, as Airflow's `verify_integrity`: instances of tasks that are gone become `removed`,
 * tasks that are new, or mapped where they were not, begin without any. Only inside `act`.
 */
export function repin(core: DagCore, run: LoadedRun, now: number): LoadedRun {
  const newest = core.storage.newestVersion()?.version_number ?? run.row.version_number;
  if (newest === run.row.version_number) {
    return run;
  }
  const { graph } = core.runs.version(newest);
  const isGone = (task: GraphTask): boolean => !graph.byId.has(task.id);
  const isAnew = (task: GraphTask): boolean => {
    const after = graph.byId.get(task.id);
    return after !== undefined && (after.expand === null) !== (task.expand === null);
  };
  const { state } = run.machine;
  const left = state.graph.tasks.filter((task) => isGone(task) || isAnew(task));
  for (const instance of left.flatMap(({ index }) => state.nodes[index]?.instances ?? [])) {
    if (!isFinished(instance.state)) {
      state.stop(instance, "its task is not in the newest version of the DAG");
      instance.fence += 1;
      state.set(instance, "removed", now);
    }
  }
  core.store(run, now);
  const idsOf = (which: (task: GraphTask) => boolean): string[] => left.filter(which).map(({ id }) => id);
  core.storage.fitToVersion(run.row.id, idsOf(isGone), idsOf(isAnew), now);
  const repinned = core.runs.reload(run, newest);
  repinned.machine.resumeWishes(now);
  repinned.machine.hold(core.holds(repinned), now);
  repinned.machine.state.changes.run = true;
  core.past.tasksWent(repinned);
  return repinned;
}
