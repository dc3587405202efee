/**
 * Values between a request's JSON and how the objects store them.
 *
 * @module
 */
import { readableJson } from "../engine/json-depth.ts";
import type { DagObject } from "../engine/objects.ts";
import { LIMITS, type Json } from "../engine/spec.ts";
import type { StoredValue } from "../engine/work.ts";
import type { ApiEnv } from "./env.ts";
import { ApiError, notFound, unwrap } from "./errors.ts";
import { exceedsBytes } from "./limits.ts";
import { readPayload } from "./payloads.ts";

/** Reads a value; a large one lies in the bucket. @throws ApiError 404 if it is there no more. */
export async function readValue(env: ApiEnv, stored: StoredValue): Promise<Json> {
  return "json" in stored ? readableJson(stored.json) : readPayload(env, stored.r2);
}

/**
 * Stores what `use` makes of a value; the object's row holds it, or a place in the bucket if it is large. What was put
 * there is taken away again if it is refused.
 *
 * @throws ApiError 413 if it is large and there is no bucket, or whatever the refusal maps to.
 */
export async function storeValue(
  env: ApiEnv,
  value: Json,
  use: (stored: StoredValue, length: number | null) => ReturnType<DagObject["setXCom"]>,
) {
  const json = JSON.stringify(value);
  const length = lengthOf(value);
  if (!exceedsBytes(json, LIMITS.inlineValueBytes)) {
    return unwrap(await use({ json }, length));
  }
  if (env.PAYLOADS === undefined) {
    throw new ApiError(413, `expected a value of at most ${LIMITS.inlineValueBytes} bytes as JSON, got more`);
  }
  const key = `xcom/${crypto.randomUUID()}`;
  await env.PAYLOADS.put(key, json, { httpMetadata: { contentType: "application/json" } });
  const answer = await use({ r2: key, bytes: new TextEncoder().encode(json).byteLength }, length);
  if (!answer.ok) {
    await env.PAYLOADS.delete(key);
  }
  return unwrap(answer);
}

/** A value as text: text as it is, anything else as JSON; null stays null. */
export function textOf(value: Json): string | null {
  return value === null || typeof value === "string" ? value : JSON.stringify(value);
}

/** The value under a key, in Airflow's words if there is none. */
export async function findValue(
  env: ApiEnv,
  dag: DagObject,
  ...[at, key]: Parameters<DagObject["getXCom"]>
): Promise<Json> {
  const answer = await dag.getXCom(at, key);
  if (!answer.ok && answer.refusal.code === "not_found") {
    throw notFound(`XCom entry with key: \`${key.slice(0, 512)}\` not found`);
  }
  return readValue(env, unwrap(answer));
}

/** How many elements a mapped task would have over it, or null. */
function lengthOf(value: Json): number | null {
  if (Array.isArray(value)) {
    return value.length;
  }
  return value !== null && typeof value === "object" ? Object.keys(value).length : null;
}
