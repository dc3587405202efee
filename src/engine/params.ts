/**
 * Params of a DAG and the `conf` of a run: defaults, overridden by conf, checked against each param's JSON Schema.
 *
 * @module
 */
import { StepBudget } from "./json-schema/budget.ts";
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
 *
 * Only what `conf` says is checked: the defaults were when the spec was (`validateParamSpecs`), and a scheduled run has no
 * others. All values are checked on one budget; what it does not suffice for is refused.
 */
export function resolveParams(
  spec: DagSpec["params"],
  conf: Record<string, Json>,
  budget = new StepBudget(),
): ResolvedParams {
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
    if (given && !budget.isSpent) {
      errors.push(...valueErrors(name, param, value, "conf", budget));
    }
  }
  return errors.length > 0 ? { ok: false, errors } : { ok: true, params: Object.fromEntries(params) };
}

/** Keys of a conf that are listed as no params at most. */
const MOST_UNKNOWN = 20;

/** The first keys of `conf` that are no params of a DAG that has some: they may be misspelt. They are no error, as in Airflow. */
export function unknownConfKeys(spec: DagSpec["params"], conf: Record<string, Json>): string[] {
  return Object.keys(spec).length === 0
    ? []
    : Object.keys(conf)
        .filter((key) => !Object.hasOwn(spec, key))
        .slice(0, MOST_UNKNOWN);
}

/**
 * What is wrong with the params of a spec: schemas that cannot be used, and defaults that do not fit them. All are checked
 * on one budget; the first param that it does not suffice for is the last one looked at.
 */
export function validateParamSpecs(spec: DagSpec["params"], budget = new StepBudget()): ParamError[] {
  const errors: ParamError[] = [];
  for (const [name, param] of Object.entries(spec)) {
    if (!budget.isSpent) {
      errors.push(...specErrors(name, param, budget));
    }
  }
  return errors;
}

function specErrors(name: string, param: ParamSpec, budget: StepBudget): ParamError[] {
  if (name === "__proto__") {
    return [
      { path: [name], message: `expected a name that objects can carry as data, got '${name}' as the name of a param` },
    ];
  }
  const problems = schemaProblems(param.schema, budget);
  if (problems.length > 0) {
    return problems.map(({ path, expected }) => ({
      path: [name, "schema", ...path],
      message: `expected ${expected} at ${place(`the schema of param '${name}'`, path)}, got ${shortJson(followPath(param.schema, path))}`,
    }));
  }
  return param.default === undefined
    ? []
    : valueErrors(name, param, param.default, "the defaults of the params", budget);
}

function valueErrors(name: string, param: ParamSpec, value: Json, origin: string, budget: StepBudget): ParamError[] {
  return schemaMismatches(param.schema, value, budget).map(({ path, expected }) => ({
    path: [name, ...path],
    message: `expected ${expected} at ${place(origin, [name, ...path])}, got ${shortJson(followPath(value, path))}`,
  }));
}

function missingMessage(name: string, param: ParamSpec): string {
  const { type } = param.schema;
  const kind = type === undefined ? "" : ` of type ${typeNames(type)}`;
  return `expected a value${kind} at ${place("conf", [name])}, because the param has no default, got none`;
}

function place(origin: string, path: string[]): string {
  return [origin, ...path].join(".");
}
