/**
 * A spec's identity: two specs that mean the same have the same hash, so that registering one again makes no version. Fields
 * that equal their defaults are left out of it: a release that adds a field with a default makes no version of any DAG.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { z } from "zod";
import { canonicalJson } from "./canonical-json.ts";
import { defaultsOf } from "./schema-defaults.ts";
import { dagSpecSchema, type DagSpec, type ExpandSource, type ExpandSpec, type Json } from "./spec.ts";

/**
 * SHA-256 of a spec in hexadecimal. The order of keys does not matter, except where it changes what the DAG does.
 *
 * @param schema What the spec was parsed by.
 */
export function specHash(spec: DagSpec, schema: z.ZodType = dagSpecSchema): string {
  return sha256(canonicalJson(canonicalParts(defaultsOf(schema).leaveOut(spec) as Partial<DagSpec>)));
}

/**
 * A spec as it is stored: without the fields that equal their defaults. So thousands of plain tasks fit into a row; and a release must
 * not change a default, since it would change every version that is stored.
 */
export function specToStore(spec: DagSpec): unknown {
  return defaultsOf(dagSpecSchema).leaveOut(spec);
}

/** A stored spec with its defaults, those of fields that are newer than it too. Changes what it is given. */
export function specOfStored(stored: unknown): DagSpec {
  return defaultsOf(dagSpecSchema).fillIn(stored) as DagSpec;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** A spec as it counts for its identity: its fields, and the parts that have names. */
export interface CanonicalParts {
  [field: string]: unknown;
  params?: Record<string, Record<string, unknown>>;
  tasks?: Record<string, unknown>[];
  task_groups?: Record<string, unknown>[];
}

/**
 * The order of keywords decides which varies fastest, and the order of an object's keys which element is which; so in
 * expansions, and in the defaults of params (one may be expanded over), keys become pairs, which keep their order.
 */
export function canonicalParts({ params, tasks, task_groups, ...spec }: Partial<DagSpec>): CanonicalParts {
  return {
    ...spec,
    ...(params && {
      params: Object.fromEntries(
        Object.entries(params).map(([name, param]) => [
          name,
          param.default === undefined ? param : { ...param, default: ordered(param.default) },
        ]),
      ),
    }),
    ...(tasks && { tasks: tasks.map(withOrderedExpand) }),
    ...(task_groups && { task_groups: task_groups.map(withOrderedExpand) }),
  };
}

function withOrderedExpand(node: { expand?: ExpandSpec | undefined }): Record<string, unknown> {
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
