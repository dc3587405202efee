/**
 * The defaults of a schema, read from the schema itself: left out of a value, so that neither its identity nor its size depend on
 * the fields that there are, and filled in again.
 *
 * Looks into objects, lists, records and unions. Not into a schema that contains itself: none has defaults.
 *
 * @module
 */
import { z } from "zod";
import { canonicalJson } from "./canonical-json.ts";
import { scheduleObjectSchema, scheduleSchema } from "./timetable/schedule-spec.ts";

/** What a schema gives whose transformation hides it. */
const GIVES: ReadonlyMap<unknown, z.ZodType> = new Map([[scheduleSchema, scheduleObjectSchema]]);

/** The defaults of one schema. */
export interface SchemaDefaults {
  /** A copy of a value without the fields that equal their defaults. */
  leaveOut(value: unknown): unknown;
  /** Adds the fields that a value lacks and that have defaults. Changes the value, and gives it back. */
  fillIn(value: unknown): unknown;
  /** All of them, as a tree of the fields: `default` is a field's own, `within` are those of what it holds. */
  tree: unknown;
}

const known = new WeakMap<z.ZodType, SchemaDefaults>();

/** The defaults of a schema. Read once. */
export function defaultsOf(schema: z.ZodType): SchemaDefaults {
  let defaults = known.get(schema);
  if (defaults === undefined) {
    const part = read(schema, new Set());
    defaults = {
      leaveOut: (value) => part?.leaveOut(value) ?? value,
      fillIn: (value) => part?.fillIn(value) ?? value,
      tree: part?.defaults ?? null,
    };
    known.set(schema, defaults);
  }
  return defaults;
}

/** A part of a schema that has defaults somewhere. */
interface Part {
  leaveOut: (value: unknown) => unknown;
  fillIn: (value: unknown) => unknown;
  defaults: unknown;
}

interface Field {
  key: string;
  part: Part | null;
  /** Undefined if it has none. */
  default: unknown;
  /** The default as text, less the defaults within it. */
  text: string;
}

/** Null if it has no defaults. `above` are the schemas that it stands in. */
function read(schema: unknown, above: ReadonlySet<unknown>): Part | null {
  if (above.has(schema)) {
    return null;
  }
  const within = new Set([...above, schema]);
  const given = GIVES.get(schema);
  if (given !== undefined) {
    return read(given, within);
  }
  if (schema instanceof z.ZodObject) {
    return readObject(schema, within);
  }
  if (schema instanceof z.ZodArray) {
    return each(read(schema.def.element, within), (value, work) => (Array.isArray(value) ? value.map(work) : value));
  }
  if (schema instanceof z.ZodRecord) {
    return each(read(schema.def.valueType, within), (value, work) =>
      isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, work(one)])) : value,
    );
  }
  if (schema instanceof z.ZodUnion) {
    return readUnion(schema.def.options, within);
  }
  const inner = innerOf(schema);
  return inner === null ? null : read(inner, within);
}

/** What a schema stands around, or null. */
function innerOf(schema: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault) {
    return schema.def.innerType;
  }
  if (schema instanceof z.ZodPipe) {
    return schema.def.in;
  }
  return schema instanceof z.ZodLazy ? schema.def.getter() : null;
}

function readObject(schema: z.ZodObject, within: ReadonlySet<unknown>): Part | null {
  const fields: Field[] = Object.entries(schema.shape).flatMap(([key, field]) => {
    const part = read(field, within);
    const value: unknown = field instanceof z.ZodDefault ? field.def.defaultValue : undefined;
    return part === null && value === undefined
      ? []
      : [{ key, part, default: value, text: value === undefined ? "" : canonicalJson(leftOut(part, value)) }];
  });
  if (fields.length === 0) {
    return null;
  }
  return {
    leaveOut: (value) => (isObject(value) ? leaveOutFields(value, fields) : value),
    fillIn: (value) => {
      if (isObject(value)) {
        fillInFields(value, fields);
      }
      return value;
    },
    defaults: Object.fromEntries(
      fields.map((field) => [
        field.key,
        {
          ...(field.default === undefined ? {} : { default: field.default }),
          ...(field.part === null ? {} : { within: field.part.defaults }),
        },
      ]),
    ),
  };
}

function leaveOutFields(value: Record<string, unknown>, fields: readonly Field[]): Record<string, unknown> {
  const rest = { ...value };
  for (const field of fields) {
    const present = rest[field.key];
    if (present === undefined) {
      continue;
    }
    const left = leftOut(field.part, present);
    if (isDefault(left, field)) {
      delete rest[field.key];
    } else {
      rest[field.key] = left;
    }
  }
  return rest;
}

function isDefault(value: unknown, field: Field): boolean {
  if (field.default === undefined || typeof value !== typeof field.default) {
    return false;
  }
  return typeof value === "object" ? canonicalJson(value) === field.text : value === field.default;
}

function fillInFields(value: Record<string, unknown>, fields: readonly Field[]): void {
  for (const field of fields) {
    if (value[field.key] === undefined && field.default !== undefined) {
      value[field.key] = structuredClone(field.default);
    }
    if (field.part !== null && value[field.key] !== undefined) {
      value[field.key] = field.part.fillIn(value[field.key]);
    }
  }
}

function leftOut(part: Part | null, value: unknown): unknown {
  return part === null ? value : part.leaveOut(value);
}

/** A part whose every element is of another part. */
function each(part: Part | null, walk: (value: unknown, work: (one: unknown) => unknown) => unknown): Part | null {
  return part === null
    ? null
    : {
        leaveOut: (value) => walk(value, part.leaveOut),
        fillIn: (value) => walk(value, part.fillIn),
        defaults: { each: part.defaults },
      };
}

/** A value belongs to the first of the options that it looks like. */
function readUnion(options: readonly unknown[], within: ReadonlySet<unknown>): Part | null {
  const parts = options.map((option) => ({ option, part: read(option, within) }));
  if (parts.every(({ part }) => part === null)) {
    return null;
  }
  const partOf = (value: unknown): Part | null => parts.find(({ option }) => fits(option, value))?.part ?? null;
  return {
    leaveOut: (value) => leftOut(partOf(value), value),
    fillIn: (value) => partOf(value)?.fillIn(value) ?? value,
    defaults: { options: parts.map(({ part }) => part?.defaults ?? null) },
  };
}

/** Says whether a value looks like one of a schema, by its type and, of an object, by its literals and required fields. */
function fits(schema: unknown, value: unknown): boolean {
  if (schema instanceof z.ZodObject) {
    return (
      isObject(value) &&
      Object.entries(schema.shape).every(([key, field]) =>
        field instanceof z.ZodLiteral
          ? field.def.values.includes(value[key] as z.core.util.Literal)
          : field instanceof z.ZodOptional || field instanceof z.ZodDefault || value[key] !== undefined,
      )
    );
  }
  if (schema instanceof z.ZodString) {
    return typeof value === "string";
  }
  return schema instanceof z.ZodArray ? Array.isArray(value) : true;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
