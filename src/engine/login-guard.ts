/**
 * How many logins may fail: by name and network, by name, and in total. What is over a limit waits, and is refused until
 * then; every minute lets one more through, so that nothing is ever locked.
 *
 * From where a user has logged in before, only failures from there count: what strangers do elsewhere holds nobody up.
 *
 * @module
 */
import { giveBack, reserve, type RateCell, type RateRule } from "./permits/gcra.ts";

/** How long a network is known as one that a user logs in from, in milliseconds: 30 days. */
export const KNOWN_FOR_MS = 2_592_000_000;
/** Networks that are known of one user. */
export const KNOWN_NETWORKS = 10;

/** What is counted: at most `burst` failures at once, then `limit` every `perMs`. */
export const LOGIN_RULES = {
  /** Of one name from one network. */
  pair: { limit: 1, perMs: 60_000, burst: 10 },
  /** Of one name, from all networks that it is not known from. */
  name: { limit: 1, perMs: 60_000, burst: 50 },
  /** Of all names, likewise. */
  all: { limit: 60, perMs: 60_000, burst: 300 },
} as const satisfies Record<string, RateRule>;

/** One count that a login goes by. */
export interface LoginCount {
  key: string;
  rule: RateRule;
}

/** The counts that a login goes by. `name` and `network` are digests, which have no colon. */
export function countsOf(name: string, network: string, isKnown: boolean): LoginCount[] {
  const own = { key: `pair:${name}:${network}`, rule: LOGIN_RULES.pair };
  return isKnown
    ? [own]
    : [own, { key: `name:${name}`, rule: LOGIN_RULES.name }, { key: "all", rule: LOGIN_RULES.all }];
}

/**
 * Counts a login as one that fails, before it is tried: so that many at once are no way round.
 *
 * @param now Epoch milliseconds.
 * @returns The cells after it, or how long to wait, in which case nothing is counted.
 */
export function beginLogin(
  counts: readonly LoginCount[],
  cellOf: (key: string) => RateCell,
  now: number,
): { cells: Map<string, RateCell> } | { retryAfterMs: number } {
  const cells = new Map<string, RateCell>();
  let wait = 0;
  for (const { key, rule } of counts) {
    const { cell, at } = reserve(cellOf(key), now, rule);
    cells.set(key, cell);
    wait = Math.max(wait, at - now);
  }
  return wait > 0 ? { retryAfterMs: wait } : { cells };
}

/** Takes back what `beginLogin` counted: it succeeded. What has run out since is left out. */
export function loginSucceeded(
  counts: readonly LoginCount[],
  cellOf: (key: string) => RateCell | null,
  now: number,
): Map<string, RateCell> {
  const cells = new Map<string, RateCell>();
  for (const { key, rule } of counts) {
    const cell = cellOf(key);
    if (cell !== null && cell.at > now) {
      cells.set(key, giveBack(cell, rule));
    }
  }
  return cells;
}
