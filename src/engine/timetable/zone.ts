/**
 * What the clocks of a time zone show. A wall time is what they show, written down as if it were UTC, in milliseconds;
 * an instant is epoch milliseconds; the offset is wall time minus instant.
 *
 * @module
 */
import { CALENDAR } from "./timetable.ts";
import { isTimezone } from "./timezone.ts";

/** Clocks put forward (a gap: wall times that never are) or back (a fold: wall times that are twice). */
export interface Transition {
  /** The first instant with the new offset. */
  at: number;
  before: number;
  after: number;
}

const DAY = 86_400_000;
const CACHED_DAYS = 1000;
/** Written as "03/29/2026, 01:59:59". */
const FIELDS: Intl.DateTimeFormatOptions = {
  hourCycle: "h23",
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
};

/** The clocks of one time zone. Offsets come from the runtime's own time zone data. */
export class Zone {
  readonly #format: Intl.DateTimeFormat | null;
  /** Offsets at midnights UTC: a day that begins and ends with the same one is asked about once. */
  readonly #midnights = new Map<number, number>();
  #transition: Transition | null = null;

  /** @throws TypeError if `name` is no IANA time zone. */
  constructor(name: string) {
    if (!isTimezone(name)) {
      throw new TypeError(`expected an IANA time zone, such as UTC or Europe/Paris, got ${JSON.stringify(name)}`);
    }
    this.#format = name === "UTC" ? null : new Intl.DateTimeFormat("en-US", { ...FIELDS, timeZone: name });
  }

  /** Milliseconds that the clocks are ahead of UTC at an instant. */
  offsetAt(instant: number): number {
    if (this.#format === null) {
      return 0;
    }
    const day = Math.floor(Math.min(Math.max(instant, CALENDAR.first), CALENDAR.last) / DAY);
    const offset = this.#offsetAtMidnight(day, this.#format);
    return offset === this.#offsetAtMidnight(day + 1, this.#format) ? offset : measure(instant, this.#format);
  }

  /** The transition within a day before or after an instant, if there is one. */
  transitionNear(instant: number): Transition | null {
    let low = instant - DAY;
    let high = instant + DAY;
    const before = this.offsetAt(low);
    const after = this.offsetAt(high);
    if (before === after) {
      return null;
    }
    if (this.#transition !== null && this.#transition.at > low && this.#transition.at <= high) {
      return this.#transition;
    }
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.offsetAt(middle) === before) {
        low = middle;
      } else {
        high = middle;
      }
    }
    this.#transition = { at: high, before, after };
    return this.#transition;
  }

  #offsetAtMidnight(day: number, format: Intl.DateTimeFormat): number {
    const known = this.#midnights.get(day);
    if (known !== undefined) {
      return known;
    }
    if (this.#midnights.size >= CACHED_DAYS) {
      this.#midnights.clear();
    }
    const offset = measure(day * DAY, format);
    this.#midnights.set(day, offset);
    return offset;
  }
}

function measure(instant: number, format: Intl.DateTimeFormat): number {
  const clamped = Math.min(Math.max(instant, CALENDAR.first), CALENDAR.last);
  const seconds = Math.floor(clamped / 1000) * 1000;
  const [month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] = format
    .format(seconds)
    .split(/\D+/)
    .map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second) - seconds;
}
