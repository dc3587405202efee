/**
 * The catalog's table of pools.
 *
 * @module
 */
import type { PoolName } from "../src/engine/permits/pool-names.ts";

/** What makes the table. Ids are never given twice, so that one names one putting down. */
export const MAKE_POOL_TABLE = `CREATE TABLE pool (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  added_at INTEGER NOT NULL
) STRICT`;

type Row = Pick<PoolName, keyof PoolName>;

/** Reads and writes of pools' names; the table must be there. */
export class PoolNameTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** By id. */
  list(): PoolName[] {
    return this.#sql.exec<Row>("SELECT id, name, added_at FROM pool ORDER BY id").toArray();
  }

  find(name: string): PoolName | null {
    return this.#sql.exec<Row>("SELECT id, name, added_at FROM pool WHERE name = ?", name).toArray()[0] ?? null;
  }

  /** Names there are besides one. */
  countOthers(name: string): number {
    return this.#sql.exec<{ others: number }>("SELECT count(*) AS others FROM pool WHERE name <> ?", name).one().others;
  }

  /** Gives what is stored then; a name that is there gets a new id. */
  put(name: string, now: number): PoolName {
    return this.#sql
      .exec<Row>("INSERT OR REPLACE INTO pool (name, added_at) VALUES (?, ?) RETURNING id, name, added_at", name, now)
      .one();
  }

  remove({ id, name }: Pick<PoolName, "id" | "name">): void {
    this.#sql.exec("DELETE FROM pool WHERE id = ? AND name = ?", id, name);
  }
}
