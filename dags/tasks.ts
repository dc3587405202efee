/**
 * Tasks to be submitted by themselves: `POST /tasks/{name}`.
 *
 * @module
 */
import { NonRetryableError, task } from "../src/sdk/index.ts";
import type { AnyTaskDefinition, Json } from "../src/sdk/index.ts";

const MAX_COUNTDOWN_SECONDS = 3600;
const TICK_MS = 100;
const TOP_WORDS = 5;

/** Greets by name, or the world. */
export const hello = task({ id: "hello" }, (ctx, payload: Json) => {
  const name = field(payload, "name") ?? "world";
  if (typeof name !== "string") {
    throw wrongField("name", "text", name);
  }
  ctx.log.info("greeting", { name });
  return { greeting: `Hello, ${name}!` };
});

/** Counts the words of a text, in any script: runs of letters, digits and apostrophes. */
export const wordCount = task({ id: "word_count" }, (_ctx, payload: Json) => {
  const text = field(payload, "text");
  if (typeof text !== "string") {
    throw wrongField("text", "text", text);
  }
  const counts = new Map<string, number>();
  for (const [word] of text.toLowerCase().matchAll(/[\p{L}\p{N}]+(?:['’][\p{L}\p{N}]+)*/gu)) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const ranked = [...counts].toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const words = ranked.reduce((sum, [, count]) => sum + count, 0);
  return { words, distinct: counts.size, top: ranked.slice(0, TOP_WORDS).map(([word, count]) => ({ word, count })) };
});

/** Counts down some seconds, tells how far it is, and stops when it is told to. */
export const countdown = task(
  { id: "countdown", heartrate: "1s", retries: 2, retryDelay: "1s" },
  async (ctx, payload: Json) => {
    const seconds = field(payload, "seconds") ?? 10;
    if (typeof seconds !== "number" || seconds < 0 || seconds > MAX_COUNTDOWN_SECONDS) {
      throw wrongField("seconds", `a number from 0 to ${MAX_COUNTDOWN_SECONDS}`, seconds);
    }
    const steps = Math.ceil((seconds * 1000) / TICK_MS);
    for (let step = 0; step < steps; step += 1) {
      const left = Math.ceil(((steps - step) * TICK_MS) / 1000);
      ctx.heartbeat({ step: `${left} s left`, fraction: step / steps });
      await pause(TICK_MS, ctx.signal);
    }
    ctx.heartbeat({ step: "done", fraction: 1 });
    return { counted: seconds };
  },
);

/** Fails its first tries, as many as the payload says, and then succeeds. */
export const flaky = task({ id: "flaky", retries: 5, retryDelay: "1s" }, (ctx, payload: Json) => {
  const failures = field(payload, "failures") ?? 1;
  if (typeof failures !== "number" || !Number.isInteger(failures) || failures < 0) {
    throw wrongField("failures", "a whole number from 0", failures);
  }
  if (ctx.ti.tryNumber <= failures) {
    throw new Error(`failing on purpose: try ${ctx.ti.tryNumber} of the ${failures} that fail`);
  }
  return { succeeded_on_try: ctx.ti.tryNumber };
});

/** Does nothing: what a task costs. */
export const noop = task({ id: "noop" }, () => null);

/** The tasks of this file. */
export const standaloneTasks: AnyTaskDefinition[] = [hello, wordCount, countdown, flaky, noop];

function field(payload: Json | undefined, name: string): Json | undefined {
  const known = typeof payload === "object" && payload !== null && !Array.isArray(payload);
  return known && Object.hasOwn(payload, name) ? payload[name] : undefined;
}

/** A payload does not get better by trying again. */
function wrongField(name: string, expected: string, got: Json | undefined): NonRetryableError {
  const shown = got === undefined ? "nothing" : JSON.stringify(got).slice(0, 100);
  return new NonRetryableError(`expected ${expected} in payload.${name}, got ${shown}`);
}

/** Waits, and throws the signal's reason as soon as it aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal.aborted) {
      stop();
    } else {
      signal.addEventListener("abort", stop, { once: true });
    }
  });
}
