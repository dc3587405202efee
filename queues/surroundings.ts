/**
 * What handlers run with: the code of the deployment, its bindings and its bucket.
 *
 * @module
 */
import type { ObjectEnv } from "../durable-objects/env.ts";
import type { Json } from "../src/engine/spec.ts";
import type { Surroundings } from "../src/runner/execute.ts";
import type { Registry } from "../src/sdk/index.ts";

/** How long handlers may have had the thread, one after the other, where the clock goes on meanwhile. */
const BREATHE_AFTER_MS = 10;

/** @param isHeld The invocation is held open while its handlers run: see `TASK_CONSUMER`. */
export function surroundings(registry: Registry, env: ObjectEnv, isHeld: boolean): Surroundings {
  let breathedAt = Date.now();
  return {
    find: (handler) => registry.tasks.get(handler),
    env,
    now: () => Date.now(),
    async breathe() {
      // On the platform time stands still while a handler computes, so that it cannot be asked how long that took.
      if (isHeld || Date.now() - breathedAt >= BREATHE_AFTER_MS) {
        await scheduler.wait(0);
        breathedAt = Date.now();
      }
    },
    async putPayload(place, json) {
      const key = `${place}${crypto.randomUUID()}`;
      await env.PAYLOADS.put(key, json, { httpMetadata: { contentType: "application/json" } });
      return key;
    },
    async getPayload(key) {
      const object = await env.PAYLOADS.get(key);
      if (object === null) {
        throw new Error(`expected a value under "${key}" in PAYLOADS, there is none`);
      }
      return object.json<Json>();
    },
    deletePayloads: (keys) => env.PAYLOADS.delete(keys),
  };
}
