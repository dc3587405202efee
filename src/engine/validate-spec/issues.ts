/**
 * Turns what zod found into errors that say what was expected and what came.
 *
 * @module
 */
import type { z } from "zod";

/** One thing wrong with a spec: where, what was expected, and what came. */
export interface SpecError {
  /** Path into the spec, e.g. `["tasks", 3, "trigger_rule"]`. */
  path: (string | number)[];
  message: string;
}

const PREVIEW_LENGTH = 80;

/** How the message about a field that nobody knows begins. */
export const UNKNOWN_FIELD = "expected no field of this name here";

/** Deepest nesting of lists and objects a spec may have; deeper ones would exhaust the stack of whoever walks them. */
export const MAX_DEPTH = 100;

/** Shows a value in a message: as JSON, cut short when it is long. */
export function preview(value: unknown): string {
  if (value === undefined) {
    return "nothing";
  }
  const json = typeof value === "bigint" ? `${value}n` : (JSON.stringify(value) ?? typeof value);
  return json.length > PREVIEW_LENGTH ? `${json.slice(0, PREVIEW_LENGTH)}…` : json;
}

/** Says whether a value is an object with named fields. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Finds, without recursion, what the schema could not be trusted with: a value nested deeper than {@link MAX_DEPTH}, or
 * a key `__proto__`, which zod would drop in silence.
 */
export function findUnsafe(input: unknown): SpecError[] {
  const errors: SpecError[] = [];
  const stack: { value: unknown; at: Step | null }[] = [{ value: input, at: null }];
  for (let entry = stack.pop(); entry !== undefined; entry = stack.pop()) {
    const { value, at } = entry;
    if (typeof value !== "object" || value === null) {
      continue;
    }
    const depth = at === null ? 0 : at.depth;
    if (depth >= MAX_DEPTH) {
      return [{ path: pathTo(at), message: `expected at most ${MAX_DEPTH} levels of nesting, got more` }];
    }
    for (const key of Object.keys(value)) {
      const member: unknown = Reflect.get(value, key);
      const isNested = typeof member === "object" && member !== null;
      if (isNested || key === "__proto__") {
        const step = { key: Array.isArray(value) ? Number(key) : key, before: at, depth: depth + 1 };
        if (key === "__proto__") {
          errors.push({ path: pathTo(step), message: `expected a key other than "__proto__", got "__proto__"` });
        }
        stack.push({ value: member, at: step });
      }
    }
  }
  return errors;
}

/** The last step of a path. What nests deep and is wide at the bottom would have as many copies of a path as a list. */
interface Step {
  key: string | number;
  before: Step | null;
  depth: number;
}

function pathTo(last: Step | null): (string | number)[] {
  const path: (string | number)[] = [];
  for (let step = last; step !== null; step = step.before) {
    path.push(step.key);
  }
  return path.toReversed();
}

/** Describes one zod issue; an object with several unknown fields gives one error per field. */
export function describeIssue(issue: z.core.$ZodIssue, input: unknown): SpecError[] {
  const path = issue.path.map((part) => (typeof part === "symbol" ? String(part) : part));
  const got = valueAt(input, path);
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: `${UNKNOWN_FIELD}, got ${preview(isRecord(got) ? got[key] : undefined)}`,
      }));
    case "invalid_union":
      return isQueue(path) && isRecord(got) ? insideUnion(issue, path, input) : [describeUnion(issue, path, got)];
    default:
      return [{ path, message: `${expectation(issue, got)}, got ${shown(issue, got)}` }];
  }
}

function expectation(issue: z.core.$ZodIssue, got: unknown): string {
  switch (issue.code) {
    case "invalid_type":
      return `expected ${withArticle(issue.expected)}`;
    case "invalid_value":
      return issue.values.length === 1
        ? `expected ${preview(issue.values[0])}`
        : `expected one of ${issue.values.map(String).join(", ")}`;
    case "too_big":
      return `expected ${issue.exact ? "exactly" : issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}${unit(issue.origin, got)}`;
    case "too_small":
      return `expected ${issue.exact ? "exactly" : issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}${unit(issue.origin, got)}`;
    case "invalid_key":
      return `expected a valid name (${issue.issues.map((inner) => inner.message).join("; ")})`;
    default:
      return issue.message.startsWith("expected") ? issue.message : `expected valid input (${issue.message})`;
  }
}

/** What came: a length where the length is the matter, else the value. */
function shown(issue: z.core.$ZodIssue, got: unknown): string {
  const aboutLength = issue.code === "too_big" || issue.code === "too_small";
  if (aboutLength && (typeof got === "string" || Array.isArray(got)) && got.length > 0) {
    return String(got.length);
  }
  return preview(got);
}

function unit(origin: string, got: unknown): string {
  if (origin === "string" || typeof got === "string") {
    return " characters";
  }
  return Array.isArray(got) ? " elements" : "";
}

/** Says whether a path is that of a task's queue. */
function isQueue(path: readonly (string | number)[]): boolean {
  return path.length === 3 && path[0] === "tasks" && path[2] === "queue";
}

/** What is wrong with an object by the one kind of a union that is an object. */
function insideUnion(
  issue: Extract<z.core.$ZodIssue, { code: "invalid_union" }>,
  path: (string | number)[],
  input: unknown,
): SpecError[] {
  return issue.errors
    .filter((issues) => !issues.some(({ code, path: inside }) => code === "invalid_type" && inside.length === 0))
    .flat()
    .flatMap((inner) => describeIssue({ ...inner, path: [...path, ...inner.path] }, input));
}

/** Names the kinds a union knows, instead of "invalid input". */
function describeUnion(
  issue: Extract<z.core.$ZodIssue, { code: "invalid_union" }>,
  path: (string | number)[],
  got: unknown,
): SpecError {
  if ("options" in issue && Array.isArray(issue.options)) {
    return { path, message: `expected one of ${issue.options.map(String).join(", ")}, got ${preview(got)}` };
  }
  return { path, message: `expected ${wantedAt(path)}, got ${preview(got)}` };
}

function wantedAt(path: readonly (string | number)[]): string {
  if (path.includes("expand")) {
    return 'a source of elements ({ literal }, { $ref: "xcom", task_id }, { $ref: "params", path }, { zip } or { concat })';
  }
  if (isQueue(path)) {
    return "the name of a queue or of a role, or { spread, by, key }";
  }
  return isQueue(path.slice(0, -2)) ? "a string or a whole number" : "a JSON value";
}

function withArticle(type: string): string {
  if (type === "int") {
    return "a whole number";
  }
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

function valueAt(input: unknown, path: readonly (string | number)[]): unknown {
  let value = input;
  for (const part of path) {
    if (typeof value !== "object" || value === null) {
      return undefined;
    }
    value = Reflect.get(value, part);
  }
  return value;
}
