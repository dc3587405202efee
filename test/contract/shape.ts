/**
 * Says where a value does not have the shape that the table of models gives it.
 *
 * @module
 */
import { ENUMS, MODELS, OUR_MODELS, OURS, type Fields } from "./models.ts";

/** ISO 8601 in UTC, as Python's `datetime.fromisoformat` and JavaScript's `Date` both read it. */
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3,6})?Z$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const DURATION = /^P(?!$)(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?$/;

const SCALARS: Readonly<Record<string, (value: unknown) => boolean>> = {
  any: (value) => value !== undefined,
  string: (value) => typeof value === "string",
  integer: (value) => Number.isInteger(value),
  number: (value) => Number.isFinite(value),
  boolean: (value) => typeof value === "boolean",
  object: isObject,
  "date-time": (value) => typeof value === "string" && DATE_TIME.test(value) && !Number.isNaN(Date.parse(value)),
  uuid: (value) => typeof value === "string" && UUID.test(value),
  duration: (value) => typeof value === "string" && DURATION.test(value),
};

/** What is wrong with a value of a type, each with its place; empty if nothing is. See `models.ts` for the types. */
export function misfits(value: unknown, type: string, place = "answer"): string[] {
  const options = splitOutside(type, "|");
  if (options.length > 1) {
    const tried = options.map((option) => misfits(value, option, place));
    return tried.find((problems) => problems.length === 0) ?? tried.flat();
  }
  if (type.endsWith("?")) {
    return value === null ? [] : misfits(value, type.slice(0, -1), place);
  }
  if (type.startsWith("[")) {
    return Array.isArray(value)
      ? value.flatMap((item, index) => misfits(item, type.slice(1, -1), `${place}[${index}]`))
      : [wrong(value, "a list", place)];
  }
  if (type.startsWith("{")) {
    return isObject(value)
      ? Object.entries(value).flatMap(([key, item]) => misfits(item, type.slice(1, -1), `${place}.${key}`))
      : [wrong(value, "an object", place)];
  }
  const options_ = ENUMS[type];
  if (options_ !== undefined) {
    return typeof value === "string" && options_.includes(value) ? [] : [wrong(value, `a ${type}`, place)];
  }
  const fits = SCALARS[type];
  if (fits !== undefined) {
    return fits(value) ? [] : [wrong(value, type, place)];
  }
  return misfitsOfModel(value, type, place);
}

function misfitsOfModel(value: unknown, model: string, place: string): string[] {
  const fields: Fields | undefined = MODELS[model] ?? OUR_MODELS[model];
  if (fields === undefined) {
    throw new Error(`expected the name of a type in models.ts, got ${model}`);
  }
  if (!isObject(value)) {
    return [wrong(value, `a ${model}`, place)];
  }
  const all = { ...fields, ...OURS[model] };
  const required = Object.keys(all).filter((name) => !name.endsWith("?") && !Object.hasOwn(value, name));
  return [
    ...required.map((name) => `${place}: expected ${model}'s field ${name}, it is missing`),
    ...Object.entries(value).flatMap(([name, item]) => {
      const type = all[name] ?? all[`${name}?`] ?? all["*?"];
      return type === undefined
        ? [`${place}.${name}: neither Airflow's ${model} nor our own fields of it have this`]
        : misfits(item, type, `${place}.${name}`);
    }),
  ];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Splits at a character that is in no bracket. */
function splitOutside(text: string, at: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const char of text) {
    depth += "[{".includes(char) ? 1 : "]}".includes(char) ? -1 : 0;
    if (char === at && depth === 0) {
      parts.push("");
    } else {
      parts[parts.length - 1] += char;
    }
  }
  return parts;
}

function wrong(value: unknown, expected: string, place: string): string {
  return `${place}: expected ${expected}, got ${JSON.stringify(value)?.slice(0, 80) ?? "undefined"}`;
}
