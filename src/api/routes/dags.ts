/**
 * DAGs, in Airflow's paths and fields: list, get, pause.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { DAG_RUN_STATES } from "../../engine/states.ts";
import { dagSortKeys, findDags, type DagFilter, type DagList } from "../dag-lists.ts";
import type { ApiDeps, AppEnv } from "../env.ts";
import { ApiError, unwrap } from "../errors.ts";
import { eachAtMost } from "../gather.ts";
import { knownDag } from "../known-dag.ts";
import { dagObject } from "../objects.ts";
import {
  booleanQuery,
  pageQuery,
  patternQuery,
  rangeQuery,
  rangesOf,
  refuseUnservedFilters,
  repeated,
  repeatedOf,
} from "../query.ts";
import { body, json, refusals } from "../responses.ts";
import { dagCollectionSchema, dagJson, dagSchema } from "../schemas/dag.ts";
import { Unavailable } from "../unavailable.ts";
import { dagDetailsJson, dagDetailsSchema } from "../schemas/dag-details.ts";

const params = z.object({ dag_id: z.string() });

const commonQuery = {
  ...pageQuery,
  dag_id_pattern: patternQuery,
  tags: repeated,
  tags_match_mode: z.enum(["any", "all"]).default("any"),
  owners: repeated,
  paused: booleanQuery,
  exclude_stale: booleanQuery.openapi({ description: "No DAG is stale here" }),
};

const RANGES = ["dag_run_start_date", "dag_run_end_date"] as const;

const listQuery = z.object({
  ...commonQuery,
  order_by: repeated.openapi({
    description:
      "dag_id, dag_display_name, next_dagrun, last_run_state or last_run_start_date; `-` before it for descending",
  }),
  dag_display_name_pattern: patternQuery,
  last_dag_run_state: z.enum(DAG_RUN_STATES).optional(),
  dag_run_state: repeatedOf([...DAG_RUN_STATES, "none"]).openapi({
    description: "States of the latest run; `none` for a DAG without runs",
  }),
  has_import_errors: booleanQuery.openapi({ description: "No DAG has any here" }),
  has_asset_schedule: booleanQuery.openapi({ description: "No DAG has any here" }),
  is_favorite: booleanQuery.openapi({ description: "No DAG is one here" }),
  ...rangeQuery(...RANGES),
});

const UNSERVED_BY_BOTH = ["bundle_name", "bundle_version", "dag_id_prefix_pattern"];
const UNSERVED: ReadonlySet<string> = new Set([
  ...UNSERVED_BY_BOTH,
  "asset_dependency",
  "timetable_type",
  "dag_display_name_prefix_pattern",
]);
const UNSERVED_BY_PATCH: ReadonlySet<string> = new Set(UNSERVED_BY_BOTH);

const listRoute = createRoute({
  method: "get",
  path: "/dags",
  tags: ["DAG"],
  summary: "List DAGs",
  request: { query: listQuery },
  responses: { 200: json(dagCollectionSchema, "A page of DAGs"), ...refusals(400, 401, 422) },
});

const getRoute = createRoute({
  method: "get",
  path: "/dags/{dag_id}",
  tags: ["DAG"],
  summary: "Get a DAG",
  request: { params },
  responses: { 200: json(dagSchema, "The DAG"), ...refusals(401, 404) },
});

const detailsRoute = createRoute({
  method: "get",
  path: "/dags/{dag_id}/details",
  tags: ["DAG"],
  summary: "Get all there is to know of a DAG",
  request: { params },
  responses: { 200: json(dagDetailsSchema, "The DAG"), ...refusals(401, 404) },
});

const patchBody = z.strictObject({ is_paused: z.boolean() }).openapi("DAGPatchBody");
const maskQuery = { update_mask: repeated.openapi({ description: "Only is_paused" }) };

const patchRoute = createRoute({
  method: "patch",
  path: "/dags/{dag_id}",
  tags: ["DAG"],
  summary: "Pause or unpause a DAG",
  request: { params, query: z.object(maskQuery), body: body(patchBody, "The new value") },
  responses: { 200: json(dagSchema, "The DAG"), ...refusals(400, 401, 404, 413, 415, 422) },
});

const patchAllRoute = createRoute({
  method: "patch",
  path: "/dags",
  tags: ["DAG"],
  summary: "Pause or unpause DAGs by pattern",
  description:
    "Without `dag_id_pattern` no DAG is meant, whatever else is given; `~` means all. Answers a page of them.",
  request: { query: z.object({ ...commonQuery, ...maskQuery }), body: body(patchBody, "The new value") },
  responses: { 200: json(dagCollectionSchema, "A page of the DAGs"), ...refusals(400, 401, 413, 415, 422) },
});

/** Routes of DAGs. */
export function dagRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(listRoute, async (c) => {
      refuseUnservedFilters(c, UNSERVED, RANGES);
      const query = c.req.valid("query");
      const keys = dagSortKeys(query.order_by);
      const isNone = [query.has_import_errors, query.has_asset_schedule, query.is_favorite].includes(true);
      if (isNone) {
        return c.json({ dags: [], total_entries: 0 }, 200);
      }
      const unavailable = new Unavailable();
      const found = await findDags(registry, c.env, filterOf(query), keys, unavailable);
      return c.json({ ...(await collection(found, query)), ...unavailable.field() }, 200);
    })
    .openapi(patchAllRoute, async (c) => {
      refuseUnservedFilters(c, UNSERVED_BY_PATCH);
      const query = c.req.valid("query");
      refuseOtherMask(query.update_mask);
      const { is_paused: isPaused } = c.req.valid("json");
      if (query.dag_id_pattern === undefined) {
        return c.json({ dags: [], total_entries: 0 }, 200);
      }
      const unavailable = new Unavailable();
      const { dagIds } = await findDags(registry, c.env, filterOf(query), [], unavailable);
      const answers = await eachAtMost(dagIds, (dagId) => {
        const pause = async () => {
          const answer = await dagObject(c.env, dagId).setPaused(isPaused);
          return !answer.ok && answer.refusal.code === "not_found" ? [] : [dagJson(unwrap(answer))];
        };
        return unavailable.ask(dagId, pause, []);
      });
      const dags = answers.flat();
      const page = dags.slice(query.offset, query.offset + query.limit);
      return c.json({ dags: page, total_entries: dags.length, ...unavailable.field() }, 200);
    })
    .openapi(getRoute, async (c) => {
      const { dag_id: dagId } = c.req.valid("param");
      return c.json(dagJson(unwrap(await (await knownDag(registry, c.env, dagId)).describe())), 200);
    })
    .openapi(detailsRoute, async (c) => {
      const dag = await knownDag(registry, c.env, c.req.valid("param").dag_id);
      const [view, stats] = await Promise.all([dag.describe(), dag.stats()]);
      return c.json(dagDetailsJson(unwrap(view), unwrap(stats)), 200);
    })
    .openapi(patchRoute, async (c) => {
      const { dag_id: dagId } = c.req.valid("param");
      refuseOtherMask(c.req.valid("query").update_mask);
      const dag = await knownDag(registry, c.env, dagId);
      return c.json(dagJson(unwrap(await dag.setPaused(c.req.valid("json").is_paused))), 200);
    });
}

function refuseOtherMask(mask: readonly string[]): void {
  if (mask.length > 0 && (mask.length > 1 || mask[0] !== "is_paused")) {
    throw new ApiError(
      400,
      `Only \`is_paused\` field can be updated through the REST API, got update_mask ${mask.join(", ").slice(0, 200)}`,
    );
  }
}

interface FilterQuery extends Partial<Omit<z.output<typeof listQuery>, "limit" | "offset" | "order_by">> {}

function filterOf(query: FilterQuery): DagFilter {
  const { dag_id_pattern: id, dag_display_name_pattern: name, last_dag_run_state: last, dag_run_state: states } = query;
  const { dag_run_start_date: start, dag_run_end_date: end } = rangesOf(query, ...RANGES);
  return {
    patterns: [id, name].filter((pattern) => pattern !== undefined),
    tags: query.tags ?? [],
    tags_match_mode: query.tags_match_mode ?? "any",
    owners: query.owners ?? [],
    paused: query.paused,
    last_run_states: [last === undefined ? [] : [last], states ?? []].filter((some) => some.length > 0),
    ...(start === undefined ? {} : { last_run_start_date: start }),
    ...(end === undefined ? {} : { last_run_end_date: end }),
  };
}

async function collection(list: DagList, page: { limit: number; offset: number }) {
  const { items, total } = await list.page(page);
  return { dags: items.map((view) => dagJson(view)), total_entries: total };
}
