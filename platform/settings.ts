/**
 * What `npm start -- --platform-limits` hands to the Worker, in the variable `PLATFORM_LIMITS`.
 *
 * @module
 */
import { z } from "zod";
import type { LimitValues } from "./limits.ts";

/** Settings of the limits. */
export const settingsSchema = z.strictObject({
  /** Figures that the configuration sets: `[limits]` of wrangler.toml. */
  values: z.strictObject({ subrequests: z.int().min(1).optional(), cpu_ms: z.int().min(1).optional() }).default({}),
  /** How often a call meets a reset of its object, and an alarm is late or lost. */
  faultRate: z.number().min(0).max(1).default(0),
  /** What chance is drawn from. */
  seed: z.int().min(0).default(0),
});
export type PlatformSettings = z.input<typeof settingsSchema>;

/** Reads the variable, JSON text. @throws Error if it cannot be used. */
export function readSettings(raw: unknown): { values: Partial<LimitValues>; faultRate: number; seed: number } {
  const { values, ...rest } = settingsSchema.parse(typeof raw === "string" ? JSON.parse(raw) : {});
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return { ...rest, values: Object.fromEntries(given) };
}
