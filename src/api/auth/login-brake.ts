/**
 * Holds logins back: few hashes at a time in this isolate, and few failures over all of them, which the `LoginGuard` object
 * counts. What is refused for it is a 429 that says when to try again, and costs no hash. Failures and refusals are logged.
 *
 * @module
 */
import { encodeBase64Url } from "hono/utils/encode";
import type { ApiEnv } from "../env.ts";
import { ApiError } from "../errors.ts";
import { loginGuardObject } from "../objects.ts";

/** Hashes at a time in one isolate: a password check takes some 20 ms of CPU, in which nothing else is served. */
const HASHES_AT_A_TIME = 2;
/** Characters of a name in the log: somebody may have typed a password there. */
const LOGGED_NAME = 32;
const LOGGED_ADDRESS = 45;
/** Refusals are logged together, at most once in so many milliseconds: a flood of them must not flood the log. */
const LOG_REFUSALS_EVERY_MS = 10_000;

/** Who tries to log in. */
export interface Attempt {
  /** Null for the API key. */
  username: string | null;
  /** From where, as the platform says it; null if it does not. */
  address: string | null;
  requestId: string;
}

let hashing = 0;
let refusals = { count: 0, loggedAt: -Infinity };

/**
 * Checks a password, if logins are not held back.
 *
 * @param now Epoch milliseconds.
 * @throws ApiError 429 if they are.
 */
export async function checkHeldBack(
  env: ApiEnv,
  attempt: Attempt & { username: string },
  now: number,
  check: () => Promise<boolean>,
): Promise<boolean> {
  if (hashing >= HASHES_AT_A_TIME) {
    throw refused(attempt, "busy", 1000, now);
  }
  hashing += 1;
  try {
    const name = await digest(attempt.username);
    const network = await digest(networkOf(attempt.address));
    const { retryAfterMs } = await loginGuardObject(env).begin(name, network);
    if (retryAfterMs !== null) {
      throw refused(attempt, "failures", retryAfterMs, now);
    }
    const isRight = await check();
    if (isRight) {
      await succeeded(env, name, network);
    } else {
      logFailure(attempt);
    }
    return isRight;
  } finally {
    hashing -= 1;
  }
}

/** Logs a login that failed, without what it proved itself by. */
export function logFailure({ username, address, requestId }: Attempt): void {
  console.warn({
    event: "login_failed",
    user: username?.slice(0, LOGGED_NAME).toWellFormed() ?? null,
    address: address?.slice(0, LOGGED_ADDRESS) ?? null,
    request_id: requestId,
  });
}

/**
 * What an address says of who is behind it: of IPv6 the first half, because the second is chosen by its owner. `unknown` for
 * none.
 */
export function networkOf(address: string | null): string {
  if (address === null || !address.includes(":")) {
    return address ?? "unknown";
  }
  const [head = "", tail] = address.toLowerCase().split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const parts = [...before, ...Array.from({ length: zeros }, () => "0"), ...after];
  return `${parts
    .slice(0, 4)
    .map((part) => part.replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}

/** A right password counts, whether or not the failure that was counted before it could be taken back. */
async function succeeded(env: ApiEnv, name: string, network: string): Promise<void> {
  try {
    await loginGuardObject(env).succeeded(name, network);
  } catch (error) {
    console.warn({ event: "login_not_counted", error: String(error) });
  }
}

function refused({ address }: Attempt, reason: "busy" | "failures", retryAfterMs: number, now: number): ApiError {
  refusals.count += 1;
  if (now - refusals.loggedAt >= LOG_REFUSALS_EVERY_MS) {
    const { count } = refusals;
    refusals = { count: 0, loggedAt: now };
    console.warn({ event: "login_refused", reason, count, address: address?.slice(0, LOGGED_ADDRESS) ?? null });
  }
  const seconds = Math.ceil(retryAfterMs / 1000);
  const what = reason === "busy" ? "other logins are being checked" : "too many logins have failed";
  return new ApiError(429, `${what}; try again in ${seconds} s`, { "Retry-After": String(seconds) });
}

/** A text that stands for another one and does not show it. */
async function digest(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`login: ${text}`));
  return encodeBase64Url(hash.slice(0, 16));
}
