/**
 * Numbered, forward-only schema migrations of a durable object. An object may sleep for months and wake at any old
 * version, so every step stays and is applied in order, each in a transaction of its own with its ledger entry.
 *
 * Code may meet a schema that is newer than it knows: after a rollback, or while a deployment is gradual. It cannot know what the
 * newer steps do, so the newer code leaves word: each ledger entry says from which schema version on code may use what is stored.
 *
 * @module
 */

/** One step: the statements that lead from the version before it to its own. */
export interface Migration {
  version: number;
  /**
   * Code that knows only the version before may read and write what this step leaves, and this code can use what that code then wrote:
   * the step adds tables, indexes, or columns that may be NULL or have a default. False unless given.
   */
  compatible?: boolean;
  statements: readonly string[];
}

/** Where an object remembers which version it has. */
export interface Ledger {
  /** The version; 0 if there is none. */
  read(sql: SqlStorage): number;
  /** The oldest schema version whose code may use what is stored. Asked only if there is a version. */
  readableFrom(sql: SqlStorage): number;
  /** @param oldest The oldest schema version whose code may use what is stored then. */
  write(sql: SqlStorage, version: number, oldest: number): void;
}

/** The usual ledger: a table with one row per applied step. */
export const TABLE_LEDGER: Ledger = {
  read(sql) {
    const [table] = sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'").raw();
    if (table === undefined) {
      return 0;
    }
    const row = sql.exec<{ version: number | null }>("SELECT max(version) AS version FROM schema_migrations").one();
    return row.version ?? 0;
  },
  readableFrom(sql) {
    // All columns: an entry of before there was this one says nothing of it.
    const row = sql
      .exec<{ version: number; readable_from?: number | null }>(
        "SELECT * FROM schema_migrations ORDER BY version DESC LIMIT 1",
      )
      .one();
    return row.readable_from ?? row.version;
  },
  write(sql, version, oldest) {
    sql.exec(
      "CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER PRIMARY KEY, readable_from INTEGER) STRICT",
    );
    const [column] = sql
      .exec("SELECT 1 FROM pragma_table_info('schema_migrations') WHERE name = 'readable_from'")
      .raw();
    if (column === undefined) {
      sql.exec("ALTER TABLE schema_migrations ADD COLUMN readable_from INTEGER");
    }
    sql.exec("INSERT INTO schema_migrations (version, readable_from) VALUES (?, ?)", version, oldest);
  },
};

/**
 * Brings the schema to the newest version; does nothing if it is there, or newer by compatible steps alone. Returns the version it
 * found.
 *
 * @throws Error if what is stored is for newer code alone: an old Worker must not write to it.
 */
export function migrate(
  storage: DurableObjectStorage,
  steps: readonly Migration[],
  ledger: Ledger = TABLE_LEDGER,
): number {
  const found = ledger.read(storage.sql);
  const newest = steps.at(-1)?.version ?? 0;
  if (found > newest) {
    refuseUnreadable(found, newest, ledger.readableFrom(storage.sql));
  }
  for (const step of steps) {
    if (step.version > found) {
      storage.transactionSync(() => {
        for (const statement of step.statements) {
          storage.sql.exec(statement);
        }
        ledger.write(storage.sql, step.version, readableFrom(steps, step.version));
      });
    }
  }
  return found;
}

/** The oldest version whose code may use a schema of `version`: back over all compatible steps. */
export function readableFrom(steps: readonly Migration[], version: number): number {
  const isCompatible = steps.find((step) => step.version === version)?.compatible === true;
  return isCompatible ? readableFrom(steps, version - 1) : version;
}

function refuseUnreadable(found: number, newest: number, oldest: number): void {
  if (newest < oldest) {
    throw new Error(
      `expected a schema of at most version ${newest}, found ${found}: this Worker is older than its data, which code ` +
        `of schema version ${oldest} or newer can use; deploy such a version of the Worker again, nothing was changed`,
    );
  }
}
