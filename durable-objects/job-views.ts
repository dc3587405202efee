/**
 * What the outside sees of a job.
 *
 * @module
 */
import type { JobRecord } from "../src/engine/job-machine.ts";
import { readableJson } from "../src/engine/json-depth.ts";
import { isJobFinished } from "../src/engine/states.ts";
import type { ClaimedTask, JobView } from "../src/engine/work.ts";

/** Says whether the present try may log more. */
export function goesOn({ state }: JobRecord): boolean {
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
  };
}

/** The job as the API shows it. */
export function view(job: JobRecord): JobView {
  return {
    id: job.id,
    dag_id: job.adoption?.dag_id ?? null,
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
    run_id: job.adoption?.run_id ?? null,
    task_id: job.adoption?.task_id ?? null,
    map_index: job.adoption?.map_index ?? null,
    try_number: job.try_number,
    max_tries: job.max_tries,
    created_at: job.created_at,
    run_at: job.run_at,
    progress: job.progress,
    result: job.result !== null && "json" in job.result ? readableJson(job.result.json) : null,
    ...(job.result !== null && "r2" in job.result ? { result_r2: job.result.r2 } : {}),
    error: job.error,
    late_results: job.late_results,
  };
}
