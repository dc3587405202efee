/**
 * JSON Schema (draft 2020-12 with formats) for what authors and callers supply: whether a schema can be used, and what of
 * a value does not fit it, in words that say what was expected. Interprets; never compiles code.
 *
 * @module
 */
import { dereference, Validator } from "@cfworker/json-schema";
import type { OutputUnit, Schema } from "@cfworker/json-schema";
import { followPath } from "./path.ts";
import type { Json } from "./spec.ts";

/** A JSON Schema as a spec holds it. */
export type JsonSchema = Record<string, Json>;

/** What of a value or a schema is wrong, and where in it. */
export interface SchemaMismatch {
  /** Keys and positions, outermost first; empty for the value itself. */
  path: string[];
  /** As in "expected a number of at least 3". */
  expected: string;
}

/** Mismatches that are told at most; who has more has the same few many times. */
const MOST_MISMATCHES = 20;

/** Says what of `value` does not fit `schema`; empty if it fits. A schema that cannot be used is a mismatch too. */
export function schemaMismatches(schema: JsonSchema, value: Json): SchemaMismatch[] {
  if (Object.keys(schema).length === 0) {
    return [];
  }
  let errors: OutputUnit[];
  try {
    ({ errors } = validatorOf(schema).validate(value));
  } catch (error) {
    return [{ path: [], expected: `a schema that can be used (${firstLine(error)})` }];
  }
  return tellingErrors(errors)
    .slice(0, MOST_MISMATCHES)
    .map((unit) => ({ path: pointerSteps(unit.instanceLocation), expected: expectation(unit, schema) }));
}

/** Says why `schema` cannot be used; empty if it can. */
export function schemaProblems(schema: JsonSchema): SchemaMismatch[] {
  const problems = schemaMismatches(META_SCHEMA, schema);
  if (problems.length > 0) {
    return problems;
  }
  try {
    const known = dereference(asSchema(schema));
    for (const part of Object.values(known)) {
      if (
        typeof part === "object" &&
        part.$ref !== undefined &&
        known[part.__absolute_ref__ ?? part.$ref] === undefined
      ) {
        return [{ path: [], expected: `every $ref to lead to a part of the schema, but '${part.$ref}' leads nowhere` }];
      }
    }
    // A reference that leads back to itself shows only in use.
    const validator = validatorOf(schema);
    for (const probe of [null, true, 0, "", [], {}]) {
      validator.validate(probe);
    }
  } catch (error) {
    return [{ path: [], expected: `a schema that can be used (${firstLine(error)})` }];
  }
  return [];
}

function validatorOf(schema: JsonSchema): Validator {
  return new Validator(asSchema(schema), "2020-12", false);
}

/** A copy, because the library marks the schemas it is given. */
function asSchema(schema: JsonSchema): Schema {
  return structuredClone(schema);
}

/** Keywords whose error only says that a part inside has one. */
const CONTAINERS: ReadonlySet<string> = new Set([
  "$ref",
  "allOf",
  "if",
  "properties",
  "patternProperties",
  "additionalProperties",
  "unevaluatedProperties",
  "propertyNames",
  "dependentSchemas",
  "prefixItems",
  "items",
  "unevaluatedItems",
]);

/** Keywords whose error says more than those of the alternatives inside. */
const ALTERNATIVES: ReadonlySet<string> = new Set(["anyOf", "oneOf", "contains", "minContains", "maxContains"]);

function tellingErrors(errors: OutputUnit[]): OutputUnit[] {
  const closed = errors.filter(({ keyword }) => ALTERNATIVES.has(keyword)).map((unit) => `${unit.keywordLocation}/`);
  const telling = errors.filter(
    ({ keyword, keywordLocation }) =>
      !CONTAINERS.has(keyword) && !closed.some((location) => keywordLocation.startsWith(location)),
  );
  return telling.length > 0 ? telling : errors.slice(0, 1);
}

function expectation(unit: OutputUnit, schema: JsonSchema): string {
  const wanted = keywordValue(unit, schema);
  const shown = shortJson(wanted);
  switch (unit.keyword) {
    case "type":
      return `type ${typeNames(wanted)}`;
    case "enum":
      return `one of ${shown}`;
    case "const":
      return shown;
    case "minimum":
      return `a number of at least ${shown}`;
    case "maximum":
      return `a number of at most ${shown}`;
    case "exclusiveMinimum":
      return `a number above ${shown}`;
    case "exclusiveMaximum":
      return `a number below ${shown}`;
    case "multipleOf":
      return `a multiple of ${shown}`;
    case "minLength":
      return `a string of at least ${shown} characters`;
    case "maxLength":
      return `a string of at most ${shown} characters`;
    case "pattern":
      return `a string that matches ${shown}`;
    case "format":
      return `a string of the format ${shown}`;
    case "minItems":
      return `a list of at least ${shown} items`;
    case "maxItems":
      return `a list of at most ${shown} items`;
    case "uniqueItems":
      return "a list without duplicates";
    case "required":
      return `all of the properties ${shown}`;
    case "minProperties":
      return `an object of at least ${shown} properties`;
    case "maxProperties":
      return `an object of at most ${shown} properties`;
    case "false":
      return "no such property or item";
    default:
      return `a value that fits '${unit.keyword}' of its schema (${unit.error})`;
  }
}

/** What the schema says at the place an error names, through local references. */
function keywordValue(unit: OutputUnit, schema: JsonSchema): Json {
  let current: Json = schema;
  for (const step of pointerSteps(unit.keywordLocation)) {
    current = followPath(current, [step]);
    if (step === "$ref" && typeof current === "string") {
      current = current.startsWith("#") ? followPath(schema, pointerSteps(current)) : null;
    }
  }
  return current;
}

/** Steps of a JSON pointer in a URI fragment. */
function pointerSteps(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((step) => decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** JSON text of a value, shortened to 200 characters: for messages. */
export function shortJson(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}

/** A schema's `type` in words: "string or null". */
export function typeNames(type: Json): string {
  return (Array.isArray(type) ? type : [type])
    .map((name) => (typeof name === "string" ? name : shortJson(name)))
    .join(" or ");
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n", 1)[0] ?? message;
}

const schemaMap: JsonSchema = { type: "object", additionalProperties: { $ref: "#/$defs/schema" } };
const schemaList: JsonSchema = { type: "array", minItems: 1, items: { $ref: "#/$defs/schema" } };
const subschema: JsonSchema = { $ref: "#/$defs/schema" };
const names: JsonSchema = { type: "array", items: { type: "string" }, uniqueItems: true };
const count: JsonSchema = { type: "integer", minimum: 0 };
const typeName: JsonSchema = { enum: ["null", "boolean", "object", "array", "number", "string", "integer"] };

/** The rules of draft 2020-12 about schemas themselves, less what cannot be honoured: dynamic references. */
const META_SCHEMA: JsonSchema = {
  type: "object",
  $ref: "#/$defs/schema",
  $defs: {
    schema: {
      type: ["object", "boolean"],
      properties: {
        $schema: {
          enum: ["https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2020-12/schema#"],
        },
        $id: { type: "string" },
        $ref: { type: "string" },
        $anchor: { type: "string" },
        $comment: { type: "string" },
        $dynamicRef: false,
        $dynamicAnchor: false,
        $recursiveRef: false,
        $recursiveAnchor: false,
        $defs: schemaMap,
        title: { type: "string" },
        description: { type: "string" },
        type: { anyOf: [typeName, { type: "array", items: typeName, minItems: 1, uniqueItems: true }] },
        enum: { type: "array" },
        format: { type: "string" },
        allOf: schemaList,
        anyOf: schemaList,
        oneOf: schemaList,
        not: subschema,
        if: subschema,
        then: subschema,
        else: subschema,
        properties: schemaMap,
        patternProperties: { ...schemaMap, propertyNames: { type: "string", format: "regex" } },
        additionalProperties: subschema,
        unevaluatedProperties: subschema,
        propertyNames: subschema,
        dependentSchemas: schemaMap,
        dependentRequired: { type: "object", additionalProperties: names },
        required: names,
        minProperties: count,
        maxProperties: count,
        prefixItems: schemaList,
        items: subschema,
        unevaluatedItems: subschema,
        contains: subschema,
        minContains: count,
        maxContains: count,
        minItems: count,
        maxItems: count,
        uniqueItems: { type: "boolean" },
        minimum: { type: "number" },
        maximum: { type: "number" },
        exclusiveMinimum: { type: "number" },
        exclusiveMaximum: { type: "number" },
        multipleOf: { type: "number", exclusiveMinimum: 0 },
        minLength: count,
        maxLength: count,
        pattern: { type: "string", format: "regex" },
      },
    },
  },
};
