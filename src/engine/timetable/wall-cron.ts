/**
 * A cron expression on a clock that is never put forward or back. Wall times are milliseconds as if they were UTC.
 *
 * @module
 */
import { Cron } from "croner";
import { CronError } from "./cron-fields.ts";
import type { CronField, CronFields } from "./cron-fields.ts";
import { CALENDAR } from "./timetable.ts";

/** Walks the wall times that a cron expression marks. A day fits by its day of the month or of the week if both are restricted. */
export class WallCron {
  readonly #cron: Cron;

  constructor(fields: CronFields) {
    const { second, minute, hour, day, month, weekday } = fields;
    // Here the seconds come first. An offset of its own keeps the library from asking about time zones.
    this.#cron = new Cron([second, minute, hour, day, month, weekday].map(textOf).join(" "), {
      mode: "6-part",
      utcOffset: 0,
    });
  }

  /** The first marked time after `wall`; `Infinity` if the calendar ends before. */
  after(wall: number): number {
    if (wall >= CALENDAR.last) {
      return Infinity;
    }
    const from = Math.max(Math.floor(wall / 1000) * 1000, CALENDAR.first);
    const found = this.#cron.nextRun(new Date(from))?.getTime() ?? Infinity;
    return found <= CALENDAR.last ? found : Infinity;
  }

  /** The last marked time before `wall`; `-Infinity` if the calendar begins after. */
  before(wall: number): number {
    // Before the year 1 the library would search for ever.
    if (wall <= CALENDAR.first) {
      return -Infinity;
    }
    const from = Math.min(Math.ceil(wall / 1000) * 1000, CALENDAR.last);
    const found = this.#cron.previousRuns(1, new Date(from))[0]?.getTime() ?? -Infinity;
    return found >= CALENDAR.first ? found : -Infinity;
  }
}

/**
 * Compiles fields.
 *
 * @throws CronError if no day fits them, as in `0 0 30 2 *`.
 */
export function wallCron(fields: CronFields): WallCron {
  const cron = new WallCron(fields);
  if (cron.after(Date.UTC(2000, 0, 1)) === Infinity) {
    throw new CronError("expected a cron expression that comes true some day");
  }
  return cron;
}

function textOf(field: CronField): string {
  return field.isEvery ? "*" : [...field.values, ...field.special].join(",");
}
