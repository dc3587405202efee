/**
 * Marks and notes of task instances.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { ApiDeps, AppEnv } from "../env.ts";
import { knownDag } from "../known-dag.ts";
import { repeated } from "../query.ts";
import { body, json, refusals } from "../responses.ts";
import { taskInstanceCollectionJson, taskInstanceCollectionSchema } from "../schemas/task-instance.ts";
import { patchTaskInstanceBody } from "../schemas/task-instance-bodies.ts";
import { mapIndexText, mappedParams, targetOf, taskParams } from "../task-instance-address.ts";
import { patchInstances, patchOf, previewPatch } from "../task-instance-patch.ts";

const INSTANCE = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}";

const updateMask = repeated.openapi({ description: "Only these fields of the body count" });
const maskQuery = z.object({ update_mask: updateMask });
const wideQuery = z.object({
  map_index: mapIndexText
    .optional()
    .openapi({ type: "integer", minimum: -1, description: "Not given: every instance of the task" }),
  update_mask: updateMask,
});

const patchBody = body(patchTaskInstanceBody, "A state, a note, or both");
const responses = {
  200: json(taskInstanceCollectionSchema, "The task instances that the path names, as they are now"),
  ...refusals(400, 401, 404, 409, 413, 415, 422),
};
const previewResponses = {
  200: json(taskInstanceCollectionSchema, "The task instances that would change, as they are now"),
  ...refusals(400, 401, 404, 413, 415, 422),
};

const patchRoute = createRoute({
  method: "patch",
  path: INSTANCE,
  tags: ["TaskInstance"],
  summary: "Mark a task instance, or all of a mapped task, or set its note",
  request: { params: taskParams, query: wideQuery, body: patchBody },
  responses,
});

const patchMappedRoute = createRoute({
  method: "patch",
  path: `${INSTANCE}/{map_index}` as const,
  tags: ["TaskInstance"],
  summary: "Mark one task instance of a mapped task, or set its note",
  request: { params: mappedParams, query: maskQuery, body: patchBody },
  responses,
});

const dryRunRoute = createRoute({
  method: "patch",
  path: `${INSTANCE}/dry_run` as const,
  tags: ["TaskInstance"],
  summary: "List what marking a task instance would change",
  request: { params: taskParams, query: wideQuery, body: patchBody },
  responses: previewResponses,
});

const dryRunMappedRoute = createRoute({
  method: "patch",
  path: `${INSTANCE}/{map_index}/dry_run` as const,
  tags: ["TaskInstance"],
  summary: "List what marking one task instance of a mapped task would change",
  request: { params: mappedParams, query: maskQuery, body: patchBody },
  responses: previewResponses,
});

/** Routes that mark and note task instances. The dry runs come first: their paths look like a map index. */
export function taskInstancePatchRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(dryRunRoute, async (c) => {
      const { map_index: mapIndex = null, update_mask: mask } = c.req.valid("query");
      const target = targetOf({ ...c.req.valid("param"), map_index: mapIndex });
      const dag = await knownDag(registry, c.env, target.dagId);
      const instances = await previewPatch(dag, target, patchOf(c.req.valid("json"), mask));
      return c.json(taskInstanceCollectionJson(instances), 200);
    })
    .openapi(dryRunMappedRoute, async (c) => {
      const target = targetOf(c.req.valid("param"));
      const dag = await knownDag(registry, c.env, target.dagId);
      const patch = patchOf(c.req.valid("json"), c.req.valid("query").update_mask);
      return c.json(taskInstanceCollectionJson(await previewPatch(dag, target, patch)), 200);
    })
    .openapi(patchRoute, async (c) => {
      const { map_index: mapIndex = null, update_mask: mask } = c.req.valid("query");
      const target = targetOf({ ...c.req.valid("param"), map_index: mapIndex });
      const dag = await knownDag(registry, c.env, target.dagId);
      const instances = await patchInstances(dag, target, patchOf(c.req.valid("json"), mask));
      return c.json(taskInstanceCollectionJson(instances), 200);
    })
    .openapi(patchMappedRoute, async (c) => {
      const target = targetOf(c.req.valid("param"));
      const dag = await knownDag(registry, c.env, target.dagId);
      const patch = patchOf(c.req.valid("json"), c.req.valid("query").update_mask);
      return c.json(taskInstanceCollectionJson(await patchInstances(dag, target, patch)), 200);
    });
}
