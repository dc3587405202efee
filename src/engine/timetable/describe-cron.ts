/**
 * A cron expression in words, for people who look at a DAG. The words of the common ones are those of Airflow.
 *
 * @module
 */
import { parseCron } from "./cron-fields.ts";
import type { CronField, CronFields } from "./cron-fields.ts";

const MONTHS = "January,February,March,April,May,June,July,August,September,October,November,December".split(",");
const WEEKDAYS = "Sunday,Monday,Tuesday,Wednesday,Thursday,Friday,Saturday".split(",");
const NTH = ["", "first", "second", "third", "fourth", "fifth"];
const EVERY: CronField = { values: [], special: [], isEvery: true };
/** More times of day than these are told by their fields. */
const MAX_TIMES = 6;

/**
 * @example
 * describeCron("30 21 * * 5"); // "At 21:30, only on Friday"
 * @throws CronError if the expression is none.
 */
export function describeCron(expression: string): string {
  const fields = parseCron(expression);
  if (fields.day.isEvery || fields.weekday.isEvery) {
    return describeFields(fields);
  }
  // A day fits by one or the other.
  return `${describeFields({ ...fields, weekday: EVERY })} (or) ${describeFields({ ...fields, day: EVERY })}`;
}

function describeFields({ day, month, weekday, ...time }: CronFields): string {
  return [
    ...describeTime(time),
    ...(day.isEvery ? [] : [`on ${describeDays(day)} of the month`]),
    ...(weekday.isEvery ? [] : [describeWeekdays(weekday)]),
    ...(month.isEvery ? [] : [`only in ${enumerate(month.values.map((value) => MONTHS[value - 1] ?? ""))}`]),
  ].join(", ");
}

function describeTime({ second, minute, hour }: Pick<CronFields, "second" | "minute" | "hour">): string[] {
  const seconds = describeSeconds(second);
  const count = minute.values.length * hour.values.length;
  if (!minute.isEvery && !hour.isEvery && count <= MAX_TIMES) {
    const times = hour.values.flatMap((h) => minute.values.map((m) => `${twoDigits(h)}:${twoDigits(m)}`));
    return [`At ${enumerate(times)}`, ...seconds];
  }
  return [describeMinutes(minute, hour.isEvery), ...seconds, ...(hour.isEvery ? [] : [describeHours(hour)])];
}

function describeHours(hour: CronField): string {
  const step = stepOf(hour, 24);
  const [first = 0] = hour.values;
  const last = hour.values.at(-1) ?? first;
  if (step !== null) {
    return `every ${step} hours`;
  }
  return isRange(hour)
    ? `between ${twoDigits(first)}:00 and ${twoDigits(last)}:59`
    : `in the hours ${enumerate(hour.values.map(twoDigits))}`;
}

function describeMinutes(minute: CronField, everyHour: boolean): string {
  const step = stepOf(minute, 60);
  if (minute.isEvery) {
    return "Every minute";
  }
  if (everyHour && minute.values.length === 1 && minute.values[0] === 0) {
    return "Every hour";
  }
  return step === null ? `At ${enumerate(minute.values.map(String))} minutes past the hour` : `Every ${step} minutes`;
}

function describeSeconds(second: CronField): string[] {
  if (second.isEvery) {
    return ["every second"];
  }
  return second.values.length === 1 && second.values[0] === 0
    ? []
    : [`at ${enumerate(second.values.map(String))} seconds past the minute`];
}

function describeDays({ values, special }: CronField): string {
  const days = values.length === 0 ? [] : [`day ${enumerate(values.map(String))}`];
  return enumerate([...days, ...(special.length === 0 ? [] : ["the last day"])]);
}

function describeWeekdays(weekday: CronField): string {
  const names = weekday.values.map((value) => WEEKDAYS[value] ?? "");
  return isRange(weekday) && names.length > 2
    ? `${names[0]} through ${names.at(-1)}`
    : `only on ${enumerate([...names, ...weekday.special.map(describeNth)])}`;
}

/** `5#2` and `5L`. */
function describeNth(item: string): string {
  const name = WEEKDAYS[Number(item.charAt(0))] ?? "";
  const which = item.endsWith("L") ? "last" : (NTH[Number(item.charAt(2))] ?? "");
  return `the ${which} ${name} of the month`;
}

/** Whether the values follow one another, with nothing beside them. */
function isRange({ values, special }: CronField): boolean {
  const [first = 0] = values;
  return values.length > 0 && special.length === 0 && values.every((value, at) => value === first + at);
}

/** The step of values that start at 0 and go evenly around, as every quarter of an hour does; null if they do not. */
function stepOf({ values }: CronField, size: number): number | null {
  const [first, second] = values;
  const isEven = first === 0 && second !== undefined && size % second === 0 && values.length === size / second;
  return isEven && values.every((value, at) => value === at * second) ? second : null;
}

function enumerate(items: readonly string[]): string {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
