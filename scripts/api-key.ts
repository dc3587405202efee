/**
 * What an API key must be for a server that others can reach.
 *
 * @module
 */
import { isIP } from "node:net";

/** Characters below which a key can be found by trying. */
export const LEAST_KEY_LENGTH = 32;

/** Says whether an address to listen on is reached from this machine alone. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  return bare === "localhost" || bare === "::1" || (isIP(bare) === 4 && bare.startsWith("127."));
}

/**
 * Checks a key that was given against where the server listens; null stands for the development key, which is long.
 * Gives what is to be said about it.
 *
 * @throws Error if the key is short and others can reach the server.
 */
export function checkAccess(host: string, apiKey: string | null): string[] {
  const warnings: string[] = [];
  const isShort = apiKey !== null && apiKey.length < LEAST_KEY_LENGTH;
  if (isShort && !isLoopback(host)) {
    throw new Error(
      `JOBBERS_API_KEY: expected at least ${LEAST_KEY_LENGTH} characters for a server on ${host}, got ${apiKey.length}; try: openssl rand -base64 33`,
    );
  }
  if (isShort) {
    warnings.push(
      `JOBBERS_API_KEY has ${apiKey.length} characters; with fewer than ${LEAST_KEY_LENGTH} the server starts on loopback addresses only.`,
    );
  }
  if (!isLoopback(host)) {
    warnings.push(
      `${host} is reached by other machines and this is plain HTTP: keys and data can be read on the way. Put a proxy with TLS before it.`,
    );
  }
  return warnings;
}
