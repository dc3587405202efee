/**
 * Times as the API writes and reads them: ISO 8601 in UTC outside, epoch milliseconds inside.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";

/** A time as ISO 8601 in UTC, its fraction only if there is one; null stays null. */
export function iso(epochMs: number): string;
export function iso(epochMs: number | null): string | null;
export function iso(epochMs: number | null): string | null {
  return epochMs === null ? null : new Date(epochMs).toISOString().replace(".000Z", "Z");
}

/** Seconds between two times, or null while one of them is unknown. */
export function durationSeconds(start: number | null, end: number | null): number | null {
  return start === null || end === null ? null : (end - start) / 1000;
}

const DATE_TIME = "expected an ISO 8601 date-time with a time zone, such as 2026-01-31T06:00:00Z";

/** Alarms cannot be set much beyond this. */
const LATEST = Date.UTC(2100, 0, 1);

/** A date-time in a request, with its zone, read as epoch milliseconds. A time without a zone is refused. */
export const dateTimeInput = z
  .string({ error: DATE_TIME })
  // Python writes a zone as +0000, which ISO 8601 allows and its common profile does not.
  .transform((text) => text.replace(/([+-]\d\d)(\d\d)$/, "$1:$2"))
  .pipe(z.iso.datetime({ offset: true, error: DATE_TIME }))
  .transform((text) => Date.parse(text))
  .refine((epochMs) => epochMs < LATEST, { error: "expected a date-time before the year 2100" })
  .openapi({ format: "date-time" });

/** A date-time in an answer. */
export const dateTime = z.string().openapi({ format: "date-time", example: "2026-01-31T06:00:00Z" });
