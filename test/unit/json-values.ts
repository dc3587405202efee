/** JSON for tests: parsed with its type, and arbitrary. */
import fc from "fast-check";
import type { Json } from "../../src/engine/spec.ts";

/** Parses JSON text; unlike a literal in code, it makes an own property of `"__proto__"`, as a request's body does. */
export function parseJson(text: string): Json {
  return JSON.parse(text) as Json;
}

/** As `parseJson`, for text that holds an object. */
export function parseJsonObject(text: string): Record<string, Json> {
  return JSON.parse(text) as Record<string, Json>;
}

/** Any JSON value. */
export const anyJson = fc.jsonValue().map((value) => parseJson(JSON.stringify(value)));
