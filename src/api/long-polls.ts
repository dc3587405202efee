/**
 * Requests that wait for something to end. Each holds some 70 KB of the process, so that only so many may: beyond that a request is
 * answered at once with what there is, as if its time were up.
 *
 * @module
 */
import { createMiddleware } from "hono/factory";
import type { ApiEnv, AppEnv } from "./env.ts";

/** Requests of one isolate that may wait at a time. */
const MAX_WAITING = 1000;
/** What a caller is asked to wait that was answered early. */
const RETRY_AFTER_S = 1;
/** How long a request may wait unless the variable says otherwise: Cloudflare may end one after 30 s. */
const LONGEST_WAIT_MS = 25_000;

let waiting = 0;

/** Counts requests that ask to wait. One beyond those that may is answered early, and asked to leave some time before the next. */
export const countLongPolls = createMiddleware<AppEnv>(async (c, next) => {
  if (c.req.query("wait") === undefined) {
    return next();
  }
  waiting += 1;
  const isEarly = waiting > MAX_WAITING;
  try {
    await next();
    if (isEarly) {
      c.header("Retry-After", String(RETRY_AFTER_S));
    }
  } finally {
    waiting -= 1;
  }
});

/** How long a request may wait now, of the milliseconds that it asks for. */
export function allowedWait({ JOBBERS_MAX_WAIT_S: most }: ApiEnv, waitMs: number): number {
  return waiting > MAX_WAITING ? 0 : Math.min(waitMs, longestWait(most));
}

function longestWait(most: string | undefined): number {
  const seconds = Number(most);
  return seconds > 0 ? seconds * 1000 : LONGEST_WAIT_MS;
}
