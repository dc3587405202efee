/**
 * DAG runs, in Airflow's paths and fields: trigger, get, change, delete.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { ApiDeps, AppEnv } from "../env.ts";
import { unwrap } from "../errors.ts";
import { knownDag } from "../known-dag.ts";
import { allowedWait } from "../long-polls.ts";
import { repeated, waitQuery } from "../query.ts";
import { body, json, refusals } from "../responses.ts";
import { dagRunJson, dagRunSchema } from "../schemas/dag-run.ts";
import { dagRunPatchBody, runPatch } from "../schemas/dag-run-bodies.ts";
import { triggerBody, triggered, triggerRequest, triggerWarnings } from "../trigger.ts";

const dagParams = z.object({ dag_id: z.string() });
const runParams = dagParams.extend({ dag_run_id: z.string() });
const RUN = "/dags/{dag_id}/dagRuns/{dag_run_id}";
const run = json(dagRunSchema, "The run");

const triggerRoute = createRoute({
  method: "post",
  path: "/dags/{dag_id}/dagRuns",
  tags: ["DagRun"],
  summary: "Trigger a run",
  request: {
    params: dagParams,
    body: body(triggerBody, "The run; the key logical_date is required, its value may be null"),
  },
  responses: { 200: run, ...refusals(400, 401, 404, 409, 413, 415, 422) },
});

const getRoute = createRoute({
  method: "get",
  path: RUN,
  tags: ["DagRun"],
  summary: "Get a run, or wait for its end",
  request: { params: runParams, query: z.object({ wait: waitQuery }) },
  responses: { 200: run, ...refusals(401, 404, 422) },
});

const patchRoute = createRoute({
  method: "patch",
  path: RUN,
  tags: ["DagRun"],
  summary: "Mark a run, or set its note",
  request: {
    params: runParams,
    query: z.object({
      update_mask: repeated.openapi({
        description: "Of state and note, what counts of the body; other names are ignored",
      }),
    }),
    body: body(dagRunPatchBody, "The state, the note, or both"),
  },
  responses: { 200: run, ...refusals(400, 401, 404, 409, 413, 415, 422) },
});

const deleteRoute = createRoute({
  method: "delete",
  path: RUN,
  tags: ["DagRun"],
  summary: "Delete a run with all that is kept of it",
  request: { params: runParams },
  responses: { 204: { description: "It is gone" }, ...refusals(401, 404, 409) },
});

/** Routes of single DAG runs. */
export function dagRunRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(triggerRoute, async (c) => {
      const dag = await knownDag(registry, c.env, c.req.valid("param").dag_id);
      const request = triggerRequest(c.req.valid("json"), c.get("caller")?.name ?? null);
      const view = triggered(await dag.trigger(request));
      return c.json({ ...dagRunJson(view), ...triggerWarnings(view) }, 200);
    })
    .openapi(getRoute, async (c) => {
      const { dag_id: dagId, dag_run_id: runId } = c.req.valid("param");
      const dag = await knownDag(registry, c.env, dagId);
      return c.json(dagRunJson(unwrap(await dag.getRun(runId, allowedWait(c.env, c.req.valid("query").wait)))), 200);
    })
    .openapi(patchRoute, async (c) => {
      const { dag_id: dagId, dag_run_id: runId } = c.req.valid("param");
      const dag = await knownDag(registry, c.env, dagId);
      const patch = runPatch(c.req.valid("json"), c.req.valid("query").update_mask);
      const changesNothing = Object.keys(patch).length === 0;
      const answer = await (changesNothing ? dag.getRun(runId, 0) : dag.patchRun(runId, patch));
      return c.json(dagRunJson(unwrap(answer)), 200);
    })
    .openapi(deleteRoute, async (c) => {
      const { dag_id: dagId, dag_run_id: runId } = c.req.valid("param");
      unwrap(await (await knownDag(registry, c.env, dagId)).deleteRun(runId));
      return c.body(null, 204);
    });
}
