/**
 * The runs that a DAG's schedule will make: a look ahead that changes nothing.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { ApiDeps, AppEnv } from "../env.ts";
import { unwrap } from "../errors.ts";
import { knownDag } from "../known-dag.ts";
import { pageQuery } from "../query.ts";
import { json, refusals } from "../responses.ts";
import { dateTime, iso } from "../time.ts";

const nextDagRunsSchema = z
  .object({
    next_dag_runs: z.array(
      z.object({
        logical_date: dateTime,
        data_interval_start: dateTime,
        data_interval_end: dateTime,
        run_after: dateTime,
      }),
    ),
    total_entries: z.number().int(),
  })
  .openapi("NextDagRuns");

const previewRoute = createRoute({
  method: "get",
  path: "/dags/{dag_id}/nextDagRuns",
  tags: ["DAG"],
  summary: "Preview the runs a DAG's schedule will make",
  description: "As they would be made if time passed, the DAG were not paused and every run ended before the next.",
  request: { params: z.object({ dag_id: z.string() }), query: z.object({ limit: pageQuery.limit }) },
  responses: { 200: json(nextDagRunsSchema, "The next runs, soonest first"), ...refusals(401, 404, 422) },
});

/** The route of the preview. */
export function nextDagRunRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>().openapi(previewRoute, async (c) => {
    const dag = await knownDag(registry, c.env, c.req.valid("param").dag_id);
    const runs = unwrap(await dag.previewRuns(c.req.valid("query").limit));
    const next = runs.map(({ logical_date: logicalDate, data_interval: interval, run_after: runAfter }) => ({
      logical_date: iso(logicalDate),
      data_interval_start: iso(interval.start),
      data_interval_end: iso(interval.end),
      run_after: iso(runAfter),
    }));
    return c.json({ next_dag_runs: next, total_entries: next.length }, 200);
  });
}
