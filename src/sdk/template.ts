/**
 * From what an author passes to a task to the JSON template of its input.
 *
 * @module
 */
import type { Json } from "../engine/spec.ts";
import { OWNER, Ref, SCOPE, TEMPLATE } from "./refs.ts";

/** Where a template stands, and whom to tell what is wrong with it. */
export interface TemplatePlace {
  /** The DAG under construction. */
  owner: object;
  /** The mapped group around; null if there is none. */
  mappedGroup: string | null;
  /** Takes a place inside the value, e.g. `input.rows[0]`, and a message. */
  report: (where: string, message: string) => void;
}

/** Far deeper than a spec may be; only keeps a value that contains itself from going on forever. */
const MAX_DEPTH = 200;

/** Replaces references by their templates; everything else must be JSON. Fields that are undefined are left out. */
export function compileTemplate(value: unknown, where: string, place: TemplatePlace): Json {
  return compile(value, where, place, 0);
}

/** As {@link compileTemplate}, for data that may hold no reference. */
export function compileLiteral(value: unknown, where: string, place: TemplatePlace): Json {
  if (containsRef(value, 0)) {
    place.report(
      where,
      "expected data without references, got a reference inside: return the list from a task instead",
    );
    return [];
  }
  return plain(value, where, place, 0);
}

function compile(value: unknown, where: string, place: TemplatePlace, depth: number): Json {
  if (value instanceof Ref) {
    return compileRef(value, where, place);
  }
  if (isPlainObject(value) && readsAsReference(value)) {
    // Data that happens to look like a reference is marked as what it is.
    return { $literal: compileLiteral(value, where, place) };
  }
  return descend(value, where, place, depth, compile);
}

function plain(value: unknown, where: string, place: TemplatePlace, depth: number): Json {
  return descend(value, where, place, depth, plain);
}

function descend(value: unknown, where: string, place: TemplatePlace, depth: number, next: typeof compile): Json {
  if (value === null || typeof value === "string" || typeof value === "boolean") {
    return value;
  }
  if (typeof value === "number" && Number.isFinite(value)) {
    return value;
  }
  if (depth >= MAX_DEPTH) {
    place.report(where, `expected at most ${MAX_DEPTH} levels of nesting, got more`);
    return null;
  }
  if (Array.isArray(value)) {
    return value.map((element: unknown, index) => next(element, `${where}[${index}]`, place, depth + 1));
  }
  if (isPlainObject(value)) {
    const entries = Object.entries(value).filter(([, element]) => element !== undefined);
    return Object.fromEntries(
      entries.map(([key, element]) => [key, next(element, `${where}.${key}`, place, depth + 1)]),
    );
  }
  place.report(where, `expected JSON or a reference, got ${describe(value)}`);
  return null;
}

function compileRef(ref: Ref<unknown>, where: string, place: TemplatePlace): Json {
  if (!isUsable(ref, where, place)) {
    return null;
  }
  const template = Object.entries(ref[TEMPLATE]);
  return Object.fromEntries(template.flatMap(([key, part]) => (part === undefined ? [] : [[key, part]])));
}

/** Says whether a reference means here what it meant where it was made, and reports it if not. */
export function isUsable(ref: Ref<unknown>, where: string, place: TemplatePlace): boolean {
  if (ref[OWNER] !== place.owner) {
    place.report(where, `expected a reference of this DAG, got ${describeRef(ref)} of another one`);
    return false;
  }
  const group = ref[SCOPE];
  if (group === null || group === place.mappedGroup) {
    return true;
  }
  const advice = ref.kind === "map" ? "" : ": return it from the group's function and use the group's result, a list";
  place.report(where, `expected ${describeRef(ref)} only inside the mapped group "${group}", got it outside${advice}`);
  return false;
}

/** Names what a reference points to. */
export function describeRef(ref: Ref<unknown>): string {
  const template = ref[TEMPLATE];
  switch (template.$ref) {
    case "xcom":
      return `the result of "${template.task_id}"`;
    case "run":
      return `the run's ${template.field}`;
    case "map":
      return "the element";
    case "params":
      return `the param ${(template.path ?? []).join(".")}`;
  }
}

function containsRef(value: unknown, depth: number): boolean {
  if (value instanceof Ref) {
    return true;
  }
  return (
    typeof value === "object" &&
    value !== null &&
    depth < MAX_DEPTH &&
    Object.values(value).some((element: unknown) => containsRef(element, depth + 1))
  );
}

function readsAsReference(value: object): boolean {
  return Object.hasOwn(value, "$ref") || (Object.hasOwn(value, "$literal") && Object.keys(value).length === 1);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return false;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function describe(value: unknown): string {
  if (typeof value === "function") {
    return "a function";
  }
  if (typeof value === "object" && value !== null) {
    return `a ${value.constructor.name}`;
  }
  return typeof value === "symbol" ? "a symbol" : `${String(value)} (${typeof value})`;
}
