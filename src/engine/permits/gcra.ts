/**
 * A rate limit that answers when: the generic cell rate algorithm, with reservations instead of refusals. Exact: times are whole
 * milliseconds and everything between them is counted in integers, so that nothing is gained or lost by rounding.
 *
 * `limit` per `perMs` and a burst of `burst`: starts are spaced evenly by `perMs / limit`. What stood idle has saved up
 * to `burst` of them, which may then start at once. A window of `perMs`, wherever it begins, holds at most `limit + burst - 1`.
 * Burst is 1 unless it is given: nothing is saved, and no window holds more than `limit`. What costs more than the burst at
 * once counts as spread over the time before it.
 *
 * @module
 */

/** So many in so long a time. */
export interface RateRule {
  /** From 1 on. */
  limit: number;
  /** Milliseconds, from 1 on. */
  perMs: number;
  /** How many may start at once after idleness; from 1 on, 1 if left out. */
  burst?: number;
}

/** All that is known of a limited key. */
export interface RateCell {
  /** When the next would start if nothing was saved: whole epoch milliseconds, and `part / limit` of one. */
  at: number;
  part: number;
  /** The limit that `part` is counted by. */
  limit: number;
  /** The latest time seen. Reservations go by it when the clock steps back. */
  clock: number;
  /** Nothing is reserved before this. */
  notBefore: number;
}

/** A key of which nothing was ever reserved. */
export const EMPTY_CELL: RateCell = { at: 0, part: 0, limit: 1, clock: 0, notBefore: 0 };

/**
 * How far a clock may step back without being believed. Up to this, reserved times go on from where they were. After a larger
 * step the clock had been wrong: times go on from the new one, as far ahead of it as they were of the old one. What was
 * reserved before and after it are two sequences, each of which keeps the limit.
 */
export const MAX_STEP_BACK_MS = 60_000;

/** What alarms and calls may take, in milliseconds. A start that is later must have room where it is now. */
export const MAX_LATE_MS = 100;

/** The longest that a key can be slowed down at once: a day. */
export const MAX_SLOW_DOWN_MS = 86_400_000;

/**
 * Reserves a start, or `cost` of them as one. Reservations of a key come in the order in which they were made.
 *
 * @returns The cell after it, and when it may start: epoch milliseconds, not before `now`.
 * @throws RangeError if the rule or the cost is none.
 */
export function reserve(cell: RateCell, now: number, rule: RateRule, cost = 1): { cell: RateCell; at: number } {
  const issue = ruleIssue(rule) ?? issueOf("cost", cost, MAX_STARTS);
  if (issue !== null) {
    throw new RangeError(issue);
  }
  const seen = see(cell, now);
  const { limit, perMs, burst = 1 } = rule;
  const present = Math.max(seen.clock, seen.notBefore);
  const base = after(present, inLimit(seen, limit));
  // What was saved is spent first; what costs more than can ever be saved waits for the rest.
  const saved = (burst - cost) * perMs;
  const at = Math.max(present, base.at + Math.ceil((base.part - saved) / limit));
  return { cell: { ...seen, ...advance(base, cost * perMs), limit }, at };
}

/** The cell as if all that another one counts had been reserved of it too. */
export function joined(cell: RateCell, other: RateCell): RateCell {
  const { at, part } = inLimit(other, cell.limit);
  return at > cell.at || (at === cell.at && part > cell.part) ? { ...cell, at, part } : cell;
}

/** How late a start may be and still counts as one of its time (ms): the time between two starts, at most `MAX_LATE_MS`. */
export function toleranceMs({ limit, perMs }: RateRule): number {
  return Math.min(Math.ceil(perMs / limit), MAX_LATE_MS);
}

/** Lets nothing start before `until`, which is at most `MAX_SLOW_DOWN_MS` ahead. Never makes a key faster. */
export function slowDown(cell: RateCell, now: number, until: number): RateCell {
  const seen = see(cell, now);
  const wanted = Number.isNaN(until) ? 0 : Math.ceil(until);
  return { ...seen, notBefore: Math.max(seen.notBefore, Math.min(wanted, seen.clock + MAX_SLOW_DOWN_MS)) };
}

/** Gives back the last start that was reserved, which must lie ahead. */
export function giveBack(cell: RateCell, rule: RateRule): RateCell {
  return { ...cell, ...advance(inLimit(cell, rule.limit), -rule.perMs), limit: rule.limit };
}

/** Says what is wrong with a rule; null if nothing is. */
export function ruleIssue({ limit, perMs, burst = 1 }: RateRule): string | null {
  return (
    issueOf("limit", limit, MAX_STARTS) ?? issueOf("perMs", perMs, MAX_PER_MS) ?? issueOf("burst", burst, MAX_STARTS)
  );
}

// Products of a number of starts and a time are whole numbers still.
const MAX_STARTS = 1_000_000;
/** 31 days. */
const MAX_PER_MS = 2_678_400_000;

function issueOf(name: string, number: number, most: number): string | null {
  return Number.isSafeInteger(number) && number >= 1 && number <= most
    ? null
    : `expected ${name} to be an integer from 1 to ${most}, got ${number}`;
}

interface Instant {
  at: number;
  part: number;
  limit: number;
}

/** The cell as it is once the time was looked at; see `MAX_STEP_BACK_MS`. */
export function see(cell: RateCell, now: number): RateCell {
  const back = cell.clock - now;
  if (back <= MAX_STEP_BACK_MS) {
    return { ...cell, clock: Math.max(cell.clock, now) };
  }
  return { ...cell, at: cell.at - back, notBefore: cell.notBefore - back, clock: now };
}

/** The instant counted by another limit, never earlier. */
function inLimit({ at, part, limit }: Instant, wanted: number): Instant {
  return limit === wanted ? { at, part, limit } : { at: at + Math.ceil(part / limit), part: 0, limit: wanted };
}

/** The later of a time and an instant. */
function after(time: number, instant: Instant): Instant {
  return time > instant.at ? { ...instant, at: time, part: 0 } : instant;
}

function advance({ at, part, limit }: Instant, parts: number): Instant {
  const whole = Math.floor((part + parts) / limit);
  return { at: at + whole, part: part + parts - whole * limit, limit };
}
