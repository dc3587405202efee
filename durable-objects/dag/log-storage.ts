/**
 * Logs of tries.
 *
 * @module
 */
import type { LogLine } from "../../src/engine/work.ts";
import type { Sql } from "./sql.ts";

/** The logs of one `Dag` object. */
export class LogStorage {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  saveLogs(id: number, taskId: string, mapIndex: number, tryNumber: number, lines: readonly LogLine[]): void {
    this.#sql.write(
      `INSERT INTO task_log (dag_run_id, task_id, map_index, try_number, lines) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (dag_run_id, task_id, map_index, try_number) DO UPDATE SET lines = excluded.lines`,
      id,
      taskId,
      mapIndex,
      tryNumber,
      JSON.stringify(lines),
    );
  }
}
