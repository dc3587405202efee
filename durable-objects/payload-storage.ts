/**
 * What an object has in the bucket `PAYLOADS` and is to delete there, as rows of the object: they are written in the
 * transaction that makes a value unneeded, so that no crash loses them.
 *
 * A row names one object of the bucket, or, if it ends with a slash, all whose keys begin with it.
 *
 * @module
 */
import type { ChunkSql } from "./log-chunks.ts";

/** `due_at` is null until the turn that wrote the row ends. */
export const MAKE_DELETION_TABLE = `CREATE TABLE IF NOT EXISTS payload_deletion (
  key TEXT PRIMARY KEY,
  due_at INTEGER
) STRICT, WITHOUT ROWID`;

/** Where the large values of a run lie. A run that never had one has no row. */
const MAKE_PLACE_TABLE = `CREATE TABLE payload_place (
  dag_run_id INTEGER PRIMARY KEY,
  place TEXT NOT NULL UNIQUE
) STRICT`;

/** The columns `value_r2` hold `<bytes>:<key>`. */
const OLD_KEY = "substr(OLD.value_r2, instr(OLD.value_r2, ':') + 1)";

/**
 * Triggers, because a statement that changes or deletes rows with values cannot forget them: whatever takes a key out of
 * its row notes it for deletion.
 */
function triggersOf(table: string): string[] {
  const note = `INSERT OR IGNORE INTO payload_deletion (key) VALUES (${OLD_KEY})`;
  return [
    `CREATE TRIGGER ${table}_payload_replaced AFTER UPDATE OF value_r2 ON ${table}
      WHEN OLD.value_r2 IS NOT NULL AND OLD.value_r2 IS NOT NEW.value_r2 BEGIN ${note}; END`,
    `CREATE TRIGGER ${table}_payload_deleted AFTER DELETE ON ${table}
      WHEN OLD.value_r2 IS NOT NULL BEGIN ${note}; END`,
  ];
}

/** The step of a `Dag` object's migrations that makes all of it. */
export const MAKE_PAYLOAD_TABLES: readonly string[] = [
  MAKE_DELETION_TABLE,
  MAKE_PLACE_TABLE,
  ...["task_instance", "xcom"].flatMap(triggersOf),
  // With a run goes everything below its place, also what a worker left there that died before it could report it.
  `CREATE TRIGGER payload_place_deleted AFTER DELETE ON payload_place
    BEGIN INSERT OR IGNORE INTO payload_deletion (key) VALUES (OLD.place); END`,
];

/** The rows of one object. */
export class PayloadStorage {
  readonly #sql: ChunkSql;

  constructor(sql: ChunkSql) {
    this.#sql = sql;
  }

  /** Says whether the table of deletions is there: an object that keeps nothing has none. */
  get exists(): boolean {
    return this.#sql.query("SELECT 1 FROM sqlite_master WHERE name = 'payload_deletion'").toArray().length > 0;
  }

  make(): void {
    this.#sql.write(MAKE_DELETION_TABLE);
  }

  /** Notes keys for deletion. */
  add(keys: readonly string[], dueAt: number): void {
    this.#sql.write(
      "INSERT OR IGNORE INTO payload_deletion (key, due_at) SELECT value, ?2 FROM json_each(?1)",
      JSON.stringify(keys),
      dueAt,
    );
  }

  /** The earliest time of a deletion; below 0 if one has no time yet, null if there is none. */
  nextDue(): number | null {
    const query = "SELECT min(coalesce(due_at, -1)) AS next FROM payload_deletion";
    return this.#sql.query<{ next: number | null }>(query).one().next;
  }

  /** Gives a time to those that have none. */
  setDue(dueAt: number): void {
    this.#sql.write("UPDATE payload_deletion SET due_at = ? WHERE due_at IS NULL", dueAt);
  }

  /** Some keys and places that are due. */
  due(now: number, limit: number): string[] {
    return this.#sql
      .query<{ key: string }>("SELECT key FROM payload_deletion WHERE due_at <= ? LIMIT ?", now, limit)
      .toArray()
      .map(({ key }) => key);
  }

  /** Forgets what is deleted. */
  remove(keys: readonly string[]): void {
    this.#sql.write("DELETE FROM payload_deletion WHERE key IN (SELECT value FROM json_each(?))", JSON.stringify(keys));
  }

  postpone(keys: readonly string[], dueAt: number): void {
    this.#sql.write(
      "UPDATE payload_deletion SET due_at = ?2 WHERE key IN (SELECT value FROM json_each(?1))",
      JSON.stringify(keys),
      dueAt,
    );
  }

  // ── of a Dag object alone ───────────────────────────────────────────────────────────────────────────────────────

  /** Where a run's large values lie, made with `fresh` if it has had none. */
  place(runId: number, fresh: () => string): string {
    const query = "SELECT place FROM payload_place WHERE dag_run_id = ?";
    const [known] = this.#sql.query<{ place: string }>(query, runId).toArray();
    if (known !== undefined) {
      return known.place;
    }
    const place = fresh();
    this.#sql.write("INSERT INTO payload_place (dag_run_id, place) VALUES (?, ?)", runId, place);
    return place;
  }

  /** Those of some keys that no value of a task instance has. `runId` is null if the run is not there any more. */
  unreferenced(runId: number | null, taskId: string, mapIndex: number, keys: readonly string[]): string[] {
    const values = ["task_instance", "xcom"].map(
      (table) =>
        `SELECT substr(value_r2, instr(value_r2, ':') + 1) FROM ${table}
          WHERE dag_run_id = ?2 AND task_id = ?3 AND map_index = ?4 AND value_r2 IS NOT NULL`,
    );
    return this.#sql
      .query<{ key: string }>(
        `SELECT value AS key FROM json_each(?1) WHERE value NOT IN (${values.join(" UNION ALL ")})`,
        JSON.stringify(keys),
        runId,
        taskId,
        mapIndex,
      )
      .toArray()
      .map(({ key }) => key);
  }

  /**
   * Deletes everything of the object but what is to be deleted in the bucket, which from now on is all it ever had there.
   * Call inside a transaction. False, and the tables are left, if there is nothing to delete there.
   */
  keepAlone(now: number): boolean {
    for (const statement of [
      "DELETE FROM task_instance WHERE value_r2 IS NOT NULL",
      "DELETE FROM xcom WHERE value_r2 IS NOT NULL",
      "DELETE FROM payload_place",
      "UPDATE payload_deletion SET due_at = ?",
    ]) {
      this.#sql.write(statement, ...(statement.includes("?") ? [now] : []));
    }
    if (this.nextDue() === null) {
      return false;
    }
    const names = this.#sql
      .query<{ name: string }>(
        `SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'payload_deletion'
          AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`,
      )
      .toArray();
    // Those first that refer to others.
    for (const { name } of names.toReversed()) {
      this.#sql.write(`DROP TABLE ${name}`);
    }
    return true;
  }
}
