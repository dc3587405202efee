/**
 * The API's way to the Durable Objects: one function per kind, each answering the plain interface of the object.
 *
 * @module
 */
import { batchIntakeName, intakeName, type IntakeObject } from "../engine/intake.ts";
import type { CatalogObject, DagObject, JobReader, LoginGuardObject, TriggerRequest } from "../engine/objects.ts";
import { ledgerName } from "../engine/permits/names.ts";
import type { PoolObject } from "../engine/permits/objects.ts";
import { isRetryable } from "../engine/platform-errors.ts";
import { objectNamed } from "../isolate/place.ts";
import type { ApiEnv } from "./env.ts";

/** Name of the object that keeps a bulk submission, from its batch key. */
export function batchObjectName(batchKey: string): string {
  return `@batch:${batchKey}`;
}

/** The object of one DAG. */
export function dagObject(env: ApiEnv, dagId: string): DagObject {
  return openObject(() => objectNamed(env, env.DAG, dagId)) as DagObject;
}

/** The object of one bulk submission, by its batch key. */
function batchObject(env: ApiEnv, batchKey: string): DagObject {
  return dagObject(env, batchObjectName(batchKey));
}

/** Batches that are known to be there: an id is linked once and for good. Bounded, the oldest go first. */
const knownBatches = new Set<string>();
const BATCHES_KNOWN = 1000;

/** Notes that a bulk submission is being made, before its object is. */
export async function linkBatch(env: ApiEnv, batchKey: string): Promise<DagObject> {
  await intakeNamed(env, batchIntakeName(batchKey)).link(batchKey, "batch");
  return batchObject(env, batchKey);
}

/** The object of a bulk submission, or null if none was made under this key: asking an object makes it. */
export async function findBatch(env: ApiEnv, batchKey: string): Promise<DagObject | null> {
  if (!knownBatches.has(batchKey)) {
    if (!(await intakeNamed(env, batchIntakeName(batchKey)).isLinked(batchKey, "batch"))) {
      return null;
    }
    const [oldest] = knownBatches;
    if (knownBatches.size >= BATCHES_KNOWN && oldest !== undefined) {
      knownBatches.delete(oldest);
    }
    knownBatches.add(batchKey);
  }
  return batchObject(env, batchKey);
}

/** The object that keeps a standalone job, or knows of the id of another one. */
export function intakeObject(env: ApiEnv, jobId: string): IntakeObject {
  return intakeNamed(env, intakeName(jobId));
}

function intakeNamed(env: ApiEnv, name: string): IntakeObject {
  return openObject(() => objectNamed(env, env.INTAKE, name)) as IntakeObject;
}

/** One job, wherever it is kept. */
export function jobObject(env: ApiEnv, jobId: string): JobReader {
  const intake = intakeObject(env, jobId);
  return {
    get: (waitMs) => intake.get(jobId, waitMs),
    why: () => intake.why(jobId),
    kill: (reason) => intake.kill(jobId, reason),
    heartbeat: (progress) => intake.heartbeat(jobId, progress),
    readLog: (tryNumber, from, waitMs) => intake.readLog(jobId, tryNumber, from, waitMs),
  };
}

/** The object of a pool, by the pool's name. */
export function poolObject(env: ApiEnv, name: string): PoolObject {
  return openObject(() => objectNamed(env, env.POOL, ledgerName("pool", name))) as PoolObject;
}

/** Name of the one catalog. */
const CATALOG_NAME = "catalog";

/** The one catalog of registered DAGs. */
export function catalogObject(env: ApiEnv): CatalogObject {
  return openObject(() => objectNamed(env, env.CATALOG, CATALOG_NAME)) as CatalogObject;
}

/** The one object that counts failed logins. */
export function loginGuardObject(env: ApiEnv): LoginGuardObject {
  return openObject(() => objectNamed(env, env.LOGIN_GUARD, "logins")) as LoginGuardObject;
}

/**
 * A reference whose calls are made once more, on a new one, if the platform says that they may be: after an error the
 * old one stays broken. Its generated type rewrites every method for RPC; what arrives is the plain data that
 * the interface promises, so callers give it the interface's type.
 */
function openObject(open: () => unknown): object {
  const first = open() as object;
  return new Proxy(first, {
    get(_target, method) {
      // A promise that is resolved with this asks whether it is a promise itself.
      if (method === "then") {
        return undefined;
      }
      return async function call(...args: unknown[]): Promise<unknown> {
        try {
          return await invoke(first, method, args);
        } catch (error) {
          if (!isRetryable(error) || !isRepeatable(method, args)) {
            throw error;
          }
          return invoke(open() as object, method, args);
        }
      };
    },
  });
}

async function invoke(object: object, method: string | symbol, args: unknown[]): Promise<unknown> {
  const target: unknown = Reflect.get(object, method);
  if (typeof target !== "function") {
    throw new TypeError(`the object has no method ${String(method)}`);
  }
  const answer: unknown = await Reflect.apply(target, object, args);
  return answer;
}

/**
 * All methods are idempotent but three. A trigger that succeeded before its answer was lost would make a second run, or
 * answer that the run exists, unless it says that the same id is the same run; a value or a pool that was created would be
 * in the way of itself.
 */
function isRepeatable(method: string | symbol, args: unknown[]): boolean {
  switch (method) {
    case "trigger":
      return (args[0] as TriggerRequest | undefined)?.dedupe === true;
    case "setXCom":
      return args.at(-1) !== "create";
    case "configure":
      return args[1] !== "absent";
    default:
      return true;
  }
}
