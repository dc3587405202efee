/**
 * Finds the references in input templates and expansions. A reference to a task is an edge.
 *
 * @module
 */
import { expansionLength } from "../expansion.ts";
import { TEMPLATE_DEPTH } from "../inputs.ts";
import { inputRefSchema } from "../spec.ts";
import type { ExpandSource, ExpandSpec, InputRef, Json } from "../spec.ts";
import { preview } from "./issues.ts";
import type { SpecError } from "./issues.ts";

type Path = (string | number)[];

/** A reference and where it stands. */
export interface FoundRef {
  ref: InputRef;
  path: Path;
}

/**
 * Collects the references of an input template with their places. What could not be resolved at run time is an error: an
 * object with `$ref` that is no reference, or a template that is nested too deeply. `{ "$literal": … }` is not searched.
 */
export function findTemplateRefs(template: Json, path: Path): { refs: FoundRef[]; errors: SpecError[] } {
  const refs: FoundRef[] = [];
  const errors: SpecError[] = [];
  const visit = (value: Json, at: Path, depth: number): void => {
    if (typeof value !== "object" || value === null) {
      return;
    }
    if (depth > TEMPLATE_DEPTH) {
      errors.push({ path: at, message: `expected an input of at most ${TEMPLATE_DEPTH} levels, got a deeper one` });
    } else if (Array.isArray(value)) {
      value.forEach((element, index) => visit(element, [...at, index], depth + 1));
    } else if (Object.hasOwn(value, "$ref")) {
      readRef(value, at);
    } else if (!(Object.hasOwn(value, "$literal") && Object.keys(value).length === 1)) {
      Object.entries(value).forEach(([key, element]) => visit(element, [...at, key], depth + 1));
    }
  };
  const readRef = (value: Record<string, Json>, at: Path): void => {
    const parsed = inputRefSchema.safeParse(value);
    if (parsed.success) {
      refs.push({ ref: parsed.data, path: at });
    } else {
      const message = `expected a reference (xcom with task_id, params, map, or run with field) or { "$literal": … } around data, got ${preview(value)}`;
      errors.push({ path: at, message });
    }
  };
  visit(template, path, 0);
  return { refs, errors };
}

/** One source inside an expansion, the nested ones of `zip` and `concat` included. */
export interface FoundSource {
  source: ExpandSource;
  path: Path;
}

/** Lists every source of an expansion with its place, outer ones first. */
export function expansionSources(expand: ExpandSpec, path: Path): FoundSource[] {
  const found: FoundSource[] = [];
  const visit = (source: ExpandSource, at: Path): void => {
    found.push({ source, path: at });
    if ("zip" in source) {
      source.zip.forEach((inner, index) => visit(inner, [...at, "zip", index]));
    } else if ("concat" in source) {
      source.concat.forEach((inner, index) => visit(inner, [...at, "concat", index]));
    }
  };
  if (expand.type === "expand") {
    Object.entries(expand.kwargs).forEach(([keyword, source]) => visit(source, [...path, "kwargs", keyword]));
  } else {
    visit(expand.source, [...path, "source"]);
  }
  return found;
}

/** Number of elements of an expansion if the spec alone tells it, else null. */
export function literalLength(expand: ExpandSpec): number | null {
  const known = expansionSources(expand, []).every(({ source }) => !("$ref" in source));
  return known ? expansionLength(expand, () => null, {}) : null;
}
