/**
 * DAG runs, in Airflow's paths and fields.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { DAG_RUN_STATES } from "../../engine/states.ts";
import type { ApiDeps, AppEnv } from "../env.ts";
import { unwrap } from "../errors.ts";
import { knownDag } from "../known-dag.ts";
import { pageQuery, refuseUnservedFilters, repeated, repeatedOf, sortKeys, waitQuery } from "../query.ts";
import { body, json, refusals } from "../responses.ts";
import { dagRunCollectionSchema, dagRunJson, dagRunSchema } from "../schemas/dag-run.ts";
import { triggerBody, triggerRequest } from "../trigger.ts";

const dagParams = z.object({ dag_id: z.string() });
const runParams = dagParams.extend({ dag_run_id: z.string() });

const triggerRoute = createRoute({
  method: "post",
  path: "/dags/{dag_id}/dagRuns",
  tags: ["DagRun"],
  summary: "Trigger a run",
  request: {
    params: dagParams,
    body: body(triggerBody, "The run; the key logical_date is required, its value may be null"),
  },
  responses: { 200: json(dagRunSchema, "The run"), ...refusals(400, 401, 404, 409, 415, 422) },
});

const SORTABLE = ["id", "run_id", "run_after", "logical_date", "start_date", "end_date", "state"];

const UNSERVED: ReadonlySet<string> = new Set([
  "conf_contains",
  "run_type",
  "dag_version",
  "bundle_version",
  "run_id_pattern",
  "triggering_user_name_pattern",
  "dag_id_pattern",
  "partition_key_pattern",
]);

const listRoute = createRoute({
  method: "get",
  path: "/dags/{dag_id}/dagRuns",
  tags: ["DagRun"],
  summary: "List the runs of a DAG",
  request: {
    params: dagParams,
    query: z.object({
      ...pageQuery,
      order_by: repeated.openapi({ description: `One of ${SORTABLE.join(", ")}; \`-\` before it for descending` }),
      state: repeatedOf(DAG_RUN_STATES),
    }),
  },
  responses: { 200: json(dagRunCollectionSchema, "A page of runs"), ...refusals(400, 401, 404, 422) },
});

const getRoute = createRoute({
  method: "get",
  path: "/dags/{dag_id}/dagRuns/{dag_run_id}",
  tags: ["DagRun"],
  summary: "Get a run, or wait for its end",
  request: { params: runParams, query: z.object({ wait: waitQuery }) },
  responses: { 200: json(dagRunSchema, "The run"), ...refusals(401, 404, 422) },
});

/** Routes of DAG runs. */
export function dagRunRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(triggerRoute, async (c) => {
      const dag = await knownDag(registry, c.env, c.req.valid("param").dag_id);
      return c.json(dagRunJson(unwrap(await dag.trigger(triggerRequest(c.req.valid("json"))))), 200);
    })
    .openapi(listRoute, async (c) => {
      const dag = await knownDag(registry, c.env, c.req.valid("param").dag_id);
      refuseUnservedFilters(c, UNSERVED);
      const { limit, offset, order_by: orderBy, state } = c.req.valid("query");
      const keys = sortKeys(orderBy, SORTABLE, { dag_run_id: "run_id" });
      const query = { limit, offset, order_by: keys.length === 0 ? ["id"] : keys };
      const { items, total } = unwrap(await dag.listRuns(state.length === 0 ? query : { ...query, state }));
      return c.json({ dag_runs: items.map((run) => dagRunJson(run)), total_entries: total }, 200);
    })
    .openapi(getRoute, async (c) => {
      const { dag_id: dagId, dag_run_id: runId } = c.req.valid("param");
      const dag = await knownDag(registry, c.env, dagId);
      return c.json(dagRunJson(unwrap(await dag.getRun(runId, c.req.valid("query").wait))), 200);
    });
}
