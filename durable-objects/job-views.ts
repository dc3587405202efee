/**
 * What the outside sees of a job.
 *
 * @module
 */
import type { JobRecord } from "../src/engine/job-machine.ts";
import type { WatchRecord } from "../src/engine/job-watch.ts";
import { readableJson } from "../src/engine/json-depth.ts";
import { isJobFinished, type JobState } from "../src/engine/states.ts";
import type { ClaimedTask, JobView } from "../src/engine/work.ts";

/** Says whether the present try may log more. */
export function goesOn(state: JobState): boolean {
  return !isJobFinished(state) && state !== "up_for_retry";
}

/** What a runner is given. */
export function claimed(job: JobRecord): ClaimedTask {
  return {
    run: null,
    job_id: job.id,
    task_id: job.name,
    map_index: -1,
    try_number: job.try_number,
    max_tries: job.max_tries,
    token: job.fence,
    handler: job.name,
    operator: job.operator,
    input: job.payload,
    heartrateMs: job.heartrateMs,
    executionTimeoutMs: job.executionTimeoutMs,
    ...(job.run_in === undefined ? {} : { run_in: job.run_in }),
  };
}

/** A standalone job as the API shows it. */
export function view(job: JobRecord): JobView {
  return {
    ...shared(job),
    dag_id: null,
    run_id: null,
    task_id: null,
    map_index: null,
    run_at: job.run_at,
    result: job.result !== null && "json" in job.result ? readableJson(job.result.json) : null,
    ...(job.result !== null && "r2" in job.result ? { result_r2: job.result.r2 } : {}),
    late_results: job.late_results,
  };
}

/** The job that watches a task instance as the API shows it. */
export function viewWatch(job: WatchRecord): JobView {
  const { dag_id, run_id, task_id, map_index } = job.adoption;
  return { ...shared(job), dag_id, run_id, task_id, map_index, run_at: null, result: null, late_results: 0 };
}

type SharedFields = Omit<
  JobView,
  "dag_id" | "run_id" | "task_id" | "map_index" | "run_at" | "result" | "result_r2" | "late_results"
>;

function shared(job: JobRecord | WatchRecord): SharedFields {
  return {
    id: job.id,
    state: job.state,
    job_type: "LocalTaskJob",
    start_date: job.start_date,
    end_date: job.end_date,
    latest_heartbeat: job.latest_heartbeat,
    executor_class: null,
    hostname: job.hostname,
    unixname: job.unixname,
    heartrate: job.heartrateMs / 1000,
    name: job.name,
    try_number: job.try_number,
    max_tries: job.max_tries,
    created_at: job.created_at,
    progress: job.progress,
    error: job.error,
  };
}
