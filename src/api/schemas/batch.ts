/**
 * Bulk submissions as JSON.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { BatchView } from "../../engine/objects.ts";
import { dateTime, iso } from "../time.ts";

export const batchSchema = z
  .object({
    batch_id: z.string(),
    state: z.enum(["queued", "running", "success", "failed"]),
    total: z.number().int(),
    counts: z
      .record(z.string(), z.number().int())
      .openapi({ description: "Members by state; `none` for no state yet" }),
    created_at: dateTime,
    end_date: dateTime.nullable(),
  })
  .openapi("Batch");
export type BatchJson = z.infer<typeof batchSchema>;

/** A bulk submission as the API answers it. */
export function batchJson(batch: BatchView): BatchJson {
  return {
    batch_id: batch.batch_id,
    state: batch.state,
    total: batch.total,
    counts: batch.counts,
    created_at: iso(batch.created_at),
    end_date: iso(batch.end_date),
  };
}
