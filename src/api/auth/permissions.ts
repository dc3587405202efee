/**
 * What a role may do.
 *
 * @module
 */
import type { Caller } from "../env.ts";
import { ApiError } from "../errors.ts";
import { ROLES } from "./users.ts";

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** Airflow's lists that take their filters in a body, and so are read by POST. */
const READS_BY_POST = /^\/api\/v2\/dags\/[^/]+\/dagRuns(?:\/[^/]+\/taskInstances)?\/list$/;

/** Says whether a method changes nothing, whatever it is sent to. */
export function isSafe(method: string): boolean {
  return SAFE_METHODS.has(method);
}

/** Says whether a request changes nothing. */
export function isRead(method: string, path: string): boolean {
  return isSafe(method) || (method === "POST" && READS_BY_POST.test(path));
}

/** @throws ApiError 403 if the caller's role may not send such a request. */
export function requirePermission({ role }: Caller, method: string, path: string): void {
  if (role === "viewer" && !isRead(method, path)) {
    const writers = ROLES.filter((each) => each !== "viewer").join(", ");
    throw new ApiError(403, `Forbidden: expected a role that may write (${writers}), got viewer`);
  }
}
