/**
 * Input templates: JSON in which an object with a `$ref` key stands for a value that is known at run time.
 *
 * @module
 */
import { elementAt } from "./expansion.ts";
import { followPath, type Path } from "./path.ts";
import type { InputRef, Json } from "./spec.ts";

/** Levels of nesting a template may have. */
export const TEMPLATE_DEPTH = 64;

/**
 * What a reference may resolve to instead of the value: the value's place in the `PAYLOADS` bucket. It is then fetched by
 * whoever runs the task, and `path` followed there.
 */
export class RemoteValue {
  readonly key: string;
  readonly path: Path;

  constructor(key: string, path: Path = []) {
    this.key = key;
    this.path = path;
  }
}

/**
 * A hole in a resolved input: at `at` belongs what `path` leads to in the value stored under `key`, or, with `element`, in
 * that element of it as a mapped task sees it. Plain data.
 */
export interface RemoteInput {
  at: (string | number)[];
  key: string;
  element?: number;
  path: (string | number)[];
}

const RUN_FIELDS: ReadonlySet<unknown> = new Set([
  "run_id",
  "dag_id",
  "logical_date",
  "data_interval_start",
  "data_interval_end",
  "conf",
]);

/**
 * Replaces every reference in `template` by what `resolve` gives for it, and then follows the reference's path; a path
 * that leads nowhere gives null. What `resolve` gives is data: it is not searched for references, and not copied.
 * `{ "$literal": … }`, alone in its object, stands for its content as it is. A missing template gives null.
 *
 * Where `resolve` gives a `RemoteValue`, the place gets null and is noted in `remote`, for `fillRemote` to fill.
 *
 * @throws RangeError if the template is nested deeper than 64 levels.
 * @throws TypeError if an object with a `$ref` key is no reference, or a remote value came and `remote` is not given.
 */
export function resolveTemplate(
  template: Json | undefined,
  resolve: (ref: InputRef) => Json | RemoteValue,
  remote?: RemoteInput[],
): Json {
  if (template === undefined) {
    return null;
  }
  return mapTemplate(template, [], (ref, at) => {
    const value = resolve(ref);
    const path = "path" in ref ? (ref.path ?? []) : [];
    if (!(value instanceof RemoteValue)) {
      return followPath(value, path);
    }
    if (remote === undefined) {
      throw new TypeError(`expected a value at ${place(at)}, got one that is kept elsewhere (${value.key})`);
    }
    remote.push({ at: [...at], key: value.key, path: [...value.path, ...path] });
    return null;
  });
}

/** The references in a template, in the order they stand there. Throws as `resolveTemplate` does. */
export function templateRefs(template: Json | undefined): InputRef[] {
  const refs: InputRef[] = [];
  if (template !== undefined) {
    mapTemplate(template, [], (ref) => {
      refs.push(ref);
      return null;
    });
  }
  return refs;
}

/** Fills the holes of a resolved input with what `valueOf` gives for their keys. Changes `input`, and returns it. */
export function fillRemote(input: Json, remote: readonly RemoteInput[], valueOf: (key: string) => Json): Json {
  let filled = input;
  for (const { at, key, path, element } of remote) {
    const stored = valueOf(key);
    const value = followPath(element === undefined ? stored : elementAt(stored, element), path);
    const last = at.at(-1);
    if (last === undefined) {
      filled = value;
    } else {
      put(followPath(filled, at.slice(0, -1)), last, value, at);
    }
  }
  return filled;
}

function put(parent: Json, step: string | number, value: Json, at: Path): void {
  if (parent === null || typeof parent !== "object" || !Object.hasOwn(parent, step)) {
    throw new TypeError(`expected the input to have a place at ${place(at)}, got none`);
  }
  Object.defineProperty(parent, step, { value, writable: true, enumerable: true, configurable: true });
}

function mapTemplate(template: Json, at: (string | number)[], onRef: (ref: InputRef, at: Path) => Json): Json {
  if (template === null || typeof template !== "object") {
    return template;
  }
  if (at.length > TEMPLATE_DEPTH) {
    throw new RangeError(`expected an input of at most ${TEMPLATE_DEPTH} levels, got a deeper one at ${place(at)}`);
  }
  if (Array.isArray(template)) {
    return template.map((item, index) => mapTemplate(item, [...at, index], onRef));
  }
  if (Object.hasOwn(template, "$ref")) {
    return onRef(asInputRef(template, at), at);
  }
  const entries = Object.entries(template);
  const [first] = entries;
  if (entries.length === 1 && first?.[0] === "$literal") {
    return first[1];
  }
  // fromEntries defines properties, so that a key named "__proto__" stays data.
  return Object.fromEntries(entries.map(([key, item]) => [key, mapTemplate(item, [...at, key], onRef)]));
}

/** Checked by hand and not by the schema of the spec: this runs for every task instance that is claimed. */
function isInputRef(value: unknown): value is InputRef {
  if (value === null || typeof value !== "object" || !("$ref" in value)) {
    return false;
  }
  const hasPath = !("path" in value) || isPath(value.path);
  switch (value.$ref) {
    case "xcom": {
      const hasKey = !("key" in value) || value.key === undefined || typeof value.key === "string";
      return "task_id" in value && typeof value.task_id === "string" && hasKey && hasPath;
    }
    case "params":
    case "map":
      return hasPath;
    case "run":
      return "field" in value && RUN_FIELDS.has(value.field);
    default:
      return false;
  }
}

function isPath(value: unknown): boolean {
  return (
    value === undefined ||
    (Array.isArray(value) && value.every((step) => typeof step === "string" || Number.isSafeInteger(step)))
  );
}

function asInputRef(value: Json, at: Path): InputRef {
  if (isInputRef(value)) {
    return value;
  }
  throw new TypeError(
    `expected a reference of the kind xcom (with task_id), params, map or run (with field) at ${place(at)}, got ${JSON.stringify(value).slice(0, 200)}; ` +
      `data that has a key named "$ref" is written as { "$literal": … }`,
  );
}

function place(at: Path): string {
  return ["input", ...at].join(".");
}
