/**
 * The minute tick that cron triggers are on Cloudflare.
 *
 * @module
 */

const MINUTE_MS = 60_000;

/**
 * Calls `tick` now and at every full minute, since cron triggers do not fire by themselves on the embedded runtime. The
 * first call is what finds work that the last stop cut off. A failing tick is told and does not end the server.
 */
export function tickEveryMinute(tick: () => Promise<void>): () => void {
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
    if (!stopped) {
      timer = setTimeout(() => void run(), MINUTE_MS - (Date.now() % MINUTE_MS));
    }
  }
  timer = setTimeout(() => void run(), 0);
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
