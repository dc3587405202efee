/**
 * Queues and roles as JSON. Airflow has no such thing: there a queue is what a worker listens to.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { QueueRole } from "../../engine/queue-roles.ts";
import type { QueueRate, Queues } from "../../engine/queues.ts";
import { dateTime, iso } from "../time.ts";

const rateSchema = z
  .object({
    limit: z.number().int(),
    per_seconds: z.number(),
    burst: z.number().int().openapi({ description: "How many may start at once after idleness" }),
  })
  .openapi("QueueRateLimit");

export const queueRoleSchema = z
  .object({
    role: z.string(),
    queue: z.string(),
    updated_at: dateTime.openapi({ description: "When it was last given another queue" }),
  })
  .openapi("QueueRole");

const queueSchema = z
  .object({
    name: z.string(),
    rate_limit: rateSchema.nullable().openapi({ description: "Of all that goes through it" }),
    task_rate_limit: rateSchema.nullable().openapi({ description: "Of each task that goes through it" }),
    roles: z.array(z.string()).openapi({ description: "Roles that stand for it" }),
  })
  .openapi("Queue");

export const queueCollectionSchema = z
  .object({
    queues: z.array(queueSchema),
    roles: z
      .array(queueRoleSchema)
      .openapi({ description: "All roles, also those whose queue is no longer configured" }),
    total_entries: z.number().int().openapi({ description: "How many queues there are" }),
  })
  .openapi("QueueCollection");

/** A role as the API answers it. */
export function queueRoleJson({ role, queue, updated_at: updatedAt }: QueueRole): z.infer<typeof queueRoleSchema> {
  return { role, queue, updated_at: iso(updatedAt) };
}

/** All queues, in the order of the configuration, with the roles that stand for them. */
export function queueCollectionJson(
  queues: Queues,
  roles: readonly QueueRole[],
): z.infer<typeof queueCollectionSchema> {
  return {
    queues: [...queues].map(([name, { rate_limit: whole, task_rate_limit: each }]) => ({
      name,
      rate_limit: rateJson(whole),
      task_rate_limit: rateJson(each),
      roles: roles.filter(({ role, queue }) => queue === name && !queues.has(role)).map(({ role }) => role),
    })),
    roles: roles.map(queueRoleJson),
    total_entries: queues.size,
  };
}

function rateJson(rate: QueueRate | undefined): z.infer<typeof rateSchema> | null {
  return rate === undefined ? null : { limit: rate.limit, per_seconds: rate.per_seconds, burst: rate.burst ?? 1 };
}
