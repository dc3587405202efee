/**
 * Names of time zones.
 *
 * @module
 */
import { z } from "zod";

const MAX_LENGTH = 64;

/** Says whether `name` is a zone of the IANA database, e.g. `Europe/Paris` or `UTC`. An offset such as `+01:00` is not. */
export function isTimezone(name: string): boolean {
  if (name.length > MAX_LENGTH || !/^[A-Za-z][A-Za-z0-9_+/-]*$/.test(name)) {
    return false;
  }
  try {
    return Intl.DateTimeFormat("en-US", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

/** The time zone of a DAG: its cron expressions are read on the clocks of this zone. */
export const timezoneSchema = z
  .string()
  .max(MAX_LENGTH)
  .refine(isTimezone, { error: "expected an IANA time zone, such as UTC or Europe/Paris" });
