/**
 * Cron expressions as Airflow reads them: five fields, or six with the seconds at the **end**. Lists, ranges (also around
 * the end, `22-2`), steps, names, `L` for the last day of the month, `5#2` for the second Friday, `L5` or `5L` for the
 * last one.
 *
 * @module
 */

/** One field: the values it allows, in order, and what only a calendar can tell (`L`, `5#2`, `5L`). */
export interface CronField {
  values: readonly number[];
  special: readonly string[];
  /** Whether the field allows everything, and so restricts nothing. */
  isEvery: boolean;
}

export interface CronFields {
  minute: CronField;
  hour: CronField;
  day: CronField;
  month: CronField;
  weekday: CronField;
  second: CronField;
}

/** Says what was expected of a cron expression. The expression itself is not in the message. */
export class CronError extends TypeError {
  override readonly name = "CronError";
}

/** The names Airflow has for some expressions. */
export const CRON_PRESETS: Readonly<Record<string, string>> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@quarterly": "0 0 1 */3 *",
  "@yearly": "0 0 1 1 *",
};

/** Characters a cron expression may have. */
export const MAX_CRON_LENGTH = 256;

interface Kind {
  label: string;
  min: number;
  max: number;
  /** Names from `min` on. */
  names: readonly string[];
  special: RegExp | null;
}

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const KINDS: Record<keyof CronFields, Kind> = {
  minute: { label: "minute", min: 0, max: 59, names: [], special: null },
  hour: { label: "hour", min: 0, max: 23, names: [], special: null },
  day: { label: "day of the month", min: 1, max: 31, names: [], special: /^L$/ },
  month: { label: "month", min: 1, max: 12, names: MONTHS, special: null },
  weekday: { label: "day of the week", min: 0, max: 6, names: WEEKDAYS, special: /^(?:(\w+)#([1-5])|L(\w+)|(\w+)L)$/ },
  second: { label: "second", min: 0, max: 59, names: [], special: null },
};

/** An expression without the white space that means nothing, and a preset as the expression it stands for. */
export function tidyCron(expression: string): string {
  const tidy = expression.trim().split(/\s+/).join(" ");
  return Object.hasOwn(CRON_PRESETS, tidy) ? (CRON_PRESETS[tidy] ?? tidy) : tidy;
}

/**
 * Reads a cron expression or a preset.
 *
 * @throws CronError if it is none. An expression may be well formed and still never come true (`0 0 30 2 *`).
 */
export function parseCron(expression: string): CronFields {
  if (expression.length > MAX_CRON_LENGTH) {
    throw new CronError(`expected a cron expression of at most ${MAX_CRON_LENGTH} characters`);
  }
  const tidy = tidyCron(expression);
  if (tidy.startsWith("@")) {
    throw new CronError(`expected a cron expression or one of ${Object.keys(CRON_PRESETS).join(", ")}`);
  }
  const [minute = "", hour = "", day = "", month = "", weekday = "", second = "0", ...more] = tidy.split(" ");
  if (weekday === "" || more.length > 0) {
    throw new CronError(
      "expected a cron expression of 5 or 6 fields (minute, hour, day of the month, month, day of the week, and second at the end)",
    );
  }
  return {
    minute: parseField(minute, KINDS.minute),
    hour: parseField(hour, KINDS.hour),
    day: dayField(day, KINDS.day, weekday),
    month: parseField(month, KINDS.month),
    weekday: dayField(weekday, KINDS.weekday, day),
    second: parseField(second, KINDS.second),
  };
}

/**
 * A day fits by its date or by its weekday if both are restricted, and `1-31` is a restriction where the other field is
 * without a star: `0 0 1-31 * 1` is every day, as Airflow has it, and `0 0 * * 1` is Mondays.
 */
function dayField(text: string, kind: Kind, other: string): CronField {
  const field = parseField(text === "?" ? "*" : text, kind);
  return { ...field, isEvery: field.isEvery && (/(^|,)[*?](,|$)/.test(text) || /[*?]/.test(other)) };
}

function parseField(text: string, kind: Kind): CronField {
  const values = new Set<number>();
  const special = new Set<string>();
  for (const item of text.toUpperCase().split(",")) {
    const match = kind.special?.exec(item);
    if (match !== null && match !== undefined) {
      special.add(specialItem(match, kind, text));
    } else {
      for (const value of valuesOf(item, kind, text)) {
        values.add(value);
      }
    }
  }
  const isEvery = values.size === kind.max - kind.min + 1;
  return { values: [...values].toSorted((a, b) => a - b), special: isEvery ? [] : [...special], isEvery };
}

/** `5#2` as it stands, and both ways to write the last Friday as `5L`. */
function specialItem(match: RegExpExecArray, kind: Kind, field: string): string {
  const [whole, nthDay, nth, lastDay = match[4]] = match;
  if (nthDay !== undefined) {
    return `${valueOf(nthDay, kind, field)}#${nth}`;
  }
  return lastDay === undefined ? whole : `${valueOf(lastDay, kind, field)}L`;
}

function valuesOf(item: string, kind: Kind, field: string): number[] {
  const [, first, last, stepText = "1"] = /^(\*|\w+)(?:-(\w+))?(?:\/(\d{1,4}))?$/.exec(item) ?? [];
  const step = Number(stepText);
  if (first === undefined || step === 0 || (first === "*" && last !== undefined)) {
    throw fieldError(kind, field);
  }
  const from = first === "*" ? kind.min : valueOf(first, kind, field);
  // A step without an end goes on to the end of the field: 5/15 is 5-59/15.
  const open = first === "*" || item.includes("/") ? kind.max : from;
  const to = last === undefined ? open : valueOf(last, kind, field);
  const size = kind.max - kind.min + 1;
  // A range may go around the end: 22-2 is 22, 23, 0, 1, 2. And 0-7 is the whole week, Sunday being both.
  const length = to === from && last !== undefined && last !== first ? size : ((to - from + size) % size) + 1;
  return Array.from({ length: Math.ceil(length / step) }, (_, at) => ((from - kind.min + at * step) % size) + kind.min);
}

function valueOf(text: string, kind: Kind, field: string): number {
  const named = kind.names.indexOf(text);
  const value = named === -1 ? (/^\d{1,4}$/.test(text) ? Number(text) : Number.NaN) : named + kind.min;
  // Sunday is 0 and 7.
  const normal = kind === KINDS.weekday && value === 7 ? 0 : value;
  if (!(normal >= kind.min && normal <= kind.max)) {
    throw fieldError(kind, field);
  }
  return normal;
}

function fieldError(kind: Kind, field: string): CronError {
  const max = kind === KINDS.weekday ? 7 : kind.max;
  const names = kind.names.length === 0 ? "" : ` or ${kind.names[0]}-${kind.names.at(-1)}`;
  return new CronError(
    `expected a cron expression whose ${kind.label} is made of ${kind.min}-${max}${names}, *, lists, ranges and steps, not "${field}"`,
  );
}
