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
import { service as ofIsolate } from "../isolate/service.ts";
import type { Service } from "../isolate/service.ts";
import { authenticate } from "./auth.ts";
import { refuseWhileUnavailable } from "./availability.ts";
import { answerDocument, keepPrivate, publicDocument, type PublicDocument } from "./caching.ts";
import { allowOrigins } from "./cors.ts";
import { docsPage, docsPagePolicy } from "./docs-page.ts";
import type { ApiDeps, ApiRegistry, AppEnv } from "./env.ts";
import { respondToError } from "./errors.ts";
import { limitDepth, limitSize, limitUrl } from "./limits.ts";
import { openApiDocument, type OpenApiDocument } from "./openapi.ts";
import { countLongPolls } from "./long-polls.ts";
import { admitSubmission, awaitBody, takeTurnsInBulk } from "./overload.ts";
import { authRoutes } from "./routes/auth.ts";
import { airflowJobRoutes } from "./routes/airflow-jobs.ts";
import { backfillPlanRoutes } from "./routes/backfill-plans.ts";
import { backfillRoutes } from "./routes/backfills.ts";
import { batchRoutes } from "./routes/batches.ts";
import { dagRunBulkRoutes } from "./routes/dag-run-bulk.ts";
import { dagRunClearRoutes } from "./routes/dag-run-clear.ts";
import { dagRunEventRoutes } from "./routes/dag-run-events.ts";
import { dagRunListRoutes } from "./routes/dag-run-lists.ts";
import { dagRunWaitRoutes } from "./routes/dag-run-wait.ts";
import { dagRunRoutes } from "./routes/dag-runs.ts";
import { dagRegistrationRoutes } from "./routes/dag-registration.ts";
import { dagSourceRoutes } from "./routes/dag-sources.ts";
import { dagStatsRoutes } from "./routes/dag-stats.ts";
import { dagTagRoutes } from "./routes/dag-tags.ts";
import { dagTaskRoutes } from "./routes/dag-tasks.ts";
import { dagVersionRoutes } from "./routes/dag-versions.ts";
import { dagRoutes } from "./routes/dags.ts";
import { jobLogRoutes } from "./routes/job-logs.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { monitorRoutes } from "./routes/monitor.ts";
import { nextDagRunRoutes } from "./routes/next-dag-runs.ts";
import { poolRoutes } from "./routes/pools.ts";
import { queueRoutes } from "./routes/queues.ts";
import { taskInstanceRoutes } from "./routes/task-instances.ts";
import { taskLogRoutes } from "./routes/task-logs.ts";
import { taskRoutes } from "./routes/tasks.ts";
import { webhookRoutes } from "./routes/webhooks.ts";
import { xcomEntryRoutes } from "./routes/xcom-entries.ts";
import { xcomListRoutes } from "./routes/xcom-lists.ts";
import { routedPath } from "./slashes.ts";
import { refuseInvalid } from "./validation.ts";

/** Where Airflow's API lives. */
const AIRFLOW = "/api/v2";

/** What `createApi` takes; version and clock have defaults. */
export interface CreateApiDeps {
  registry: ApiRegistry;
  version?: string;
  /** Epoch milliseconds. */
  now?: () => number;
  /** Whether the isolate takes anything new; that of this isolate if left out. */
  service?: Service;
}

/** Builds the API. Meant to be called once, at module scope: a request then only walks the routes. */
export function createApi({
  registry,
  version = packageJson.version,
  now = Date.now,
  service = ofIsolate,
}: CreateApiDeps) {
  const deps: ApiDeps = { registry: { dags: registry.dags, tasks: withHandlers(registry) }, version, now, service };
  const app = new OpenAPIHono<AppEnv>({ defaultHook: refuseInvalid, getPath: routedPath });
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
      // Of this host alone: its domain's other hosts are its owner's business.
      strictTransportSecurity: "max-age=15552000",
      contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      // The page at /docs has a policy of its own.
      overwrite: false,
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
  app.use(
    limitUrl,
    allowOrigins,
    keepPrivate,
    refuseWhileUnavailable(service),
    authenticate(now),
    admitSubmission,
    countLongPolls,
    limitSize,
    awaitBody,
    takeTurnsInBulk,
    limitDepth,
  );

  const routes = app
    .route("/", authRoutes(deps))
    .route("/", taskRoutes(deps))
    .route("/", batchRoutes())
    .route("/", jobRoutes(deps))
    .route("/", jobLogRoutes(deps))
    .route("/", webhookRoutes(deps))
    .route(AIRFLOW, monitorRoutes(deps))
    .route(AIRFLOW, dagRoutes(deps))
    .route(AIRFLOW, dagRegistrationRoutes(deps))
    .route(AIRFLOW, dagTaskRoutes(deps))
    .route(AIRFLOW, dagVersionRoutes(deps))
    .route(AIRFLOW, dagSourceRoutes(deps))
    .route(AIRFLOW, dagStatsRoutes(deps))
    .route(AIRFLOW, nextDagRunRoutes(deps))
    .route(AIRFLOW, dagTagRoutes(deps))
    .route(AIRFLOW, dagRunRoutes(deps))
    .route(AIRFLOW, dagRunListRoutes(deps))
    .route(AIRFLOW, dagRunClearRoutes(deps))
    .route(AIRFLOW, dagRunBulkRoutes(deps))
    .route(AIRFLOW, dagRunWaitRoutes(deps))
    .route(AIRFLOW, dagRunEventRoutes(deps))
    .route(AIRFLOW, backfillRoutes(deps))
    .route(AIRFLOW, backfillPlanRoutes(deps))
    .route(AIRFLOW, airflowJobRoutes(deps))
    .route(AIRFLOW, poolRoutes(deps))
    .route(AIRFLOW, queueRoutes())
    .route(AIRFLOW, taskLogRoutes(deps))
    .route(AIRFLOW, xcomListRoutes(deps))
    .route(AIRFLOW, xcomEntryRoutes(deps))
    // Last: a path that ends in a map index would take what others have in its place, such as xcomEntries.
    .route(AIRFLOW, taskInstanceRoutes(deps));

  // Made when somebody first asks: most processes serve and die without being asked.
  let document: OpenApiDocument | undefined;
  let description: PublicDocument | undefined;
  let page: PublicDocument | undefined;
  app.get("/openapi.json", async (c) => {
    document ??= openApiDocument(app, version);
    description ??= await publicDocument(JSON.stringify(document), { "Content-Type": "application/json" });
    return answerDocument(c, description);
  });
  app.get("/docs", async (c) => {
    document ??= openApiDocument(app, version);
    page ??= await publicDocument(await docsPage(document), {
      "Content-Type": "text/html; charset=UTF-8",
      "Content-Security-Policy": docsPagePolicy(),
    });
    return answerDocument(c, page);
  });
  app.get("/", (c) =>
    c.json({
      name: packageJson.name,
      version,
      docs: "/docs",
      openapi: "/openapi.json",
      health: `${AIRFLOW}/monitor/health`,
    }),
  );
  return routes;
}

/** The tasks that can be run by themselves: those that Jobbers carries out within a run have nothing to run. */
function withHandlers({ tasks }: ApiRegistry): ApiRegistry["tasks"] {
  return new Map([...tasks].filter(([, { operator }]) => operator !== "empty" && operator !== "latest_only"));
}

/** Type of the whole API, for a typed client. */
export type ApiType = ReturnType<typeof createApi>;
