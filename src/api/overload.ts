/**
 * The door for requests that make work: beyond what can be answered in time, a request is refused at once with 503 and Retry-After
 * instead of waiting in a line that only grows.
 *
 * @module
 */
import { createMiddleware } from "hono/factory";
import { AdmissionControl } from "../engine/overload.ts";
import type { AppEnv } from "./env.ts";
import { ApiError } from "./errors.ts";

/** Requests waiting at a time from which they take turns. */
const TAKE_TURNS_FROM = 8;
const RETRY_AFTER_S = 1;

/** Tasks, triggered runs and webhooks. */
const SUBMISSIONS = /^\/(?:tasks(?:\/[^/]+)?|api\/v2\/dags\/[^/]+\/dagRuns|webhooks\/[^/]+)$/;

/** Of this isolate. */
const admission = new AdmissionControl();

/** How many submissions wait for their answer in this isolate: what spreads them over objects. */
export function submissionsWaiting(): number {
  return admission.waiting;
}

/**
 * Refuses a request beyond what is answered in time. Those that are admitted take turns: the runtime serves what came last first
 * while it is busy, so that the unlucky would wait until the load is over; its timers keep the order.
 */
export const admitSubmission = createMiddleware<AppEnv>(async (c, next) => {
  if (c.req.method !== "POST" || !SUBMISSIONS.test(c.req.path)) {
    return next();
  }
  if (!admission.enter(Date.now())) {
    throw new ApiError(503, "more is submitted than can be taken in time; try again", {
      "Retry-After": String(RETRY_AFTER_S),
    });
  }
  try {
    await takeTurn();
    await next();
    await takeTurn();
  } finally {
    admission.leave(Date.now());
  }
});

async function takeTurn(): Promise<void> {
  if (admission.waiting >= TAKE_TURNS_FROM) {
    await scheduler.wait(0);
  }
}
