/**
 * Lists whose filters come in a body: the parts that a query does not share with it.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { MAX_LIMIT } from "./query.ts";
import { dateTimeInput } from "./time.ts";

/** Values that one filter may name: every entry of the list is compared with each. */
const MAX_VALUES = 1000;

const BOUNDS = ["gte", "gt", "lte", "lt"] as const;
type Bounds<F extends string> = Record<`${F}_${(typeof BOUNDS)[number]}`, number>;

const WHOLE = "expected a whole number, 0 or more";

/** `page_limit` and `page_offset`. */
export const pageBody = {
  page_limit: z
    .int(WHOLE)
    .min(0, WHOLE)
    .default(MAX_LIMIT)
    .openapi({ description: `More than ${MAX_LIMIT} counts as ${MAX_LIMIT}` }),
  page_offset: z.int(WHOLE).min(0, WHOLE).max(999_999_999).default(0),
};

/** A filter by several values; null, or no value at all, filters nothing. */
export function valuesBody<S extends z.ZodType>(value: S) {
  return z.array(value).max(MAX_VALUES).nullish();
}

/** The bounds of fields in a body: dates, or for `duration` seconds; null is no bound. */
export function rangeBody<const F extends string>(...fields: F[]) {
  const entries = fields.flatMap((field) =>
    BOUNDS.map((bound): [string, z.ZodType<number | null | undefined>] => [
      `${field}_${bound}`,
      field === "duration" ? z.number().nullish() : dateTimeInput.nullish(),
    ]),
  );
  return Object.fromEntries(entries) as Record<keyof Bounds<F>, z.ZodType<number | null | undefined>>;
}

/** The bounds that a body gave of `fields`, for `rangesOf`. */
export function boundsOf<const F extends string>(given: object, ...fields: F[]): Partial<Bounds<F>> {
  const bounds: [string, number][] = [];
  for (const name of fields.flatMap((field) => BOUNDS.map((bound) => `${field}_${bound}`))) {
    const value: unknown = Reflect.get(given, name);
    if (typeof value === "number") {
      bounds.push([name, value]);
    }
  }
  return Object.fromEntries(bounds) as Partial<Bounds<F>>;
}
