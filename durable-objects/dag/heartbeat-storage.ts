/**
 * When each worker last beat: one row per worker, however many attempts it runs.
 *
 * @module
 */
import type { Sql } from "./sql.ts";

/** Workers that were silent for so long run nothing here any more. */
const FORGOTTEN_AFTER_MS = 86_400_000;

/** Reads and writes the heartbeats of workers of one `Dag` object. */
export class HeartbeatStorage {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Epoch milliseconds by hostname. Workers of long ago are deleted. */
  load(now: number): Map<string, number> {
    const rows = this.#sql
      .query<{ hostname: string; latest_heartbeat: number }>("SELECT hostname, latest_heartbeat FROM worker")
      .toArray();
    const old = now - FORGOTTEN_AFTER_MS;
    if (rows.some((row) => row.latest_heartbeat < old)) {
      this.#sql.write("DELETE FROM worker WHERE latest_heartbeat < ?", old);
    }
    return new Map(
      rows.filter((row) => row.latest_heartbeat >= old).map((row) => [row.hostname, row.latest_heartbeat]),
    );
  }

  save(hostname: string, at: number): void {
    this.#sql.write(
      `INSERT INTO worker (hostname, latest_heartbeat) VALUES (?, ?)
       ON CONFLICT (hostname) DO UPDATE SET latest_heartbeat = excluded.latest_heartbeat`,
      hostname,
      at,
    );
  }
}
