/**
 * Values that task instances left, in Airflow's fields.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { XComView } from "../../engine/objects.ts";
import { dateTime, iso } from "../time.ts";
import { unavailableField } from "../unavailable.ts";

const fields = {
  key: z.string(),
  timestamp: dateTime,
  logical_date: dateTime.nullable(),
  run_after: dateTime,
  map_index: z.number().int(),
  task_id: z.string(),
  task_display_name: z.string(),
  dag_id: z.string(),
  dag_display_name: z.string(),
  run_id: z.string(),
};

/** A value without the value, as lists have it. */
export const xcomEntrySchema = z.object(fields).openapi("XComEntry");

export const xcomSchema = z
  .object({ ...fields, value: z.unknown().openapi({ description: "JSON, or with `stringify` text" }) })
  .openapi("XCom");

export const xcomCollectionSchema = z
  .object({ xcom_entries: z.array(xcomEntrySchema), total_entries: z.number().int(), ...unavailableField })
  .openapi("XComCollection");

/** A value, without the value, as the API answers it. */
export function xcomEntryJson(dagId: string, view: XComView): z.infer<typeof xcomEntrySchema> {
  return {
    key: view.key,
    timestamp: iso(view.timestamp),
    logical_date: iso(view.logical_date),
    run_after: iso(view.run_after),
    map_index: view.map_index,
    task_id: view.task_id,
    task_display_name: view.task_id,
    dag_id: dagId,
    dag_display_name: dagId,
    run_id: view.run_id,
  };
}
