/**
 * Whom the sweeper wakes. Alarms have been late or lost in production, so once a minute somebody looks whether all that was due
 * has happened. What sleeps is left asleep: an object says when it has something to do, and only who is late is woken.
 *
 * @module
 */
import { textHash } from "./text-hash.ts";

/** Over how many objects it is dealt who has something to do: each object that wakes says so, and one could not hear all. */
const WATCH_BOOKS = 16;

/** Names of the objects that keep who has something to do. */
export const WATCH_BOOK_NAMES: readonly string[] = Array.from(
  { length: WATCH_BOOKS },
  (_, index) => `catalog-${String(index).padStart(2, "0")}`,
);

/** The name of the object that keeps when another one has something to do. Always the same for a name. */
export function watchBookOf(name: string): string {
  return WATCH_BOOK_NAMES[textHash(name) % WATCH_BOOKS] ?? "";
}

/** What is known of one object. */
export interface Watched {
  /** Of a DAG's object, a bulk submission's, or of a pool's ledger. */
  name: string;
  /** When it has something to do at the latest known (epoch ms); null for nothing. It may be earlier than that, never later. */
  due_at: number | null;
  /** Of a DAG of the code: the spec that its object has seen. */
  spec_hash: string | null;
  /** How often the object said so: an answer to a sweep does not count if it said something new meanwhile. */
  told: number;
}

/** An object to wake, as it was known when it was read, with the time at which it was due. */
export type Waking = Watched & { due_at: number };

/** Where that is kept. */
export interface WatchBook {
  watched(): Promise<Watched[]>;
  /**
   * The objects to wake, the latest ones first: those that are late, and DAGs of the code whose object has not seen their present
   * spec, since it may have a new schedule.
   *
   * @param specHashes Of the DAGs of the code, by their ids.
   * @param limit How many at most.
   */
  toWake(specHashes: ReadonlyMap<string, string>, now: number, limit: number): Promise<Waking[]>;
  /** Says that an object has something to do at a time, or earlier. */
  expect(name: string, dueAt: number): Promise<void>;
  /** Stores what woken objects answered; `told` as it was read. */
  swept(entries: readonly Watched[]): Promise<void>;
}
