/**
 * Passwords as they are kept: `pbkdf2-sha256$<iterations>$<salt>$<hash>`, salt and hash in base 64. The password itself is
 * kept nowhere.
 *
 * @module
 */
import { decodeBase64, encodeBase64 } from "hono/utils/encode";

/** As many as the runtime allows. One number for all, so that every check costs the same. */
const ITERATIONS = 100_000;
const SALT_BYTES = 16;
const HASH_BYTES = 32;

const FORM =
  /^pbkdf2-sha256\$100000\$((?:[A-Za-z0-9+/]{4}){5}[A-Za-z0-9+/]{2}==)\$((?:[A-Za-z0-9+/]{4}){10}[A-Za-z0-9+/]{3}=)$/;

/** What a kept password looks like, for messages. */
export const PASSWORD_FORM = `pbkdf2-sha256$${ITERATIONS}$<${SALT_BYTES} bytes of salt>$<${HASH_BYTES} bytes of hash>, both in base 64`;

/** Characters of a new password; one that was kept before is checked whatever its length. */
export const MIN_PASSWORD = 12;
/** Characters of a password. */
export const MAX_PASSWORD = 1024;

/** Says whether `kept` is a password as `hashPassword` makes it. */
export function isKeptPassword(kept: string): boolean {
  return FORM.test(kept);
}

/** A password as it is to be kept, with a new salt. */
export async function hashPassword(password: string): Promise<string> {
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const hash = await derive(password, salt);
  return ["pbkdf2-sha256", ITERATIONS, encodeBase64(salt.buffer), encodeBase64(hash.buffer)].join("$");
}

/**
 * Says whether a password is the one kept. Without a kept one the same work is done and the answer is no, so that the
 * time does not tell which users there are.
 */
export async function matchesPassword(password: string, kept: string | null): Promise<boolean> {
  const [, salt = "", hash = ""] = FORM.exec(kept ?? "") ?? [];
  const isKept = hash !== "";
  const expected = isKept ? decodeBase64(hash) : new Uint8Array(HASH_BYTES);
  const found = await derive(password, isKept ? decodeBase64(salt) : new Uint8Array(SALT_BYTES));
  let difference = isKept ? 0 : 1;
  for (const [index, byte] of found.entries()) {
    difference |= byte ^ (expected[index] ?? 0);
  }
  return difference === 0;
}

/** Two keyboards may write one accented letter in two ways; the normal form makes them one password. */
async function derive(password: string, salt: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const text = new TextEncoder().encode(password.normalize("NFC"));
  const key = await crypto.subtle.importKey("raw", text, "PBKDF2", false, ["deriveBits"]);
  const parameters = { name: "PBKDF2", hash: "SHA-256", salt, iterations: ITERATIONS };
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, key, HASH_BYTES * 8));
}
