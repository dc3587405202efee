/**
 * Vitest's asymmetric matchers as unknown values: theirs are of type `any`, which would switch type checks off.
 *
 * @module
 */
import { expect } from "vitest";

/** Any text that contains `part`. */
export function containing(part: string): unknown {
  return expect.stringContaining(part);
}

/** Any text that matches. */
export function matching(pattern: RegExp): unknown {
  return expect.stringMatching(pattern);
}

/** A list in which at least one object has the given fields. */
export function listWith(fields: Record<string, unknown>): unknown {
  return expect.arrayContaining([expect.objectContaining(fields)]);
}

export const anyText: unknown = expect.any(String);
export const anyNumber: unknown = expect.any(Number);
