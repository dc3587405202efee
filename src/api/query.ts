/**
 * Query parameters as Airflow's API has them: pages, sort orders, repeated values, booleans, waiting.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Range } from "../engine/objects.ts";
import type { AppEnv } from "./env.ts";
import { ApiError } from "./errors.ts";
import { dateTimeQuery } from "./time.ts";

/** Entries on a page unless the caller says otherwise, and at most; a larger `limit` counts as this one. */
const DEFAULT_LIMIT = 50;
export const MAX_LIMIT = 100;
/** Keys one `order_by` may have. */
const MAX_SORT_KEYS = 10;
/** Seconds a call may wait for the end of what it asks for. */
export const MAX_WAIT_SECONDS = 60;

const WHOLE = "expected a whole number, 0 or more";

/** `limit` and `offset` of a list. */
export const pageQuery = {
  limit: z
    .string()
    .regex(/^\d{1,9}$/, WHOLE)
    .transform((text) => Math.min(Number(text), MAX_LIMIT))
    .default(DEFAULT_LIMIT)
    .openapi({
      type: "integer",
      minimum: 0,
      default: DEFAULT_LIMIT,
      description: `Entries on the page; more than ${MAX_LIMIT} counts as ${MAX_LIMIT}`,
    }),
  offset: z
    .string()
    .regex(/^\d{1,9}$/, WHOLE)
    .transform(Number)
    .default(0)
    .openapi({ type: "integer", minimum: 0, default: 0 }),
};

/** A parameter that may be repeated. */
export const repeated = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (typeof value === "string" ? [value] : value))
  .default([])
  .openapi({ type: "array", items: { type: "string" } });

/** A parameter that may be repeated, each time one of `options`. */
export function repeatedOf<const T extends string>(options: readonly T[]) {
  const option = z.enum(options);
  return z
    .union([option.transform((value) => [value]), z.array(option)], {
      error: `expected one of ${options.map((name) => JSON.stringify(name)).join(", ")}`,
    })
    .default([])
    .openapi({ type: "array", items: { type: "string", enum: [...options] } });
}

const BOOLEANS: Record<string, boolean> = { true: true, false: false, "1": true, "0": false };

/** A boolean parameter, or undefined if it is not given. */
export const booleanQuery = z
  .enum(["true", "false", "True", "False", "1", "0"], { error: 'expected "true" or "false"' })
  .transform((text) => BOOLEANS[text.toLowerCase()] ?? false)
  .optional()
  .openapi({ type: "boolean" });

/** Seconds to wait, read as milliseconds; how much of that is allowed says `allowedWait`. */
export const waitQuery = z
  .string()
  .regex(/^(?:[0-5]?\d(?:\.\d{1,3})?|60(?:\.0{1,3})?)$/, `expected seconds from 0 to ${MAX_WAIT_SECONDS}`)
  .transform((text) => Math.round(Number(text) * 1000))
  .default(0)
  .openapi({
    type: "number",
    minimum: 0,
    maximum: MAX_WAIT_SECONDS,
    default: 0,
    description:
      "Seconds to wait for the end; answers as soon as it is there, or with the state when the time is up, or earlier if the server lets no request wait so long (25 s on Cloudflare): ask again. Where very many wait, it answers early, with `Retry-After`",
  });

const BOUNDS = ["gte", "gt", "lte", "lt"] as const;
type Bound = (typeof BOUNDS)[number];

const seconds = z
  .string()
  .regex(/^\d{1,12}(?:\.\d{1,6})?$/, "expected seconds, 0 or more")
  .transform(Number)
  .openapi({ type: "number", minimum: 0 });

/** The range parameters of fields: `x_gte`, `x_gt`, `x_lte` and `x_lt`, dates or, for `duration`, seconds. */
export function rangeQuery<const F extends string>(...fields: F[]) {
  const schemaOf = (field: F): z.ZodType<number, string> => (field === "duration" ? seconds : dateTimeQuery);
  const entries = fields.flatMap((field) =>
    BOUNDS.map((bound): [string, z.ZodOptional<z.ZodType<number, string>>] => [
      `${field}_${bound}`,
      schemaOf(field).optional(),
    ]),
  );
  return Object.fromEntries(entries) as Record<`${F}_${Bound}`, z.ZodOptional<z.ZodType<number, string>>>;
}

/** The ranges that a request gave of `fields`. */
export function rangesOf<const F extends string>(
  given: { readonly [K in `${F}_${Bound}`]?: number | undefined },
  ...fields: F[]
): Partial<Record<F, Range>> {
  const ranges: Partial<Record<F, Range>> = {};
  for (const field of fields) {
    for (const bound of BOUNDS) {
      const value = given[`${field}_${bound}`];
      if (value !== undefined) {
        ranges[field] = { ...ranges[field], [bound]: value };
      }
    }
  }
  return ranges;
}

/** Whole numbers of a parameter that may be repeated. */
export const repeatedIntegers = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (typeof value === "string" ? [value] : value))
  .pipe(
    z.array(
      z
        .string()
        .regex(/^-?\d{1,9}$/, "expected a whole number")
        .transform(Number),
    ),
  )
  .default([])
  .openapi({ type: "array", items: { type: "integer" } });

/** A whole number, or undefined if it is not given. */
export const integerQuery = z
  .string()
  .regex(/^-?\d{1,9}$/, "expected a whole number")
  .transform(Number)
  .optional()
  .openapi({ type: "integer" });

/** A search pattern, see `like.ts`. */
export const patternQuery = z.string().max(250, "expected at most 250 characters").optional().openapi({
  description: "SQL LIKE with the text anywhere: `%` any text, `_` one character, `a|b` either, `~` everything",
});

/**
 * The sort keys of a request, aliases resolved. Empty if none was given.
 *
 * @throws ApiError 400, as Airflow answers it, for a field that cannot be sorted by.
 */
export function sortKeys(
  orderBy: string[],
  allowed: readonly string[],
  aliases: Record<string, string> = {},
): string[] {
  if (orderBy.length > MAX_SORT_KEYS) {
    throw new ApiError(
      400,
      `Ordering with more than ${MAX_SORT_KEYS} parameters is not allowed. Provided: ${orderBy.length}`,
    );
  }
  return orderBy.map((key) => {
    const name = key.startsWith("-") ? key.slice(1) : key;
    const field = Object.hasOwn(aliases, name) ? (aliases[name] ?? name) : name;
    if (!allowed.includes(field)) {
      const options = [...allowed, ...Object.keys(aliases)].join(", ");
      throw new ApiError(
        400,
        `Ordering with '${name.slice(0, 100)}' is disallowed or the attribute does not exist on the model; expected one of ${options}`,
      );
    }
    return key.startsWith("-") ? `-${field}` : field;
  });
}

/** Says whether ties of a list are in descending order, as in Airflow: if its first key is. */
export function hasDescendingTies(keys: readonly string[]): boolean {
  return keys[0]?.startsWith("-") === true;
}

const RANGE =
  /^(run_after|logical_date|start_date|end_date|duration|updated_at|dag_run_(?:start|end)_date)_(?:gte|gt|lte|lt)$/;

/**
 * Refuses filters that Airflow has and this route does not serve: to ignore one would answer more than was asked for.
 * Parameters that Airflow does not know either are ignored, as Airflow does. `served` are the ranges that are served.
 */
export function refuseUnservedFilters(
  c: Context<AppEnv>,
  unserved: ReadonlySet<string>,
  served: readonly string[] = [],
): void {
  for (const name of Object.keys(c.req.query())) {
    const range = RANGE.exec(name)?.[1];
    if (unserved.has(name) || (range !== undefined && !served.includes(range))) {
      throw new ApiError(400, `expected a filter that this list serves, got ${name}`);
    }
  }
}
