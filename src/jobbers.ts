/**
 * The product put together for one registry of DAGs and tasks.
 *
 * @module
 */
import { Catalog } from "../durable-objects/catalog.ts";
import { createDagClass } from "../durable-objects/dag/dag.ts";
import type { ObjectEnv } from "../durable-objects/env.ts";
import { createIntakeClass } from "../durable-objects/intake/intake.ts";
import { createJobClass } from "../durable-objects/job.ts";
import { LoginGuard } from "../durable-objects/login-guard.ts";
import { Pool } from "../durable-objects/pool.ts";
import { RateLimiter } from "../durable-objects/rate-limiter.ts";
import { specHash } from "./engine/canonical-hash.ts";
import { wakeLate } from "../durable-objects/wake.ts";
import { createLocalQueueClass } from "../queues/local-queue.ts";
import { workOfObjects } from "../queues/object-work.ts";
import { consumeTasks } from "../queues/tasks.ts";
import { createApi } from "./api/app.ts";
import { obey } from "./orders.ts";
import { service } from "./isolate/service.ts";
import type { WorkMessage } from "./engine/work.ts";
import type { Registry } from "./sdk/index.ts";

/** Bindings of the Worker: those of the objects, and the API's key. */
export interface JobbersEnv extends ObjectEnv {
  JOBBERS_API_KEY?: string;
  /** What orders of the server come with; only `npm start` sets it. */
  JOBBERS_ORDER_TOKEN?: string;
}

/**
 * Makes the Worker's handlers and its object classes.
 *
 * @example
 * const jobbers = createJobbers(registry);
 * export default jobbers.handler;
 * export class Dag extends jobbers.Dag {}
 * export class Job extends jobbers.Job {}
 * export class Intake extends jobbers.Intake {}
 * export class Catalog extends jobbers.Catalog {}
 * export class Pool extends jobbers.Pool {}
 * export class RateLimiter extends jobbers.RateLimiter {}
 * export class LoginGuard extends jobbers.LoginGuard {}
 * export class LocalQueue extends jobbers.LocalQueue {}
 */
export function createJobbers(registry: Registry) {
  const api = createApi({ registry });
  let hashes: ReadonlyMap<string, string> | undefined;
  // Worked out at the first sweep: most isolates never see one.
  const specHashes = (): ReadonlyMap<string, string> =>
    (hashes ??= new Map([...registry.dags].map(([dagId, { spec }]) => [dagId, specHash(spec)])));
  const handler = {
    fetch: (request, env, ctx) => api.fetch(request, env, ctx),
    queue: (batch, env, ctx) => consumeTasks(registry, batch, env, ctx),
    async scheduled({ cron }, env) {
      if (!(await obey(cron, env.JOBBERS_ORDER_TOKEN, service))) {
        await sweep(env, specHashes());
      }
    },
  } satisfies ExportedHandler<JobbersEnv, WorkMessage>;
  return {
    handler,
    Dag: createDagClass(registry),
    Job: createJobClass(workOfObjects(registry)),
    Intake: createIntakeClass(registry),
    Catalog,
    Pool,
    RateLimiter,
    LoginGuard,
    LocalQueue: createLocalQueueClass(registry),
  };
}

/** The minute's sweep, which health knows of. @throws Error if it failed: whatever triggers it shows that too. */
async function sweep(env: JobbersEnv, specHashes: ReadonlyMap<string, string>): Promise<void> {
  try {
    await wakeLate(env, specHashes);
  } catch (error) {
    service.sweeps.note("failed", Date.now());
    // The embedded runtime says of what a handler throws only that it threw.
    console.error({ event: "sweep_failed", error: String(error) });
    throw error;
  }
  service.sweeps.note("done", Date.now());
}
