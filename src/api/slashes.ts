/**
 * Names with a slash in them, at the end of a path. Airflow's clients write `%2F` or leave the slash as it is.
 *
 * @module
 */
import { getPath } from "hono/utils/url";

const POOL = /^(\/api\/v2\/pools\/)(.+?)(\/permits)?$/;
const XCOM = /^(\/api\/v2\/dags\/[^/]+\/dagRuns\/[^/]+\/taskInstances\/[^/]+\/xcomEntries\/)(.+)$/;

/**
 * The path that a request is routed by: a pool's name or the key of an XCom value is one part of it, slashes and all.
 *
 * @example
 * routedPath(new Request("https://example.com/api/v2/pools/a/b")); // "/api/v2/pools/a%2Fb"
 */
export function routedPath(request: Request): string {
  const path = getPath(request);
  const [, before, name, after = ""] = POOL.exec(path) ?? XCOM.exec(path) ?? [];
  return before === undefined || name === undefined ? path : before + name.replaceAll("/", "%2F") + after;
}
