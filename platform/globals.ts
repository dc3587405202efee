/**
 * What code calls without a binding: `fetch` and timers.
 *
 * @module
 */
import { currentInvocation } from "./invocation.ts";
import type { Platform } from "./platform.ts";

type Callback = (...args: unknown[]) => void;

/** Puts `fetch` and timers under the limits, in this isolate and for good. */
export function limitGlobals(platform: Platform): void {
  limitFetch(platform);
  limitTimers(platform);
}

function limitFetch(platform: Platform): void {
  const limited: typeof fetch = (input, init) => {
    const invocation = currentInvocation();
    const work = async (): Promise<Response> => platform.upstream(input, init);
    return invocation === undefined ? work() : invocation.connect("fetch", work);
  };
  globalThis.fetch = limited;
}

/** Timers of an invocation that was ended do not fire. Those of the Worker go by the clock of the limits if a test moves that. */
function limitTimers(platform: Platform): void {
  const start = globalThis.setTimeout;
  const stop = globalThis.clearTimeout;
  const moved = new WeakMap<object, () => void>();
  const limitedStart = (callback: Callback, ms = 0, ...args: unknown[]): unknown => {
    const invocation = currentInvocation();
    if (invocation === undefined) {
      return start(callback, ms, ...args);
    }
    const fire = (): void => {
      if (!invocation.isEnded) {
        invocation.run(() => callback(...args));
      }
    };
    if (!platform.clock.isMoved || invocation.object !== null) {
      return start(fire, ms);
    }
    const timer = {};
    moved.set(timer, platform.clock.after(ms, fire));
    return timer;
  };
  const limitedStop = (timer: unknown): void => {
    const cancel = typeof timer === "object" && timer !== null ? moved.get(timer) : undefined;
    if (cancel === undefined) {
      stop(timer as Parameters<typeof stop>[0]);
    } else {
      cancel();
    }
  };
  Object.assign(globalThis, { setTimeout: limitedStart, clearTimeout: limitedStop });
}
