/**
 * The object of one rate limit. Thin: let the book decide, append what changed, forget what is old. It has no alarm: a
 * reservation says when, so that nobody has to be woken.
 *
 * @module
 */
import { DurableObject } from "cloudflare:workers";
import type { RateCell, RateRule } from "../src/engine/permits/gcra.ts";
import type { RateLimiterObject } from "../src/engine/permits/objects.ts";
import { ReservationBook, type RateView, type ReservationEntry } from "../src/engine/permits/reservations.ts";
import type { ObjectEnv } from "./env.ts";
import { migrate, type Migration } from "./migrate.ts";

/** The schema: one row per call that changed something, of which the newest is what is known of the limit. */
export const RATE_LIMITER_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    statements: [
      `CREATE TABLE reservation (
        seq INTEGER PRIMARY KEY CHECK (seq >= 1),
        cell TEXT NOT NULL CHECK (json_valid(cell)),
        rule TEXT CHECK (rule IS NULL OR json_valid(rule)),
        times TEXT NOT NULL CHECK (json_valid(times)),
        cancelled TEXT NOT NULL CHECK (json_valid(cancelled)),
        keep_until INTEGER NOT NULL
      ) STRICT`,
    ],
  },
];

/** One rate limit. */
export class RateLimiter extends DurableObject<ObjectEnv> implements RateLimiterObject {
  /** Undefined until it was read in this wake. */
  #book: ReservationBook | undefined;
  #rowsWritten = 0;

  async reserve(ids: string[], rule: RateRule): Promise<number[]> {
    return this.#act((book, now) => {
      const { times, entry } = book.reserve(ids, rule, now);
      return { answer: times, entry };
    });
  }

  async slowDown(untilMs: number): Promise<void> {
    this.#act((book, now) => ({ answer: null, entry: book.slowDown(untilMs, now) }));
  }

  async cancel(ids: string[]): Promise<void> {
    this.#act((book, now) => ({ answer: null, entry: book.cancel(ids, now) }));
  }

  async peek(): Promise<RateView> {
    return this.#open().view(Date.now());
  }

  /** Rows this object wrote since it woke: what the platform bills, for the benchmark. */
  async rowsWritten(): Promise<number> {
    return this.#rowsWritten;
  }

  /** One turn. Nothing is written, and no table made, if nothing changed. */
  #act<T>(decide: (book: ReservationBook, now: number) => { answer: T; entry: ReservationEntry | null }): T {
    const now = Date.now();
    const book = this.#open();
    try {
      return this.ctx.storage.transactionSync(() => {
        const { answer, entry } = decide(book, now);
        if (entry !== null) {
          this.#store(entry, book.oldest);
        }
        return answer;
      });
    } catch (error) {
      // Memory is ahead of storage: it is read again next time.
      this.#book = undefined;
      throw error;
    }
  }

  #open(): ReservationBook {
    this.#book ??= new ReservationBook(this.#read());
    return this.#book;
  }

  #read(): ReservationEntry[] {
    const { sql } = this.ctx.storage;
    if (sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'reservation'").toArray().length === 0) {
      return [];
    }
    migrate(this.ctx.storage, RATE_LIMITER_MIGRATIONS);
    return sql.exec<EntryRow>("SELECT * FROM reservation ORDER BY seq").toArray().map(toEntry);
  }

  #store(entry: ReservationEntry, oldest: number): void {
    if (entry.seq === 1) {
      migrate(this.ctx.storage, RATE_LIMITER_MIGRATIONS);
    }
    this.#write("DELETE FROM reservation WHERE seq < ?", oldest);
    this.#write(
      "INSERT INTO reservation (seq, cell, rule, times, cancelled, keep_until) VALUES (?, ?, ?, ?, ?, ?)",
      entry.seq,
      JSON.stringify(entry.cell),
      entry.rule === null ? null : JSON.stringify(entry.rule),
      JSON.stringify(entry.times),
      JSON.stringify(entry.cancelled),
      entry.keepUntil,
    );
  }

  #write(query: string, ...bindings: SqlStorageValue[]): void {
    this.#rowsWritten += this.ctx.storage.sql.exec(query, ...bindings).rowsWritten;
  }
}

interface EntryRow extends Record<string, SqlStorageValue> {
  seq: number;
  cell: string;
  rule: string | null;
  times: string;
  cancelled: string;
  keep_until: number;
}

function toEntry({ seq, cell, rule, times, cancelled, keep_until }: EntryRow): ReservationEntry {
  return {
    seq,
    cell: JSON.parse(cell) as RateCell,
    rule: rule === null ? null : (JSON.parse(rule) as RateRule),
    times: JSON.parse(times) as ReservationEntry["times"],
    cancelled: JSON.parse(cancelled) as string[],
    keepUntil: keep_until,
  };
}
