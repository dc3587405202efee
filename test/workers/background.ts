/**
 * Knows what objects have begun and not ended that no caller waits for (`ctx.waitUntil`), so that a test can wait until all
 * of it is over. Tests and objects share one isolate, so the runtime's own class can be watched.
 *
 * @module
 */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";

const pending = new Set<Promise<unknown>>();
let isWatched = false;

/** Begins to watch all objects of this isolate. Call it before what is to be waited for; may be called again. */
export async function watchBackground(): Promise<void> {
  if (isWatched) {
    return;
  }
  isWatched = true;
  await runInDurableObject(env.DAG.getByName("background"), (_object, state) => {
    const prototype: unknown = Object.getPrototypeOf(state);
    if (typeof prototype !== "object" || prototype === null) {
      throw new Error("expected an object of a class of the runtime");
    }
    const original: unknown = Reflect.get(prototype, "waitUntil");
    if (typeof original !== "function") {
      throw new Error("expected the runtime's class to have a method waitUntil, it has none");
    }
    Reflect.set(prototype, "waitUntil", function watched(this: unknown, promise: Promise<unknown>): void {
      // A promise that fails is the object's affair.
      const done: Promise<unknown> = promise.catch(() => undefined).finally(() => pending.delete(done));
      pending.add(done);
      Reflect.apply(original, this, [promise]);
    });
  });
}

/** Resolves when nothing is going on in the background, and nothing followed from the last that was. */
export async function backgroundOver(): Promise<void> {
  if (!isWatched) {
    throw new Error("expected watchBackground() to be called before");
  }
  do {
    await Promise.all(pending);
    // What ended may have begun more in the same turn.
    await Promise.resolve();
  } while (pending.size > 0);
}
