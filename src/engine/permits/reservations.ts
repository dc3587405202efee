/**
 * The reservations of one rate limit: each id has one time, however often it is asked for. A time is remembered until ten
 * minutes after it, by which every repeated request has come.
 *
 * An id asks when it needs a time, and again when the time has come: the second answer lets it start. What comes late (its process
 * was stopped, or its alarm rang late) starts only if the starts there really were leave room for it now, and has another time
 * otherwise. So no window of `perMs` less `toleranceMs` holds more than `limit + burst - 1` starts, whatever stood still, and
 * what is always late by the same time starts as often as what is never late.
 *
 * It is kept as a log: each turn that changes something appends one entry, with the times it gave and the cell after it. The
 * newest entry is what is known of the limit; older ones are only there for who asks again.
 *
 * @module
 */
import {
  EMPTY_CELL,
  giveBack,
  joined,
  MAX_STEP_BACK_MS,
  reserve,
  see,
  slowDown,
  toleranceMs,
  type RateCell,
  type RateRule,
} from "./gcra.ts";

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

/** The time of one id. */
interface Reservation {
  at: number;
  entry: ReservationEntry;
  /** It was let go and counts as started. Not stored: it may count twice then, never too little. */
  isStarted: boolean;
}

/** What one call has come to. */
interface Turn {
  cell: RateCell;
  started: RateCell;
  /** New times by id. */
  fresh: Map<string, number>;
  letGo: Set<string>;
}

/** One rate limit. */
export class ReservationBook {
  #cell: RateCell = EMPTY_CELL;
  #rule: RateRule | null = null;
  #seq = 0;
  /** Entries that are remembered, the oldest first. */
  readonly #entries: ReservationEntry[] = [];
  readonly #times = new Map<string, Reservation>();
  /** What has started, by when it did; null until it was worked out from what is stored. */
  #started: RateCell | null = null;

  /** @param entries What was stored, the oldest first. */
  constructor(entries: Iterable<ReservationEntry>) {
    for (const entry of entries) {
      this.#apply(entry);
    }
  }

  /**
   * Gives each id its time, in their order: the one it has, or a new one. One that has come lets the id start now.
   *
   * @returns The times, and the entry to be stored; null if every id has the time it had.
   * @throws RangeError for a rule that is none, or more than `MAX_IDS` ids.
   */
  reserve(ids: readonly string[], rule: RateRule, now: number): { times: number[]; entry: ReservationEntry | null } {
    if (ids.length > MAX_IDS) {
      throw new RangeError(`expected at most ${MAX_IDS} ids, got ${ids.length}`);
    }
    this.#forget(now);
    const cell = see(this.#cell, now);
    const started = this.#started ?? this.#startedBefore(cell.clock, new Set(ids), rule);
    const turn: Turn = {
      cell,
      // It goes by the times that starts have, not by when they are asked about; only a clock that was wrong changes it.
      started: now < started.clock ? see(started, now) : started,
      fresh: new Map(),
      letGo: new Set(),
    };
    const times = ids.map((id) => this.#timeOf(id, turn, rule, now));
    const { fresh } = turn;
    const entry = fresh.size === 0 ? null : this.#append({ cell: turn.cell, rule, times: [...fresh] }, now);
    this.#started = turn.started;
    for (const id of turn.letGo) {
      const time = this.#times.get(id);
      if (time !== undefined) {
        time.isStarted = true;
      }
    }
    return { times, entry };
  }

  #timeOf(id: string, turn: Turn, rule: RateRule, now: number): number {
    const known = this.#times.get(id);
    const own = turn.fresh.get(id) ?? known?.at;
    const tolerance = toleranceMs(rule);
    if (own !== undefined) {
      const isOnTime = now - own <= tolerance;
      if (own > now || turn.letGo.has(id) || (isOnTime && known?.isStarted === true)) {
        return own;
      }
      const { cell, at } = reserve(turn.started, isOnTime ? own : now, rule);
      // Else others have used what room there is now, or the key was slowed down since.
      if (isOnTime ? at - own <= tolerance : at <= now && turn.cell.notBefore <= now) {
        if (at !== own) {
          turn.fresh.set(id, at);
        }
        if (at <= now) {
          turn.started = cell;
          turn.letGo.add(id);
        }
        return at;
      }
    }
    const { cell, at } = reserve(joined(turn.cell, turn.started), now, rule);
    turn.cell = cell;
    turn.fresh.set(id, at);
    // It may start without asking again, if it learns of its time when that has come.
    if (own === undefined && at - now <= tolerance) {
      turn.started = reserve(turn.started, at, rule).cell;
      turn.letGo.add(id);
    }
    return at;
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

  /** What counts as started: every time that has passed, of all but the ids that ask. */
  #startedBefore(last: number, asking: ReadonlySet<string>, rule: RateRule): RateCell {
    const passed = [...this.#times].filter(([id, { at }]) => at <= last && !asking.has(id)).map(([, { at }]) => at);
    let cell = EMPTY_CELL;
    for (const at of passed.toSorted((a, b) => a - b)) {
      ({ cell } = reserve(cell, at, rule));
    }
    return cell;
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
      this.#times.set(id, { at, entry, isStarted: false });
    }
  }
}

function isSame(a: RateRule, b: RateRule | null): boolean {
  return a.limit === b?.limit && a.perMs === b.perMs && (a.burst ?? 1) === (b.burst ?? 1);
}
