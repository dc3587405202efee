/**
 * A spec's identity: two specs that mean the same have the same hash, so that registering one again makes no version.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { DagSpec, ExpandSource, ExpandSpec, Json } from "./spec.ts";

/**
 * JSON text with the keys of every object sorted by code unit and without white space. Arrays keep their order;
 * properties that are undefined are left out, as JSON does.
 *
 * @example
 * canonicalJson({ b: [2, 1], a: null }); // '{"a":null,"b":[2,1]}'
 * @throws TypeError for what JSON cannot hold.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") {
    return JSON.stringify(value);
  }
  if (typeof value === "number" && Number.isFinite(value)) {
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) {
    return `[${value.map(canonicalJson).join(",")}]`;
  }
  if (typeof value === "object") {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(",")}}`;
  }
  throw new TypeError(`expected a JSON value, got ${typeof value === "number" ? String(value) : typeof value}`);
}

/** SHA-256 of a spec in hexadecimal. The order of keys does not matter, except where it changes what the DAG does. */
export function specHash(spec: DagSpec): string {
  return createHash("sha256")
    .update(canonicalJson(orderedParts(spec)))
    .digest("hex");
}

/**
 * The order of keywords decides which varies fastest, and the order of an object's keys which element is which; so in
 * expansions, and in the defaults of params (one may be expanded over), keys become pairs, which keep their order.
 */
function orderedParts(spec: DagSpec): unknown {
  return {
    ...spec,
    params: Object.fromEntries(
      Object.entries(spec.params).map(([name, param]) => [
        name,
        param.default === undefined ? param : { ...param, default: ordered(param.default) },
      ]),
    ),
    tasks: spec.tasks.map(withOrderedExpand),
    task_groups: spec.task_groups.map(withOrderedExpand),
  };
}

function withOrderedExpand(node: { expand?: ExpandSpec | undefined }): unknown {
  return node.expand === undefined ? node : { ...node, expand: orderedExpand(node.expand) };
}

function orderedExpand(expand: ExpandSpec): unknown {
  return expand.type === "expand"
    ? { ...expand, kwargs: Object.entries(expand.kwargs).map(([name, source]) => [name, orderedSource(source)]) }
    : { ...expand, source: orderedSource(expand.source) };
}

function orderedSource(source: ExpandSource): unknown {
  if ("literal" in source) {
    return { literal: ordered(source.literal) };
  }
  if ("zip" in source) {
    return { ...source, zip: source.zip.map(orderedSource) };
  }
  if ("concat" in source) {
    return { concat: source.concat.map(orderedSource) };
  }
  return source;
}

/** Objects as lists of pairs, marked, so that they differ from a list of pairs that was one before. */
function ordered(value: Json): Json {
  if (Array.isArray(value)) {
    return value.map(ordered);
  }
  if (value !== null && typeof value === "object") {
    return { pairs: Object.entries(value).map(([key, member]) => [key, ordered(member)]) };
  }
  return value;
}
