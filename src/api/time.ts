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
const DATE_TIME_OR_NUMBER = `${DATE_TIME}, or seconds since 1970`;
const DATE_TIME_QUERY = "expected an ISO 8601 date-time or date, such as 2026-01-31T06:00:00Z or 2026-01-31";

/** Alarms cannot be set much beyond this. */
const LATEST = Date.UTC(2100, 0, 1);
const TOO_LATE = { error: "expected a date-time before the year 2100" };

/** Numbers beyond this are milliseconds, for Airflow too. */
const MOST_SECONDS = 2e10;

const inZone = z.iso.datetime({ offset: true });
const withoutZone = z.union([z.iso.datetime({ local: true }), z.iso.date()]);

/**
 * A date-time in a body, read as epoch milliseconds: ISO 8601 with its zone, a blank for the T allowed, or seconds since 1970.
 * A time without a zone is refused.
 */
export const dateTimeInput = z
  .union([z.string().openapi({ format: "date-time" }), z.number()], { error: DATE_TIME_OR_NUMBER })
  .transform((given, context) => readNumber(given) ?? readTime(String(given)) ?? refuse(context, DATE_TIME_OR_NUMBER))
  .refine((epochMs) => epochMs < LATEST, TOO_LATE);

/** The same where Airflow has no say: a small number is more likely a delay, so that numbers are refused. */
export const dateTimeText = z
  .string({ error: DATE_TIME })
  .transform((text, context) => readTime(text) ?? refuse(context, DATE_TIME))
  .refine((epochMs) => epochMs < LATEST, TOO_LATE)
  .openapi({ format: "date-time" });

/** A date-time in a query, where a time without a zone is in UTC, and a date is its first moment. */
export const dateTimeQuery = z
  .string({ error: DATE_TIME_QUERY })
  .transform(
    (text, context) => readNumber(text) ?? readTime(text) ?? readLocal(text) ?? refuse(context, DATE_TIME_QUERY),
  )
  .refine((epochMs) => epochMs < LATEST, TOO_LATE)
  .openapi({ format: "date-time" });

function readNumber(given: string | number): number | null {
  if (typeof given === "string" && !/^-?\d+(?:\.\d+)?$/.test(given)) {
    return null;
  }
  const number = Number(given);
  return Math.round(Math.abs(number) > MOST_SECONDS ? number : number * 1000);
}

function readTime(given: string): number | null {
  // Python writes a zone as +0000, which ISO 8601 allows and its common profile does not.
  const text = withT(given).replace(/([+-]\d\d)(\d\d)$/, "$1:$2");
  return inZone.safeParse(text).success ? Date.parse(text) : null;
}

function readLocal(given: string): number | null {
  const text = withT(given);
  // A date by itself is read in UTC, a local time is not unless it says so.
  return withoutZone.safeParse(text).success ? Date.parse(text.includes("T") ? `${text}Z` : text) : null;
}

function withT(text: string): string {
  return text.replace(/^(\d{4}-\d\d-\d\d) /, "$1T");
}

function refuse(context: { addIssue(issue: { code: "custom"; message: string }): void }, message: string): never {
  context.addIssue({ code: "custom", message });
  return z.NEVER;
}

/** A date-time in an answer. */
export const dateTime = z.string().openapi({ format: "date-time", example: "2026-01-31T06:00:00Z" });
