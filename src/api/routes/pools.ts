/**
 * Pools, in Airflow's paths and fields, and who holds their slots.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { bulkBody, bulkResponseSchema, runBulk } from "../bulk.ts";
import type { ApiDeps, AppEnv } from "../env.ts";
import { changePool, deletePool, findPools, knownPool, makePool, ofPool } from "../pools.ts";
import { pageQuery, patternQuery, refuseUnservedFilters, repeated, sortKeys } from "../query.ts";
import { body, json, refusals } from "../responses.ts";
import {
  permitCollectionSchema,
  permitJson,
  poolBody,
  poolCollectionSchema,
  poolJson,
  poolPatchBody,
  poolSchema,
  type PoolBody,
} from "../schemas/pool.ts";

const TAGS = ["Pool"];
const UNSERVED: ReadonlySet<string> = new Set(["pool_name_prefix_pattern"]);
const params = z.object({ pool_name: z.string() });

const listRoute = createRoute({
  method: "get",
  path: "/pools",
  tags: TAGS,
  summary: "List pools",
  request: {
    query: z.object({
      ...pageQuery,
      order_by: repeated.openapi({ description: "id (order of creation), pool or name; `-` before it for descending" }),
      pool_name_pattern: patternQuery,
    }),
  },
  responses: { 200: json(poolCollectionSchema, "A page of pools"), ...refusals(400, 401, 422) },
});

const postRoute = createRoute({
  method: "post",
  path: "/pools",
  tags: TAGS,
  summary: "Make a pool",
  request: { body: body(poolBody, "The pool") },
  responses: { 201: json(poolSchema, "The pool"), ...refusals(400, 401, 409, 413, 415, 422) },
});

const bulkRoute = createRoute({
  method: "patch",
  path: "/pools",
  tags: TAGS,
  summary: "Make, change or delete many pools",
  description: "One pool that cannot be made, changed or deleted stops no other.",
  request: { body: body(bulkBody(poolBody, "PoolBody"), "The actions") },
  responses: { 200: json(bulkResponseSchema, "What succeeded and what did not"), ...refusals(400, 401, 413, 415, 422) },
});

const getRoute = createRoute({
  method: "get",
  path: "/pools/{pool_name}",
  tags: TAGS,
  summary: "Get a pool",
  request: { params },
  responses: { 200: json(poolSchema, "The pool"), ...refusals(401, 404) },
});

const patchRoute = createRoute({
  method: "patch",
  path: "/pools/{pool_name}",
  tags: TAGS,
  summary: "Change a pool",
  description:
    "What is left out stays as it is. One that is made smaller takes nothing back: it grants nothing until enough was released.",
  request: {
    params,
    query: z.object({
      update_mask: repeated.openapi({ description: "Only these fields of the body count; others are ignored" }),
    }),
    body: body(poolPatchBody, "The new values"),
  },
  responses: { 200: json(poolSchema, "The pool"), ...refusals(400, 401, 404, 413, 415, 422) },
});

const deleteRoute = createRoute({
  method: "delete",
  path: "/pools/{pool_name}",
  tags: TAGS,
  summary: "Delete a pool that nobody holds slots of or waits for",
  request: { params },
  responses: { 204: { description: "It is gone" }, ...refusals(400, 401, 404, 409) },
});

const permitsRoute = createRoute({
  method: "get",
  path: "/pools/{pool_name}/permits",
  tags: TAGS,
  summary: "List who holds slots of a pool and who waits for them",
  description:
    "Not an endpoint of Airflow's. Who deferred comes first, then who holds slots, the longest first, then who waits, in order.",
  request: { params, query: z.object(pageQuery) },
  responses: { 200: json(permitCollectionSchema, "A page of them"), ...refusals(401, 404, 422) },
});

/** Routes of pools. */
export function poolRoutes({ now }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(listRoute, async (c) => {
      refuseUnservedFilters(c, UNSERVED);
      const { order_by: orderBy, pool_name_pattern: pattern, ...page } = c.req.valid("query");
      const keys = sortKeys(orderBy, ["id", "pool"], { name: "pool" });
      const { items, total } = await findPools(c.env, pattern ?? null, keys[0] ?? "id", page, now());
      return c.json({ pools: items.map(({ name, view }) => poolJson(name, view)), total_entries: total }, 200);
    })
    .openapi(postRoute, async (c) => {
      const pool = c.req.valid("json");
      return c.json(poolJson(pool.name, await makePool(c.env, pool, false)), 201);
    })
    .openapi(bulkRoute, async (c) => {
      const response = await runBulk<PoolBody>(c.req.valid("json").actions, {
        create: async (pool, isOverwriting) => {
          await makePool(c.env, pool, isOverwriting);
          return [pool.name];
        },
        update: async (pool, mask) => {
          await changePool(c.env, pool.name, pool, mask ?? []);
          return [pool.name];
        },
        delete: async (pool) => {
          const name = typeof pool === "string" ? pool : pool.name;
          await deletePool(c.env, name);
          return [name];
        },
      });
      return c.json(response, 200);
    })
    .openapi(getRoute, async (c) => {
      const { pool_name: name } = c.req.valid("param");
      return c.json(poolJson(name, ofPool(name, await (await knownPool(c.env, name)).describe(true))), 200);
    })
    .openapi(patchRoute, async (c) => {
      const { pool_name: name } = c.req.valid("param");
      return c.json(
        poolJson(name, await changePool(c.env, name, c.req.valid("json"), c.req.valid("query").update_mask)),
        200,
      );
    })
    .openapi(deleteRoute, async (c) => {
      await deletePool(c.env, c.req.valid("param").pool_name);
      return c.body(null, 204);
    })
    .openapi(permitsRoute, async (c) => {
      const { pool_name: name } = c.req.valid("param");
      const { limit, offset } = c.req.valid("query");
      const { items, total } = ofPool(name, await (await knownPool(c.env, name)).listPermits(limit, offset));
      return c.json({ permits: items.map(permitJson), total_entries: total }, 200);
    });
}
