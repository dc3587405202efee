/**
 * The objects that keep permits and rate limits, and what they need of whoever asks, as interfaces over plain data.
 *
 * @module
 */
import type { Result } from "../result.ts";
import type { RateRule } from "./gcra.ts";
import type { LedgerView, PermitExplanation, PermitView } from "./ledger-view.ts";
import type { LedgerAnswer, LedgerChange, LedgerConfig, OwnerAnswer } from "./permit.ts";
import type { RateView } from "./reservations.ts";

/** The object of one ledger, named by `ledgerName`. */
export interface PoolObject {
  /**
   * All that an owner has to say, in one call and one transaction. May be repeated, as all of it is idempotent. What is asked of a
   * ledger that nobody has made waits until somebody makes it.
   */
  exchange(owner: string, change: LedgerChange): Promise<LedgerAnswer>;
  /**
   * Makes the ledger or changes what is given. invalid: fewer slots than -1, or no integer. Repeatable unless only an `absent` one is
   * meant, which is a conflict if it is there; one that must be `present` is a not_found if it is not.
   */
  configure(config: Partial<LedgerConfig>, when?: "any" | "absent" | "present"): Promise<Result<LedgerView>>;
  /** not_found if nobody made it. `fresh` asks the owners first what runs; one that does not answer in time is left out. */
  describe(fresh?: boolean): Promise<Result<LedgerView>>;
  /** Who holds slots, then who waits, in order; not_found as `describe`. */
  listPermits(limit: number, offset: number): Promise<Result<{ items: PermitView[]; total: number }>>;
  /** Why a holder has no slots; not_found if it never asked or gave them back. */
  explain(owner: string, holder: string): Promise<Result<PermitExplanation>>;
  /** Does what is due and has not happened; gives when there is something to do next (epoch ms), or null. */
  wake(): Promise<number | null>;
  /**
   * Unmakes the ledger. conflict while somebody holds or waits, of whom it asks some first whether they still do; invalid for
   * `default_pool`. Idempotent.
   */
  remove(): Promise<Result<null>>;
}

/** What asks for permits: the object of a DAG or of a bulk submission. */
export interface PermitOwner {
  /**
   * Tells an owner that it holds these, be it for the first time, again, or to ask whether it still wants them. It must have
   * stored what it wants before it asks for it, and that it holds it before it answers. An error, or no answer, counts as not told.
   *
   * @param ledger Name of the ledger's object.
   */
  permitsGranted(ledger: string, holders: string[]): Promise<OwnerAnswer>;
  /** Which of these, that wait in a ledger's line, are not wanted any more. Changes nothing. */
  permitsUnwanted(ledger: string, holders: string[]): Promise<string[]>;
}

/** The object of one rate limit. */
export interface RateLimiterObject {
  /**
   * Gives each id the time at which it may start, in epoch milliseconds and in their order. The same id is given the same time,
   * until ten minutes after it. At most 5,000 ids.
   */
  reserve(ids: string[], rule: RateRule): Promise<number[]>;
  /** Reserves nothing before `untilMs`; ids that wait for an earlier time are given a new one when they ask again. */
  slowDown(untilMs: number): Promise<void>;
  /** These will not start. */
  cancel(ids: string[]): Promise<void>;
  peek(): Promise<RateView>;
}
