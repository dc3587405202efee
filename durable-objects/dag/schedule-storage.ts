/**
 * The row that says which run a DAG gets next.
 *
 * @module
 */
import type { DagRunInfo, DataInterval } from "../../src/engine/timetable/timetable.ts";
import type { Sql } from "./sql.ts";

/** Where a schedule stands. */
export interface ScheduleState {
  /** The schedule it belongs to; see `DagSchedule.key`. */
  key: string;
  /** Data interval of the newest scheduled run; null if there was none. */
  last: DataInterval | null;
  next: DagRunInfo | null;
}

interface Row extends Record<string, SqlStorageValue> {
  key: string;
  last_start: number | null;
  last_end: number | null;
  next_logical_date: number | null;
  next_start: number | null;
  next_end: number | null;
  next_run_after: number | null;
}

/** The schedule of one `Dag` object. */
export class ScheduleStorage {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  read(): ScheduleState | null {
    const [row] = this.#sql.query<Row>("SELECT * FROM schedule").toArray();
    if (row === undefined) {
      return null;
    }
    const { key, last_start, last_end, next_logical_date, next_start, next_end, next_run_after } = row;
    const last = last_start === null || last_end === null ? null : { start: last_start, end: last_end };
    const next =
      next_logical_date === null || next_start === null || next_end === null || next_run_after === null
        ? null
        : {
            run_after: next_run_after,
            logical_date: next_logical_date,
            data_interval: { start: next_start, end: next_end },
          };
    return { key, last, next };
  }

  save({ key, last, next }: ScheduleState): void {
    this.#sql.write(
      `INSERT OR REPLACE INTO schedule (singleton, key, last_start, last_end, next_logical_date, next_start, next_end, next_run_after)
       VALUES (1, ?, ?, ?, ?, ?, ?, ?)`,
      key,
      last?.start ?? null,
      last?.end ?? null,
      next?.logical_date ?? null,
      next?.data_interval.start ?? null,
      next?.data_interval.end ?? null,
      next?.run_after ?? null,
    );
  }
}
