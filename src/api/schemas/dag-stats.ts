/**
 * How many runs DAGs have in which state, as JSON in Airflow's fields.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { DagStatsView } from "../../engine/objects.ts";
import { DAG_RUN_STATES } from "../../engine/states.ts";
import { unavailableField } from "../unavailable.ts";

const statsSchema = z
  .object({
    dag_id: z.string(),
    dag_display_name: z.string(),
    stats: z.array(z.object({ state: z.enum(DAG_RUN_STATES), count: z.number().int() })),
  })
  .openapi("DagStats");

export const dagStatsCollectionSchema = z
  .object({ dags: z.array(statsSchema), total_entries: z.number().int(), ...unavailableField })
  .openapi("DagStatsCollection");

/** The runs of a DAG by state, every state named. */
export function dagStatsJson({ dag_id: dagId, runs }: DagStatsView): z.infer<typeof statsSchema> {
  return {
    dag_id: dagId,
    dag_display_name: dagId,
    stats: DAG_RUN_STATES.map((state) => ({ state, count: runs[state] })),
  };
}
