/**
 * The Worker of this layer: the product over the tests' registry, with Cloudflare's limits round it. What the objects send to the queue
 * is kept in `mailbox`, behind the limits of sending.
 *
 * @module
 */
import type { ObjectEnv } from "../../durable-objects/env.ts";
import { limitGlobals } from "../../platform/globals.ts";
import { only } from "../../platform/limits.ts";
import { Platform } from "../../platform/platform.ts";
import { createJobbers } from "../../src/jobbers.ts";
import { mailbox } from "../workers/mailbox.ts";
import { registry } from "../workers/registry.ts";

/** The platform of this isolate: no limit holds until a test sets it. */
export const platform = new Platform(only({}));
limitGlobals(platform);

const jobbers = createJobbers(registry);

/** The Worker's handlers under the limits. */
export const handlers = platform.handlers(jobbers.handler);

export default handlers;

export class Dag extends platform.object(jobbers.Dag, "Dag") {
  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, mailbox.before(env));
  }
}

export class Job extends platform.object(jobbers.Job, "Job") {
  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, mailbox.before(env));
  }
}

export class Intake extends platform.object(jobbers.Intake, "Intake") {
  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, mailbox.before(env));
  }
}

export class Catalog extends platform.object(jobbers.Catalog, "Catalog") {}
export class Pool extends platform.object(jobbers.Pool, "Pool") {}
export class RateLimiter extends platform.object(jobbers.RateLimiter, "RateLimiter") {}
export class LoginGuard extends platform.object(jobbers.LoginGuard, "LoginGuard") {}
export class LocalQueue extends jobbers.LocalQueue {}
