/**
 * Lists of DAG runs, of one DAG or of all, by query or by body.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { RunFilter } from "../../engine/objects.ts";
import { DAG_RUN_STATES } from "../../engine/states.ts";
import { boundsOf, pageBody, rangeBody, valuesBody } from "../batch-body.ts";
import type { ApiDeps, AppEnv } from "../env.ts";
import { ALL, knownDagIds } from "../known-dag.ts";
import {
  MAX_LIMIT,
  pageQuery,
  patternQuery,
  rangeQuery,
  rangesOf,
  refuseUnservedFilters,
  repeated,
  repeatedIntegers,
  repeatedOf,
} from "../query.ts";
import { body, json, refusals } from "../responses.ts";
import { dagIdsOf, listRuns, RUN_SORT_KEYS } from "../run-lists.ts";
import { RUN_TYPES } from "../schemas/dag.ts";
import { dagRunCollectionJson, dagRunCollectionSchema } from "../schemas/dag-run.ts";
import { Unavailable } from "../unavailable.ts";

const RANGES = ["run_after", "logical_date", "start_date", "end_date", "updated_at", "duration"] as const;

const UNSERVED: ReadonlySet<string> = new Set([
  "bundle_version",
  "partition_key_pattern",
  "partition_key_prefix_pattern",
  "partition_date_gte",
  "partition_date_lte",
  "run_id_prefix_pattern",
  "triggering_user_name_prefix_pattern",
  "dag_id_prefix_pattern",
  "consuming_asset_pattern",
  "cursor",
]);

const orderBy = `One of ${RUN_SORT_KEYS.join(", ")}; \`-\` before it for descending`;

const confContains = z
  .string()
  .max(1000, "expected at most 1000 characters")
  .openapi({ description: "The conf as JSON text contains this" });

const listQuery = z.object({
  ...pageQuery,
  order_by: repeated.openapi({ description: orderBy }),
  run_type: repeatedOf(RUN_TYPES),
  state: repeatedOf([...DAG_RUN_STATES, "none"]).openapi({ description: "`none`, for no state, fits no run" }),
  dag_version: repeatedIntegers,
  run_id_pattern: patternQuery,
  triggering_user_name_pattern: patternQuery,
  dag_id_pattern: patternQuery,
  conf_contains: confContains.optional(),
  ...rangeQuery(...RANGES),
});

const listRoute = createRoute({
  method: "get",
  path: "/dags/{dag_id}/dagRuns",
  tags: ["DagRun"],
  summary: "List the runs of a DAG, or with ~ of all DAGs",
  request: { params: z.object({ dag_id: z.string() }), query: listQuery },
  responses: { 200: json(dagRunCollectionSchema, "A page of runs"), ...refusals(400, 401, 404, 422) },
});

const BATCH_RANGES = ["run_after", "logical_date", "start_date", "end_date", "duration"] as const;

const batchBody = z
  .strictObject({
    order_by: z.string().nullish().openapi({ description: orderBy }),
    ...pageBody,
    dag_ids: valuesBody(z.string()).openapi({ description: "None: all DAGs. Unknown ones are left out" }),
    states: valuesBody(z.enum(DAG_RUN_STATES).nullable()),
    conf_contains: confContains.nullish(),
    ...rangeBody(...BATCH_RANGES),
  })
  .openapi("DAGRunsBatchBody");

const batchRoute = createRoute({
  method: "post",
  path: "/dags/{dag_id}/dagRuns/list",
  tags: ["DagRun"],
  summary: "List runs of many DAGs",
  request: {
    params: z.object({ dag_id: z.literal(ALL, { error: 'expected "~": the body names the DAGs' }) }),
    body: body(batchBody, "Which runs, and which page of them"),
  },
  responses: { 200: json(dagRunCollectionSchema, "A page of runs"), ...refusals(400, 401, 413, 415, 422) },
});

/** Routes of lists of DAG runs. */
export function dagRunListRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(listRoute, async (c) => {
      refuseUnservedFilters(c, UNSERVED, RANGES);
      const query = c.req.valid("query");
      const { limit, offset, order_by: order } = query;
      const { dag_id: dagId } = c.req.valid("param");
      const dagIds = await dagIdsOf(registry, c.env, dagId, query.dag_id_pattern);
      const unavailable = dagId === ALL ? new Unavailable() : undefined;
      const request = { filter: filterOf(query), orderBy: order, limit, offset };
      const page = await listRuns(c.env, dagIds, request, unavailable);
      return c.json({ ...dagRunCollectionJson(page.items, page.total), ...unavailable?.field() }, 200);
    })
    .openapi(batchRoute, async (c) => {
      const wanted = c.req.valid("json");
      const named = new Set(wanted.dag_ids ?? []);
      const states = wanted.states ?? [];
      const known = await knownDagIds(registry, c.env);
      const request = {
        filter: {
          ...rangesOf(boundsOf(wanted, ...BATCH_RANGES), ...BATCH_RANGES),
          ...(states.length === 0 ? {} : { state: states.map((state) => state ?? "none") }),
          ...(isGiven(wanted.conf_contains) ? { conf_contains: wanted.conf_contains } : {}),
        },
        orderBy: isGiven(wanted.order_by) ? [wanted.order_by] : [],
        limit: Math.min(wanted.page_limit, MAX_LIMIT),
        offset: wanted.page_offset,
      };
      const unavailable = new Unavailable();
      const dagIds = named.size === 0 ? known : known.filter((id) => named.has(id));
      const page = await listRuns(c.env, dagIds, request, unavailable);
      return c.json({ ...dagRunCollectionJson(page.items, page.total), ...unavailable.field() }, 200);
    });
}

function filterOf(query: z.output<typeof listQuery>): RunFilter {
  const { run_id_pattern: runId, triggering_user_name_pattern: user, conf_contains: conf } = query;
  return {
    ...rangesOf(query, ...RANGES),
    ...(query.state.length === 0 ? {} : { state: query.state }),
    ...(query.run_type.length === 0 ? {} : { run_type: query.run_type }),
    ...(query.dag_version.length === 0 ? {} : { dag_version: query.dag_version }),
    ...(runId === undefined ? {} : { run_id_pattern: runId }),
    ...(user === undefined ? {} : { triggering_user_name_pattern: user }),
    ...(conf === undefined ? {} : { conf_contains: conf }),
  };
}

function isGiven(text: string | null | undefined): text is string {
  return text !== undefined && text !== null && text !== "";
}
