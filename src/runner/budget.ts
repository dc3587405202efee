/**
 * What one invocation may spend before it takes no further work, so that it ends: the platform adds consumers to a queue only after a
 * batch has ended, and ends an invocation itself after 15 minutes, its CPU time or its subrequests, whatever runs in it.
 *
 * @module
 */
import type { Owner } from "./owner.ts";

/** Bounds of a budget. */
export interface BudgetLimits {
  /** Milliseconds since the invocation began. */
  wallMs: number;
  /** Handlers begun. */
  handlers: number;
  /** Calls to owners and to the bucket; those that handlers make themselves are not known here. */
  calls: number;
}

/** Two minutes of the platform's fifteen, and a fifth of the 10,000 subrequests that an invocation has by default. */
export const DEFAULT_BUDGET: BudgetLimits = { wallMs: 120_000, handlers: 1000, calls: 2000 };

/** Counts what an invocation has spent. */
export class Budget {
  readonly #limits: BudgetLimits;
  readonly #now: () => number;
  readonly #begunAt: number;
  #handlers = 0;
  #calls = 0;

  /** @param now Gives epoch milliseconds. */
  constructor(now: () => number, limits = DEFAULT_BUDGET) {
    this.#now = now;
    this.#limits = limits;
    this.#begunAt = now();
  }

  /** Says whether no further work may be taken. What runs goes on to its end. */
  get isSpent(): boolean {
    const { wallMs, handlers, calls } = this.#limits;
    return this.#handlers >= handlers || this.#calls >= calls || this.#now() - this.#begunAt >= wallMs;
  }

  /** How many handlers may still begin. */
  get handlersLeft(): number {
    return this.isSpent ? 0 : this.#limits.handlers - this.#handlers;
  }

  /** Notes handlers that begin. */
  begin(handlers: number): void {
    this.#handlers += handlers;
  }

  /** Notes a call. */
  call(): void {
    this.#calls += 1;
  }
}

/** An owner whose calls are counted. */
export function countCalls(owner: Owner, budget: Budget): Owner {
  return {
    async report(reports, limit) {
      budget.call();
      return owner.report(reports, limit);
    },
    async beat(beats) {
      budget.call();
      return owner.beat(beats);
    },
    async publish(publication) {
      budget.call();
      return owner.publish(publication);
    },
    async runInObject(task, startDate) {
      budget.call();
      return owner.runInObject(task, startDate);
    },
    async ended(task, jobId, outcome) {
      budget.call();
      return owner.ended(task, jobId, outcome);
    },
    async payloadPlace(task) {
      budget.call();
      return owner.payloadPlace(task);
    },
    async pullXCom(task, request) {
      budget.call();
      return owner.pullXCom(task, request);
    },
  };
}
