/**
 * The HTTP face: every route, with what all of them share.
 *
 * @module
 */
import { OpenAPIHono } from "@hono/zod-openapi";
import { methodNotAllowed } from "hono/method-not-allowed";
import { requestId } from "hono/request-id";
import { secureHeaders } from "hono/secure-headers";
import packageJson from "../../package.json" with { type: "json" };
import { authenticate } from "./auth.ts";
import { allowOrigins } from "./cors.ts";
import type { ApiDeps, ApiRegistry, AppEnv } from "./env.ts";
import { respondToError } from "./errors.ts";
import { limitDepth, limitSize, limitUrl } from "./limits.ts";
import { openApiText } from "./openapi.ts";
import { authRoutes } from "./routes/auth.ts";
import { batchRoutes } from "./routes/batches.ts";
import { dagRunRoutes } from "./routes/dag-runs.ts";
import { dagRoutes } from "./routes/dags.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { monitorRoutes } from "./routes/monitor.ts";
import { taskInstanceRoutes } from "./routes/task-instances.ts";
import { taskRoutes } from "./routes/tasks.ts";
import { webhookRoutes } from "./routes/webhooks.ts";
import { xcomEntryRoutes } from "./routes/xcom-entries.ts";
import { refuseInvalid } from "./validation.ts";

/** Where Airflow's API lives. */
const AIRFLOW = "/api/v2";

/** What `createApi` takes; version and clock have defaults. */
export interface CreateApiDeps {
  registry: ApiRegistry;
  version?: string;
  /** Epoch milliseconds. */
  now?: () => number;
}

/** Builds the API. Meant to be called once, at module scope: a request then only walks the routes. */
export function createApi({ registry, version = packageJson.version, now = Date.now }: CreateApiDeps) {
  const deps: ApiDeps = { registry: { dags: registry.dags, tasks: withHandlers(registry) }, version, now };
  const app = new OpenAPIHono<AppEnv>({ defaultHook: refuseInvalid });
  app.onError(respondToError);
  app.notFound((c) =>
    c.json(
      { detail: `there is no ${c.req.method} ${c.req.path.slice(0, 200)}; /openapi.json lists what there is` },
      404,
    ),
  );
  app.use(requestId());
  app.use(
    secureHeaders({
      crossOriginOpenerPolicy: false,
      originAgentCluster: false,
      xDnsPrefetchControl: false,
      xDownloadOptions: false,
      xPermittedCrossDomainPolicies: false,
      xXssProtection: false,
      xFrameOptions: "DENY",
      contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    }),
  );
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => {
        const allowed = methods.join(", ");
        return c.json({ detail: `expected one of the methods ${allowed}, got ${c.req.method}` }, 405, {
          Allow: allowed,
        });
      },
    }),
  );
  app.use(limitUrl, allowOrigins, authenticate(now), limitSize, limitDepth);

  const routes = app
    .route("/", authRoutes(deps))
    .route("/", taskRoutes(deps))
    .route("/", batchRoutes())
    .route("/", jobRoutes(deps))
    .route("/", webhookRoutes(deps))
    .route(AIRFLOW, monitorRoutes(deps))
    .route(AIRFLOW, dagRoutes(deps))
    .route(AIRFLOW, dagRunRoutes(deps))
    .route(AIRFLOW, taskInstanceRoutes(deps))
    .route(AIRFLOW, xcomEntryRoutes(deps));

  let document: string | undefined;
  app.get("/openapi.json", (c) => {
    document ??= openApiText(app, version);
    return c.body(document, 200, { "Content-Type": "application/json" });
  });
  app.get("/", (c) =>
    c.json({ name: packageJson.name, version, openapi: "/openapi.json", health: `${AIRFLOW}/monitor/health` }),
  );
  return routes;
}

/** The tasks that can be run by themselves: those that Jobbers carries out within a run have nothing to run. */
function withHandlers({ tasks }: ApiRegistry): ApiRegistry["tasks"] {
  return new Map([...tasks].filter(([, { operator }]) => operator !== "empty" && operator !== "latest_only"));
}

/** Type of the whole API, for a typed client. */
export type ApiType = ReturnType<typeof createApi>;
