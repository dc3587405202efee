/**
 * What the tables say of the runs before a run.
 *
 * @module
 */
import type { PastTally } from "../../src/engine/past.ts";
import type { Sql } from "./sql.ts";

/** The run before another, by logical date. */
export interface PreviousRunRow {
  id: number;
  run_id: string;
  version_number: number;
  logical_date: number;
}

/** Reads about earlier runs of one `Dag` object. */
export class PastStorage {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** The run with the latest logical date before a date (epoch ms), or null. */
  previousRun(before: number, withManual: boolean): PreviousRunRow | null {
    const [row] = this.#sql
      .query<PreviousRunRow & Record<string, SqlStorageValue>>(
        `SELECT id, run_id, version_number, logical_date FROM dag_run
         WHERE logical_date < ? ${withManual ? "" : "AND run_type <> 'manual'"} ORDER BY logical_date DESC LIMIT 1`,
        before,
      )
      .toArray();
    return row ?? null;
  }

  /**
   * How a run's instances stand, by task. An instance that nothing was decided about has no row: of a task that is not
   * here at all there is one.
   */
  tallies(runId: number): Map<string, PastTally> {
    const cursor = this.#sql.query<{ task_id: string; instances: number; removed: number; successful: number }>(
      `SELECT task_id, max(coalesce(max(length), 1), max(map_index) + 1) AS instances, sum(removed) AS removed,
         sum(successful) AS successful
       FROM (
         SELECT task_id, map_index, NULL AS length, state IS 'removed' AS removed,
           coalesce(state IN ('success', 'skipped'), 0) AS successful
         FROM task_instance WHERE dag_run_id = ?1
         UNION ALL SELECT task_id, -1, length, 0, 0 FROM task_map WHERE dag_run_id = ?1
       ) GROUP BY task_id`,
      runId,
    );
    const tallies = new Map<string, PastTally>();
    for (const { task_id, instances, removed, successful } of cursor) {
      tallies.set(task_id, { present: instances - removed, unsuccessful: instances - removed - successful });
    }
    return tallies;
  }

  /** Says whether any run before a date (epoch ms) has an instance of a task that was not removed. */
  hasEarlier(before: number, taskId: string): boolean {
    const found = this.#sql.query(
      `SELECT 1 FROM dag_run AS run
       WHERE logical_date < ?1
         AND version_number IN (
           SELECT version_number FROM dag_version
           WHERE EXISTS (SELECT 1 FROM json_each(spec, '$.tasks') WHERE value ->> 'task_id' = ?2)
         )
         AND (
           SELECT count(*) FROM task_instance WHERE dag_run_id = run.id AND task_id = ?2 AND state = 'removed'
         ) < max(
           coalesce((SELECT length FROM task_map WHERE dag_run_id = run.id AND task_id = ?2), 1),
           coalesce((SELECT max(map_index) + 1 FROM task_instance WHERE dag_run_id = run.id AND task_id = ?2), 0)
         )
       LIMIT 1`,
      before,
      taskId,
    );
    return found.toArray().length > 0;
  }
}
