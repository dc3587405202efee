/**
 * UUIDs for things that have no id of their own but that Airflow's clients expect to have one.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** A UUID (version 8: made by our own rule) that is always the same for the same parts, and another for others. */
export function stableUuid(...parts: (string | number)[]): string {
  const hash = createHash("sha1").update(JSON.stringify(parts)).digest("hex");
  const variant = ((Number.parseInt(hash.charAt(16), 16) & 3) | 8).toString(16);
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-${variant}${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}
