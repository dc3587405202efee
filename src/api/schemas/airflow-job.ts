/**
 * Jobs as Airflow's own list has them: its fields, then two of ours.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { z } from "@hono/zod-openapi";
import { jobSchema, type JobJson } from "./job.ts";
import { unavailableField } from "../unavailable.ts";

export const airflowJobSchema = jobSchema
  .pick({
    dag_id: true,
    job_type: true,
    start_date: true,
    end_date: true,
    latest_heartbeat: true,
    executor_class: true,
    hostname: true,
    unixname: true,
    dag_display_name: true,
    job_id: true,
    is_alive: true,
    state: true,
  })
  .extend({
    id: z.number().int().openapi({ description: "A number made from `job_id`, because Airflow's clients expect one" }),
    job_id: z.string().openapi({ description: "The id under which `/jobs/{job_id}` has all of the job" }),
  })
  .openapi("AirflowJob");
export type AirflowJobJson = z.infer<typeof airflowJobSchema>;

export const airflowJobCollectionSchema = z
  .object({ jobs: z.array(airflowJobSchema), total_entries: z.number().int(), ...unavailableField })
  .openapi("AirflowJobCollection");

/** A job of Airflow's list. */
export function airflowJobJson(job: JobJson): AirflowJobJson {
  return {
    id: jobNumber(job.job_id),
    dag_id: job.dag_id,
    state: job.state,
    job_type: job.job_type,
    start_date: job.start_date,
    end_date: job.end_date,
    latest_heartbeat: job.latest_heartbeat,
    executor_class: job.executor_class,
    hostname: job.hostname,
    unixname: job.unixname,
    dag_display_name: job.dag_display_name,
    job_id: job.job_id,
    is_alive: job.is_alive,
  };
}

/** A whole number of 52 bits that is always the same for the same job, and practically never that of another. */
export function jobNumber(jobId: string): number {
  return Number.parseInt(createHash("sha1").update(jobId).digest("hex").slice(0, 13), 16);
}
