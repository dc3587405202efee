/**
 * What the tables say of the runs of one backfill: the newest state of each, also of runs that a later backfill took.
 *
 * @module
 */
import type { ReportedInstance, ReportedRun } from "../../src/engine/backfill-objects.ts";
import type { Page } from "../../src/engine/objects.ts";
import type { TaskError } from "../../src/engine/work.ts";
import type { Sql } from "./sql.ts";

/** How many dates of a backfill stand alike. */
export interface DateCount extends Record<string, SqlStorageValue> {
  /** State of the run, reason why there is none, or `deleted`. */
  standing: string;
  never_started: number;
  count: number;
}

type InstanceRow = Omit<ReportedInstance, "state"> & {
  state: "failed" | "upstream_failed";
  error: string | null;
} & Record<string, SqlStorageValue>;

const RUNS = `FROM backfill_dag_run AS date JOIN dag_run AS run ON run.id = date.dag_run_id WHERE date.backfill_id = ?`;
const BEGAN_AND_FAILED = "AND run.state = 'failed' AND run.start_date IS NOT NULL";
const INSTANCES = `FROM backfill_dag_run AS date JOIN dag_run AS run ON run.id = date.dag_run_id
  JOIN task_instance AS ti ON ti.dag_run_id = run.id
  WHERE date.backfill_id = ? ${BEGAN_AND_FAILED} AND ti.state IN ('failed', 'upstream_failed')
    AND ti.detail ->> 'deleted' IS NULL`;

/** Reports of backfills of one `Dag` object. */
export class BackfillReportStorage {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** All dates of a backfill, counted. */
  countDates(backfillId: number): DateCount[] {
    return this.#sql
      .query<DateCount>(
        `SELECT coalesce(run.state, date.exception_reason, 'deleted') AS standing,
           run.state IS 'failed' AND run.start_date IS NULL AS never_started, count(*) AS count
         FROM backfill_dag_run AS date LEFT JOIN dag_run AS run ON run.id = date.dag_run_id
         WHERE date.backfill_id = ? GROUP BY 1, 2`,
        backfillId,
      )
      .toArray();
  }

  /** Runs that began and failed, in the order of the backfill. */
  failedRuns(backfillId: number, limit: number, onlyDeadlocked = false): Page<ReportedRun> {
    const where = `${RUNS} ${BEGAN_AND_FAILED} ${onlyDeadlocked ? "AND run.reason = 'all_tasks_deadlocked'" : ""}`;
    const items = this.#sql
      .query<ReportedRun & Record<string, SqlStorageValue>>(
        `SELECT run.run_id, date.logical_date, run.state, run.reason ${where} ORDER BY date.sort_ordinal LIMIT ?`,
        backfillId,
        limit,
      )
      .toArray();
    return { items, total: this.#count(where, backfillId) };
  }

  /** Their task instances that failed, those first that did so by themselves. */
  failedInstances(backfillId: number, limit: number): Page<ReportedInstance & { error: TaskError | null }> {
    const rows = this.#sql
      .query<InstanceRow>(
        `SELECT run.run_id, date.logical_date, ti.task_id, ti.map_index, ti.state, ti.try_number,
           ti.detail ->> 'error' AS error ${INSTANCES}
         ORDER BY ti.state, date.sort_ordinal, ti.task_id, ti.map_index LIMIT ?`,
        backfillId,
        limit,
      )
      .toArray();
    const items = rows.map(({ run_id, logical_date, task_id, map_index, state, try_number, error }) => ({
      run_id,
      logical_date,
      task_id,
      map_index,
      state,
      try_number,
      error: error === null ? null : (JSON.parse(error) as TaskError),
    }));
    return { items, total: this.#count(INSTANCES, backfillId) };
  }

  #count(from: string, backfillId: number): number {
    return this.#sql.query<{ count: number }>(`SELECT count(*) AS count ${from}`, backfillId).one().count;
  }
}
