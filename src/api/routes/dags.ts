/**
 * DAGs, in Airflow's paths and fields.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { DagView } from "../../engine/objects.ts";
import type { DagSpec } from "../../engine/spec.ts";
import type { ApiDeps, ApiEnv, AppEnv } from "../env.ts";
import { ApiError, unwrap } from "../errors.ts";
import { knownDag } from "../known-dag.ts";
import { matchesPattern } from "../../engine/like.ts";
import { dagObject } from "../objects.ts";
import { booleanQuery, pageQuery, refuseUnservedFilters, repeated, sortKeys } from "../query.ts";
import { body, json, refusals } from "../responses.ts";
import { dagCollectionSchema, dagJson, dagSchema } from "../schemas/dag.ts";

const params = z.object({ dag_id: z.string() });

const PATTERN = "SQL LIKE with the text anywhere: `%` any text, `_` one character, `a|b` either, `~` everything";

const listQuery = z.object({
  ...pageQuery,
  order_by: repeated.openapi({ description: "dag_id or dag_display_name; `-` before it for descending" }),
  dag_id_pattern: z.string().optional().openapi({ description: PATTERN }),
  dag_display_name_pattern: z.string().optional().openapi({ description: PATTERN }),
  tags: repeated,
  tags_match_mode: z.enum(["any", "all"]).default("any"),
  owners: repeated,
  paused: booleanQuery,
  exclude_stale: booleanQuery,
});

const UNSERVED: ReadonlySet<string> = new Set([
  "has_import_errors",
  "last_dag_run_state",
  "bundle_name",
  "bundle_version",
  "has_asset_schedule",
  "asset_dependency",
  "dag_run_state",
  "is_favorite",
  "timetable_type",
]);

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

const patchBody = z.strictObject({ is_paused: z.boolean() }).openapi("DAGPatchBody");

const patchRoute = createRoute({
  method: "patch",
  path: "/dags/{dag_id}",
  tags: ["DAG"],
  summary: "Pause or unpause a DAG",
  request: {
    params,
    query: z.object({ update_mask: repeated.openapi({ description: "Only is_paused" }) }),
    body: body(patchBody, "The new value"),
  },
  responses: { 200: json(dagSchema, "The DAG"), ...refusals(400, 401, 404, 415, 422) },
});

/** Routes of DAGs. */
export function dagRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(listRoute, async (c) => {
      refuseUnservedFilters(c, UNSERVED);
      const query = c.req.valid("query");
      const keys = sortKeys(query.order_by, ["dag_id"], { dag_display_name: "dag_id" });
      const specs = [...registry.dags.values()].map(({ spec }) => spec).filter((spec) => isWanted(spec, query));
      specs.sort((left, right) => (left.dag_id < right.dag_id ? -1 : 1));
      if (keys[0] === "-dag_id") {
        specs.reverse();
      }
      const { items, total } = await page(c.env, specs, query);
      return c.json({ dags: items.map((view) => dagJson(view)), total_entries: total }, 200);
    })
    .openapi(getRoute, async (c) => {
      const { dag_id: dagId } = c.req.valid("param");
      return c.json(dagJson(unwrap(await (await knownDag(registry, c.env, dagId)).describe())), 200);
    })
    .openapi(patchRoute, async (c) => {
      const { dag_id: dagId } = c.req.valid("param");
      const { update_mask: mask } = c.req.valid("query");
      if (mask.length > 0 && (mask.length > 1 || mask[0] !== "is_paused")) {
        throw new ApiError(
          400,
          `Only \`is_paused\` field can be updated through the REST API, got update_mask ${mask.join(", ").slice(0, 200)}`,
        );
      }
      const dag = await knownDag(registry, c.env, dagId);
      return c.json(dagJson(unwrap(await dag.setPaused(c.req.valid("json").is_paused))), 200);
    });
}

type ListQuery = z.output<typeof listQuery>;

function isWanted(spec: DagSpec, query: ListQuery): boolean {
  const patterns = [query.dag_id_pattern, query.dag_display_name_pattern].filter((pattern) => pattern !== undefined);
  const hasTag = (tag: string) => spec.tags.includes(tag);
  const owner = spec.owner.toLowerCase();
  return (
    patterns.every((pattern) => matchesPattern(spec.dag_id, pattern)) &&
    (query.tags.length === 0 ||
      (query.tags_match_mode === "all" ? query.tags.every(hasTag) : query.tags.some(hasTag))) &&
    (query.owners.length === 0 || query.owners.some((wanted) => owner.includes(wanted.toLowerCase())))
  );
}

/** Asks the objects of one page. Only the filter on `paused`, which they alone know, must ask them all. */
async function page(
  env: ApiEnv,
  specs: DagSpec[],
  { limit, offset, paused }: ListQuery,
): Promise<{ items: DagView[]; total: number }> {
  if (paused === undefined) {
    return { items: await describeAll(env, specs.slice(offset, offset + limit)), total: specs.length };
  }
  const views = (await describeAll(env, specs)).filter((view) => view.is_paused === paused);
  return { items: views.slice(offset, offset + limit), total: views.length };
}

async function describeAll(env: ApiEnv, specs: DagSpec[]): Promise<DagView[]> {
  const answers = await Promise.all(specs.map((spec) => dagObject(env, spec.dag_id).describe()));
  return answers.map((answer) => unwrap(answer));
}
