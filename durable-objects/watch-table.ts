/**
 * The catalog's table of who has something to do.
 *
 * @module
 */
import type { Watched } from "../src/engine/watch.ts";

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
