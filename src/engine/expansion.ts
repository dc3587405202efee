/**
 * Dynamic task mapping: how many elements an expansion has, and what the arguments of each are. Airflow's
 * `DictOfListsExpandInput` and `ListOfDictsExpandInput`.
 *
 * @module
 */
import { followPath } from "./path.ts";
import type { ExpandSource, ExpandSpec, Json } from "./spec.ts";

/** Says how long the list of an upstream task is, or null while it is not known or what it gave is no list. */
export type LengthOf = (taskId: string) => number | null;

/** Where the elements of an expansion are found. */
export interface ElementSource {
  lengthOf: LengthOf;
  /** Element `index` of what a task gave; see `elementAt` for objects. */
  valueAt: (taskId: string, index: number) => Json;
  /** Params of the run. */
  params: Record<string, Json>;
}

/** How many elements a value has to expand over: of a list or an object; null for anything else. */
export function mapLength(value: Json): number | null {
  if (Array.isArray(value)) {
    return value.length;
  }
  return value !== null && typeof value === "object" ? Object.keys(value).length : null;
}

/**
 * Element `index` of a list, or of an object as a pair of key and value.
 *
 * @throws RangeError if there is no such element.
 */
export function elementAt(value: Json, index: number): Json {
  const length = mapLength(value) ?? 0;
  if (value === null || typeof value !== "object" || !isIndexOf(index, length)) {
    throw new RangeError(`expected an index below ${length}, got ${index}`);
  }
  const element = Array.isArray(value) ? value[index] : Object.entries(value)[index];
  return element ?? null;
}

/**
 * How many elements an expansion has; null as long as a length it depends on is not known, or if a param it maps over is
 * no list or object. A number too large for exact arithmetic is given as the largest safe integer.
 */
export function expansionLength(expand: ExpandSpec, lengthOf: LengthOf, params: Record<string, Json>): number | null {
  if (expand.type === "expand_kwargs") {
    return sourceLength(expand.source, lengthOf, params);
  }
  const lengths = allKnown(Object.values(expand.kwargs).map((source) => sourceLength(source, lengthOf, params)));
  return lengths === null ? null : product(lengths);
}

/** Ids of the tasks whose values an expansion needs, each once, in the order they stand there. */
export function feedingTasks(expand: ExpandSpec): string[] {
  const found = new Set<string>();
  for (const source of expand.type === "expand" ? Object.values(expand.kwargs) : [expand.source]) {
    collectTasks(source, found);
  }
  return [...found];
}

/**
 * The keyword arguments of one element. Of several keywords the last varies fastest; elements of an object are pairs of
 * key and value.
 *
 * @throws RangeError if `index` is outside the expansion, or its length is not known.
 * @throws TypeError if an element of `expand_kwargs` is no object.
 */
export function expansionElement(expand: ExpandSpec, index: number, source: ElementSource): Record<string, Json> {
  const length = expansionLength(expand, source.lengthOf, source.params);
  if (length === null || !isIndexOf(index, length)) {
    throw new RangeError(
      `expected a map index ${length === null ? "of an expansion whose length is known" : `from 0 below ${length}`}, got ${index}`,
    );
  }
  return expand.type === "expand"
    ? crossElement(Object.entries(expand.kwargs), index, source)
    : kwargsElement(expand.source, index, source);
}

function crossElement(kwargs: [string, ExpandSource][], index: number, from: ElementSource): Record<string, Json> {
  let rest = index;
  const reversed: [string, Json][] = [];
  for (const [name, source] of kwargs.toReversed()) {
    const length = sourceLength(source, from.lengthOf, from.params) ?? 0;
    reversed.push([name, sourceElement(source, rest % length, from)]);
    rest = Math.floor(rest / length);
  }
  return Object.fromEntries(reversed.toReversed());
}

function kwargsElement(source: ExpandSource, index: number, from: ElementSource): Record<string, Json> {
  const element = sourceElement(source, index, from);
  if (element === null || typeof element !== "object" || Array.isArray(element)) {
    throw new TypeError(
      `expected element ${index} of expand_kwargs to be an object of keyword arguments, got ${JSON.stringify(element).slice(0, 200)}`,
    );
  }
  return element;
}

function sourceLength(source: ExpandSource, lengthOf: LengthOf, params: Record<string, Json>): number | null {
  if ("literal" in source) {
    return mapLength(source.literal);
  }
  if ("zip" in source) {
    const lengths = allKnown(source.zip.map((part) => sourceLength(part, lengthOf, params)));
    if (lengths === null) {
      return null;
    }
    // Not by spreading into Math.min: the number of parts is the author's.
    return lengths.reduce((a, b) => (source.fillvalue === undefined ? Math.min(a, b) : Math.max(a, b)));
  }
  if ("concat" in source) {
    const lengths = allKnown(source.concat.map((part) => sourceLength(part, lengthOf, params)));
    return lengths === null ? null : lengths.reduce((a, b) => saturate(a + b));
  }
  return source.$ref === "xcom" ? lengthOf(source.task_id) : mapLength(followPath(params, source.path ?? []));
}

function sourceElement(source: ExpandSource, index: number, from: ElementSource): Json {
  if ("literal" in source) {
    return elementAt(source.literal, index);
  }
  if ("zip" in source) {
    const { fillvalue } = source;
    return source.zip.map((part) => {
      const length = sourceLength(part, from.lengthOf, from.params) ?? 0;
      return index < length ? sourceElement(part, index, from) : (fillvalue ?? null);
    });
  }
  if ("concat" in source) {
    let rest = index;
    for (const part of source.concat) {
      const length = sourceLength(part, from.lengthOf, from.params) ?? 0;
      if (rest < length) {
        return sourceElement(part, rest, from);
      }
      rest -= length;
    }
    throw new RangeError(`expected an index below ${index - rest}, got ${index}`);
  }
  return source.$ref === "xcom"
    ? from.valueAt(source.task_id, index)
    : elementAt(followPath(from.params, source.path ?? []), index);
}

function collectTasks(source: ExpandSource, into: Set<string>): void {
  if ("zip" in source || "concat" in source) {
    for (const part of "zip" in source ? source.zip : source.concat) {
      collectTasks(part, into);
    }
  } else if ("$ref" in source && source.$ref === "xcom") {
    into.add(source.task_id);
  }
}

function allKnown(lengths: (number | null)[]): number[] | null {
  const known = lengths.filter((length) => length !== null);
  return known.length === lengths.length ? known : null;
}

function product(lengths: number[]): number {
  // A zero anywhere makes the whole empty, also beside lengths whose product alone would be cut off.
  return lengths.includes(0) ? 0 : lengths.reduce((a, b) => saturate(a * b), 1);
}

function saturate(length: number): number {
  return Math.min(length, Number.MAX_SAFE_INTEGER);
}

function isIndexOf(index: number, length: number): boolean {
  return Number.isSafeInteger(index) && index >= 0 && index < length;
}
