/**
 * The backfills of one `Dag` object, their dates and their runs. Sets of runs are written by one statement over `json_each`.
 *
 * @module
 */
import type { BackfillEndReason, BackfillRequest } from "../../src/engine/backfill-objects.ts";
import type { ExistingRun, PlannedDate } from "../../src/engine/backfill-plan.ts";
import type { CanaryState } from "../../src/engine/backfill-progress.ts";
import type { Json } from "../../src/engine/spec.ts";
import { BackfillReportStorage } from "./backfill-report-storage.ts";
import { joined } from "./chunks.ts";
import type { Sql } from "./sql.ts";

/** A backfill as it is stored. */
export interface BackfillRow extends BackfillRequest {
  id: number;
  is_paused: boolean;
  canary_state: CanaryState | null;
  canary_until: number | null;
  created_at: number;
  updated_at: number;
  completed_at: number | null;
  end_reason: BackfillEndReason | null;
  first_failed_run_id: string | null;
}

type Flag = "is_paused" | "run_backwards" | "run_on_latest_version" | "stop_on_first_failure";

type StoredBackfill = Omit<BackfillRow, Flag | "dag_run_conf"> &
  Record<Flag, number> & { dag_run_conf: string | null } & Record<string, SqlStorageValue>;

/** What all new runs of a backfill have in common. */
export interface NewRuns {
  backfill_id: number;
  conf: Record<string, Json>;
  params: Record<string, Json>;
  version_number: number;
  triggering_user_name: string | null;
  now: number;
}

/** A queued run that may start. */
export interface QueuedRow extends Record<string, SqlStorageValue> {
  id: number;
  run_id: string;
  run_after: number;
  backfill_id: number;
  sort_ordinal: number;
}

const NO_BOUND = Number.MAX_SAFE_INTEGER;

/** Backfills of one `Dag` object. */
export class BackfillStorage {
  readonly reports: BackfillReportStorage;
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
    this.reports = new BackfillReportStorage(sql);
  }

  // ── backfills ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Says whether there has ever been one. */
  hasAny(): boolean {
    return this.#sql.query("SELECT 1 FROM backfill LIMIT 1").toArray().length > 0;
  }

  get(id: number): BackfillRow | null {
    return this.#read("WHERE id = ?", id)[0] ?? null;
  }

  /** The one that is not over. */
  active(): BackfillRow | null {
    return this.#read("WHERE completed_at IS NULL")[0] ?? null;
  }

  list(limit: number, offset: number, descending: boolean): { rows: BackfillRow[]; total: number } {
    const rows = this.#read(`ORDER BY id ${descending ? "DESC" : "ASC"} LIMIT ? OFFSET ?`, limit, offset);
    const { total } = this.#sql.query<{ total: number }>("SELECT count(*) AS total FROM backfill").one();
    return { rows, total };
  }

  insert(row: BackfillRow): void {
    this.#sql.write(
      `INSERT INTO backfill (id, from_date, to_date, run_backwards, dag_run_conf, is_paused, reprocess_behavior,
         max_active_runs, run_on_latest_version, stop_on_first_failure, canary, canary_state, canary_until,
         triggering_user_name, created_at, updated_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.id,
      row.from_date,
      row.to_date,
      Number(row.run_backwards),
      row.dag_run_conf === null ? null : JSON.stringify(row.dag_run_conf),
      Number(row.is_paused),
      row.reprocess_behavior,
      row.max_active_runs,
      Number(row.run_on_latest_version),
      Number(row.stop_on_first_failure),
      row.canary,
      row.canary_state,
      row.canary_until,
      row.triggering_user_name,
      row.created_at,
      row.updated_at,
    );
  }

  /** Stores what can change of one. */
  update(row: BackfillRow): void {
    this.#sql.write(
      `UPDATE backfill SET is_paused = ?, canary_state = ?, completed_at = ?, end_reason = ?, first_failed_run_id = ?,
         updated_at = ? WHERE id = ?`,
      Number(row.is_paused),
      row.canary_state,
      row.completed_at,
      row.end_reason,
      row.first_failed_run_id,
      row.updated_at,
      row.id,
    );
  }

  #read(rest: string, ...bindings: SqlStorageValue[]): BackfillRow[] {
    return this.#sql
      .query<StoredBackfill>(`SELECT * FROM backfill ${rest}`, ...bindings)
      .toArray()
      .map((row) => ({
        ...row,
        run_backwards: row.run_backwards === 1,
        is_paused: row.is_paused === 1,
        run_on_latest_version: row.run_on_latest_version === 1,
        stop_on_first_failure: row.stop_on_first_failure === 1,
        dag_run_conf: row.dag_run_conf === null ? null : (JSON.parse(row.dag_run_conf) as Record<string, Json>),
      }));
  }

  // ── making runs ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Runs that these logical dates have, by date. */
  runsOn(dates: readonly number[]): Map<number, ExistingRun> {
    const cursor = this.#sql.query<ExistingRun & { logical_date: number } & Record<string, SqlStorageValue>>(
      `SELECT logical_date, id, run_id, state, version_number FROM dag_run
       WHERE logical_date IN (SELECT value FROM json_each(?))`,
      JSON.stringify(dates),
    );
    const runs = new Map<number, ExistingRun>();
    for (const { logical_date, ...run } of cursor) {
      runs.set(logical_date, run);
    }
    return runs;
  }

  /** Those of some run ids that are taken. */
  takenRunIds(runIds: readonly string[]): Set<string> {
    const taken = new Set<string>();
    for (const { json } of joined(runIds.map((runId) => JSON.stringify(runId)))) {
      const cursor = this.#sql.query<{ run_id: string }>(
        "SELECT run_id FROM dag_run WHERE run_id IN (SELECT value FROM json_each(?))",
        json,
      );
      for (const { run_id } of cursor) {
        taken.add(run_id);
      }
    }
    return taken;
  }

  /** Stored task instances of runs. */
  countInstances(runIds: readonly number[]): number {
    return this.#sql
      .query<{ count: number }>(
        "SELECT count(*) AS count FROM task_instance WHERE dag_run_id IN (SELECT value FROM json_each(?))",
        JSON.stringify(runIds),
      )
      .one().count;
  }

  /** Makes queued runs, set by set. */
  insertRuns(runs: readonly { planned: PlannedDate; runId: string }[], common: NewRuns): void {
    const rows = runs.map(({ planned: { sort_ordinal, info }, runId }) => {
      const { start, end } = info.data_interval;
      return JSON.stringify([runId, info.logical_date, start, end, info.run_after, sort_ordinal]);
    });
    for (const { json } of joined(rows)) {
      this.#sql.write(
        `INSERT INTO dag_run (run_id, run_type, state, logical_date, data_interval_start, data_interval_end, run_after,
           queued_at, triggered_by, conf, params, version_number, triggering_user_name, created_at, updated_at,
           backfill_id, sort_ordinal)
         SELECT value ->> 0, 'backfill', 'queued', value ->> 1, value ->> 2, value ->> 3, value ->> 4,
           ?2, 'backfill', ?3, ?4, ?5, ?6, ?2, ?2, ?7, value ->> 5 FROM json_each(?1)`,
        json,
        common.now,
        JSON.stringify(common.conf),
        JSON.stringify(common.params),
        common.version_number,
        common.triggering_user_name,
        common.backfill_id,
      );
    }
  }

  /** Makes a run that is there one of a backfill. `given`: conf and params it gets, null to keep its own. */
  takeRun(
    id: number,
    backfillId: number,
    sortOrdinal: number,
    given: { conf: Record<string, Json>; params: Record<string, Json> } | null,
  ): void {
    this.#sql.write(
      `UPDATE dag_run SET run_type = 'backfill', triggered_by = 'backfill', backfill_id = ?, sort_ordinal = ?,
         conf = coalesce(?, conf), params = coalesce(?, params) WHERE id = ?`,
      backfillId,
      sortOrdinal,
      given === null ? null : JSON.stringify(given.conf),
      given === null ? null : JSON.stringify(given.params),
      id,
    );
  }

  /** Notes all dates of a backfill; its runs must be there. */
  insertDates(backfillId: number, plan: readonly PlannedDate[]): void {
    const rows = plan.map(({ sort_ordinal, info, reason }) =>
      JSON.stringify([sort_ordinal, info.logical_date, reason]),
    );
    for (const { json } of joined(rows)) {
      this.#sql.write(
        `INSERT INTO backfill_dag_run (backfill_id, sort_ordinal, logical_date, dag_run_id, exception_reason)
         SELECT ?1, value ->> 0, value ->> 1,
           iif(value ->> 2 IS NULL, (SELECT id FROM dag_run WHERE logical_date = value ->> 1), NULL), value ->> 2
         FROM json_each(?2)`,
        backfillId,
        json,
      );
    }
  }

  // ── runs that wait ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Ids of the backfills that have queued runs: as a rule one. */
  withQueuedRuns(): number[] {
    const ids: number[] = [];
    for (;;) {
      const { next } = this.#sql
        .query<{ next: number | null }>(
          "SELECT min(backfill_id) AS next FROM dag_run WHERE state = 'queued' AND backfill_id > ?",
          ids.at(-1) ?? -1,
        )
        .one();
      if (next === null) {
        return ids;
      }
      ids.push(next);
    }
  }

  /** The next queued runs of a backfill, up to a place in its order; null for no bound. */
  queuedRuns(backfillId: number, limit: number, until: number | null): QueuedRow[] {
    return this.#sql
      .query<QueuedRow>(
        `SELECT id, run_id, run_after, backfill_id, sort_ordinal FROM dag_run
         WHERE state = 'queued' AND backfill_id = ? AND sort_ordinal <= ? ORDER BY sort_ordinal LIMIT ?`,
        backfillId,
        until ?? NO_BOUND,
        limit,
      )
      .toArray();
  }

  /** Says whether a backfill has runs that are queued or running, up to a place in its order; null for no bound. */
  isUnfinished(backfillId: number, until: number | null): boolean {
    const found = ["queued", "running"].map((state) =>
      this.#sql
        .query(
          "SELECT 1 FROM dag_run WHERE state = ? AND backfill_id = ? AND sort_ordinal <= ? LIMIT 1",
          state,
          backfillId,
          until ?? NO_BOUND,
        )
        .toArray(),
    );
    return found.flat().length > 0;
  }

  /** Fails every queued run of a backfill, as it is: its task instances are not touched. Gives their ids. */
  failQueued(backfillId: number, now: number): string[] {
    const cursor = this.#sql.query<{ run_id: string }>(
      `UPDATE dag_run SET state = 'failed', reason = 'task_failure', end_date = ?2, updated_at = ?2
       WHERE state = 'queued' AND backfill_id = ?1 RETURNING run_id`,
      backfillId,
      now,
    );
    const runIds = cursor.toArray().map(({ run_id }) => run_id);
    this.#sql.rowsWritten += cursor.rowsWritten;
    return runIds;
  }

  /** Notes that a run was deleted. */
  runDeleted(id: number): void {
    this.#sql.write("UPDATE backfill_dag_run SET dag_run_id = NULL WHERE dag_run_id = ?", id);
  }
}
