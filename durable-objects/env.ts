/**
 * The bindings the durable objects, the consumer and the runner use.
 *
 * @module
 */
import { intakeName, type IntakeObject } from "../src/engine/intake.ts";
import type { CatalogObject, DagObject, JobObject } from "../src/engine/objects.ts";
import { jobOfOwner } from "../src/engine/permits/holders.ts";
import type { PermitOwner, PoolObject, RateLimiterObject } from "../src/engine/permits/objects.ts";
import type { WatchBook } from "../src/engine/watch.ts";
import type { WorkMessage } from "../src/engine/work.ts";
import { objectNamed, type Places } from "../src/isolate/place.ts";

/** Bindings of the Worker, as far as the objects use them. */
export interface ObjectEnv extends Places {
  DAG: DurableObjectNamespace;
  JOB: DurableObjectNamespace;
  INTAKE: DurableObjectNamespace;
  CATALOG: DurableObjectNamespace;
  POOL: DurableObjectNamespace;
  RATE_LIMITER: DurableObjectNamespace;
  /** Used by the API alone. */
  LOGIN_GUARD: DurableObjectNamespace;
  TASKS: Queue<WorkMessage>;
  /** Which queues there are: see `engine/queues.ts`. Further bindings are those that it names. */
  QUEUES?: unknown;
  PAYLOADS: R2Bucket;
  /** `hold` on Cloudflare, `detach` on the embedded runtime: see wrangler.toml. */
  TASK_CONSUMER: string;
}

// A stub's generated type rewrites every method for RPC; what arrives is the plain data that the interface promises.

/** The object of a DAG or of a bulk submission, by its name. */
export function openDag(env: ObjectEnv, name: string): DagObject {
  const stub: object = objectNamed(env, env.DAG, name);
  return stub as DagObject;
}

/** Name of the one catalog. */
export const CATALOG_NAME = "catalog";

/** The one catalog of registered DAGs. */
export function openCatalog(env: ObjectEnv): CatalogObject {
  const stub: object = objectNamed(env, env.CATALOG, CATALOG_NAME);
  return stub as CatalogObject;
}

/** One of the objects that keep who has something to do, by its name: see `engine/watch.ts`. */
export function openWatchBook(env: ObjectEnv, name: string): WatchBook {
  const stub: object = objectNamed(env, env.CATALOG, name);
  return stub as WatchBook;
}

/** The object that keeps a standalone job, or knows of another id. */
export function openIntake(env: ObjectEnv, id: string): IntakeObject {
  return openIntakeNamed(env, intakeName(id));
}

/** An intake object, by its own name. */
export function openIntakeNamed(env: ObjectEnv, name: string): IntakeObject {
  const stub: object = objectNamed(env, env.INTAKE, name);
  return stub as IntakeObject;
}

/** The object of a job that watches a try, by its id. */
export function openJob(env: ObjectEnv, jobId: string): JobObject {
  const stub: object = objectNamed(env, env.JOB, jobId);
  return stub as JobObject;
}

/** The object of one ledger of permits, by its name: see `permits/names.ts`. */
export function openPool(env: ObjectEnv, ledger: string): PoolObject {
  const stub: object = objectNamed(env, env.POOL, ledger);
  return stub as PoolObject;
}

/** The object of a DAG, a bulk submission or a job as one that asks for permits. */
export function openPermitOwner(env: ObjectEnv, name: string): PermitOwner {
  const jobId = jobOfOwner(name);
  if (jobId === null) {
    const stub: object = objectNamed(env, env.DAG, name);
    return stub as PermitOwner;
  }
  const intake = openIntake(env, jobId);
  return {
    permitsGranted: (ledger, holders) => intake.permitsGranted(jobId, ledger, holders),
    permitsUnwanted: (ledger, holders) => intake.permitsUnwanted(jobId, ledger, holders),
  };
}

/** The object of one rate limit, by its key. */
export function openRateLimiter(env: ObjectEnv, key: string): RateLimiterObject {
  const stub: object = objectNamed(env, env.RATE_LIMITER, key);
  return stub as RateLimiterObject;
}
