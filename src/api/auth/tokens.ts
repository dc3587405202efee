/**
 * Tokens of limited life, JSON Web Tokens signed with HS512: given for a password or the API key, and read again.
 *
 * @module
 */
import { encodeBase64Url } from "hono/utils/encode";
import { sign, verify } from "hono/jwt";
import { z } from "zod";

/** Seconds a token lives. */
export const TOKEN_SECONDS = 86_400;
/** Seconds a token for the command line lives. */
export const CLI_TOKEN_SECONDS = 3600;

const ISSUER = "jobbers";
const AUDIENCE = "jobbers";
/** Seconds that clocks may differ. */
const LEEWAY = 10;
/** Characters of a token; ours have less than half of it. */
const MAX_TOKEN = 4096;

/** Subject of a token that was given for the API key; no user has a name with a colon. */
export const KEY_SUBJECT = "jobbers:api-key";

/** Whom a token is for. */
export interface Subject {
  sub: string;
  role: string;
  /** What proved the subject: the token is void once that is another one. Only a fingerprint of it gets into the token. */
  credential: string;
}

const claimsSchema = z.object({
  sub: z.string(),
  nbf: z.number(),
  exp: z.number(),
  credential: z.string(),
});

/** What is to be known of a token that is ours. */
export interface TokenClaims {
  sub: string;
  /** Fingerprint of the credential it was given for, see `fingerprint`. */
  credential: string;
  isInTime: boolean;
}

/** Says whether a text is worth being verified as a token. */
export function looksLikeToken(text: string): boolean {
  return text.length <= MAX_TOKEN && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text);
}

/** A new token; `now` in epoch milliseconds. */
export async function signToken(key: CryptoKey, { credential, ...subject }: Subject, seconds: number, now: number) {
  const issued = Math.floor(now / 1000);
  const claims = {
    ...subject,
    credential: await fingerprint(key, credential),
    iss: ISSUER,
    aud: AUDIENCE,
    iat: issued,
    nbf: issued,
    exp: issued + seconds,
    jti: crypto.randomUUID(),
  };
  return sign(claims, key, "HS512");
}

/** The claims of a token that this key signed for this API, or null for any other text; `now` in epoch milliseconds. */
export async function readToken(key: CryptoKey, token: string, now: number): Promise<TokenClaims | null> {
  const claims = claimsSchema.safeParse(await verified(key, token));
  if (!claims.success) {
    return null;
  }
  const { sub, nbf, exp, credential } = claims.data;
  return { sub, credential, isInTime: nbf - LEEWAY <= now / 1000 && now / 1000 < exp + LEEWAY };
}

/** The claims if signature, algorithm, issuer and audience are right. Times are judged by our own clock, with leeway. */
async function verified(key: CryptoKey, token: string): Promise<unknown> {
  try {
    return await verify(token, key, { alg: "HS512", iss: ISSUER, aud: AUDIENCE, exp: false, nbf: false, iat: false });
  } catch {
    return null;
  }
}

const FINGERPRINTS = 100;
const fingerprints = new WeakMap<CryptoKey, Map<string, string>>();

/** A short text that tells one credential from another, and nothing of what it is. */
export async function fingerprint(key: CryptoKey, credential: string): Promise<string> {
  const known = fingerprints.get(key) ?? new Map<string, string>();
  fingerprints.set(key, known);
  const found = known.get(credential);
  if (found !== undefined) {
    return found;
  }
  // No token has a space in what is signed, so none can be mistaken for this, nor this for one.
  const signature = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(`credential: ${credential}`));
  const text = encodeBase64Url(signature.slice(0, 12));
  if (known.size < FINGERPRINTS) {
    known.set(credential, text);
  }
  return text;
}
