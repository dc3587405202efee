/**
 * JSON Schema (draft 2020-12 with formats) for what authors and callers supply: whether a schema can be used, and what of
 * a value does not fit it, in words that say what was expected. Each check runs on a budget of steps.
 *
 * @module
 */
import { StepBudget, TooCostly, UnusableSchema } from "./json-schema/budget.ts";
import { Mismatches, type SchemaMismatch } from "./json-schema/evaluation.ts";
import { SchemaCheck } from "./json-schema/schema-check.ts";
import type { Json } from "./spec.ts";

export { shortJson, type SchemaMismatch } from "./json-schema/evaluation.ts";
export { typeNames } from "./json-schema/scalar-keywords.ts";

/** A JSON Schema as a spec holds it. */
export type JsonSchema = Record<string, Json>;

/**
 * Says what of `value` does not fit `schema`; empty if it fits. A schema that cannot be used is a mismatch too, and so is
 * a check that needs more steps than `budget` has left. Several checks may share one budget.
 */
export function schemaMismatches(schema: JsonSchema, value: Json, budget = new StepBudget()): SchemaMismatch[] {
  return caught(() => {
    const found = new Mismatches();
    new SchemaCheck(schema, budget).fits(schema, value, null, found, null);
    return found.list;
  });
}

/** Says why `schema` cannot be used; empty if it can. */
export function schemaProblems(schema: JsonSchema, budget = new StepBudget()): SchemaMismatch[] {
  const problems = schemaMismatches(META_SCHEMA, schema, budget);
  return problems.length > 0
    ? problems
    : caught(() => {
        const check = new SchemaCheck(schema, budget);
        const lost = check.references.firstLost();
        if (lost !== null) {
          return [{ path: [], expected: `every $ref to lead to a part of the schema, but '${lost}' leads nowhere` }];
        }
        if (check.references.hasCircle()) {
          return [{ path: [], expected: "a schema that can be used (a $ref leads back to itself)" }];
        }
        // One that takes too long for the smallest of values is of no use.
        check.fits(schema, null, null, null, null);
        return [];
      });
}

function caught(check: () => SchemaMismatch[]): SchemaMismatch[] {
  try {
    return check();
  } catch (error) {
    if (error instanceof TooCostly) {
      return [{ path: [], expected: error.message }];
    }
    if (error instanceof UnusableSchema) {
      return [{ path: [], expected: `a schema that can be used (${error.message})` }];
    }
    throw error;
  }
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
