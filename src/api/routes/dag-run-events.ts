/**
 * What Airflow keeps beside a run and Jobbers has none of: asset events that led to it, and questions to humans in it.
 * For a run that is there the answer is an empty list.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { ApiDeps, ApiEnv, ApiRegistry, AppEnv } from "../env.ts";
import { unwrap } from "../errors.ts";
import { ALL, knownDag, requireDag } from "../known-dag.ts";
import { json, refusals } from "../responses.ts";

const params = z.object({ dag_id: z.string(), dag_run_id: z.string() });
const none = z.array(z.unknown()).max(0).openapi({ description: "Always empty" });

const assetEventsRoute = createRoute({
  method: "get",
  path: "/dags/{dag_id}/dagRuns/{dag_run_id}/upstreamAssetEvents",
  tags: ["DagRun"],
  summary: "List the asset events that started a run: none, for there are no assets",
  request: { params },
  responses: {
    200: json(z.object({ asset_events: none, total_entries: z.number().int() }), "An empty list"),
    ...refusals(401, 404),
  },
});

const hitlRoute = createRoute({
  method: "get",
  path: "/dags/{dag_id}/dagRuns/{dag_run_id}/hitlDetails",
  tags: ["DagRun"],
  summary: "List the questions a run asks humans: none, for no task asks any",
  description: "~ as the DAG or the run stands for all of them.",
  request: { params },
  responses: {
    200: json(z.object({ hitl_details: none, total_entries: z.number().int() }), "An empty list"),
    ...refusals(401, 404),
  },
});

/** Routes of what runs have nothing of. */
export function dagRunEventRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(assetEventsRoute, async (c) => {
      const { dag_id: dagId, dag_run_id: runId } = c.req.valid("param");
      await requireRun(registry, c.env, dagId, runId);
      return c.json({ asset_events: [], total_entries: 0 }, 200);
    })
    .openapi(hitlRoute, async (c) => {
      const { dag_id: dagId, dag_run_id: runId } = c.req.valid("param");
      if (dagId !== ALL && runId === ALL) {
        await requireDag(registry, c.env, dagId);
      } else if (dagId !== ALL) {
        await requireRun(registry, c.env, dagId, runId);
      }
      return c.json({ hitl_details: [], total_entries: 0 }, 200);
    });
}

async function requireRun(registry: ApiRegistry, env: ApiEnv, dagId: string, runId: string): Promise<void> {
  unwrap(await (await knownDag(registry, env, dagId)).getRun(runId, 0));
}
