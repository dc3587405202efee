/**
 * The tags of all DAGs, in Airflow's path and fields.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { matchesPattern } from "../../engine/like.ts";
import { allSpecs } from "../dag-lists.ts";
import type { ApiDeps, AppEnv } from "../env.ts";
import { pageQuery, patternQuery, refuseUnservedFilters, repeated, sortKeys } from "../query.ts";
import { json, refusals } from "../responses.ts";
import { Unavailable, unavailableField } from "../unavailable.ts";

const tagCollectionSchema = z
  .object({ tags: z.array(z.string()), total_entries: z.number().int(), ...unavailableField })
  .openapi("DAGTagCollection");

const UNSERVED: ReadonlySet<string> = new Set(["tag_name_prefix_pattern"]);

const listRoute = createRoute({
  method: "get",
  path: "/dagTags",
  tags: ["DAG"],
  summary: "List the tags that DAGs have",
  request: {
    query: z.object({
      ...pageQuery,
      order_by: repeated.openapi({ description: "name; `-` before it for descending" }),
      tag_name_pattern: patternQuery,
    }),
  },
  responses: { 200: json(tagCollectionSchema, "A page of names"), ...refusals(400, 401, 422) },
});

/** The route of tags. */
export function dagTagRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>().openapi(listRoute, async (c) => {
    refuseUnservedFilters(c, UNSERVED);
    const { limit, offset, order_by: orderBy, tag_name_pattern: pattern = "~" } = c.req.valid("query");
    const [key] = sortKeys(orderBy, ["name"]);
    const unavailable = new Unavailable();
    const specs = await allSpecs(registry, c.env, unavailable);
    const names = [...new Set(specs.flatMap(({ tags }) => tags))].filter((name) => matchesPattern(name, pattern));
    names.sort();
    if (key === "-name") {
      names.reverse();
    }
    const tags = names.slice(offset, offset + limit);
    return c.json({ tags, total_entries: names.length, ...unavailable.field() }, 200);
  });
}
