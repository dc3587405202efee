/**
 * Tasks of a DAG as JSON: Airflow's fields, then the name of the handler. What Airflow has and a Worker has not (pools,
 * queues, weights, templates, colours) stands as null, or as the value that says "none".
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { DEFAULT_POOL } from "../../engine/permits/names.ts";
import { DEFAULT_QUEUE } from "../../engine/queues.ts";
import { TRIGGER_RULES, type DagSpec, type TaskSpec } from "../../engine/spec.ts";
import { dateTime } from "../time.ts";
import { timeDeltaJson, timeDeltaSchema } from "./duration.ts";

export const taskSchema = z
  .object({
    class_ref: z.object({ module_path: z.string().nullable(), class_name: z.string() }),
    task_id: z.string(),
    task_display_name: z.string(),
    owner: z.string(),
    start_date: dateTime.nullable(),
    end_date: dateTime.nullable(),
    trigger_rule: z.enum(TRIGGER_RULES),
    depends_on_past: z.boolean(),
    wait_for_downstream: z.boolean(),
    retries: z.number(),
    queue: z.string().nullable(),
    pool: z.string().nullable(),
    pool_slots: z.number().nullable(),
    execution_timeout: timeDeltaSchema.nullable(),
    retry_delay: timeDeltaSchema,
    retry_exponential_backoff: z.number(),
    priority_weight: z.number().nullable(),
    weight_rule: z.string().nullable(),
    ui_color: z.string().nullable(),
    ui_fgcolor: z.string().nullable(),
    template_fields: z.array(z.string()),
    downstream_task_ids: z.array(z.string()),
    params: z.record(z.string(), z.unknown()),
    doc_md: z.string().nullable(),
    is_mapped: z.boolean(),
    extra_links: z.array(z.string()),
    operator_name: z.string(),
    handler: z
      .string()
      .nullable()
      .openapi({ description: "Name of the registered task that runs; null if none does. Not a field of Airflow's" }),
  })
  .openapi("Task");
export type TaskJson = z.infer<typeof taskSchema>;

export const taskCollectionSchema = z
  .object({ tasks: z.array(taskSchema), total_entries: z.number().int() })
  .openapi("TaskCollection");

/** A DAG's tasks as the API answers them, in the order of the spec. */
export function tasksJson(spec: DagSpec): TaskJson[] {
  const downstream = new Map<string, string[]>();
  for (const task of spec.tasks) {
    for (const upstream of task.upstream_task_ids) {
      const ids = downstream.get(upstream) ?? [];
      ids.push(task.task_id);
      downstream.set(upstream, ids);
    }
  }
  return spec.tasks.map((task) => taskJson(task, spec.owner, downstream.get(task.task_id) ?? []));
}

/** The name of its queue or role; several as the JSON of the rule. */
function queueText(queue: TaskSpec["queue"]): string {
  return queue === undefined ? DEFAULT_QUEUE : typeof queue === "string" ? queue : JSON.stringify(queue);
}

function taskJson(task: TaskSpec, owner: string, downstream: string[]): TaskJson {
  const hasHandler = task.operator !== "empty" && task.operator !== "latest_only";
  return {
    class_ref: { module_path: null, class_name: task.operator },
    task_id: task.task_id,
    task_display_name: task.task_id,
    owner,
    start_date: null,
    end_date: null,
    trigger_rule: task.trigger_rule,
    depends_on_past: task.depends_on_past,
    wait_for_downstream: task.wait_for_downstream,
    retries: task.retries,
    queue: queueText(task.queue),
    pool: task.pool ?? DEFAULT_POOL,
    pool_slots: task.pool_slots,
    execution_timeout: task.execution_timeout === null ? null : timeDeltaJson(task.execution_timeout),
    retry_delay: timeDeltaJson(task.retry_delay),
    retry_exponential_backoff: task.retry_exponential_backoff,
    priority_weight: task.priority_weight,
    weight_rule: task.weight_rule,
    ui_color: null,
    ui_fgcolor: null,
    template_fields: [],
    downstream_task_ids: downstream.toSorted(),
    params: {},
    doc_md: task.doc_md ?? null,
    is_mapped: task.expand !== undefined,
    extra_links: [],
    operator_name: task.operator,
    handler: hasHandler ? task.handler : null,
  };
}
