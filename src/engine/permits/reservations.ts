/**
 * The reservations of one rate limit: each id has one time, however often it is asked for. A time is remembered until ten
 * minutes after it, by which every repeated request has come.
 *
 * It is kept as a log: each turn that changes something appends one entry, with the times it gave and the cell after it. The
 * newest entry is what is known of the limit; older ones are only there for who asks again.
 *
 * @module
 */
import { EMPTY_CELL, giveBack, MAX_STEP_BACK_MS, reserve, slowDown, type RateCell, type RateRule } from "./gcra.ts";

/** How long after its time a reservation is remembered. */
export const KEEP_MS = 600_000;
/** Ids that one turn takes. */
export const MAX_IDS = 5000;

/** What one turn changed. */
export interface ReservationEntry {
  /** From 1 on, without gaps. */
  seq: number;
  /** The cell after the turn. */
  cell: RateCell;
  /** The rule that was used last; null before any was. */
  rule: RateRule | null;
  times: [id: string, at: number][];
  /** Ids whose times no longer hold. */
  cancelled: string[];
  /** When nobody asks for these times any more. */
  keepUntil: number;
}

/** What can be read of a rate limit; times in epoch milliseconds. */
export interface RateView {
  rule: RateRule | null;
  /** What would be reserved now; null if no rule was ever used. */
  next_at: number | null;
  /** Reserved times that lie ahead. */
  reserved: number;
  /** Nothing is reserved before this: null if the key is not slowed down. */
  slowed_until: number | null;
}

/** One rate limit. */
export class ReservationBook {
  #cell: RateCell = EMPTY_CELL;
  #rule: RateRule | null = null;
  #seq = 0;
  /** Entries that are remembered, the oldest first. */
  readonly #entries: ReservationEntry[] = [];
  readonly #times = new Map<string, { at: number; entry: ReservationEntry }>();

  /** @param entries What was stored, the oldest first. */
  constructor(entries: Iterable<ReservationEntry>) {
    for (const entry of entries) {
      this.#apply(entry);
    }
  }

  /**
   * Gives each id its time, in their order: the one it has, or a new one.
   *
   * @returns The times, and the entry to be stored; null if every id had its time.
   * @throws RangeError for a rule that is none, or more than `MAX_IDS` ids.
   */
  reserve(ids: readonly string[], rule: RateRule, now: number): { times: number[]; entry: ReservationEntry | null } {
    if (ids.length > MAX_IDS) {
      throw new RangeError(`expected at most ${MAX_IDS} ids, got ${ids.length}`);
    }
    this.#forget(now);
    const fresh = new Map<string, number>();
    let cell = this.#cell;
    const times = ids.map((id) => {
      const known = this.#times.get(id)?.at ?? fresh.get(id);
      if (known !== undefined) {
        return known;
      }
      const reserved = reserve(cell, now, rule);
      ({ cell } = reserved);
      fresh.set(id, reserved.at);
      return reserved.at;
    });
    return { times, entry: fresh.size === 0 ? null : this.#append({ cell, rule, times: [...fresh] }, now) };
  }

  /**
   * Reserves nothing before `until`. Times before it that were reserved and have not come lose their hold: an id that asks again is
   * given a new one. Who does not ask again starts at the old one.
   */
  slowDown(until: number, now: number): ReservationEntry | null {
    this.#forget(now);
    const cell = slowDown(this.#cell, now, until);
    if (cell.notBefore <= this.#cell.notBefore) {
      return null;
    }
    const cancelled = [...this.#times].filter(([, { at }]) => at > now && at < cell.notBefore).map(([id]) => id);
    return this.#append({ cell, cancelled }, now);
  }

  /** Forgets the times of these ids. Those that lie ahead and were reserved last are free again; others are lost. */
  cancel(ids: readonly string[], now: number): ReservationEntry | null {
    this.#forget(now);
    const known = [...new Set(ids)].flatMap((id) => {
      const time = this.#times.get(id);
      return time === undefined ? [] : [{ id, ...time }];
    });
    let cell = this.#cell;
    for (const { at, entry } of known.toSorted((a, b) => b.at - a.at)) {
      const { rule } = entry;
      const before = rule === null || at <= now || !isSame(rule, this.#rule) ? null : giveBack(cell, rule);
      // It was the last if it would be the next without it.
      if (rule === null || before === null || reserve(before, now, rule).at !== at) {
        break;
      }
      cell = before;
    }
    return known.length === 0 ? null : this.#append({ cell, cancelled: known.map(({ id }) => id) }, now);
  }

  /** The first entry that must be stored still: all before it are forgotten. */
  get oldest(): number {
    return this.#entries[0]?.seq ?? 0;
  }

  view(now: number): RateView {
    const slowed = this.#cell.notBefore > now;
    return {
      rule: this.#rule,
      next_at: this.#rule === null ? null : reserve(this.#cell, now, this.#rule).at,
      reserved: [...this.#times.values()].filter(({ at }) => at > now).length,
      slowed_until: slowed ? this.#cell.notBefore : null,
    };
  }

  #forget(now: number): void {
    // A time further ahead than the last one is of a clock that was wrong.
    const last = Math.max(this.#cell.at, this.#cell.notBefore, now) + KEEP_MS + MAX_STEP_BACK_MS;
    const remembered = this.#entries.findIndex(({ keepUntil }) => keepUntil > now && keepUntil <= last);
    const gone = remembered === -1 ? this.#entries.length : remembered;
    for (const entry of this.#entries.slice(0, gone)) {
      for (const [id] of entry.times) {
        if (this.#times.get(id)?.entry === entry) {
          this.#times.delete(id);
        }
      }
    }
    // The newest is what is known of the limit, whatever became of its times.
    this.#entries.splice(0, Math.min(gone, this.#entries.length - 1));
  }

  #append(change: Pick<ReservationEntry, "cell"> & Partial<ReservationEntry>, now: number): ReservationEntry {
    const { times = [], cancelled = [], rule = this.#rule, cell } = change;
    const last = Math.max(now, times.at(-1)?.[1] ?? now);
    const entry = { seq: this.#seq + 1, cell, rule, times, cancelled, keepUntil: last + KEEP_MS };
    this.#apply(entry);
    return entry;
  }

  #apply(entry: ReservationEntry): void {
    this.#seq = entry.seq;
    this.#cell = entry.cell;
    this.#rule = entry.rule;
    this.#entries.push(entry);
    for (const id of entry.cancelled) {
      this.#times.delete(id);
    }
    for (const [id, at] of entry.times) {
      this.#times.set(id, { at, entry });
    }
  }
}

function isSame(a: RateRule, b: RateRule | null): boolean {
  return a.limit === b?.limit && a.perMs === b.perMs && (a.burst ?? 1) === (b.burst ?? 1);
}
