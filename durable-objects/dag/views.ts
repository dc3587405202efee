/**
 * What the outside sees of runs and task instances, and the order and filters of lists. Pure over what is in memory.
 *
 * @module
 */
import type { Graph } from "../../src/engine/graph.ts";
import { readableJson } from "../../src/engine/json-depth.ts";
import type { BatchView } from "../../src/engine/objects.ts";
import { queueShown, rowPlace } from "../../src/engine/queue-spread.ts";
import { weightsOf } from "../../src/engine/priority.ts";
import type { JobState, TaskInstanceState } from "../../src/engine/states.ts";
import { isFinished } from "../../src/engine/states.ts";
import type { NodeInstance } from "../../src/engine/task-node.ts";
import type { TaskInstanceRow } from "../../src/engine/task-instance.ts";
import type { DagRunView, JobView, StoredValue, TaskError, TaskInstanceView } from "../../src/engine/work.ts";
import { memberId } from "../../src/engine/batch-ids.ts";
import type { LoadedRun } from "./run-book.ts";
import type { RunRow, VersionRow } from "./storage.ts";

/** A run, with how many task instances are in which state. */
export function runView(run: LoadedRun): DagRunView {
  return rowRunView(run.dagId, run.row, run.version, countStates(run));
}

/** A run from its row and what was counted of its task instances. */
export function rowRunView(
  dagId: string,
  row: RunRow,
  version: VersionRow,
  counts: Record<string, number>,
): DagRunView {
  return {
    dag_id: dagId,
    run_id: row.run_id,
    run_type: row.run_type,
    state: row.state,
    reason: row.reason,
    logical_date: row.logical_date,
    data_interval_start: row.data_interval_start,
    data_interval_end: row.data_interval_end,
    run_after: row.run_after,
    queued_at: row.queued_at,
    start_date: row.start_date,
    end_date: row.end_date,
    triggered_by: row.triggered_by,
    triggering_user_name: row.triggering_user_name,
    created_at: row.created_at,
    updated_at: row.updated_at,
    conf: row.conf,
    note: row.note,
    dag_version: row.version_number,
    dag_version_created_at: version.created_at,
    counts,
  };
}

/** Task instances of a run by state; `none` for null. */
export function countStates(run: LoadedRun): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const node of run.machine.state.nodes) {
    for (const instance of node.instances) {
      if (!instance.deleted) {
        const state = instance.state ?? "none";
        counts[state] = (counts[state] ?? 0) + 1;
      }
    }
  }
  return counts;
}

/** A task instance. */
export function instanceView(run: LoadedRun, instance: NodeInstance): TaskInstanceView {
  return rowInstanceView(run, instance.toRow(), run.machine.state.graph);
}

/** A task instance, or a try of one that is over, from its row and the graph of its version. */
export function rowInstanceView(
  run: Pick<LoadedRun, "dagId" | "row" | "version">,
  row: TaskInstanceRow,
  graph: Graph,
): TaskInstanceView {
  const task = graph.byId.get(row.task_id);
  const spec = task?.spec;
  return {
    dag_id: run.dagId,
    run_id: run.row.run_id,
    task_id: row.task_id,
    map_index: row.map_index,
    state: row.state,
    try_number: row.try_number,
    max_tries: row.max_tries,
    logical_date: run.row.logical_date,
    run_after: run.row.run_after,
    data_interval_start: run.row.data_interval_start,
    data_interval_end: run.row.data_interval_end,
    scheduled_when: row.scheduled_when,
    queued_when: row.queued_when,
    start_date: row.start_date,
    end_date: row.end_date,
    hostname: row.hostname,
    unixname: row.unixname,
    operator: spec?.operator ?? "task",
    ...(spec?.queue === undefined ? {} : { queue: queueShown(spec.queue, rowPlace(run.row.run_id, row)) }),
    ...(spec?.pool === undefined ? {} : { pool: spec.pool }),
    pool_slots: spec?.pool_slots ?? 1,
    priority_weight: task === undefined ? null : (weightsOf(graph)[task.index] ?? null),
    job_id: row.job_id,
    next_at: row.next_at,
    error: row.error === null ? null : (JSON.parse(row.error) as TaskError),
    late_results: row.late_results,
    note: row.note,
    dag_version: run.row.version_number,
    dag_version_created_at: run.version.created_at,
  };
}

/** A bulk submission as a whole. */
export function batchView(run: LoadedRun): BatchView {
  const { row } = run;
  return {
    batch_id: run.batch?.batchId ?? row.run_id,
    state: row.state,
    total: run.machine.state.total,
    counts: countStates(run),
    created_at: row.queued_at ?? row.run_after,
    end_date: row.end_date,
  };
}

/** A member of a bulk submission, as the job it is to its submitter. */
export function memberView(
  run: LoadedRun,
  instance: NodeInstance,
  position: number,
  result: StoredValue | null,
): JobView {
  const id = memberId(run.batch?.batchId ?? "", position);
  const { spec } = instance.node.task;
  return {
    id,
    dag_id: null,
    state: jobState(instance.state),
    job_type: "LocalTaskJob",
    start_date: instance.startDate,
    end_date: isFinished(instance.state) ? instance.endDate : null,
    latest_heartbeat: instance.startDate,
    executor_class: null,
    hostname: instance.hostname,
    unixname: instance.unixname,
    heartrate: spec.heartrate,
    name: spec.handler,
    run_id: null,
    task_id: null,
    map_index: null,
    try_number: instance.tryNumber,
    max_tries: instance.maxTries,
    created_at: run.row.queued_at ?? run.row.run_after,
    run_at: instance.state === null ? instance.nextAt : null,
    progress: null,
    result: result !== null && "json" in result ? readableJson(result.json) : null,
    ...(result !== null && "r2" in result ? { result_r2: result.r2 } : {}),
    error: instance.error,
    late_results: instance.lateResults,
  };
}

function jobState(state: TaskInstanceState): JobState {
  switch (state) {
    case null:
    case "scheduled":
    case "queued":
    case "deferred":
      return "queued";
    case "removed":
    case "upstream_failed":
      return "failed";
    default:
      return state;
  }
}

/** A run that was never stored has no row; this is the part of a row every new run begins with. */
export function newRunRow(
  fields: Pick<RunRow, "run_id" | "run_after" | "queued_at" | "triggered_by" | "conf" | "params" | "version_number">,
): Omit<RunRow, "id"> {
  return {
    run_type: "manual",
    state: "queued",
    reason: null,
    logical_date: null,
    data_interval_start: null,
    data_interval_end: null,
    start_date: null,
    end_date: null,
    note: null,
    triggering_user_name: null,
    backfill_id: null,
    sort_ordinal: null,
    created_at: fields.queued_at ?? fields.run_after,
    updated_at: fields.queued_at ?? fields.run_after,
    ...fields,
  };
}
