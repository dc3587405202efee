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

/** Where that is kept. */
export interface WatchBook {
  watched(): Promise<Watched[]>;
  /** Says that an object has something to do at a time, or earlier. */
  expect(name: string, dueAt: number): Promise<void>;
  /** Stores what woken objects answered; `told` as it was read. */
  swept(entries: readonly Watched[]): Promise<void>;
}

/**
 * The objects to wake: those that are late, and DAGs of the code whose object has not seen their present spec, since it may
 * have a new schedule.
 */
export function toWake(
  watched: readonly Watched[],
  specHashes: ReadonlyMap<string, string>,
  now: number,
): Omit<Watched, "due_at">[] {
  const known = new Map(watched.map((entry) => [entry.name, entry]));
  const isLate = ({ due_at }: Watched): boolean => due_at !== null && due_at <= now;
  const names = new Set([
    ...watched.filter(isLate).map(({ name }) => name),
    ...[...specHashes].filter(([name, hash]) => known.get(name)?.spec_hash !== hash).map(([name]) => name),
  ]);
  return [...names].map((name) => ({
    name,
    spec_hash: specHashes.get(name) ?? null,
    told: known.get(name)?.told ?? 0,
  }));
}
