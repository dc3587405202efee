/**
 * What an isolate as a whole is up to: whether it is stopping, whether it has room to store anything, and how its sweeps go. The embedded
 * runtime has one isolate for the Worker and all objects, and `npm start` tells it by orders; elsewhere there are no orders, and
 * an isolate serves until it is gone.
 *
 * @module
 */

import { Sweeps } from "./sweeps.ts";

/** Why nothing new is taken, as far as that is known. */
export type Unavailable = { state: "stopping" } | { state: "disk_full"; message: string };

/** The state of one isolate. */
export class Service {
  /** The minute's sweeps. */
  readonly sweeps = new Sweeps();
  #stopsAt: number | null = null;
  #diskFull: string | null = null;
  #work = 0;
  readonly #waiting = new Set<() => void>();

  /** Whether the isolate is about to end: no work is claimed, and nobody is kept waiting. */
  get isStopping(): boolean {
    return this.#stopsAt !== null;
  }

  /** When handlers that still run are cut and handed over, epoch milliseconds; null as long as nothing stops. */
  get stopsAt(): number | null {
    return this.#stopsAt;
  }

  /** Why nothing new is taken; null if it is. */
  get unavailable(): Unavailable | null {
    if (this.#stopsAt !== null) {
      return { state: "stopping" };
    }
    return this.#diskFull === null ? null : { state: "disk_full", message: this.#diskFull };
  }

  /** Whether anything that was begun is still under way: sessions of handlers, and requests. */
  get isIdle(): boolean {
    return this.#work === 0;
  }

  /** Begins to stop. Only the first call counts, except that an earlier time wins. */
  stop(stopsAt: number): void {
    this.#stopsAt = Math.min(this.#stopsAt ?? stopsAt, stopsAt);
    for (const resolve of this.#waiting) {
      resolve();
    }
    this.#waiting.clear();
  }

  /** Notes that nothing more can be stored, in words for callers; null when it can again. */
  noteDiskFull(message: string | null): void {
    this.#diskFull = message;
  }

  /** Counts something that was begun. Gives the function that says it is over. */
  begin(): () => void {
    this.#work += 1;
    let isOver = false;
    return () => {
      this.#work -= isOver ? 0 : 1;
      isOver = true;
    };
  }

  /**
   * Has a promise resolved when the isolate begins to stop. A promise and no function to call: the platform goes on with it
   * in the event that made it, and an event must not touch what belongs to another. Gives the function that forgets it.
   *
   * @param resolve Resolves a promise that was made in the event that awaits it.
   */
  onStop(resolve: () => void): () => void {
    if (this.isStopping) {
      resolve();
      return () => undefined;
    }
    this.#waiting.add(resolve);
    return () => this.#waiting.delete(resolve);
  }
}

/** That of this isolate. */
export const service = new Service();
