/**
 * Bodies of requests that change task instances, or list them by many ids, by Airflow's rules.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { ClearRequest } from "../../engine/objects.ts";
import { TASK_INSTANCE_STATES } from "../../engine/states.ts";
import { pageBody, rangeBody, valuesBody } from "../batch-body.ts";
import { mapIndexNumber } from "../task-instance-address.ts";
import { dateTimeInput } from "../time.ts";

/** States that users may give a task instance. */
const MARKS = ["success", "failed", "skipped"] as const;
const EXPECTED_MARK = { error: `expected one of ${MARKS.map((mark) => JSON.stringify(mark)).join(", ")}` };

/** Tasks or instances that one clear may name. */
const MAX_NAMED = 2000;

const flag = (description: string) => z.boolean().default(false).openapi({ description });

const neighbourhood = {
  include_upstream: flag("Also what lies upstream"),
  include_downstream: flag("Also what lies downstream"),
  include_future: flag("Also in runs of later logical dates"),
  include_past: flag("Also in runs of earlier logical dates"),
};

const note = z
  .string()
  .max(1000, "expected at most 1000 characters")
  .nullish()
  .openapi({ description: "Empty text removes the note" });

const patchFields = {
  new_state: z
    .string(EXPECTED_MARK)
    .transform((text) => text.toLowerCase())
    .pipe(z.enum(MARKS, EXPECTED_MARK))
    .optional()
    .openapi({ type: "string", enum: [...MARKS] }),
  note,
  ...neighbourhood,
};

export const patchTaskInstanceBody = z.strictObject(patchFields).openapi("PatchTaskInstanceBody");

/** What a patch asks for. */
export type PatchTaskInstance = z.output<typeof patchTaskInstanceBody>;

export const bulkTaskInstanceBody = z
  .strictObject({
    task_id: z.string(),
    // One that no task instance can have is not found: the others are changed all the same.
    map_index: z.int().nullish().openapi({ description: "Null: every instance of the task" }),
    dag_id: z.string().nullish(),
    dag_run_id: z.string().nullish(),
    ...patchFields,
  })
  .openapi("BulkTaskInstanceBody");

/** A task instance that a bulk request names, and what it gets. */
export type BulkTaskInstance = z.output<typeof bulkTaskInstanceBody>;

const taskName = z.union([z.string(), z.tuple([z.string(), mapIndexNumber])], {
  error: "expected a task id, or a pair of a task id and a map index",
});

const clearFields = z.strictObject({
  dry_run: z.boolean().default(true).openapi({ description: "Changes nothing, lists what it would clear" }),
  start_date: dateTimeInput.nullish().openapi({ description: "Runs of this logical date or later" }),
  end_date: dateTimeInput.nullish().openapi({ description: "Runs of this logical date or earlier" }),
  only_failed: z.boolean().optional().openapi({
    default: true,
    description: "Only those that failed or whose upstream failed",
  }),
  only_running: flag("Only those that run"),
  reset_dag_runs: z.boolean().default(true).openapi({ description: "Finished runs go on; false leaves them finished" }),
  task_ids: z
    .array(taskName)
    .min(1, "expected at least one task: task_ids list should have at least 1 element.")
    .max(MAX_NAMED)
    .nullish()
    .openapi({ description: "Ids, or pairs of an id and a map index. Null: every task" }),
  dag_run_id: z.string().nullish().openapi({ description: "The run, instead of dates" }),
  ...neighbourhood,
  run_on_latest_version: z
    .boolean()
    .nullish()
    .openapi({ description: "Run again on the newest version of the DAG instead of the run's own" }),
  prevent_running_task: flag("409 if one of them runs, instead of stopping it"),
  note,
});

export const clearTaskInstancesBody = clearFields
  .refine((body) => !(body.only_failed === true && body.only_running), {
    path: ["only_running"],
    error: "expected one of them at most: only_failed and only_running both are set to True",
  })
  .refine(
    ({ dag_run_id: runId, ...body }) => !isGiven(runId) || !(isGiven(body.start_date) || isGiven(body.end_date)),
    {
      path: ["dag_run_id"],
      error: "expected one way to name runs: Exactly one of dag_run_id or (start_date and end_date) must be provided",
    },
  )
  .refine(({ start_date: start, end_date: end }) => !isGiven(start) || !isGiven(end) || start <= end, {
    path: ["end_date"],
    error: "expected a date after start_date: end_date is sooner than start_date",
  })
  .openapi("ClearTaskInstancesBody");

/** What a clear asks of the DAG's object. */
export function clearRequest(body: z.output<typeof clearTaskInstancesBody>): ClearRequest {
  const { dag_run_id: runId = null, start_date: start = null, end_date: end = null, task_ids: names = null } = body;
  return {
    run_id: runId,
    // Without a run, the past and the future are those of the dates.
    start_date: body.include_past ? null : start,
    end_date: body.include_future ? null : end,
    task_ids: names,
    only_failed: body.only_failed ?? true,
    only_running: body.only_running,
    reset_dag_runs: body.reset_dag_runs,
    include_upstream: body.include_upstream,
    include_downstream: body.include_downstream,
    include_future: body.include_future,
    include_past: body.include_past,
    run_on_latest_version: body.run_on_latest_version ?? false,
    // As in Airflow, a dry run tells of running ones too.
    prevent_running_task: body.prevent_running_task && !body.dry_run,
    dry_run: body.dry_run,
    ...(isGiven(body.note) && !body.dry_run ? { note: body.note, note_on_instances: true } : {}),
  };
}

/** Ranges of a list by body. */
export const BATCH_RANGES = ["run_after", "logical_date", "start_date", "end_date", "duration"] as const;

/** Fields that a list by body is sorted by. */
export const BATCH_SORT_KEYS = ["id", "state", "duration", "start_date", "end_date", "map_index"] as const;

/** States that filters know: Airflow has one that no task instance of ours comes to. */
export const FILTER_STATES = [...TASK_INSTANCE_STATES, "awaiting_input"] as const;

const ids = valuesBody(z.string());

export const taskInstancesBatchBody = z
  .strictObject({
    dag_ids: ids.openapi({ description: "Unknown ones are left out. None: all DAGs" }),
    dag_run_ids: ids,
    task_ids: ids,
    state: valuesBody(z.enum(FILTER_STATES).nullable()).openapi({ description: "Null for those with no state yet" }),
    pool: ids,
    queue: ids,
    executor: ids,
    ...rangeBody(...BATCH_RANGES),
    ...pageBody,
    order_by: z
      .string()
      .nullish()
      .openapi({ description: `One of ${BATCH_SORT_KEYS.join(", ")}; \`-\` before it for descending` }),
  })
  .openapi("TaskInstancesBatchBody");

function isGiven<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}
