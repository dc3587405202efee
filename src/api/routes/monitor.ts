/**
 * What tells whether the service lives, and which one it is. Needs no key.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { readSecret, type ApiDeps, type AppEnv } from "../env.ts";
import { json, PUBLIC } from "../responses.ts";
import { dateTime, iso } from "../time.ts";

const versionSchema = z.object({ version: z.string(), git_version: z.string().nullable() }).openapi("VersionInfo");

const versionRoute = createRoute({
  method: "get",
  path: "/version",
  tags: ["Monitor"],
  summary: "Get the version",
  security: PUBLIC,
  responses: { 200: json(versionSchema, "The version of Jobbers") },
});

const status = z.enum(["healthy", "unhealthy"]).nullable();

const healthSchema = z
  .object({
    metadatabase: z.object({ status }),
    scheduler: z.object({ status, latest_scheduler_heartbeat: dateTime.nullable() }),
    triggerer: z.object({ status, latest_triggerer_heartbeat: dateTime.nullable() }),
    dag_processor: z.object({ status, latest_dag_processor_heartbeat: dateTime.nullable() }),
  })
  .openapi("HealthInfo");

const healthRoute = createRoute({
  method: "get",
  path: "/monitor/health",
  tags: ["Monitor"],
  summary: "Get the health",
  description:
    "Every DAG schedules itself, so an answer is the scheduler's heartbeat. The scheduler is unhealthy while the server stops, and while the sweep fails or is missing that wakes what is late once a minute: then its heartbeat is the last sweep that went through. The metadatabase is unhealthy while its disk is full.",
  security: PUBLIC,
  responses: { 200: json(healthSchema, "The health of each part; null for parts that never ran") },
});

function healthyUnless(isUnwell: boolean): "healthy" | "unhealthy" {
  return isUnwell ? "unhealthy" : "healthy";
}

/** Routes of version and health. */
export function monitorRoutes({ version, now, service }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(versionRoute, (c) => c.json({ version, git_version: null }, 200))
    .openapi(healthRoute, (c) => {
      const { isStopping, sweeps, unavailable } = service;
      const at = now();
      const areSweepsUnwell = sweeps.areUnwell(at, readSecret(c.env, "JOBBERS_ORDER_TOKEN") !== null);
      return c.json(
        {
          metadatabase: { status: healthyUnless(unavailable?.state === "disk_full") },
          scheduler: {
            status: healthyUnless(isStopping || areSweepsUnwell),
            latest_scheduler_heartbeat: iso(areSweepsUnwell ? sweeps.doneAt : at),
          },
          triggerer: { status: null, latest_triggerer_heartbeat: null },
          dag_processor: { status: null, latest_dag_processor_heartbeat: null },
        },
        200,
      );
    });
}
