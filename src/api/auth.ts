/**
 * Who may call: bearers of the API key, and users with a token. Public are only what tells whether the service lives,
 * what it offers, where tokens are given, and the webhooks, which prove themselves by a signature.
 *
 * @module
 */
import type { Context } from "hono";
import { getCookie } from "hono/cookie";
import { createMiddleware } from "hono/factory";
import { API_KEY_SECRET, isApiKey, KEY_BEARER } from "./auth/api-key.ts";
import { isSafe, requirePermission } from "./auth/permissions.ts";
import { noKey, unauthorized } from "./auth/refusals.ts";
import { signingKey } from "./auth/signing-key.ts";
import { fingerprint, KEY_SUBJECT, looksLikeToken, readToken, type TokenClaims } from "./auth/tokens.ts";
import { configuredUsers } from "./auth/users.ts";
import { readSecret, type ApiEnv, type AppEnv, type Caller } from "./env.ts";

const PUBLIC_PATHS: ReadonlySet<string> = new Set([
  "/",
  "/docs",
  "/openapi.json",
  "/auth/token",
  "/auth/token/cli",
  "/api/v2/version",
  "/api/v2/monitor/health",
]);
/** The one route of webhooks; what else may come below that path asks for a key. */
const WEBHOOK_PATH = /^\/webhooks\/[^/]+$/;

/** Airflow's cookie for tokens. */
const COOKIE = "_token";

/**
 * Refuses callers who prove nothing, and what their role may not do; whoever is left is the request's `caller`. Public
 * paths ask nobody, and have no caller.
 *
 * @param now the clock, in epoch milliseconds.
 */
export function authenticate(now: () => number) {
  return createMiddleware<AppEnv>(async (c, next) => {
    if (!isPublic(c.req.path)) {
      const bearer = bearerOf(c);
      // The API key first: it is what most requests carry, and costs no signature.
      const caller = isApiKey(c.env, bearer) ? KEY_BEARER : await tokenBearer(c, bearer, now());
      requirePermission(caller, c.req.method, c.req.path);
      c.set("caller", caller);
    }
    await next();
  });
}

/** Says whether a path asks for no key. */
export function isPublic(path: string): boolean {
  return PUBLIC_PATHS.has(path) || WEBHOOK_PATH.test(path);
}

/**
 * What the header `Authorization` carries, or undefined if there is no such header.
 *
 * @throws ApiError 401 for another scheme than Bearer.
 */
export function bearerOf(c: Context<AppEnv>): string | undefined {
  const authorization = c.req.header("authorization");
  if (authorization === undefined) {
    return undefined;
  }
  const bearer = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  if (bearer === undefined) {
    requireConfigured(c.env);
    throw unauthorized(
      "expected the header Authorization: Bearer <API key>, got another scheme or no key",
      "invalid_request",
    );
  }
  return bearer;
}

/** Who bears a token, in the header or, to read only, in the cookie: a page of another site cannot make that write. */
async function tokenBearer(c: Context<AppEnv>, bearer: string | undefined, now: number): Promise<Caller> {
  requireConfigured(c.env);
  const token = bearer ?? (isSafe(c.req.method) ? getCookie(c, COOKIE) : undefined);
  if (token === undefined) {
    throw unauthorized("expected the header Authorization: Bearer <API key>, got none");
  }
  if (!looksLikeToken(token)) {
    throw unauthorized("the API key is wrong", "invalid_token");
  }
  const key = await signingKey(c.env);
  const claims = key === null ? null : await readToken(key, token, now);
  const caller = key === null || claims === null ? null : await presentCaller(c.env, key, claims);
  if (caller === null || claims === null) {
    throw unauthorized("the token is not valid, or not any more", "invalid_token");
  }
  if (!claims.isInTime) {
    throw unauthorized("the token has expired; POST /auth/token gives a new one", "invalid_token");
  }
  return caller;
}

/** Whom a token stands for by the present configuration: a user who is gone or has another password has no tokens. */
async function presentCaller(env: ApiEnv, key: CryptoKey, { sub, credential }: TokenClaims): Promise<Caller | null> {
  const users = configuredUsers(env);
  const user = users.state === "known" ? users.byName.get(sub) : undefined;
  const present = sub === KEY_SUBJECT ? readSecret(env, API_KEY_SECRET) : (user?.password ?? null);
  if (present === null || (await fingerprint(key, present)) !== credential) {
    return null;
  }
  return user === undefined ? KEY_BEARER : { name: sub, role: user.role };
}

/** @throws ApiError 401 if neither an API key nor users are configured, so that nobody could prove anything. */
function requireConfigured(env: ApiEnv): void {
  if (readSecret(env, API_KEY_SECRET) === null && configuredUsers(env).state === "none") {
    throw noKey();
  }
}
