/**
 * Backfills, in Airflow's paths and fields: make, list, get, pause, unpause, cancel.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { ApiDeps, AppEnv } from "../env.ts";
import { notFound, unwrap } from "../errors.ts";
import { backfillOwner, backfillParams, dagToBackfill } from "../known-backfill.ts";
import { catalogObject } from "../objects.ts";
import { pageQuery, repeated, sortKeys } from "../query.ts";
import { body, json, refusals } from "../responses.ts";
import { backfillBody, backfillRequest } from "../schemas/backfill-bodies.ts";
import { backfillCollectionSchema, backfillJson, backfillSchema } from "../schemas/backfill.ts";

const BACKFILL = "/backfills/{backfill_id}";
const backfill = json(backfillSchema, "The backfill");

const listRoute = createRoute({
  method: "get",
  path: "/backfills",
  tags: ["Backfill"],
  summary: "List the backfills of a DAG",
  request: {
    query: z.object({
      dag_id: z.string(),
      ...pageQuery,
      order_by: repeated.openapi({ description: "id; `-` before it for descending" }),
    }),
  },
  responses: { 200: json(backfillCollectionSchema, "A page of backfills"), ...refusals(400, 401, 422) },
});

const createRouteOf = createRoute({
  method: "post",
  path: "/backfills",
  tags: ["Backfill"],
  summary: "Make runs for dates of the past",
  request: { body: body(backfillBody, "The DAG and the dates, and how to run them") },
  responses: { 200: backfill, ...refusals(400, 401, 404, 409, 413, 415, 422) },
});

const getRoute = createRoute({
  method: "get",
  path: BACKFILL,
  tags: ["Backfill"],
  summary: "Get a backfill",
  request: { params: backfillParams },
  responses: { 200: backfill, ...refusals(401, 404, 422) },
});

const pauseRoute = changeRoute("pause", "Let no further run of a backfill start");
const unpauseRoute = changeRoute("unpause", "Let a backfill go on");
const cancelRoute = changeRoute("cancel", "End a backfill: its queued runs fail, running ones go on");

function changeRoute<const A extends string>(action: A, summary: string) {
  return createRoute({
    method: "put",
    path: `${BACKFILL}/${action}`,
    tags: ["Backfill"],
    summary,
    request: { params: backfillParams },
    responses: { 200: backfill, ...refusals(401, 404, 409, 422) },
  });
}

/** Routes of backfills. */
export function backfillRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(listRoute, async (c) => {
      const { dag_id: dagId, limit, offset, order_by: orderBy } = c.req.valid("query");
      const [key = "id"] = sortKeys(orderBy, ["id"]);
      const dag = await dagToBackfill(registry, c.env, dagId);
      // As Airflow answers it for a DAG that it does not know.
      const page =
        dag === null ? { items: [], total: 0 } : unwrap(await dag.listBackfills(limit, offset, key.startsWith("-")));
      return c.json({ backfills: page.items.map(backfillJson), total_entries: page.total }, 200);
    })
    .openapi(createRouteOf, async (c) => {
      const given = c.req.valid("json");
      const dag = await dagToBackfill(registry, c.env, given.dag_id);
      if (dag === null) {
        throw notFound(`Could not find dag ${given.dag_id.slice(0, 250)}`);
      }
      const request = backfillRequest(given, c.get("caller")?.name ?? null);
      // First, so that what is refused takes no number.
      unwrap(await dag.checkBackfill(request));
      const id = await catalogObject(c.env).newBackfill(given.dag_id);
      return c.json(backfillJson(unwrap(await dag.createBackfill(id, request))), 200);
    })
    .openapi(getRoute, async (c) => {
      const { backfill_id: id } = c.req.valid("param");
      const dag = await backfillOwner(registry, c.env, id);
      return c.json(backfillJson(unwrap(await dag.getBackfill(id))), 200);
    })
    .openapi(pauseRoute, async (c) => {
      const { backfill_id: id } = c.req.valid("param");
      const dag = await backfillOwner(registry, c.env, id);
      return c.json(backfillJson(unwrap(await dag.setBackfillPaused(id, true))), 200);
    })
    .openapi(unpauseRoute, async (c) => {
      const { backfill_id: id } = c.req.valid("param");
      const dag = await backfillOwner(registry, c.env, id);
      return c.json(backfillJson(unwrap(await dag.setBackfillPaused(id, false))), 200);
    })
    .openapi(cancelRoute, async (c) => {
      const { backfill_id: id } = c.req.valid("param");
      const dag = await backfillOwner(registry, c.env, id);
      return c.json(backfillJson(unwrap(await dag.cancelBackfill(id))), 200);
    });
}
