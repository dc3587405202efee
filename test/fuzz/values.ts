/**
 * Values for requests: those that fit a schema, and those that somebody sends who means no good.
 *
 * @module
 */
import fc from "fast-check";
import type { Schema } from "./document.ts";

const MAX_DEPTH = 4;

/** Texts that have broken something somewhere. */
export const HOSTILE_TEXTS: readonly string[] = [
  "",
  " ",
  "\u0000",
  "a\u0000b",
  "\ud800",
  "\udc00\ud800",
  "\ufeff",
  "\u202eabc",
  "e\u0301",
  "👩‍👩‍👧‍👦",
  "ＡＢＣ",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "../../../etc/passwd",
  "..%2f..%2f",
  "%00",
  "%zz",
  "%c0%af",
  ".",
  "..",
  "~",
  "-",
  "*",
  "'; DROP TABLE dag_run; --",
  '" OR 1=1 --',
  "%",
  "_",
  "|",
  "a|b|",
  "%".repeat(300),
  "_%".repeat(200),
  "\\",
  "NaN",
  "Infinity",
  "-0",
  "1e400",
  "0x10",
  "9007199254740993",
  "-9223372036854775809",
  "1.0000000000000000001",
  "true",
  "null",
  "undefined",
  "[object Object]",
  "{{7*7}}",
  "${7*7}",
  "<script>alert(1)</script>",
  "\r\nX-Injected: 1",
  "0000-00-00T00:00:00Z",
  "2026-02-30T00:00:00Z",
  "2026-01-31T06:00:00",
  "+275760-09-13T00:00:00.001Z",
  "-000001-01-01T00:00:00Z",
  "9999-12-31T23:59:60Z",
  "2026-01-31T24:00:00+99:99",
  "1969-12-31T23:59:59.999999999Z",
  "manual__2026-01-31T06:00:00+00:00",
  "@batch:01JD5X0Q6Z",
  "catalog",
  "x".repeat(251),
  "x".repeat(5000),
  "01ARZ3NDEKTSV4RRFFQ69G5FAV",
  "7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
];

/** Values of every kind, seldom what is asked for. */
export const HOSTILE_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -0,
  -1,
  1.5,
  1e308,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  2 ** 31,
  2 ** 53,
  5e-324,
  [],
  {},
  [[]],
  [null],
  [{}],
  { a: 1 },
  JSON.parse('{"__proto__": {"polluted": true}}'),
  JSON.parse('{"constructor": {"prototype": {"polluted": true}}}'),
  { toString: null, valueOf: 1, length: -1 },
  { $ref: "xcom", task_id: "__proto__" },
  { r2: "xcom/elsewhere", bytes: 1 },
  Array.from({ length: 300 }, (_, n) => n),
];

/** Any text: short or long, of any characters, or a hostile one. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...HOSTILE_TEXTS) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 20 }) },
);

/** Any JSON value, and hostile ones. */
export const anyValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...HOSTILE_VALUES) },
  { weight: 2, arbitrary: anyText },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
);

const dateTime = fc
  .date({ min: new Date("2025-06-01T00:00:00Z"), max: new Date("2026-12-31T00:00:00Z"), noInvalidDate: true })
  .map((date) => date.toISOString());

/** Values that fit a schema; `schemas` are those it may refer to. */
export function valueOf(schema: Schema, schemas: Record<string, Schema>, depth = 0): fc.Arbitrary<unknown> {
  const inner = (next: Schema): fc.Arbitrary<unknown> => valueOf(next, schemas, depth + 1);
  if (schema.$ref !== undefined) {
    const target = schemas[schema.$ref.split("/").at(-1) ?? ""];
    return target === undefined || depth > MAX_DEPTH * 2 ? fc.constant(null) : inner(target);
  }
  if (schema.const !== undefined) {
    return fc.constant(schema.const);
  }
  if (schema.enum !== undefined) {
    return fc.constantFrom(...schema.enum);
  }
  const options = schema.anyOf ?? schema.oneOf;
  if (options !== undefined) {
    return fc.oneof(...options.map(inner));
  }
  if (schema.allOf !== undefined) {
    return fc.tuple(...schema.allOf.map(inner)).map((parts) => Object.assign({}, ...parts) as unknown);
  }
  const types = Array.isArray(schema.type) ? schema.type : [schema.type ?? "any"];
  return fc.oneof(...types.map((type) => ofType(type, schema, inner, depth)));
}

function ofType(
  type: string,
  schema: Schema,
  inner: (next: Schema) => fc.Arbitrary<unknown>,
  depth: number,
): fc.Arbitrary<unknown> {
  switch (type) {
    case "null":
      return fc.constant(null);
    case "boolean":
      return fc.boolean();
    case "integer":
    case "number":
      return number(type, schema);
    case "string":
      return text(schema);
    case "array":
      return fc.array(depth > MAX_DEPTH ? fc.constant(null) : inner(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.max(schema.minItems ?? 0, 3),
      });
    case "object":
      return object(schema, inner, depth);
    default:
      return fc.jsonValue({ maxDepth: 1 });
  }
}

function number(type: "integer" | "number", { minimum, exclusiveMinimum, maximum }: Schema): fc.Arbitrary<number> {
  const min = minimum ?? exclusiveMinimum ?? -10;
  const max = Math.max(min, Math.min(maximum ?? 200, min + 200));
  return type === "integer"
    ? fc.integer({ min: Math.ceil(min), max: Math.floor(max) })
    : fc.double({ min, max, noNaN: true });
}

function text({ format, minLength = 0, maxLength = 20 }: Schema): fc.Arbitrary<string> {
  return format === "date-time"
    ? dateTime
    : fc.string({ minLength, maxLength: Math.max(minLength, Math.min(maxLength, 20)) });
}

function object(
  { properties = {}, required = [], additionalProperties }: Schema,
  inner: (next: Schema) => fc.Arbitrary<unknown>,
  depth: number,
): fc.Arbitrary<unknown> {
  const known = fc.record(
    Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, inner(schema)])),
    { requiredKeys: required.filter((name) => Object.hasOwn(properties, name)) },
  );
  if (additionalProperties === undefined || additionalProperties === false || depth > MAX_DEPTH) {
    return known;
  }
  const more = fc.dictionary(
    fc.string({ minLength: 1, maxLength: 10 }),
    additionalProperties === true ? fc.jsonValue({ maxDepth: 1 }) : inner(additionalProperties),
    { maxKeys: 3 },
  );
  return fc.tuple(known, more).map(([left, right]) => ({ ...right, ...left }));
}
