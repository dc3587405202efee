/**
 * The tables of one object, with a count of the rows written: what the platform bills.
 *
 * @module
 */

/** Statements over one object's tables. */
export class Sql {
  /** Rows written since the object woke. */
  rowsWritten = 0;
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Reads, or writes and reads what was written. */
  query<T extends Record<string, SqlStorageValue>>(query: string, ...bindings: SqlStorageValue[]): SqlStorageCursor<T> {
    return this.#sql.exec<T>(query, ...bindings);
  }

  /** Writes. */
  write(query: string, ...bindings: SqlStorageValue[]): void {
    this.rowsWritten += this.#sql.exec(query, ...bindings).rowsWritten;
  }
}
