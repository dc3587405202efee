/**
 * Why a task instance or a job is where it is.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";

export const whySchema = z
  .object({
    state: z.string().nullable(),
    reason: z.string().openapi({ description: "One sentence: the first cause, or how it stands if nothing keeps it" }),
    causes: z
      .array(
        z.object({
          name: z.string().openapi({ description: "Airflow's name of the dependency, where it has one" }),
          reason: z.string(),
        }),
      )
      .openapi({ description: "All that keeps it from running" }),
  })
  .openapi("Why");
