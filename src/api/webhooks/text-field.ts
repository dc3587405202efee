/**
 * Reading a field of a body of unknown shape.
 *
 * @module
 */
import type { Json } from "../../engine/spec.ts";

/** The text that an object has under a name, or null. */
export function textField(body: Json, name: string): string | null {
  if (typeof body !== "object" || body === null || Array.isArray(body) || !Object.hasOwn(body, name)) {
    return null;
  }
  const value = body[name];
  return typeof value === "string" ? value : null;
}
