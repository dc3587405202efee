/**
 * Writes that cannot be taken now, because the server stops or its disk is full.
 *
 * @module
 */
import type { MiddlewareHandler } from "hono";
import type { Service, Unavailable } from "../isolate/service.ts";
import { isRead } from "./auth/permissions.ts";
import type { AppEnv } from "./env.ts";
import { ApiError } from "./errors.ts";

/** Seconds after which it is worth asking again: a restart takes some, making room longer. */
const RETRY_AFTER_S = { stopping: 5, disk_full: 10 } as const satisfies Record<Unavailable["state"], number>;

/** Refuses what would write while nothing new is taken, and counts requests that have no answer yet. */
export function refuseWhileUnavailable(service: Service): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const { unavailable } = service;
    if (unavailable !== null && !isRead(c.req.method, c.req.path)) {
      const detail =
        unavailable.state === "stopping" ? "the server is stopping; try again when it is back" : unavailable.message;
      throw new ApiError(503, detail, { "Retry-After": String(RETRY_AFTER_S[unavailable.state]) });
    }
    const answered = service.begin();
    try {
      await next();
    } finally {
      answered();
    }
  };
}
