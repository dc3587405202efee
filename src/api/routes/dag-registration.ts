/**
 * DAGs that come and go over HTTP: put by their spec, delete.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { readDagSpec, type RawSpec } from "../dag-spec.ts";
import type { ApiDeps, AppEnv } from "../env.ts";
import { ApiError, unwrap } from "../errors.ts";
import { isRegistered, knownDag, unregister } from "../known-dag.ts";
import { catalogObject, dagObject } from "../objects.ts";
import { refuseUnknownQueues } from "../queue-names.ts";
import { body, json, refusals } from "../responses.ts";
import { dagJson, dagSchema } from "../schemas/dag.ts";

const params = z.object({ dag_id: z.string() });

const specBody = z
  .custom<RawSpec>((value) => typeof value === "object" && value !== null && !Array.isArray(value), {
    error: "expected an object",
  })
  .openapi("DAGSpec", {
    type: "object",
    description: "A DAG spec; `docs/dag-spec.schema.json` has its JSON Schema. `dag_id` may be left out",
    required: ["tasks"],
    properties: {
      dag_id: { type: "string" },
      description: { type: ["string", "null"] },
      tags: { type: "array", items: { type: "string" } },
      tasks: {
        type: "array",
        items: {
          type: "object",
          required: ["task_id", "handler"],
          properties: {
            task_id: { type: "string" },
            handler: { type: "string", description: "Name of a registered task" },
            upstream_task_ids: { type: "array", items: { type: "string" } },
          },
        },
      },
    },
  });

const putRoute = createRoute({
  method: "put",
  path: "/dags/{dag_id}",
  tags: ["DAG"],
  summary: "Register a DAG by its spec, or replace it",
  description:
    "Not an endpoint of Airflow's. A spec that differs from the newest becomes a new version; runs keep the one they began with.",
  request: { params, body: body(specBody, "The spec") },
  responses: {
    200: json(dagSchema, "The DAG, which was there before"),
    201: json(dagSchema, "The DAG, which is new"),
    ...refusals(400, 401, 409, 413, 415, 422),
  },
});

const deleteRoute = createRoute({
  method: "delete",
  path: "/dags/{dag_id}",
  tags: ["DAG"],
  summary: "Delete a DAG with all its runs",
  description: "One that the deployed code defines begins anew, without runs.",
  request: { params },
  responses: { 204: { description: "It is gone" }, ...refusals(401, 404, 409) },
});

/** Routes that make DAGs and delete them. */
export function dagRegistrationRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(putRoute, async (c) => {
      const { dag_id: dagId } = c.req.valid("param");
      if (registry.dags.has(dagId)) {
        throw new ApiError(
          409,
          `expected the id of a DAG that the deployed code does not define, got ${JSON.stringify(dagId)}`,
        );
      }
      const spec = readDagSpec(dagId, c.req.valid("json"), registry.tasks);
      await refuseUnknownQueues(c.env, spec);
      const catalog = catalogObject(c.env);
      const dag = dagObject(c.env, dagId);
      const isThere = (await isRegistered(c.env, dagId)) && (await dag.describe()).ok;
      // First, so that a DAG that is stored can always be found; and again, should it be deleted in between.
      unwrap(await catalog.add(dagId));
      const view = unwrap(await dag.register(spec));
      const added = await catalog.add(dagId);
      if (!added.ok) {
        // Its place was taken in between. Without it nobody could find the DAG.
        await dag.deleteDag();
      }
      unwrap(added);
      return c.json(dagJson(view), isThere ? 200 : 201);
    })
    .openapi(deleteRoute, async (c) => {
      const { dag_id: dagId } = c.req.valid("param");
      const dag = await knownDag(registry, c.env, dagId);
      const deleted = await dag.deleteDag();
      if (!registry.dags.has(dagId) && (deleted.ok || deleted.refusal.code === "not_found")) {
        await unregister(c.env, dagId);
        // Should it have been registered again meanwhile, it must not be lost.
        if ((await dag.describe()).ok) {
          await catalogObject(c.env).add(dagId);
        }
      }
      unwrap(deleted);
      return c.body(null, 204);
    });
}
