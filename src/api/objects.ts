/**
 * The API's way to the Durable Objects: one function per kind, each answering the plain interface of the object.
 *
 * @module
 */
import type { CatalogObject, DagObject, JobObject, LoginGuardObject, TriggerRequest } from "../engine/objects.ts";
import { ledgerName } from "../engine/permits/names.ts";
import type { PoolObject } from "../engine/permits/objects.ts";
import type { ApiEnv } from "./env.ts";

/** Name of the object that keeps a bulk submission, from its batch key. */
export function batchObjectName(batchKey: string): string {
  return `@batch:${batchKey}`;
}

/** The object of one DAG. */
export function dagObject(env: ApiEnv, dagId: string): DagObject {
  return openObject(() => env.DAG.getByName(dagId)) as DagObject;
}

/** The object of one bulk submission, by its batch key. */
export function batchObject(env: ApiEnv, batchKey: string): DagObject {
  return dagObject(env, batchObjectName(batchKey));
}

/** The object of one job. */
export function jobObject(env: ApiEnv, jobId: string): JobObject {
  return openObject(() => env.JOB.getByName(jobId)) as JobObject;
}

/** The object of a pool, by the pool's name. */
export function poolObject(env: ApiEnv, name: string): PoolObject {
  return openObject(() => env.POOL.getByName(ledgerName("pool", name))) as PoolObject;
}

/** Name of the one catalog. */
const CATALOG_NAME = "catalog";

/** The one catalog of registered DAGs. */
export function catalogObject(env: ApiEnv): CatalogObject {
  return openObject(() => env.CATALOG.getByName(CATALOG_NAME)) as CatalogObject;
}

/** The one object that counts failed logins. */
export function loginGuardObject(env: ApiEnv): LoginGuardObject {
  return openObject(() => env.LOGIN_GUARD.getByName("logins")) as LoginGuardObject;
}

/**
 * Says whether a call may be repeated: the platform says so, or the object was reset under it. What the platform calls
 * overloaded must be left alone.
 */
export function isRetryable(error: unknown): boolean {
  return (hasFlag(error, "retryable") || hasFlag(error, "durableObjectReset")) && !hasFlag(error, "overloaded");
}

/** Says whether the platform failed the call, not our own code. */
export function isPlatformError(error: unknown): boolean {
  return isRetryable(error) || hasFlag(error, "overloaded");
}

function hasFlag(error: unknown, flag: "retryable" | "overloaded" | "durableObjectReset"): boolean {
  return typeof error === "object" && error !== null && Reflect.get(error, flag) === true;
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
