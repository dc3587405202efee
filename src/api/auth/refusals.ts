/**
 * The 401s of callers who prove nothing.
 *
 * @module
 */
import { ApiError } from "../errors.ts";
import { API_KEY_SECRET } from "./api-key.ts";

/** A 401; `error` is what a bearer did wrong, by RFC 6750. */
export function unauthorized(message: string, error?: "invalid_request" | "invalid_token"): ApiError {
  const challenge = `Bearer realm="jobbers"${error === undefined ? "" : `, error="${error}"`}`;
  return new ApiError(401, message, { "WWW-Authenticate": challenge });
}

/** The 401 of a deployment that nobody can prove anything to. */
export function noKey(): ApiError {
  return unauthorized(
    `no API key is configured, so this call is refused: set the secret ${API_KEY_SECRET} (${putSecret(API_KEY_SECRET)}, or in .dev.vars)`,
  );
}

/** The command that sets a secret. */
export function putSecret(name: string): string {
  return `npx wrangler secret put ${name}`;
}
