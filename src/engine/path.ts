/**
 * Ways into a JSON value.
 *
 * @module
 */
import type { Json } from "./spec.ts";

/** A way into a value: keys of objects and positions in lists. */
export type Path = readonly (string | number)[];

/**
 * Follows a path into a value; null if it leads nowhere. Only what JSON holds is found: an object's own properties and a
 * list's elements, by number or by its digits.
 *
 * @example
 * followPath({ rows: [{ id: 7 }] }, ["rows", 0, "id"]); // 7
 */
export function followPath(value: Json, path: Path): Json {
  let current: Json = value;
  for (const step of path) {
    current = child(current, step);
  }
  return current;
}

function child(value: Json, step: string | number): Json {
  if (Array.isArray(value)) {
    const isPosition = typeof step === "number" || /^(0|[1-9]\d*)$/.test(step);
    return isPosition ? (value[Number(step)] ?? null) : null;
  }
  if (value !== null && typeof value === "object" && Object.hasOwn(value, step)) {
    return value[step] ?? null;
  }
  return null;
}
