/**
 * Params of a DAG and the `conf` of a run: defaults, overridden by conf, checked against each param's JSON Schema.
 *
 * @module
 */
import { MATCHED_CHARACTERS } from "./pattern-cost.ts";
import { followPath } from "./path.ts";
import { schemaMismatches, schemaProblems, shortJson, typeNames } from "./json-schema-check.ts";
import type { DagSpec, Json, ParamSpec } from "./spec.ts";

/** What is wrong with a param or its value. */
export interface ParamError {
  /** From the name of the param inwards. */
  path: string[];
  /** What was expected, what came (cut to 200 characters), and where. */
  message: string;
}

/** The params of a run, or all that is wrong with them. */
export type ResolvedParams = { ok: true; params: Record<string, Json> } | { ok: false; errors: ParamError[] };

/**
 * The params of a run: for each param what `conf` says, else its default. Null in conf is a value. A key of conf that is
 * no param is no error and no param. Values are shared with `spec` and `conf`, not copied.
 */
export function resolveParams(spec: DagSpec["params"], conf: Record<string, Json>): ResolvedParams {
  const params: [string, Json][] = [];
  const errors: ParamError[] = [];
  for (const [name, param] of Object.entries(spec)) {
    // Own keys only: a param may be called "constructor", which every object inherits.
    const given = Object.hasOwn(conf, name);
    const value = given ? conf[name] : param.default;
    if (value === undefined) {
      errors.push({ path: [name], message: missingMessage(name, param) });
      continue;
    }
    params.push([name, value]);
    errors.push(...valueErrors(name, param, value, given ? "conf" : "the defaults of the params"));
  }
  return errors.length > 0 ? { ok: false, errors } : { ok: true, params: Object.fromEntries(params) };
}

/** What is wrong with the params of a spec: schemas that cannot be used, and defaults that do not fit them. */
export function validateParamSpecs(spec: DagSpec["params"]): ParamError[] {
  return Object.entries(spec).flatMap(([name, param]) => specErrors(name, param));
}

function specErrors(name: string, param: ParamSpec): ParamError[] {
  if (name === "__proto__") {
    return [
      { path: [name], message: `expected a name that objects can carry as data, got '${name}' as the name of a param` },
    ];
  }
  const problems = schemaProblems(param.schema);
  if (problems.length > 0) {
    return problems.map(({ path, expected }) => ({
      path: [name, "schema", ...path],
      message: `expected ${expected} at ${place(`the schema of param '${name}'`, path)}, got ${shortJson(followPath(param.schema, path))}`,
    }));
  }
  return param.default === undefined ? [] : valueErrors(name, param, param.default, "the defaults of the params");
}

function valueErrors(name: string, param: ParamSpec, value: Json, origin: string): ParamError[] {
  if (JSON.stringify(param.schema).includes('"pattern') && isLongAnywhere(value)) {
    const where = place(origin, [name]);
    const message = `expected texts of at most ${MATCHED_CHARACTERS} characters at ${where}, whose schema has a pattern, got a longer one`;
    return [{ path: [name], message }];
  }
  return schemaMismatches(param.schema, value).map(({ path, expected }) => ({
    path: [name, ...path],
    message: `expected ${expected} at ${place(origin, [name, ...path])}, got ${shortJson(followPath(value, path))}`,
  }));
}

/** Says whether a text or a key in a value is too long to be matched against a pattern. */
function isLongAnywhere(value: Json): boolean {
  if (typeof value === "string") {
    return value.length > MATCHED_CHARACTERS;
  }
  if (typeof value !== "object" || value === null) {
    return false;
  }
  return Array.isArray(value)
    ? value.some(isLongAnywhere)
    : Object.entries(value).some(([key, item]) => key.length > MATCHED_CHARACTERS || isLongAnywhere(item));
}

function missingMessage(name: string, param: ParamSpec): string {
  const { type } = param.schema;
  const kind = type === undefined ? "" : ` of type ${typeNames(type)}`;
  return `expected a value${kind} at ${place("conf", [name])}, because the param has no default, got none`;
}

function place(origin: string, path: string[]): string {
  return [origin, ...path].join(".");
}
