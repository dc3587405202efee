/**
 * `npm start -- --platform-limits`: what differs from `npm start`.
 *
 * @module
 */
import { unstable_getMiniflareWorkerOptions as readWorkerOptions, unstable_readConfig as readConfig } from "wrangler";
import { z } from "zod";
import type { PlatformSettings } from "../platform/settings.ts";
import type { OtherEntry } from "./bundle.ts";
import { LIMITED_ENTRY } from "./project.ts";

/** What goes wrong by chance. */
export interface FaultSettings {
  /** How often a call meets a reset of its object, and an alarm is late or lost: from 0 to 1. */
  faultRate: number;
  /** What chance is drawn from. */
  seed: number;
}

/** What the harness needs of the runtime: it knows by it which invocation a call belongs to. */
export const LIMITED_FLAGS: readonly string[] = ["nodejs_als"];

/** What is used of the configuration. */
const configSchema = z.looseObject({
  limits: z.object({ cpu_ms: z.int().optional(), subrequests: z.int().optional() }).default({}),
});
const flagsSchema = z.array(z.string()).default([]);

/** The entry and the variables of a Worker under the limits, with `[limits]` of its configuration. */
export function underLimits(
  configPath: string,
  faults: FaultSettings,
): { entry: OtherEntry; bindings: { TASK_CONSUMER: string; PLATFORM_LIMITS: string } } {
  const config: unknown = readConfig({ config: configPath });
  const { limits } = configSchema.parse(config);
  const flags = flagsSchema.parse(readWorkerOptions(configPath).workerOptions.compatibilityFlags);
  const settings: PlatformSettings = { values: limits, ...faults };
  return {
    entry: { main: LIMITED_ENTRY, compatibilityFlags: [...flags, ...LIMITED_FLAGS] },
    bindings: { TASK_CONSUMER: "hold", PLATFORM_LIMITS: JSON.stringify(settings) },
  };
}
