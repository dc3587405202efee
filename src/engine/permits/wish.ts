/**
 * What one task instance or job must hold before it may be queued, and how far it has got: slots of ledgers, taken one after
 * the other in the order of their names, so that nobody waits in a circle; then a start of each rate limit.
 *
 * @module
 */
import type { RateRule } from "./gcra.ts";

/** Slots of one ledger. */
export interface LedgerNeed {
  ledger: string;
  slots: number;
  /** The ledger's size, if its users bring it along. */
  limit?: number;
}

/** A start of one rate limit. */
export interface RateNeed {
  limiter: string;
  rule: RateRule;
}

/** All that is needed. */
export interface PermitNeeds {
  ledgers: LedgerNeed[];
  rates: RateNeed[];
}

/** What is needed, and how far it has got. It is stored before anything is asked. */
export interface PermitWish extends PermitNeeds {
  /** The token at the time of asking, which names it. */
  token: number;
  /** How many of the ledgers are held, from the first on. */
  held: number;
  /** The ledger that was asked last has put it in its line. Noted only where that makes room for other wishes. */
  isInLine?: boolean;
  /** The time that is reserved (epoch ms); null while there is none, or none that counts still. */
  at: number | null;
}

/** What a wish waits for. */
export type WishStep =
  | { kind: "ask"; need: LedgerNeed }
  | { kind: "reserve"; rates: readonly RateNeed[] }
  | { kind: "wait"; until: number }
  | { kind: "done" };

/** A wish of which nothing is held yet; null if nothing is needed. */
export function newWish({ ledgers, rates }: PermitNeeds, token: number): PermitWish | null {
  if (ledgers.length === 0 && rates.length === 0) {
    return null;
  }
  const inOrder = ledgers.toSorted((a, b) => (a.ledger < b.ledger ? -1 : 1));
  return { ledgers: inOrder, rates, token, held: 0, at: null };
}

/** The next thing to do for a wish. */
export function nextStep(wish: PermitWish, now: number): WishStep {
  const need = wish.ledgers[wish.held];
  if (need !== undefined) {
    return { kind: "ask", need };
  }
  if (wish.rates.length === 0) {
    return { kind: "done" };
  }
  if (wish.at === null) {
    return { kind: "reserve", rates: wish.rates };
  }
  return wish.at > now ? { kind: "wait", until: wish.at } : { kind: "done" };
}

/**
 * Takes word that a ledger granted what was asked. `new`: it is one more. `known`: it was so already. `unwanted`: this
 * wish never asked for it.
 */
export function takeGrant(wish: PermitWish, ledger: string): "new" | "known" | "unwanted" {
  const place = wish.ledgers.findIndex((need) => need.ledger === ledger);
  if (place === -1 || place > wish.held) {
    return "unwanted";
  }
  if (place < wish.held) {
    return "known";
  }
  wish.held += 1;
  return "new";
}

/** Says whether a wish of this token holds slots of a ledger, or asks for some. */
export function wants(wish: PermitWish | null | undefined, token: number, ledger: string): boolean {
  return wish?.token === token && ledgersToRelease(wish).includes(ledger);
}

/** Ledgers of which the wish holds slots or may be granted some: those to give back. */
export function ledgersToRelease({ ledgers, held }: PermitWish): string[] {
  return ledgers.slice(0, held + 1).map(({ ledger }) => ledger);
}
