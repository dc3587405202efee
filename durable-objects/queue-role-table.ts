/**
 * The catalog's table of roles.
 *
 * @module
 */
import type { QueueRole } from "../src/engine/queue-roles.ts";

/** What makes the table. */
export const MAKE_ROLE_TABLE = `CREATE TABLE queue_role (
  role TEXT PRIMARY KEY,
  queue TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID`;

/** Reads and writes of roles; the table must be there. */
export class QueueRoleTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Sorted by role, by code unit. */
  list(): QueueRole[] {
    return this.#sql
      .exec<{ role: string; queue: string; updated_at: number }>("SELECT role, queue, updated_at FROM queue_role")
      .toArray()
      .toSorted((a, b) => (a.role < b.role ? -1 : 1));
  }

  /** Gives what is stored then; a role that stood for that queue already keeps its time. */
  set(role: string, queue: string, now: number): QueueRole {
    return this.#sql
      .exec<{ role: string; queue: string; updated_at: number }>(
        `INSERT INTO queue_role (role, queue, updated_at) VALUES (?, ?, ?)
         ON CONFLICT (role) DO UPDATE SET queue = excluded.queue,
           updated_at = CASE queue WHEN excluded.queue THEN updated_at ELSE excluded.updated_at END
         RETURNING role, queue, updated_at`,
        role,
        queue,
        now,
      )
      .one();
  }

  remove(role: string): void {
    this.#sql.exec("DELETE FROM queue_role WHERE role = ?", role);
  }
}
