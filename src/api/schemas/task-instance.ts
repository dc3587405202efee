/**
 * Task instances as JSON: Airflow's fields, then three of ours: the job that watches it, its error, its late results.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { DEFAULT_POOL } from "../../engine/permits/names.ts";
import { DEFAULT_QUEUE } from "../../engine/queues.ts";
import { TASK_INSTANCE_STATES } from "../../engine/states.ts";
import type { TaskInstanceView } from "../../engine/work.ts";
import { stableUuid } from "../stable-uuid.ts";
import { dateTime, durationSeconds, iso } from "../time.ts";
import { dagVersionJson, dagVersionSchema } from "./dag-version.ts";
import { taskErrorSchema } from "./job.ts";
import { unavailableField } from "../unavailable.ts";

export const taskInstanceSchema = z
  .object({
    id: z.string().openapi({ description: "A UUID of this try: another try, another id" }),
    task_id: z.string(),
    dag_id: z.string(),
    dag_run_id: z.string(),
    map_index: z.number().int().openapi({ description: "-1 if the task is not mapped, or not yet expanded" }),
    logical_date: dateTime.nullable(),
    run_after: dateTime,
    start_date: dateTime.nullable(),
    end_date: dateTime.nullable(),
    duration: z.number().nullable().openapi({ description: "Seconds" }),
    state: z.enum(TASK_INSTANCE_STATES).nullable(),
    try_number: z.number().int(),
    max_tries: z.number().int(),
    task_display_name: z.string(),
    dag_display_name: z.string(),
    hostname: z.string().nullable(),
    unixname: z.string().nullable(),
    pool: z.string(),
    pool_slots: z.number().int(),
    queue: z.string().nullable(),
    priority_weight: z.number().int().nullable(),
    operator: z.string().nullable(),
    operator_name: z.string().nullable(),
    queued_when: dateTime.nullable(),
    scheduled_when: dateTime.nullable(),
    pid: z.number().int().nullable(),
    executor: z.string().nullable(),
    executor_config: z.string(),
    note: z.string().nullable(),
    rendered_map_index: z.string().nullable(),
    rendered_fields: z.record(z.string(), z.unknown()),
    trigger: z.null(),
    triggerer_job: z.null(),
    dag_version: dagVersionSchema.nullable(),
    job_id: z.string().nullable(),
    error: taskErrorSchema.nullable(),
    late_results: z.number().int(),
  })
  .openapi("TaskInstance");
export type TaskInstanceJson = z.infer<typeof taskInstanceSchema>;

export const taskInstanceCollectionSchema = z
  .object({ task_instances: z.array(taskInstanceSchema), total_entries: z.number().int(), ...unavailableField })
  .openapi("TaskInstanceCollection");

/** A task instance as the API answers it. */
export function taskInstanceJson(instance: TaskInstanceView): TaskInstanceJson {
  const { dag_id: dagId, run_id: runId, task_id: taskId, map_index: mapIndex, try_number: tryNumber } = instance;
  return {
    id: stableUuid("task_instance", dagId, runId, taskId, mapIndex, tryNumber),
    task_id: taskId,
    dag_id: dagId,
    dag_run_id: runId,
    map_index: mapIndex,
    logical_date: iso(instance.logical_date),
    run_after: iso(instance.run_after),
    start_date: iso(instance.start_date),
    end_date: iso(instance.end_date),
    duration: durationSeconds(instance.start_date, instance.end_date),
    state: instance.state,
    try_number: tryNumber,
    max_tries: instance.max_tries,
    task_display_name: taskId,
    dag_display_name: dagId,
    hostname: instance.hostname,
    unixname: instance.unixname,
    pool: instance.pool ?? DEFAULT_POOL,
    pool_slots: instance.pool_slots ?? 1,
    queue: instance.queue ?? DEFAULT_QUEUE,
    priority_weight: instance.priority_weight ?? null,
    operator: instance.operator,
    operator_name: instance.operator,
    queued_when: iso(instance.queued_when),
    scheduled_when: iso(instance.scheduled_when),
    pid: null,
    executor: null,
    executor_config: "{}",
    note: instance.note === "" ? null : instance.note,
    rendered_map_index: mapIndex < 0 ? null : String(mapIndex),
    rendered_fields: {},
    trigger: null,
    triggerer_job: null,
    dag_version: dagVersionJson(dagId, instance.dag_version, instance.dag_version_created_at),
    job_id: instance.job_id,
    error: instance.error === null ? null : { type: instance.error.type, message: instance.error.message },
    late_results: instance.late_results,
  };
}

/** Task instances as the API answers a list; `total` if these are one page of more. */
export function taskInstanceCollectionJson(
  instances: readonly TaskInstanceView[],
  total: number = instances.length,
): z.infer<typeof taskInstanceCollectionSchema> {
  return { task_instances: instances.map((instance) => taskInstanceJson(instance)), total_entries: total };
}
