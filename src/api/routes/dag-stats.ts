/**
 * How many runs DAGs have in which state, in Airflow's path and fields.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { ApiDeps, AppEnv } from "../env.ts";
import { unwrap } from "../errors.ts";
import { eachAtMost } from "../gather.ts";
import { knownDagIds } from "../known-dag.ts";
import { dagObject } from "../objects.ts";
import { repeated } from "../query.ts";
import { json, refusals } from "../responses.ts";
import { Unavailable } from "../unavailable.ts";
import { dagStatsCollectionSchema, dagStatsJson } from "../schemas/dag-stats.ts";

const statsRoute = createRoute({
  method: "get",
  path: "/dagStats",
  tags: ["DagStats"],
  summary: "Count the runs of DAGs by state",
  description: "As in Airflow, DAGs without any run are left out, and those that do not exist.",
  request: { query: z.object({ dag_ids: repeated.openapi({ description: "All DAGs unless given" }) }) },
  responses: { 200: json(dagStatsCollectionSchema, "The counts"), ...refusals(401) },
});

/** The route of run counts. */
export function dagStatsRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>().openapi(statsRoute, async (c) => {
    const wanted = new Set(c.req.valid("query").dag_ids);
    const dagIds = (await knownDagIds(registry, c.env)).filter((id) => wanted.size === 0 || wanted.has(id));
    const unavailable = new Unavailable();
    const answers = await eachAtMost(dagIds, (dagId) =>
      unavailable.ask(dagId, () => dagObject(c.env, dagId).stats(), null),
    );
    const dags = answers
      .filter((answer) => answer !== null)
      .filter((answer) => answer.ok || answer.refusal.code !== "not_found")
      .map((answer) => dagStatsJson(unwrap(answer)))
      .filter(({ stats }) => stats.some(({ count }) => count > 0));
    return c.json({ dags, total_entries: dags.length, ...unavailable.field() }, 200);
  });
}
