/**
 * What a backfill would do, and what became of it: Airflow's dry run, the plan and the report.
 *
 * @module
 */
import { createRoute, OpenAPIHono } from "@hono/zod-openapi";
import type { z } from "zod";
import type { BackfillPlanView } from "../../engine/backfill-objects.ts";
import type { ApiDeps, ApiEnv, ApiRegistry, AppEnv } from "../env.ts";
import { notFound, unwrap } from "../errors.ts";
import { backfillOwner, backfillParams, dagToBackfill } from "../known-backfill.ts";
import { body, json, refusals } from "../responses.ts";
import { backfillBody, backfillRequest } from "../schemas/backfill-bodies.ts";
import { backfillPlanJson, backfillPlanSchema, dryRunJson, dryRunSchema } from "../schemas/backfill-plan.ts";
import { backfillReportJson, backfillReportSchema } from "../schemas/backfill-report.ts";

const request = { body: body(backfillBody, "The DAG and the dates, and how to run them") };

const dryRunRoute = createRoute({
  method: "post",
  path: "/backfills/dry_run",
  tags: ["Backfill"],
  summary: "List the dates that a backfill would run",
  request,
  responses: { 200: json(dryRunSchema, "The dates"), ...refusals(400, 401, 404, 413, 415, 422) },
});

const planRoute = createRoute({
  method: "post",
  path: "/backfills/plan",
  tags: ["Backfill"],
  summary: "Say what a backfill would do to each of its dates",
  request,
  responses: { 200: json(backfillPlanSchema, "The plan"), ...refusals(400, 401, 404, 413, 415, 422) },
});

const reportRoute = createRoute({
  method: "get",
  path: "/backfills/{backfill_id}/report",
  tags: ["Backfill"],
  summary: "Say what became of a backfill",
  request: { params: backfillParams },
  responses: { 200: json(backfillReportSchema, "The report"), ...refusals(401, 404, 422) },
});

/** Routes that look at backfills before they are made, and after. */
export function backfillPlanRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(dryRunRoute, async (c) => c.json(dryRunJson(await planOf(registry, c.env, c.req.valid("json"))), 200))
    .openapi(planRoute, async (c) => c.json(backfillPlanJson(await planOf(registry, c.env, c.req.valid("json"))), 200))
    .openapi(reportRoute, async (c) => {
      const { backfill_id: id } = c.req.valid("param");
      const dag = await backfillOwner(registry, c.env, id);
      return c.json(backfillReportJson(unwrap(await dag.reportBackfill(id))), 200);
    });
}

async function planOf(
  registry: ApiRegistry,
  env: ApiEnv,
  given: z.output<typeof backfillBody>,
): Promise<BackfillPlanView> {
  const dag = await dagToBackfill(registry, env, given.dag_id);
  if (dag === null) {
    throw notFound(`Could not find dag ${given.dag_id.slice(0, 250)}`);
  }
  return unwrap(await dag.planBackfill(backfillRequest(given, null)));
}
