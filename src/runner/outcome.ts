/**
 * From what a handler returned or threw to an `Outcome`: the one place where user code's answer is normalised.
 *
 * @module
 */
import { LIMITS } from "../engine/spec.ts";
import type { ClaimedTask, Outcome, StoredValue, TaskError } from "../engine/work.ts";
import { classifyThrown, type ThrownKind } from "../sdk/index.ts";
import { jsonText, ValueError } from "./json-value.ts";

/** Puts a large value into the bucket and gives its key. */
export type PutPayload = (json: string) => Promise<string>;

const NAME_CHARS = 200;
const STACK_CHARS = 2000;
const MESSAGE_CHARS = 2000;

/** The outcome of a handler that returned. Branches answer ids, short circuits a boolean. */
export async function outcomeOfReturn(task: ClaimedTask, returned: unknown, put: PutPayload): Promise<Outcome> {
  switch (task.operator) {
    case "branch":
      return outcomeOfBranch(returned ?? null, put);
    case "short_circuit":
      return withValue(returned ?? null, put, { proceed: Boolean(returned) });
    default:
      return returned === undefined ? { state: "success" } : withValue(returned, put, {});
  }
}

/** Ids of what to follow; null or none to follow nothing. Which ids there are, the owner knows. */
async function outcomeOfBranch(returned: unknown, put: PutPayload): Promise<Outcome> {
  const isList = Array.isArray(returned);
  const follow: unknown[] = isList ? returned : returned === null ? [] : [returned];
  if (follow.every((id) => typeof id === "string")) {
    return withValue(returned, put, { follow });
  }
  const position = follow.findIndex((id) => typeof id !== "string");
  const [place, expected] = isList
    ? [`result[${position}]`, "the id of a task or group"]
    : ["result", "an id, a list of ids or null"];
  const message = `${place}: expected ${expected}, got ${describe(follow[position])}`;
  return { state: "failed", error: { type: "BranchError", message }, retryable: true, isBranchAnswer: true };
}

/** The outcome of a handler that threw, whatever it threw. Never throws itself. */
export function outcomeOfThrow(thrown: unknown): Outcome {
  const asked = askedBy(thrown);
  switch (asked.kind) {
    case "skip": {
      const reason = textAt(thrown, "message", MESSAGE_CHARS) ?? "";
      return { state: "skipped", ...(reason === "" ? {} : { reason }) };
    }
    case "reschedule":
      return { state: "up_for_reschedule", at: asked.at };
    case "non_retryable":
      return { state: "failed", error: describeError(thrown), retryable: false };
    case "retryable":
      return {
        state: "failed",
        error: describeError(thrown),
        retryable: true,
        ...(asked.retryAfterMs === null ? {} : { retryAfterMs: asked.retryAfterMs }),
      };
  }
}

function askedBy(thrown: unknown): ThrownKind {
  try {
    return classifyThrown(thrown);
  } catch {
    // Reading it throws as well.
    return { kind: "retryable", retryAfterMs: null };
  }
}

/** An error as rows and answers show it, whatever its fields are. Never throws itself. */
export function describeError(thrown: unknown): TaskError {
  if (!isError(thrown)) {
    return { type: "Error", message: textOf(thrown, MESSAGE_CHARS) };
  }
  const stack = textAt(thrown, "stack", STACK_CHARS);
  return {
    type: textAt(thrown, "name", NAME_CHARS) || "Error",
    message: textAt(thrown, "message", MESSAGE_CHARS) ?? "",
    ...(stack === null ? {} : { stack }),
  };
}

function isError(thrown: unknown): boolean {
  try {
    return thrown instanceof Error;
  } catch {
    return false;
  }
}

/** A field as text; null if there is none, or it cannot be read. */
function textAt(thrown: unknown, field: string, most: number): string | null {
  try {
    const value: unknown = typeof thrown === "object" && thrown !== null ? Reflect.get(thrown, field) : undefined;
    return value === undefined || value === null ? null : textOf(value, most);
  } catch {
    return null;
  }
}

/** Anything as text, also what refuses to be one. A copy: a slice would keep the whole of it in memory. */
export function textOf(value: unknown, most: number): string {
  try {
    const text = String(value);
    return text.length > most ? (JSON.parse(JSON.stringify(text.slice(0, most))) as string) : text;
  } catch {
    return `(no text: ${typeof value})`;
  }
}

/** The outcome of a try one of whose values could not be kept. */
export function outcomeOfUnkept(error: unknown): Outcome {
  return { state: "failed", error: describeError(error), retryable: !(error instanceof ValueError) };
}

/**
 * Serialises a value and decides where it is kept: beside its task instance, or in R2 when it is large.
 *
 * @param name What errors call it.
 * @throws ValueError if it is no JSON, nests too deep, or is larger than a value may be at all.
 */
export async function storeValue(value: unknown, put: PutPayload, name = "result"): Promise<StoredValue> {
  const json = jsonText(value, name);
  // Characters are at most three bytes each: most values need no exact count.
  const bytes = json.length * 3 <= LIMITS.inlineValueBytes ? json.length : new TextEncoder().encode(json).length;
  if (bytes > LIMITS.valueBytes) {
    throw new ValueError(`${name}: expected a value of at most ${LIMITS.valueBytes} bytes, got ${bytes}`);
  }
  return bytes <= LIMITS.inlineValueBytes ? { json } : { r2: await put(json), bytes };
}

async function withValue(
  value: unknown,
  put: PutPayload,
  answer: { follow?: string[]; proceed?: boolean },
): Promise<Outcome> {
  try {
    const stored = await storeValue(value, put);
    const mapLength = lengthOf(value);
    return { state: "success", value: stored, ...(mapLength === null ? {} : { mapLength }), ...answer };
  } catch (error) {
    return outcomeOfUnkept(error);
  }
}

function lengthOf(value: unknown): number | null {
  if (Array.isArray(value)) {
    return value.length;
  }
  return value !== null && typeof value === "object" ? Object.keys(value).length : null;
}

function describe(value: unknown): string {
  try {
    return textOf(typeof value === "number" ? value : (JSON.stringify(value) ?? typeof value), 200);
  } catch {
    return typeof value;
  }
}
