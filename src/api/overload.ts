/**
 * The door for requests that make work: beyond what can be answered in time, a request is refused at once with 503 and Retry-After
 * instead of waiting in a line that only grows.
 *
 * @module
 */
import { createMiddleware } from "hono/factory";
import { AdmissionControl } from "../engine/overload.ts";
import { Turns } from "../engine/turns.ts";
import type { AppEnv } from "./env.ts";
import { ApiError } from "./errors.ts";

/** Requests waiting at a time from which they take turns. */
export const TAKE_TURNS_FROM = 8;
const RETRY_AFTER_S = 1;
/** How long a body may take to come before its request gives up its place, in milliseconds. */
const BODY_SOON_MS = 1000;

/** Bulk submissions that are read and stored at a time: with twenty at once an isolate held twice the memory, and was no faster. */
const BULKS_AT_ONCE = 2;
/** How long a bulk submission may hold up others, and wait for its own turn, in milliseconds. */
const BULK_TURN_MS = 10_000;
const BULK_PATIENCE_MS = 30_000;
/** How often one that waits looks again, in milliseconds. */
const LOOK_AGAIN_MS = 5;

/** Tasks, triggered runs and webhooks. */
const SUBMISSIONS = /^\/(?:tasks(?:\/[^/]+)?|api\/v2\/dags\/[^/]+\/dagRuns|webhooks\/[^/]+)$/;

/** Of this isolate. */
const admission = new AdmissionControl();
const bulkTurns = new Turns(BULKS_AT_ONCE, BULK_TURN_MS);

/** How many submissions wait for their answer in this isolate: what spreads them over objects. */
export function submissionsWaiting(): number {
  return admission.waiting;
}

/**
 * Refuses a request beyond what is answered in time. Those that are admitted take turns: the runtime serves what came last first
 * while it is busy, so that the unlucky would wait until the load is over; its timers keep the order.
 */
export const admitSubmission = createMiddleware<AppEnv>(async (c, next) => {
  if (!isSubmission(c.req.method, c.req.path)) {
    return next();
  }
  if (!admission.enter(Date.now())) {
    throw overloaded();
  }
  try {
    await takeTurn();
    await next();
    await takeTurn();
  } finally {
    admission.leave(Date.now());
  }
});

/**
 * Waits for the body of a submission. One that is slow to come gives up the submission's place meanwhile: otherwise as many senders as may
 * wait could hold up all others by sending half of a body and no more.
 */
export const awaitBody = createMiddleware<AppEnv>(async (c, next) => {
  if (!isSubmission(c.req.method, c.req.path)) {
    return next();
  }
  // Kept by the request: whatever reads it later has it from there. A signature is over the bytes as they came.
  const body: Promise<unknown> = c.req.path.startsWith("/webhooks/") ? c.req.arrayBuffer() : c.req.text();
  if (!(await isThereSoon(body))) {
    admission.stepAside();
    let mayGoOn = false;
    try {
      await body;
    } finally {
      mayGoOn = admission.stepBack();
    }
    if (!mayGoOn) {
      throw overloaded();
    }
  }
  return next();
});

/** Lets a few bulk submissions at a time on: each is megabytes while it is read. */
export const takeTurnsInBulk = createMiddleware<AppEnv>(async (c, next) => {
  if (c.req.method !== "POST" || c.req.path !== "/tasks") {
    return next();
  }
  const until = Date.now() + BULK_PATIENCE_MS;
  let turn = bulkTurns.take(Date.now());
  // Looks again by a timer of its own: the runtime ends a request that waits for nothing but another one.
  while (turn === null) {
    await scheduler.wait(LOOK_AGAIN_MS);
    if (Date.now() >= until) {
      throw overloaded();
    }
    turn = bulkTurns.take(Date.now());
  }
  try {
    await next();
  } finally {
    bulkTurns.end(turn);
  }
});

async function isThereSoon(body: Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), BODY_SOON_MS);
  });
  try {
    return await Promise.race([body.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

function isSubmission(method: string, path: string): boolean {
  return method === "POST" && SUBMISSIONS.test(path);
}

function overloaded(): ApiError {
  return new ApiError(503, "more is submitted than can be taken in time; try again", {
    "Retry-After": String(RETRY_AFTER_S),
  });
}

async function takeTurn(): Promise<void> {
  if (admission.waiting >= TAKE_TURNS_FROM) {
    await scheduler.wait(0);
  }
}
