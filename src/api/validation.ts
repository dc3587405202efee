/**
 * What zod found wrong, in the words of Airflow's API: a 422 whose `detail` lists place, expectation and value.
 *
 * @module
 */
import type { Hook } from "@hono/zod-openapi";
import type { Context, ValidationTargets } from "hono";
import type { z } from "zod";
import type { AppEnv } from "./env.ts";
import { ApiError, problem, type Problem } from "./errors.ts";

/** Problems listed in one answer; more help nobody and would let a bad request ask for a large answer. */
export const MAX_PROBLEMS = 20;

/** Where Airflow's endpoints are, which ask for a body even if no field of it is required. */
const AIRFLOW = "/api/v2/";

type Issue = z.core.$ZodIssue;

/** Where Airflow's clients look for each part of a request. */
const PLACES: Partial<Record<keyof ValidationTargets, string>> = { json: "body", form: "body", param: "path" };

/** The hook of every route: refuses a request that does not fit the route's schemas. */
export const refuseInvalid: Hook<unknown, AppEnv, string, Promise<void>> = async (result, c) => {
  const lacksBody = result.target === "json" && c.req.header("content-type") === undefined;
  if (result.success && lacksBody && c.req.path.startsWith(AIRFLOW)) {
    // All its fields may be left out, itself it may not.
    throw new ApiError(422, [problem(["body"], "field required: expected a JSON body", undefined, "missing")]);
  }
  if (!result.success) {
    const place = PLACES[result.target] ?? result.target;
    const problems = describeIssues(result.error.issues, place, await rawInput(result.target, c));
    throw new ApiError(422, problems);
  }
};

/** Zod's issues as entries of `detail`. `input` is what was validated, `place` the first element of every `loc`. */
export function describeIssues(issues: readonly Issue[], place: string, input: unknown): Problem[] {
  const first = issues.slice(0, MAX_PROBLEMS);
  return first.flatMap((issue) => describe(issue, place, input)).slice(0, MAX_PROBLEMS);
}

async function rawInput(target: keyof ValidationTargets, c: Context): Promise<unknown> {
  switch (target) {
    case "json":
      return c.req.header("content-type") === undefined ? {} : c.req.json();
    case "query":
      return c.req.query();
    case "param":
      return c.req.param();
    case "header":
      return c.req.header();
    case "form":
    case "cookie":
      return undefined;
  }
}

function describe(issue: Issue, place: string, input: unknown): Problem[] {
  const path = issue.path.filter((key) => typeof key !== "symbol");
  const loc = [place, ...path.map(shortened)];
  const value = valueAt(input, path);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.slice(0, MAX_PROBLEMS).map((key) => {
      const name = shortened(key);
      const message = `expected no field ${JSON.stringify(name)} here`;
      return problem([...loc, name], message, valueAt(value, [key]), "extra_forbidden");
    });
  }
  const { message, type } = phrase(issue, value);
  return [problem(loc, message, value, type)];
}

const LONGEST_KEY = 100;

/** A key as answers show it: a caller may send one that fills a body, and would get it back many times. */
function shortened<K extends string | number>(key: K): K | string {
  return typeof key === "string" && key.length > LONGEST_KEY ? `${key.slice(0, LONGEST_KEY)}…` : key;
}

function phrase(issue: Issue, value: unknown): { message: string; type: string } {
  // A schema's own message says what it expects; it fits better than anything made up here.
  const own = issue.message.startsWith("expected ") ? issue.message : undefined;
  if (issue.code === "invalid_type") {
    const message = own ?? `expected ${withArticle(issue.expected)}`;
    return value === undefined
      ? { message: `field required: ${message}`, type: "missing" }
      : { message, type: `${issue.expected}_type` };
  }
  if (own !== undefined && issue.code === "invalid_union" && value === undefined) {
    return { message: `field required: ${own}`, type: "missing" };
  }
  if (own !== undefined) {
    return { message: own, type: "value_error" };
  }
  switch (issue.code) {
    case "invalid_value":
      return {
        message: `expected one of ${issue.values.map((option) => JSON.stringify(option)).join(", ")}`,
        type: "enum",
      };
    case "too_big":
      return { message: `expected ${bound("at most", issue.maximum, issue.origin)}`, type: "less_than_equal" };
    case "too_small":
      return { message: `expected ${bound("at least", issue.minimum, issue.origin)}`, type: "greater_than_equal" };
    default:
      return { message: `expected a valid value (${issue.message})`, type: "value_error" };
  }
}

const UNITS: Record<string, string> = { string: "character", array: "item" };

function bound(words: string, limit: number | bigint, origin: string): string {
  const unit = UNITS[origin];
  return unit === undefined ? `${words} ${limit}` : `${words} ${limit} ${unit}${Number(limit) === 1 ? "" : "s"}`;
}

function withArticle(noun: string): string {
  return /^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`;
}

function valueAt(input: unknown, path: readonly (string | number)[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) {
      return undefined;
    }
    value = Reflect.get(value, key);
  }
  return value;
}
