/**
 * The API key: whoever bears it may do everything.
 *
 * @module
 */
import { readSecret, type Caller } from "../env.ts";

/** Name of the secret that holds the API key. */
export const API_KEY_SECRET = "JOBBERS_API_KEY";

/** Who bears the API key. */
export const KEY_BEARER: Caller = Object.freeze({ name: null, role: "admin" });

/** Says whether a text is the API key. Without a configured one, none is. */
export function isApiKey(env: object, text: string | undefined): boolean {
  const key = readSecret(env, API_KEY_SECRET);
  return key !== null && text !== undefined && equalInConstantTime(text, key);
}

/**
 * Compares a given text with the key in a time that depends on that text alone. By hand: a hash in this runtime costs
 * more than all the rest of a request.
 */
function equalInConstantTime(text: string, key: string): boolean {
  let difference = text.length ^ key.length;
  for (let index = 0; index < text.length; index += 1) {
    difference |= text.charCodeAt(index) ^ key.charCodeAt(index % key.length);
  }
  return difference === 0;
}
