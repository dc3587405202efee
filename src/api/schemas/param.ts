/**
 * Params as JSON, as Airflow shows them: the default as `value`, what it is for, and its JSON Schema.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { DagSpec } from "../../engine/spec.ts";

export const paramsSchema = z
  .record(
    z.string(),
    z.object({
      value: z.unknown(),
      description: z.string().nullable(),
      schema: z.record(z.string(), z.unknown()),
    }),
  )
  .openapi({ description: "Params by name; a value of null is that of a param that every run must give, too" });
export type ParamsJson = z.infer<typeof paramsSchema>;

/** Params as the API answers them. */
export function paramsJson(params: DagSpec["params"]): ParamsJson {
  return Object.fromEntries(
    Object.entries(params).map(([name, param]) => [
      name,
      { value: param.default ?? null, description: param.description ?? null, schema: param.schema },
    ]),
  );
}
