/**
 * The catalog's table of who has something to do.
 *
 * @module
 */
import type { Waking, Watched } from "../src/engine/watch.ts";

/** What makes the table. */
export const MAKE_WATCH_TABLE = `CREATE TABLE watched (
  name TEXT PRIMARY KEY,
  due_at INTEGER,
  spec_hash TEXT,
  told INTEGER NOT NULL
) STRICT, WITHOUT ROWID`;

/** Reads and writes of it; the table must be there. */
export class WatchTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  list(): Watched[] {
    return this.#sql.exec<Pick<Watched, keyof Watched>>("SELECT name, due_at, spec_hash, told FROM watched").toArray();
  }

  /** See `WatchBook.toWake`. Without an index: each of the many writes would have to pay for it, and this reads once a minute. */
  toWake(specHashes: ReadonlyMap<string, string>, now: number, limit: number): Waking[] {
    const hashes = JSON.stringify([...specHashes]);
    return this.#sql
      .exec<{ name: string; due_at: number; spec_hash: string | null; told: number }>(
        `WITH code (name, spec_hash) AS (SELECT value ->> 0, value ->> 1 FROM json_each(?1))
         SELECT watched.name AS name, due_at, code.spec_hash AS spec_hash, told
           FROM watched LEFT JOIN code USING (name) WHERE due_at <= ?2
         UNION ALL
         SELECT code.name AS name, ?2 AS due_at, code.spec_hash AS spec_hash, coalesce(told, 0) AS told
           FROM code LEFT JOIN watched USING (name)
           WHERE watched.spec_hash IS NOT code.spec_hash AND (due_at IS NULL OR due_at > ?2)
         ORDER BY due_at LIMIT ?3`,
        hashes,
        now,
        limit,
      )
      .toArray()
      .map(({ name, due_at, spec_hash, told }) => ({ name, due_at, spec_hash, told }));
  }

  expect(name: string, dueAt: number): void {
    this.#sql.exec(
      `INSERT INTO watched (name, due_at, told) VALUES (?1, ?2, 1)
       ON CONFLICT (name) DO UPDATE SET due_at = min(coalesce(due_at, ?2), ?2), told = told + 1`,
      name,
      dueAt,
    );
  }

  swept(entries: readonly Watched[]): void {
    for (const { name, due_at, spec_hash, told } of entries) {
      if (due_at === null && spec_hash === null) {
        this.#sql.exec("DELETE FROM watched WHERE name = ? AND told = ?", name, told);
      } else {
        this.#sql.exec(
          `INSERT INTO watched (name, due_at, spec_hash, told) VALUES (?1, ?2, ?3, ?4)
           ON CONFLICT (name) DO UPDATE SET due_at = iif(told = ?4, ?2, due_at), spec_hash = ?3`,
          name,
          due_at,
          spec_hash,
          told,
        );
      }
    }
  }
}
