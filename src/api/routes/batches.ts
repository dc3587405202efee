/**
 * Bulk submissions.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { batchKey } from "../../engine/batch-ids.ts";
import type { AppEnv } from "../env.ts";
import { unwrap } from "../errors.ts";
import { ulidInput } from "../ids.ts";
import { batchObject } from "../objects.ts";
import { waitQuery } from "../query.ts";
import { json, refusals } from "../responses.ts";
import { batchJson, batchSchema } from "../schemas/batch.ts";

const getRoute = createRoute({
  method: "get",
  path: "/batches/{batch_id}",
  tags: ["Task"],
  summary: "Get a bulk submission",
  request: { params: z.object({ batch_id: ulidInput }), query: z.object({ wait: waitQuery }) },
  responses: { 200: json(batchSchema, "The batch"), ...refusals(401, 404, 422) },
});

/** Routes of bulk submissions. */
export function batchRoutes() {
  return new OpenAPIHono<AppEnv>().openapi(getRoute, async (c) => {
    const { batch_id: batchId } = c.req.valid("param");
    const batch = unwrap(await batchObject(c.env, batchKey(batchId)).getBatch(c.req.valid("query").wait));
    return c.json(batchJson(batch), 200);
  });
}
