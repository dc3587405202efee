/**
 * Callers that wait for something to end. They are woken after a commit and look for themselves; a lost object loses
 * them with their connection, so nothing is stored.
 *
 * @module
 */

import { service } from "../src/isolate/service.ts";

/** Promises by topic. */
export class Waiters {
  readonly #topics = new Map<string, Set<() => void>>();

  /** Resolves when the topic is woken, the time is up or the server stops, whichever comes first. */
  async wait(topic: string, waitMs: number): Promise<void> {
    const waiting = this.#topics.get(topic) ?? new Set();
    this.#topics.set(topic, waiting);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, waitMs);
    waiting.add(resolve);
    const forget = service.onStop(resolve);
    await promise;
    forget();
    clearTimeout(timer);
    waiting.delete(resolve);
    if (waiting.size === 0) {
      this.#topics.delete(topic);
    }
  }

  /** Wakes everybody who waits for the topic. */
  wake(topic: string): void {
    for (const resolve of this.#topics.get(topic) ?? []) {
      resolve();
    }
  }

  /** Wakes everybody: what they wait for is gone. */
  wakeAll(): void {
    for (const topic of this.#topics.keys()) {
      this.wake(topic);
    }
  }

  /** Calls `look` until it says done, the time is up or the server stops, waking with the topic; gives what it saw last. */
  async until<T>(topic: string, waitMs: number, look: () => { value: T; done: boolean }): Promise<T> {
    const deadline = Date.now() + waitMs;
    for (;;) {
      const { value, done } = look();
      const left = deadline - Date.now();
      if (done || left <= 0 || service.isStopping) {
        return value;
      }
      await this.wait(topic, left);
    }
  }
}
