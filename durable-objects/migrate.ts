/**
 * Numbered, forward-only schema migrations of a durable object. An object may sleep for months and wake at any old
 * version, so every step stays and is applied in order, each in a transaction of its own with its ledger entry.
 *
 * @module
 */

/** One step: the statements that lead from the version before it to its own. */
export interface Migration {
  version: number;
  statements: readonly string[];
}

/** Where an object remembers which version it has. */
export interface Ledger {
  read(sql: SqlStorage): number;
  write(sql: SqlStorage, version: number): void;
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
  write(sql, version) {
    sql.exec("CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER PRIMARY KEY) STRICT");
    sql.exec("INSERT INTO schema_migrations (version) VALUES (?)", version);
  },
};

/**
 * Brings the schema to the newest version; does nothing if it is there. Returns the version it found.
 *
 * @throws Error if the stored version is newer than this code knows: an old Worker must not write to it.
 */
export function migrate(
  storage: DurableObjectStorage,
  steps: readonly Migration[],
  ledger: Ledger = TABLE_LEDGER,
): number {
  const found = ledger.read(storage.sql);
  const newest = steps.at(-1)?.version ?? 0;
  if (found > newest) {
    throw new Error(
      `expected a schema of at most version ${newest}, found ${found}: this Worker is older than its data`,
    );
  }
  for (const step of steps) {
    if (step.version > found) {
      storage.transactionSync(() => {
        ledger.write(storage.sql, step.version);
        for (const statement of step.statements) {
          storage.sql.exec(statement);
        }
      });
    }
  }
  return found;
}
