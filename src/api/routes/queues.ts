/**
 * Queues, which the configuration has, and roles, which stand for them and may be given another one at any time.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { readQueues } from "../../engine/queues.ts";
import { queueName } from "../../engine/spec.ts";
import type { AppEnv } from "../env.ts";
import { notFound, unwrap } from "../errors.ts";
import { suggestion } from "../nearest.ts";
import { catalogObject } from "../objects.ts";
import { body, json, refusals } from "../responses.ts";
import { queueCollectionJson, queueCollectionSchema, queueRoleJson, queueRoleSchema } from "../schemas/queue.ts";

const OURS = "Not an endpoint of Airflow's.";

const params = z.object({
  // Programs that read URLs take these for directories, so that nobody could ask for a role of that name.
  role: queueName.regex(/^(?!\.{1,2}$)/, "expected a name other than '.' and '..'"),
});

const listRoute = createRoute({
  method: "get",
  path: "/queues",
  tags: ["Queue"],
  summary: "List the queues with their rate limits, and the roles that stand for them",
  description: `${OURS} Queues are configured by the variable QUEUES.`,
  responses: { 200: json(queueCollectionSchema, "All of them"), ...refusals(401) },
});

const putRoute = createRoute({
  method: "put",
  path: "/queues/roles/{role}",
  tags: ["Queue"],
  summary: "Make a role, or let it stand for another queue",
  description: `${OURS} What is sent from then on goes to that queue, within five seconds everywhere.`,
  request: { params, body: body(z.strictObject({ queue: z.string() }).openapi("QueueRoleBody"), "The queue") },
  responses: { 200: json(queueRoleSchema, "The role"), ...refusals(400, 401, 409, 413, 415, 422) },
});

const deleteRoute = createRoute({
  method: "delete",
  path: "/queues/roles/{role}",
  tags: ["Queue"],
  summary: "Delete a role",
  description: `${OURS} Tasks that name it wait until there is such a role again, and fail after three queued timeouts.`,
  request: { params },
  responses: { 204: { description: "It is gone" }, ...refusals(401, 404, 422) },
});

/** Routes of queues and roles. */
export function queueRoutes() {
  return new OpenAPIHono<AppEnv>()
    .openapi(listRoute, async (c) =>
      c.json(queueCollectionJson(readQueues(c.env.QUEUES), await catalogObject(c.env).listRoles()), 200),
    )
    .openapi(putRoute, async (c) => {
      const role = unwrap(await catalogObject(c.env).setRole(c.req.valid("param").role, c.req.valid("json").queue));
      return c.json(queueRoleJson(role), 200);
    })
    .openapi(deleteRoute, async (c) => {
      const { role } = c.req.valid("param");
      const catalog = catalogObject(c.env);
      const roles = new Map((await catalog.listRoles()).map((each) => [each.role, null]));
      if (!roles.has(role)) {
        throw notFound(`The queue role with name: \`${role}\` was not found${suggestion(role, roles)}`);
      }
      await catalog.removeRole(role);
      return c.body(null, 204);
    });
}
