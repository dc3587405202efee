/**
 * The minute tick that cron triggers are on Cloudflare.
 *
 * @module
 */

const MINUTE_MS = 60_000;

/** A tick that goes on until it is stopped. */
export interface Ticking {
  /** Ticks now, without waiting for the next minute: after a restart of the runtime. */
  now(): void;
  stop(): void;
}

/**
 * Calls `tick` now and at every full minute, since cron triggers do not fire by themselves on the embedded runtime. The
 * first call is what finds work that the last stop cut off. A failing tick is logged and does not end the server.
 */
export function tickEveryMinute(tick: () => Promise<void>): Ticking {
  let timer: NodeJS.Timeout;
  let stopped = false;
  async function run(): Promise<void> {
    try {
      await tick();
    } catch (error) {
      if (!stopped) {
        console.error("the minute sweep failed:", error);
      }
    }
  }
  async function runAndPlan(): Promise<void> {
    await run();
    if (!stopped) {
      timer = setTimeout(() => void runAndPlan(), MINUTE_MS - (Date.now() % MINUTE_MS));
    }
  }
  timer = setTimeout(() => void runAndPlan(), 0);
  return {
    now: () => void run(),
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
