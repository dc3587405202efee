/**
 * Clearing task instances: they run again.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { ClearRequest, Refusal } from "../../engine/objects.ts";
import type { ApiDeps, AppEnv } from "../env.ts";
import { ApiError, notFound, refusalError } from "../errors.ts";
import { knownDag } from "../known-dag.ts";
import { body, json, refusals } from "../responses.ts";
import { taskInstanceCollectionJson, taskInstanceCollectionSchema } from "../schemas/task-instance.ts";
import { clearRequest, clearTaskInstancesBody } from "../schemas/task-instance-bodies.ts";

const clearRoute = createRoute({
  method: "post",
  path: "/dags/{dag_id}/clearTaskInstances",
  tags: ["TaskInstance"],
  summary: "Clear task instances, or list what that would clear",
  request: {
    params: z.object({ dag_id: z.string() }),
    body: body(clearTaskInstancesBody, "What to clear; without dry_run false it is only listed"),
  },
  responses: {
    200: json(taskInstanceCollectionSchema, "The task instances that are cleared, or with dry_run would be"),
    ...refusals(400, 401, 404, 409, 413, 415, 422),
  },
});

/** The route that clears task instances. */
export function clearTaskInstancesRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>().openapi(clearRoute, async (c) => {
    const { dag_id: dagId } = c.req.valid("param");
    const dag = await knownDag(registry, c.env, dagId);
    const request = clearRequest(c.req.valid("json"));
    const answer = await dag.clear(request);
    if (!answer.ok) {
      throw clearError(answer.refusal, dagId, request);
    }
    return c.json(taskInstanceCollectionJson(answer.value), 200);
  });
}

/** Airflow's words and codes: the object knows them for what is invalid, and not for a run that is not there. */
function clearError(refusal: Refusal, dagId: string, { run_id: runId }: ClearRequest): ApiError {
  if (refusal.code === "invalid") {
    return new ApiError(400, refusal.message);
  }
  return refusal.code === "not_found" && runId !== null
    ? notFound(`Dag Run id ${runId.slice(0, 250)} not found in dag ${dagId}`)
    : refusalError(refusal);
}
