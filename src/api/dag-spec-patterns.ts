/**
 * The regular expressions in the schemas of a spec that comes over HTTP. The runtime's matcher tries every way to read a
 * text, so one expression can keep the DAG's object busy for good; a DAG of the code is trusted.
 *
 * @module
 */
import { slowness } from "../engine/pattern-cost.ts";
import { ApiError, problem, type Problem } from "./errors.ts";
import { MAX_PROBLEMS } from "./validation.ts";

/** Characters of one regular expression. */
export const PATTERN_CHARACTERS = 500;

/** Characters of a key that an answer shows. */
const SHOWN = 100;

/**
 * Looks at `pattern` and the keys of `patternProperties` wherever they stand, since a reference may make a schema of any
 * part. What is no regular expression at all is left to the checks of the schema.
 *
 * @throws ApiError 422 that names the places of those that may be slow (see `pattern-cost.ts`) or are too long.
 */
export function refuseSlowPatterns(raw: Record<string, unknown>): void {
  const problems: Problem[] = [];
  lookInto(raw["params"], ["body", "params"], problems);
  if (problems.length > 0) {
    throw new ApiError(422, problems);
  }
}

/** Adds what is wrong inside a value at `path`, which is as it was afterwards. Bodies nest a hundred levels at most. */
function lookInto(value: unknown, path: (string | number)[], problems: Problem[]): void {
  if (typeof value !== "object" || value === null) {
    return;
  }
  for (const [name, item] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
    if (problems.length >= MAX_PROBLEMS) {
      return;
    }
    path.push(typeof name === "string" ? name.slice(0, SHOWN) : name);
    for (const pattern of patternsOf(name, item)) {
      const fault = faultOf(pattern);
      if (fault !== null && problems.length < MAX_PROBLEMS) {
        problems.push(problem([...path], fault, pattern));
      }
    }
    lookInto(item, path, problems);
    path.pop();
  }
}

function patternsOf(name: string | number, item: unknown): string[] {
  if (name === "pattern" && typeof item === "string") {
    return [item];
  }
  return name === "patternProperties" && typeof item === "object" && item !== null ? Object.keys(item) : [];
}

function faultOf(pattern: string): string | null {
  if (pattern.length > PATTERN_CHARACTERS) {
    return `expected a regular expression of at most ${PATTERN_CHARACTERS} characters`;
  }
  const missing = isExpression(pattern) ? slowness(pattern) : null;
  return missing === null ? null : `expected a regular expression that is always quick: with ${missing}`;
}

function isExpression(pattern: string): boolean {
  try {
    return new RegExp(pattern, "u").source !== "";
  } catch {
    return false;
  }
}
