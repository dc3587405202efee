/**
 * The key that signs tokens, derived from a secret of the deployment, so that the secret itself signs nothing.
 *
 * @module
 */
import { readSecret } from "../env.ts";
import { API_KEY_SECRET } from "./api-key.ts";

/** Name of the secret that tokens are signed with; without it the API key serves. */
export const JWT_SECRET = "JOBBERS_JWT_SECRET";

/** Whoever holds a token can try out secrets without asking us, so a short one is not used. */
export const MIN_SECRET = 32;

let derived: { secret: string; key: CryptoKey } | null = null;

/** The signing key (HMAC with SHA-512), or null if no secret of at least 32 characters is configured for it. */
export async function signingKey(env: object): Promise<CryptoKey | null> {
  const secret = readSecret(env, JWT_SECRET) ?? readSecret(env, API_KEY_SECRET);
  if (secret === null || secret.length < MIN_SECRET) {
    return null;
  }
  if (derived?.secret !== secret) {
    derived = { secret, key: await derive(secret) };
  }
  return derived.key;
}

async function derive(secret: string): Promise<CryptoKey> {
  const encoder = new TextEncoder();
  const source = await crypto.subtle.importKey("raw", encoder.encode(secret), "HKDF", false, ["deriveKey"]);
  return crypto.subtle.deriveKey(
    {
      name: "HKDF",
      hash: "SHA-512",
      salt: new Uint8Array(),
      info: encoder.encode("jobbers: tokens of the API, HS512"),
    },
    source,
    { name: "HMAC", hash: "SHA-512", length: 512 },
    false,
    ["sign", "verify"],
  );
}
