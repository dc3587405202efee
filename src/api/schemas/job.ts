/**
 * Jobs as JSON: Airflow's fields first, then ours.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { isAlive } from "../../engine/liveness.ts";
import { JOB_STATES } from "../../engine/states.ts";
import type { JobView } from "../../engine/work.ts";
import { dateTime, iso } from "../time.ts";

/** What a try failed with. The stack stays inside. */
export const taskErrorSchema = z.object({ type: z.string(), message: z.string() }).openapi("TaskError");

export const progressSchema = z
  .object({
    step: z.string().optional(),
    fraction: z.number().min(0).max(1).optional(),
    data: z.unknown().optional(),
  })
  .openapi("Progress");

export const jobSchema = z
  .object({
    id: z.string(),
    dag_id: z.string().nullable(),
    state: z.enum(JOB_STATES),
    job_type: z.string(),
    start_date: dateTime.nullable(),
    end_date: dateTime.nullable(),
    latest_heartbeat: dateTime.nullable(),
    executor_class: z.string().nullable(),
    hostname: z.string().nullable(),
    unixname: z.string().nullable(),
    dag_display_name: z.string().nullable(),
    job_id: z.string().openapi({ description: "The same as `id`" }),
    heartrate: z.number().openapi({ description: "Seconds between heartbeats" }),
    is_alive: z.boolean(),
    name: z.string(),
    run_id: z.string().nullable(),
    task_id: z.string().nullable(),
    map_index: z.number().int().nullable(),
    try_number: z.number().int(),
    max_tries: z.number().int(),
    created_at: dateTime,
    run_at: dateTime.nullable(),
    progress: progressSchema.nullable(),
    result: z.unknown(),
    error: taskErrorSchema.nullable(),
    late_results: z.number().int(),
  })
  .openapi("Job");
export type JobJson = z.infer<typeof jobSchema>;

/** A job as the API answers it. `now` in epoch milliseconds decides whether it is alive. */
export function jobJson(job: JobView, now: number): JobJson {
  return {
    id: job.id,
    dag_id: job.dag_id,
    state: job.state,
    job_type: job.job_type,
    start_date: iso(job.start_date),
    end_date: iso(job.end_date),
    latest_heartbeat: iso(job.latest_heartbeat),
    executor_class: job.executor_class,
    hostname: job.hostname,
    unixname: job.unixname,
    dag_display_name: job.dag_id,
    job_id: job.id,
    heartrate: job.heartrate,
    is_alive: isAlive({ state: job.state, latestHeartbeat: job.latest_heartbeat }, job.heartrate * 1000, now),
    name: job.name,
    run_id: job.run_id,
    task_id: job.task_id,
    map_index: job.map_index,
    try_number: job.try_number,
    max_tries: job.max_tries,
    created_at: iso(job.created_at),
    run_at: iso(job.run_at),
    progress: job.progress,
    result: job.result,
    error: job.error === null ? null : { type: job.error.type, message: job.error.message },
    late_results: job.late_results,
  };
}
