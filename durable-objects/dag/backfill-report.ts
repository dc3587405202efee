/**
 * The report of a backfill: what failed, and what can never run.
 *
 * @module
 */
import type { BackfillReportView, ReportedInstance, ReportedRun } from "../../src/engine/backfill-objects.ts";
import { explainDependencies } from "../../src/engine/explain-dependencies.ts";
import { isFinished } from "../../src/engine/states.ts";
import type { NodeInstance } from "../../src/engine/task-node.ts";
import type { BackfillRow } from "./backfill-storage.ts";
import { backfillView } from "./backfill-view.ts";
import type { DagCore } from "./core.ts";
import type { LoadedRun } from "./run-book.ts";

/** Entries that each list of a report has at most. */
const LISTED = 100;

/** The report of a backfill as it stands now. Reads only. */
export function reportOf(core: DagCore, backfill: BackfillRow): BackfillReportView {
  const { reports } = core.storage.backfills;
  const runs = { queued: 0, running: 0, success: 0, failed: 0 };
  const skipped = { "in flight": 0, "already exists": 0 };
  const report = { dates: 0, never_started: 0, deleted: 0 };
  for (const { standing, never_started, count } of reports.countDates(backfill.id)) {
    report.dates += count;
    report.never_started += never_started === 1 ? count : 0;
    if (isKeyOf(runs, standing)) {
      runs[standing] += count;
    } else if (isKeyOf(skipped, standing)) {
      skipped[standing] += count;
    } else {
      report.deleted += count;
    }
  }
  return {
    backfill: backfillView(core.name, backfill),
    ...report,
    runs,
    skipped,
    failed_runs: reports.failedRuns(backfill.id, LISTED),
    failed_task_instances: reports.failedInstances(backfill.id, LISTED),
    ...deadlocked(core, backfill),
  };
}

/** Runs in which nothing can move any more: those that ended so, and those that wait for a past that will not change by itself. */
function deadlocked(
  core: DagCore,
  backfill: BackfillRow,
): Pick<BackfillReportView, "deadlocked_runs" | "deadlocked_task_instances"> {
  const ended = core.storage.backfills.reports.failedRuns(backfill.id, LISTED, true);
  const stuck = stuckRuns(core, backfill);
  const items = [...stuck.map(({ row }) => reportedRun(row)), ...ended.items].slice(0, LISTED);
  const instances: BackfillReportView["deadlocked_task_instances"]["items"] = [];
  let total = 0;
  for (const { run_id: runId } of items) {
    const wasLoaded = core.runs.peek(runId) !== null;
    const run = core.runs.get(runId);
    for (const instance of run === null ? [] : neverAble(run)) {
      total += 1;
      if (run !== null && instances.length < LISTED) {
        instances.push({ ...reportedInstance(run, instance), passes_if_past_is_ignored: isHeldByPast(run, instance) });
      }
    }
    if (!wasLoaded) {
      core.runs.forget(runId);
    }
  }
  return {
    deadlocked_runs: { items, total: ended.total + stuck.length },
    deadlocked_task_instances: { items: instances, total },
  };
}

/** Its running runs, if nothing moves in them nor in any other run that they might wait for. */
function stuckRuns(core: DagCore, backfill: BackfillRow): LoadedRun[] {
  const running = core.unfinished().filter(({ row }) => row.state === "running");
  const isMoving = running.some(({ machine: { state } }) => state.active > 0 || state.timers.next() !== null);
  return isMoving ? [] : running.filter(({ row }) => row.backfill_id === backfill.id);
}

function neverAble({ machine }: LoadedRun): NodeInstance[] {
  return machine.state.nodes
    .flatMap((node) => node.instances)
    .filter((instance) => !instance.deleted && !isFinished(instance.state));
}

/** Dependencies that say nothing about the task itself. */
const OF_THE_RUN: readonly string[] = ["Dag Not Paused", "Dagrun Running"];

function isHeldByPast(run: LoadedRun, instance: NodeInstance): boolean {
  const surroundings = { isPaused: false, runReason: null, now: run.row.end_date ?? 0 };
  const unmet = explainDependencies(run.machine.state, instance, surroundings).filter(
    ({ name }) => !OF_THE_RUN.includes(name),
  );
  return unmet.length > 0 && unmet.every(({ name }) => name === "Previous Dagrun State");
}

function reportedRun({ run_id, logical_date, run_after, state, reason }: LoadedRun["row"]): ReportedRun {
  return { run_id, logical_date: logical_date ?? run_after, state, reason };
}

function reportedInstance({ row }: LoadedRun, { node, mapIndex, state, tryNumber }: NodeInstance): ReportedInstance {
  return {
    run_id: row.run_id,
    logical_date: row.logical_date ?? row.run_after,
    task_id: node.task.id,
    map_index: mapIndex,
    state,
    try_number: tryNumber,
  };
}

function isKeyOf<K extends string>(counts: Record<K, number>, name: string): name is K {
  return Object.hasOwn(counts, name);
}
