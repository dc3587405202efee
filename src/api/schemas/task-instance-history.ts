/**
 * The tries of a task instance as JSON: Airflow's fields of its history, then three of ours, as in a task instance.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { TaskInstanceView } from "../../engine/work.ts";
import { taskInstanceJson, taskInstanceSchema } from "./task-instance.ts";

/** What a try that is over has no more. */
const OF_THE_PRESENT = {
  id: true,
  logical_date: true,
  run_after: true,
  note: true,
  rendered_map_index: true,
  rendered_fields: true,
  trigger: true,
  triggerer_job: true,
} as const;

export const taskInstanceTrySchema = taskInstanceSchema.omit(OF_THE_PRESENT).openapi("TaskInstanceHistory");
export type TaskInstanceTryJson = z.infer<typeof taskInstanceTrySchema>;

export const taskInstanceTriesSchema = z
  .object({ task_instances: z.array(taskInstanceTrySchema), total_entries: z.number().int() })
  .openapi("TaskInstanceHistoryCollection");

/** One try as the API answers it. */
export function taskInstanceTryJson(view: TaskInstanceView): TaskInstanceTryJson {
  return taskInstanceTrySchema.parse(taskInstanceJson(view));
}
