/**
 * The entry of `npm start -- --platform-limits`: what `src/index.ts` exports, with Cloudflare's limits round it. Never deployed.
 *
 * @module
 */
import { env } from "cloudflare:workers";
import { registry } from "../dags/index.ts";
import { createJobbers } from "../src/jobbers.ts";
import { NO_FAULTS, faultsAt } from "./faults.ts";
import { limitGlobals } from "./globals.ts";
import { LIMITS, limitValues } from "./limits.ts";
import { createLimitedQueueClass } from "./limited-queue.ts";
import { measured } from "./measured.ts";
import { Platform } from "./platform.ts";
import { readSettings } from "./settings.ts";

const { values, faultRate, seed } = readSettings(Reflect.get(env, "PLATFORM_LIMITS"));
const platform = new Platform(limitValues(values));
platform.faults =
  faultRate === 0
    ? NO_FAULTS
    : faultsAt({ resets: faultRate, lateAlarms: faultRate, lostAlarms: faultRate }, seed, LIMITS.alarm_delay_ms.value);
limitGlobals(platform);

const jobbers = createJobbers(measured(registry));
const handlers = platform.handlers(jobbers.handler);

export default handlers;
export class Dag extends platform.object(jobbers.Dag, "Dag") {}
export class Job extends platform.object(jobbers.Job, "Job") {}
export class Intake extends platform.object(jobbers.Intake, "Intake") {}
export class Catalog extends platform.object(jobbers.Catalog, "Catalog") {}
export class Pool extends platform.object(jobbers.Pool, "Pool") {}
export class RateLimiter extends platform.object(jobbers.RateLimiter, "RateLimiter") {}
export class LoginGuard extends platform.object(jobbers.LoginGuard, "LoginGuard") {}
export class LocalQueue extends createLimitedQueueClass(platform, handlers) {}
