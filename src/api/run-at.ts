/**
 * When a task is to start: after a delay, or at a time.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { invalid } from "./errors.ts";
import { dateTimeText } from "./time.ts";

/** Seconds a start may lie ahead: a year. */
export const MAX_DELAY_SECONDS = 31_536_000;

const DELAY = `expected seconds from 0 to ${MAX_DELAY_SECONDS}`;

/** Fields of a submission that say when it starts; at most one of them. */
export const startFields = {
  delay: z
    .number({ error: DELAY })
    .min(0, DELAY)
    .max(MAX_DELAY_SECONDS, DELAY)
    .nullish()
    .openapi({ description: "Seconds from now; not together with run_at" }),
  run_at: dateTimeText.nullish().openapi({ description: "Not before this time; not together with delay" }),
};

const startSchema = z.object(startFields);

/** A wish for a start; `run_at` in epoch milliseconds. */
export type Start = z.output<typeof startSchema>;

/**
 * Epoch milliseconds of the start, or null for at once, which a time in the past means too.
 *
 * @throws ApiError 422 if both are given, or the time is more than a year ahead.
 */
export function startTime({ delay, run_at: runAt }: Start, now: number, place: (string | number)[]): number | null {
  const hasDelay = delay !== undefined && delay !== null;
  if (runAt === undefined || runAt === null) {
    return hasDelay && delay > 0 ? now + Math.round(delay * 1000) : null;
  }
  if (hasDelay) {
    throw invalid([...place, "run_at"], "expected either delay or run_at, not both", { delay });
  }
  if (runAt > now + MAX_DELAY_SECONDS * 1000) {
    throw invalid([...place, "run_at"], "expected a time at most a year ahead", new Date(runAt).toISOString());
  }
  return runAt > now ? runAt : null;
}

/** Reads a start from unchecked fields, or answers what zod found wrong with them. */
export function parseStart(fields: { delay: unknown; run_at: unknown }): z.ZodSafeParseResult<Start> {
  return startSchema.safeParse(fields);
}
