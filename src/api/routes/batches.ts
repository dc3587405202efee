/**
 * Bulk submissions.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { batchKey } from "../../engine/batch-ids.ts";
import type { AppEnv } from "../env.ts";
import { notFound, unwrap } from "../errors.ts";
import { ulidInput } from "../ids.ts";
import { findBatch } from "../objects.ts";
import { allowedWait } from "../long-polls.ts";
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
    const batch = await findBatch(c.env, batchKey(batchId));
    if (batch === null) {
      throw notFound(`expected the id of a bulk submission, got ${JSON.stringify(batchId)}, of which there is none`);
    }
    return c.json(batchJson(unwrap(await batch.getBatch(allowedWait(c.env, c.req.valid("query").wait)))), 200);
  });
}
