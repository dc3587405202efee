/**
 * Whom the sweeper wakes. Alarms have been late or lost in production, so once a minute somebody looks whether all that was due
 * has happened. What sleeps is left asleep: an object says when it has something to do, and only who is late is woken.
 *
 * @module
 */

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

/** An object to wake, as it was known when it was read. */
export type Waking = Omit<Watched, "due_at">;

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
