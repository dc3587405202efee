/**
 * Where a DAG comes from, as JSON in Airflow's fields: not Python but the spec that is stored.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { DagSpec } from "../../engine/spec.ts";

export const dagSourceSchema = z
  .object({
    content: z.string().nullable().openapi({ description: "The spec as JSON; on many lines unless it is large" }),
    dag_id: z.string(),
    version_number: z.number().int().nullable(),
    dag_display_name: z.string(),
  })
  .openapi("DAGSource");

/** Characters of a spec that is still shown on many lines: what is deep and long would grow a hundredfold. */
const PRETTY_CHARACTERS = 100_000;

/** A spec as the source of its DAG. */
export function dagSourceText(spec: DagSpec): string {
  const text = JSON.stringify(spec);
  return text.length > PRETTY_CHARACTERS ? text : JSON.stringify(spec, null, 2);
}
