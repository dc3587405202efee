/**
 * The keywords about lists and their items.
 *
 * @module
 */
import type { Json } from "../spec.ts";
import type { Evaluation, Mismatches, Place, Seen } from "./evaluation.ts";

/** Says whether a list fits all keywords of `schema` that are about lists, but for `unevaluatedItems`. */
export function fitsAsList(
  schema: Readonly<Record<string, Json>>,
  value: readonly Json[],
  at: Place,
  found: Mismatches | null,
  seen: Seen | null,
  check: Evaluation,
): boolean {
  const { minItems, maxItems, uniqueItems, prefixItems, items } = schema;
  const wanted: string[] = [];
  if (typeof minItems === "number" && value.length < minItems) {
    wanted.push(`a list of at least ${minItems} items`);
  }
  if (typeof maxItems === "number" && value.length > maxItems) {
    wanted.push(`a list of at most ${maxItems} items`);
  }
  if (uniqueItems === true && hasDuplicates(value, check)) {
    wanted.push("a list without duplicates");
  }
  const contained = wantedByContains(schema, value, seen, check);
  if (contained !== null) {
    wanted.push(contained);
  }
  for (const expected of wanted) {
    found?.add(at, expected);
  }
  const first = Array.isArray(prefixItems) ? prefixItems : [];
  let fits = wanted.length === 0;
  for (const [position, item] of value.entries()) {
    if (!fits && (found === null || found.isFull)) {
      return false;
    }
    const ofItem = position < first.length ? first[position] : items;
    if (ofItem === undefined) {
      break;
    }
    seen?.positions.add(position);
    fits = check.fits(ofItem, item, { parent: at, step: String(position) }, found, null) && fits;
  }
  return fits;
}

/** Says whether what no other keyword has looked at fits `unevaluatedItems`. */
export function fitsUnevaluatedItems(
  schema: Json,
  value: readonly Json[],
  at: Place,
  found: Mismatches | null,
  seen: Seen,
  check: Evaluation,
): boolean {
  let fits = true;
  for (const [position, item] of value.entries()) {
    check.budget.take(1);
    if (!fits && (found === null || found.isFull)) {
      return false;
    }
    if (!seen.isAll && !seen.positions.has(position)) {
      fits = check.fits(schema, item, { parent: at, step: String(position) }, found, null) && fits;
    }
  }
  seen.isAll = true;
  return fits;
}

function hasDuplicates(value: readonly Json[], check: Evaluation): boolean {
  const known = new Set<string>();
  for (const item of value) {
    known.add(check.identity(item));
  }
  return known.size < value.length;
}

function wantedByContains(
  { contains, minContains, maxContains }: Readonly<Record<string, Json>>,
  value: readonly Json[],
  seen: Seen | null,
  check: Evaluation,
): string | null {
  if (contains === undefined) {
    return null;
  }
  let count = 0;
  for (const [position, item] of value.entries()) {
    if (check.fits(contains, item, null, null, null)) {
      count += 1;
      seen?.positions.add(position);
    }
  }
  const least = typeof minContains === "number" ? minContains : 1;
  if (count < least) {
    return `a list of which at least ${least} items fit 'contains' of its schema`;
  }
  return typeof maxContains === "number" && count > maxContains
    ? `a list of which at most ${maxContains} items fit 'contains' of its schema`
    : null;
}
