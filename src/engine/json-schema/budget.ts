/**
 * What a check of other people's schemas and values may cost. Steps are counted and not timed, so that a check that is
 * accepted once is always accepted.
 *
 * @module
 */

/** Steps of one check: of all the params of a spec, or of all the values of one conf. Well under 50 ms of work. */
export const CHECK_STEPS = 500_000;

/** A schema that no value can be checked against: a reference that leads nowhere, a pattern that is none. */
export class UnusableSchema extends Error {
  override readonly name = "UnusableSchema";
}

/** The budget of a check is used up. Its message completes "expected …". */
export class TooCostly extends Error {
  override readonly name = "TooCostly";
}

/** Counts the steps of one check, and ends it by an exception when they are used up. */
export class StepBudget {
  readonly limit: number;
  #used = 0;

  constructor(limit = CHECK_STEPS) {
    this.limit = limit;
  }

  /** Steps counted so far; at most the limit. */
  get used(): number {
    return this.#used;
  }

  get isSpent(): boolean {
    return this.#used >= this.limit;
  }

  /**
   * Counts steps before they are done.
   *
   * @throws TooCostly if there are fewer left.
   */
  take(steps: number): void {
    this.#used += steps;
    if (this.#used > this.limit) {
      this.#used = this.limit;
      throw new TooCostly(`a schema and values that are checked in at most ${this.limit} steps`);
    }
  }
}
