/**
 * Which pages of other origins a browser lets call the API: none, unless the variable `JOBBERS_CORS_ORIGINS` lists them.
 *
 * @module
 */
import type { Context } from "hono";
import { cors } from "hono/cors";
import { createMiddleware } from "hono/factory";
import { readSecret, type AppEnv } from "./env.ts";

/** Name of the variable: origins with commas between them, or `*` for all. */
const ORIGINS = "JOBBERS_CORS_ORIGINS";

const options = {
  allowMethods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
  allowHeaders: ["Authorization", "Content-Type", "Idempotency-Key", "X-Request-Id"],
  exposeHeaders: ["Location", "Retry-After", "WWW-Authenticate", "X-Request-Id"],
  /** Seconds a browser remembers the answer to its preflight. */
  maxAge: 600,
};

/** Every origin may call, but with a header only: a browser sends no cookie then. */
const toAll = cors({ ...options, origin: "*" });
const toListed = cors({
  ...options,
  origin: (origin, c: Context<AppEnv>) => (configuredOrigins(c.env).has(origin) ? origin : null),
  credentials: true,
});

/** Answers preflights, which come without a key, and tells browsers which answers a page may read. */
export const allowOrigins = createMiddleware<AppEnv>(async (c, next) => {
  const origins = configuredOrigins(c.env);
  const isPlainOptions = c.req.method === "OPTIONS" && c.req.header("access-control-request-method") === undefined;
  if (origins.size === 0 || isPlainOptions) {
    return next();
  }
  return origins.has("*") ? toAll(c, next) : toListed(c, next);
});

const NONE: ReadonlySet<string> = new Set();
let read: { text: string; origins: ReadonlySet<string> } | null = null;

/** The configured origins. What is none is logged when the variable is first read, and left out. */
function configuredOrigins(env: object): ReadonlySet<string> {
  const text = readSecret(env, ORIGINS);
  if (text === null) {
    return NONE;
  }
  if (read?.text !== text) {
    read = { text, origins: parseOrigins(text) };
  }
  return read.origins;
}

function parseOrigins(text: string): Set<string> {
  const origins = new Set<string>();
  for (const entry of text.split(",").map((each) => each.trim())) {
    const origin = entry === "*" ? entry : originOf(entry);
    if (origin !== null) {
      origins.add(origin);
    } else if (entry !== "") {
      const problem = "expected an origin such as https://app.example.com, or *";
      console.error({ event: "cors_misconfigured", variable: ORIGINS, problem, got: entry });
    }
  }
  return origins;
}

/** An origin as browsers write it, or null for a text that is none, or more than one. */
function originOf(text: string): string | null {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && `${url.origin}/` === url.href ? url.origin : null;
}
