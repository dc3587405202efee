/**
 * From what a handler returned or threw to an `Outcome`: the one place where user code's answer is normalised.
 *
 * @module
 */
import { LIMITS } from "../engine/spec.ts";
import type { ClaimedTask, Outcome, StoredValue, TaskError } from "../engine/work.ts";
import { classifyThrown } from "../sdk/index.ts";

/** Puts a large value into the bucket and gives its key. */
export type PutPayload = (json: string) => Promise<string>;

const STACK_CHARS = 2000;
const MESSAGE_CHARS = 2000;

/** The outcome of a handler that returned. Branches answer ids, short circuits a boolean. */
export async function outcomeOfReturn(task: ClaimedTask, returned: unknown, put: PutPayload): Promise<Outcome> {
  switch (task.operator) {
    case "branch": {
      const follow = returned === null || returned === undefined ? [] : Array.isArray(returned) ? returned : [returned];
      if (!follow.every((id): id is string => typeof id === "string")) {
        return refused(
          "BranchError",
          `expected a branch to return an id, a list of ids or null, got ${describe(returned)}`,
        );
      }
      return withValue(returned ?? null, put, { follow });
    }
    case "short_circuit":
      return withValue(returned ?? null, put, { proceed: Boolean(returned) });
    default:
      return returned === undefined ? { state: "success" } : withValue(returned, put, {});
  }
}

/** The outcome of a handler that threw. */
export function outcomeOfThrow(thrown: unknown): Outcome {
  const asked = classifyThrown(thrown);
  switch (asked.kind) {
    case "skip":
      return {
        state: "skipped",
        ...(thrown instanceof Error && thrown.message !== "" ? { reason: thrown.message.slice(0, MESSAGE_CHARS) } : {}),
      };
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

/** An error as rows and answers show it. */
export function describeError(thrown: unknown): TaskError {
  if (!(thrown instanceof Error)) {
    return { type: "Error", message: String(thrown).slice(0, MESSAGE_CHARS) };
  }
  const stack = thrown.stack?.slice(0, STACK_CHARS);
  return {
    type: thrown.name,
    message: thrown.message.slice(0, MESSAGE_CHARS),
    ...(stack === undefined ? {} : { stack }),
  };
}

/** A value that cannot be kept, however often it is tried. */
export class ValueError extends Error {
  override readonly name = "ValueError";
}

/** The outcome of a try one of whose values could not be kept. */
export function outcomeOfUnkept(error: unknown): Outcome {
  return { state: "failed", error: describeError(error), retryable: !(error instanceof ValueError) };
}

/**
 * Serialises a value and decides where it is kept: beside its task instance, or in R2 when it is large.
 *
 * @throws ValueError if it is no JSON, or larger than a value may be at all.
 */
export async function storeValue(value: unknown, put: PutPayload): Promise<StoredValue> {
  const json = serialise(value);
  // Characters are at most three bytes each: most values need no exact count.
  const bytes = json.length * 3 <= LIMITS.inlineValueBytes ? json.length : new TextEncoder().encode(json).length;
  if (bytes > LIMITS.valueBytes) {
    throw new ValueError(`expected a value of at most ${LIMITS.valueBytes} bytes, got ${bytes}`);
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

function serialise(value: unknown): string {
  let json: unknown;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw new ValueError(`expected a JSON value, got one that cannot be serialised: ${String(error)}`, {
      cause: error,
    });
  }
  if (typeof json !== "string") {
    throw new ValueError(`expected a JSON value, got ${describe(value)}`);
  }
  return json;
}

function lengthOf(value: unknown): number | null {
  if (Array.isArray(value)) {
    return value.length;
  }
  return value !== null && typeof value === "object" ? Object.keys(value).length : null;
}

function refused(type: string, message: string): Outcome {
  return { state: "failed", error: { type, message }, retryable: true };
}

function describe(value: unknown): string {
  const json: unknown = JSON.stringify(value);
  return (typeof json === "string" ? json : typeof value).slice(0, 200);
}
