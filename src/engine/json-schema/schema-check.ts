/**
 * Checks values against a JSON Schema (draft 2020-12, without dynamic references) by counted steps. Interprets; never
 * compiles code.
 *
 * @module
 */
import type { Json } from "../spec.ts";
import { UnusableSchema, type StepBudget } from "./budget.ts";
import { Seen, type Evaluation, type Mismatches, type Place } from "./evaluation.ts";
import { CountedExpression } from "./expression.ts";
import { fitsAsList, fitsUnevaluatedItems } from "./list-keywords.ts";
import { fitsAsObject, fitsUnevaluated } from "./object-keywords.ts";
import { References } from "./references.ts";
import { wantedByScalar } from "./scalar-keywords.ts";

type SchemaObject = Readonly<Record<string, Json>>;

/** Steps for a schema, and for each of its keywords, beside what the keyword itself counts. */
const SCHEMA_STEPS = 4;
const KEYWORD_STEPS = 2;
/** Steps to make the identity of a value and to look it up, beside those for its characters and parts. */
const IDENTITY_STEPS = 6;
/** Schemas applied within each other at a time: a value nests a hundred levels, each of which may need several. */
const MAX_NESTING = 600;
/** Characters of a text that cost a step to compare. */
const COMPARED_CHARACTERS = 4;

/** One schema, against which any number of values are checked on one budget. */
export class SchemaCheck implements Evaluation {
  readonly budget: StepBudget;
  readonly #references: References;
  readonly #expressions = new Map<string, CountedExpression>();
  readonly #choices = new Map<readonly Json[], ReadonlySet<string>>();
  #nesting = 0;

  /** @throws TooCostly if the schema is too large for the budget. */
  constructor(schema: Json, budget: StepBudget) {
    this.budget = budget;
    this.#references = new References(schema, budget);
  }

  /** Where the references of the schema lead. */
  get references(): References {
    return this.#references;
  }

  fits(schema: Json, value: Json, at: Place, found: Mismatches | null, seen: Seen | null): boolean {
    if (schema === false) {
      this.budget.take(1);
      found?.add(at, "no such property or item");
      return false;
    }
    if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
      this.budget.take(1);
      return true;
    }
    const own = this.#references.hasUnevaluated ? new Seen() : null;
    this.#nesting += 1;
    if (this.#nesting > MAX_NESTING) {
      throw new UnusableSchema(`more than ${MAX_NESTING} schemas are applied within each other`);
    }
    const fits = this.#fitsObject(schema, value, at, found, own);
    this.#nesting -= 1;
    if (fits && own !== null && seen !== null) {
      seen.merge(own, this.budget);
    }
    return fits;
  }

  matches(pattern: string, text: string): boolean {
    let expression = this.#expressions.get(pattern);
    if (expression === undefined) {
      expression = new CountedExpression(pattern, this.budget);
      this.#expressions.set(pattern, expression);
    }
    return expression.test(text);
  }

  identity(value: Json): string {
    if (typeof value === "string") {
      this.budget.take(IDENTITY_STEPS + Math.ceil(value.length / COMPARED_CHARACTERS));
      return `"${value}`;
    }
    if (typeof value !== "object" || value === null) {
      this.budget.take(IDENTITY_STEPS);
      return String(value === 0 ? 0 : value);
    }
    // What stands for a part has its length before it, so that two values that differ never look alike.
    const parts = Array.isArray(value)
      ? value.map((item) => this.identity(item))
      : Object.keys(value)
          .toSorted()
          .flatMap((key) => [this.identity(key), this.identity(value[key] ?? null)]);
    // A part is copied once for each value around it.
    let length = 0;
    for (const part of parts) {
      length += part.length;
    }
    this.budget.take(IDENTITY_STEPS + parts.length * 2 + Math.ceil(length / COMPARED_CHARACTERS));
    return `${Array.isArray(value) ? "[" : "{"}${parts.map((part) => `${part.length}.${part}`).join("")}`;
  }

  choices(values: readonly Json[]): ReadonlySet<string> {
    let known = this.#choices.get(values);
    if (known === undefined) {
      known = new Set(values.map((value) => this.identity(value)));
      this.#choices.set(values, known);
    }
    return known;
  }

  #fitsObject(schema: SchemaObject, value: Json, at: Place, found: Mismatches | null, seen: Seen | null): boolean {
    let fits = true;
    this.budget.take(SCHEMA_STEPS);
    for (const keyword in schema) {
      if (!fits && (found === null || found.isFull)) {
        return false;
      }
      const wanted = schema[keyword];
      if (wanted !== undefined && Object.hasOwn(schema, keyword)) {
        this.budget.take(KEYWORD_STEPS);
        fits = this.#fitsKeyword(keyword, wanted, schema, value, at, found, seen) && fits;
      }
    }
    if (!fits && found === null) {
      return false;
    }
    if (typeof value !== "object" || value === null) {
      return fits;
    }
    const { unevaluatedProperties, unevaluatedItems } = schema;
    if (Array.isArray(value)) {
      fits = fitsAsList(schema, value, at, found, seen, this) && fits;
      return unevaluatedItems !== undefined && seen !== null && (fits || found !== null)
        ? fitsUnevaluatedItems(unevaluatedItems, value, at, found, seen, this) && fits
        : fits;
    }
    fits = fitsAsObject(schema, value, at, found, seen, this) && fits;
    return unevaluatedProperties !== undefined && seen !== null && (fits || found !== null)
      ? fitsUnevaluated(unevaluatedProperties, value, at, found, seen, this) && fits
      : fits;
  }

  /** The keywords that are about the value as a whole: those that apply other schemas to it, and those about scalars. */
  #fitsKeyword(
    keyword: string,
    wanted: Json,
    schema: SchemaObject,
    value: Json,
    at: Place,
    found: Mismatches | null,
    seen: Seen | null,
  ): boolean {
    switch (keyword) {
      case "$ref":
        return typeof wanted !== "string" || this.fits(this.#references.target(schema, wanted), value, at, found, seen);
      case "allOf":
        return this.#all(listOf(wanted), value, at, found, seen);
      case "anyOf":
        return this.#count(listOf(wanted), value, seen, false) > 0 || refused(keyword, ANY, at, found);
      case "oneOf": {
        const count = this.#count(listOf(wanted), value, seen, true);
        return count === 1 || refused(keyword, ONE(count), at, found);
      }
      case "not":
        return !this.fits(wanted, value, at, null, null) || refused(keyword, NOT, at, found);
      case "if": {
        const next = this.fits(wanted, value, at, null, seen) ? schema["then"] : schema["else"];
        return next === undefined || this.fits(next, value, at, found, seen);
      }
      default: {
        const expected = wantedByScalar(keyword, wanted, value, this);
        if (expected !== null) {
          found?.add(at, expected);
        }
        return expected === null;
      }
    }
  }

  #all(schemas: readonly Json[], value: Json, at: Place, found: Mismatches | null, seen: Seen | null): boolean {
    let fits = true;
    for (const schema of schemas) {
      if (!fits && (found === null || found.isFull)) {
        return false;
      }
      fits = this.fits(schema, value, at, found, seen) && fits;
    }
    return fits;
  }

  /** How many of several schemas a value fits. Ends as soon as the answer is clear, unless all are asked what they saw. */
  #count(schemas: readonly Json[], value: Json, seen: Seen | null, isOne: boolean): number {
    let count = 0;
    for (const schema of schemas) {
      count += this.fits(schema, value, null, null, seen) ? 1 : 0;
      if (seen === null && !isOne && count > 0) {
        break;
      }
    }
    return count;
  }
}

const ANY = "Instance does not match any subschemas.";
const NOT = 'Instance matched "not" schema.';
const ONE = (count: number): string => `Instance does not match exactly one subschema (${count} matches).`;

function refused(keyword: string, why: string, at: Place, found: Mismatches | null): false {
  found?.add(at, `a value that fits '${keyword}' of its schema (${why})`);
  return false;
}

function listOf(value: Json): readonly Json[] {
  if (Array.isArray(value)) {
    return value;
  }
  throw new UnusableSchema("expected a list of schemas");
}
