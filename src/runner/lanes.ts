/**
 * The lanes of one invocation: how many handlers it runs at a time, whoever owns them. No more is claimed than lanes are free, so
 * that a lease begins when a handler does, and an invocation that dies costs a stated number of attempts.
 *
 * @module
 */

/** Lanes that handlers take and leave. */
export class Lanes {
  #free: number;
  readonly #waiting: { most: number; resolve: (taken: number) => void }[] = [];

  /** @param width Handlers at a time, at least 1. */
  constructor(width: number) {
    this.#free = width;
  }

  /** Says whether somebody waits for a lane. */
  get isWanted(): boolean {
    return this.#waiting.length > 0;
  }

  /** Takes up to `most` lanes, at least 1 of them; waits, in the order of asking, until there is one. Gives how many. */
  async take(most: number): Promise<number> {
    if (this.#free > 0 && !this.isWanted) {
      return this.takeNow(most);
    }
    return new Promise((resolve) => {
      this.#waiting.push({ most, resolve });
    });
  }

  /** Takes up to `most` lanes that are free and not waited for. Gives how many, which may be 0. */
  takeNow(most: number): number {
    const taken = this.isWanted ? 0 : Math.min(most, this.#free);
    this.#free -= taken;
    return taken;
  }

  /** Leaves lanes. */
  leave(count: number): void {
    this.#free += count;
    while (this.#free > 0) {
      const next = this.#waiting.shift();
      if (next === undefined) {
        return;
      }
      const taken = Math.min(next.most, this.#free);
      this.#free -= taken;
      next.resolve(taken);
    }
  }
}
