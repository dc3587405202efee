/**
 * The keywords about objects and their properties.
 *
 * @module
 */
import type { Json } from "../spec.ts";
import { shortJson, type Evaluation, type Mismatches, type Place, type Seen } from "./evaluation.ts";

/** Steps to list a key, or to look for one. */
const KEY_STEPS = 4;

type Properties = Readonly<Record<string, Json>>;

/** Says whether an object fits all keywords of `schema` that are about objects, but for `unevaluatedProperties`. */
export function fitsAsObject(
  schema: Properties,
  value: Properties,
  at: Place,
  found: Mismatches | null,
  seen: Seen | null,
  check: Evaluation,
): boolean {
  const keys = Object.keys(value);
  check.budget.take(keys.length * KEY_STEPS);
  let fits = fitsNames(schema, value, keys.length, at, found, check);
  if (found === null && !fits) {
    return false;
  }
  const { properties, patternProperties, additionalProperties, propertyNames, dependentSchemas } = schema;
  if (propertyNames !== undefined) {
    fits = every(keys, fits, found, (name) => {
      check.budget.take(1);
      return check.fits(propertyNames, name, { parent: at, step: name }, found, null);
    });
  }
  if (isObject(dependentSchemas)) {
    const dependents = Object.entries(dependentSchemas);
    check.budget.take(dependents.length);
    fits = every(
      dependents,
      fits,
      found,
      ([name, dependent]) => !Object.hasOwn(value, name) || check.fits(dependent, value, at, found, seen),
    );
  }
  const known = isObject(properties) ? properties : null;
  if (known !== null) {
    fits = every(keys, fits, found, (name) => {
      check.budget.take(1);
      if (!Object.hasOwn(known, name)) {
        return true;
      }
      seen?.properties.add(name);
      return check.fits(known[name] ?? true, value[name] ?? null, { parent: at, step: name }, found, null);
    });
  }
  const patterns = isObject(patternProperties) ? Object.entries(patternProperties) : [];
  if (patterns.length === 0 && additionalProperties === undefined) {
    return fits;
  }
  check.budget.take(patterns.length);
  return every(keys, fits, found, (name) => {
    check.budget.take(1 + patterns.length);
    const item = value[name] ?? null;
    const place = { parent: at, step: name };
    const matching = patterns.filter(([pattern]) => check.matches(pattern, name));
    let fitsPatterns = true;
    for (const [, ofPattern] of matching) {
      fitsPatterns = check.fits(ofPattern, item, place, found, null) && fitsPatterns;
    }
    const isKnown = matching.length > 0 || (known !== null && Object.hasOwn(known, name));
    if (matching.length > 0 || additionalProperties !== undefined) {
      seen?.properties.add(name);
    }
    return isKnown || additionalProperties === undefined
      ? fitsPatterns
      : check.fits(additionalProperties, item, place, found, null);
  });
}

/** Says whether what no other keyword has looked at fits `unevaluatedProperties`. */
export function fitsUnevaluated(
  schema: Json,
  value: Properties,
  at: Place,
  found: Mismatches | null,
  seen: Seen,
  check: Evaluation,
): boolean {
  const keys = Object.keys(value);
  check.budget.take(keys.length * KEY_STEPS);
  const fits = every(keys, true, found, (name) => {
    check.budget.take(1);
    return (
      seen.isAll ||
      seen.properties.has(name) ||
      check.fits(schema, value[name] ?? null, { parent: at, step: name }, found, null)
    );
  });
  seen.isAll = true;
  return fits;
}

/** The keywords that count and name properties, and do not look at their values. */
function fitsNames(
  schema: Properties,
  value: Properties,
  count: number,
  at: Place,
  found: Mismatches | null,
  check: Evaluation,
): boolean {
  const wanted: string[] = [];
  const { required, minProperties, maxProperties, dependentRequired } = schema;
  if (Array.isArray(required)) {
    check.budget.take(required.length * KEY_STEPS);
    if (!required.every((name) => typeof name !== "string" || Object.hasOwn(value, name))) {
      wanted.push(`all of the properties ${shortJson(required)}`);
    }
  }
  if (typeof minProperties === "number" && count < minProperties) {
    wanted.push(`an object of at least ${minProperties} properties`);
  }
  if (typeof maxProperties === "number" && count > maxProperties) {
    wanted.push(`an object of at most ${maxProperties} properties`);
  }
  if (isObject(dependentRequired)) {
    for (const [name, others] of Object.entries(dependentRequired)) {
      check.budget.take((1 + (Array.isArray(others) ? others.length : 0)) * KEY_STEPS);
      const isThere = Object.hasOwn(value, name) && Array.isArray(others);
      if (isThere && !others.every((other) => typeof other !== "string" || Object.hasOwn(value, other))) {
        wanted.push(`with ${shortJson(name)} all of the properties ${shortJson(others)}`);
      }
    }
  }
  for (const expected of wanted) {
    found?.add(at, expected);
  }
  return wanted.length === 0;
}

/** Says whether all items pass, and those before did. Goes on after one that does not only while mismatches are asked for. */
function every<T>(
  items: readonly T[],
  before: boolean,
  found: Mismatches | null,
  passes: (item: T) => boolean,
): boolean {
  let all = before;
  for (const item of items) {
    if (!all && (found === null || found.isFull)) {
      return false;
    }
    all = passes(item) && all;
  }
  return all;
}

function isObject(value: Json | undefined): value is Record<string, Json> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
