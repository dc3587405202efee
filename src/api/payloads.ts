/**
 * Values too large for an object's rows, which lie in the `PAYLOADS` bucket as JSON text.
 *
 * @module
 */
import { readableJson } from "../engine/json-depth.ts";
import type { Json } from "../engine/spec.ts";
import type { ApiEnv } from "./env.ts";
import { ApiError } from "./errors.ts";

/** @throws ApiError 404 if nothing is there any more. */
export async function readPayload(env: ApiEnv, key: string): Promise<Json> {
  const object = (await env.PAYLOADS?.get(key)) ?? null;
  if (object === null) {
    throw new ApiError(404, `the value is kept at ${key}, and there is nothing there any more`);
  }
  return readableJson(await object.text());
}
