/**
 * Orders to stop a worker, kept until the job that shows its attempt has taken them.
 *
 * @module
 */
import type { Sql } from "./sql.ts";

/** A worker to stop. */
export interface StopRow {
  id: number;
  job_id: string;
  reason: string;
  attempts: number;
  due_at: number;
}

/** Reads and writes the stop orders of one `Dag` object. */
export class StopStorage {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** All there are, those that are due first. */
  all(): StopRow[] {
    return this.#sql.query<Pick<StopRow, keyof StopRow>>("SELECT * FROM stop_order ORDER BY due_at").toArray();
  }

  insert(jobId: string, reason: string, dueAt: number): void {
    this.#sql.write("INSERT INTO stop_order (job_id, reason, due_at) VALUES (?, ?, ?)", jobId, reason, dueAt);
  }

  delete(id: number): void {
    this.#sql.write("DELETE FROM stop_order WHERE id = ?", id);
  }

  postpone(id: number, dueAt: number): void {
    this.#sql.write("UPDATE stop_order SET attempts = attempts + 1, due_at = ? WHERE id = ?", dueAt, id);
  }
}
