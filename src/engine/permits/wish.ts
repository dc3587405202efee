/**
 * What one task instance or job must hold before it may be queued, and how far it has got: slots of ledgers, taken one after
 * the other in the order of their names, so that nobody waits in a circle; then a start of each rate limit.
 *
 * While its time lies far ahead it holds no slots: it gives them back, and asks for them again shortly before its time. If it misses
 * its time in the line for them, it asks earlier before the next one.
 *
 * @module
 */
import { MAX_LATE_MS, type RateRule } from "./gcra.ts";

/** How long before its time a task asks for its slots, in milliseconds; longer once it has missed a time in line. */
export const LEAD_MS = 1000;
/** The longest that it may become. */
export const MAX_LEAD_MS = 60_000;

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
  /** The ledger that was asked last has put it in its line, or its time is far ahead. Noted only where that makes room for other wishes. */
  isInLine?: boolean;
  /** The time that is reserved (epoch ms); null while there is none. When it has come the rate limits are asked again. */
  at: number | null;
  /** When the rate limits let it start (epoch ms). That holds for a moment: who cannot be queued then asks again. */
  letAt?: number;
  /** The token its time is reserved under; `token` if left out. */
  rateToken?: number;
  /** How long before its time it asks for its slots (ms); `LEAD_MS` if left out. */
  leadMs?: number;
  /** What it gave back, to be released after it was stored. Of a job; not stored. */
  back?: PermitWish;
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
export function nextStep({ ledgers, rates, held, at, letAt, leadMs = LEAD_MS }: PermitWish, now: number): WishStep {
  const need = ledgers[held];
  if (need !== undefined) {
    return at !== null && at - leadMs > now ? { kind: "wait", until: at - leadMs } : { kind: "ask", need };
  }
  if (rates.length === 0 || (letAt !== undefined && now - letAt <= MAX_LATE_MS)) {
    return { kind: "done" };
  }
  return at !== null && at > now ? { kind: "wait", until: at } : { kind: "reserve", rates };
}

/** Takes the time that the rate limits answered, the latest of theirs. One that has come lets it start. */
export function takeTime(wish: PermitWish, at: number, now: number): void {
  const { ledgers, leadMs = LEAD_MS } = wish;
  if (wish.at !== null && at > wish.at && now - wish.at > MAX_LATE_MS && ledgers.length > 0) {
    // It came too late, from the line for its slots.
    wish.leadMs = Math.min(Math.max(leadMs, 2 * (now - wish.at + leadMs)), MAX_LEAD_MS);
  }
  wish.at = at;
  if (at <= now) {
    wish.letAt = now;
  } else {
    delete wish.letAt;
  }
}

/**
 * Gives back the slots of a wish whose time is far ahead; null if it is near, or nothing is held.
 *
 * @param nextToken Gives the token under which the slots are asked for again.
 * @returns What is to be released: the slots, under their old token.
 */
export function giveBackSlots(wish: PermitWish, nextToken: () => number, now: number): PermitWish | null {
  const { at, held, token, leadMs = LEAD_MS } = wish;
  if (held === 0 || held < wish.ledgers.length || at === null || at - now <= 2 * leadMs) {
    return null;
  }
  const back = { ...wish, rates: [] };
  wish.rateToken ??= token;
  wish.token = nextToken();
  wish.held = 0;
  return back;
}

/** Forgets a time that passed before anything was asked for it: it is asked about again once all slots are held. */
export function dropPassedTime(wish: PermitWish, now: number): void {
  if (wish.held === 0 && wish.ledgers.length > 0 && wish.at !== null && now - wish.at > MAX_LATE_MS) {
    wish.at = null;
  }
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
