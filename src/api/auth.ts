/**
 * Who may call: bearers of the API key. Public are only what tells whether the service lives, what it offers, and the
 * webhooks, which prove themselves by a signature.
 *
 * @module
 */
import { createMiddleware } from "hono/factory";
import { readSecret, type AppEnv } from "./env.ts";
import { ApiError } from "./errors.ts";

/** Name of the secret that holds the API key. */
export const API_KEY_SECRET = "JOBBERS_API_KEY";

const PUBLIC_PATHS: ReadonlySet<string> = new Set([
  "/",
  "/docs",
  "/openapi.json",
  "/api/v2/version",
  "/api/v2/monitor/health",
]);
const PUBLIC_PREFIX = "/webhooks/";

/** Refuses callers without the API key. Without a configured key every call that needs one is refused. */
export const requireApiKey = createMiddleware<AppEnv>(async (c, next) => {
  if (!isPublic(c.req.path)) {
    const refusal = refuse(readSecret(c.env, API_KEY_SECRET), c.req.header("authorization"));
    if (refusal !== null) {
      throw refusal;
    }
  }
  await next();
});

function isPublic(path: string): boolean {
  return PUBLIC_PATHS.has(path) || path.startsWith(PUBLIC_PREFIX);
}

function refuse(key: string | null, authorization: string | undefined): ApiError | null {
  if (key === null) {
    return unauthorized(
      `no API key is configured, so this call is refused: set the secret ${API_KEY_SECRET} (npx wrangler secret put ${API_KEY_SECRET}, or in .dev.vars)`,
    );
  }
  if (authorization === undefined) {
    return unauthorized("expected the header Authorization: Bearer <API key>, got none");
  }
  const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  if (token === undefined) {
    return unauthorized(
      "expected the header Authorization: Bearer <API key>, got another scheme or no key",
      "invalid_request",
    );
  }
  return equalInConstantTime(token, key) ? null : unauthorized("the API key is wrong", "invalid_token");
}

/**
 * Compares a given token with the key in a time that depends on the token alone. By hand: a hash in this runtime costs
 * more than all the rest of a request.
 */
function equalInConstantTime(token: string, key: string): boolean {
  let difference = token.length ^ key.length;
  for (let index = 0; index < token.length; index += 1) {
    difference |= token.charCodeAt(index) ^ key.charCodeAt(index % key.length);
  }
  return difference === 0;
}

function unauthorized(message: string, error?: "invalid_request" | "invalid_token"): ApiError {
  const challenge = `Bearer realm="jobbers"${error === undefined ? "" : `, error="${error}"`}`;
  return new ApiError(401, message, { "WWW-Authenticate": challenge });
}
