/**
 * The operations of a `Dag` object on its tables. No other file of the object holds SQL. Sets of rows are written by one
 * statement over `json_each`; a statement's text parameter stays well under the platform's 2 MB.
 *
 * @module
 */
import { specOfStored, specToStore } from "../../src/engine/canonical-hash.ts";
import type { RunChanges, RunInfo } from "../../src/engine/run-state.ts";
import type { DagSpec, Json } from "../../src/engine/spec.ts";
import type { TaskInstanceRow } from "../../src/engine/task-instance.ts";
import type { Report } from "../../src/engine/work.ts";
import { HeartbeatStorage } from "./heartbeat-storage.ts";
import { LogStorage } from "./log-storage.ts";
import { fromStored, toStoredJson, type StoredInstance } from "./rows.ts";
import { BackfillStorage } from "./backfill-storage.ts";
import { joined } from "./chunks.ts";
import { PastStorage } from "./past-storage.ts";
import { ScheduleStorage } from "./schedule-storage.ts";
import { Sql } from "./sql.ts";
import { StopStorage } from "./stop-storage.ts";
import { SummaryStorage } from "./summary-storage.ts";
import { columnsOf, XComStorage } from "./xcom-storage.ts";

const PAYLOADS_PER_ROW = 100;

/** A run's row, without what the engine does not need. */
export interface RunRow extends RunInfo {
  /** Sequence number inside this object; the key of everything a run owns. */
  id: number;
  data_interval_start: number | null;
  data_interval_end: number | null;
  triggered_by: string;
  conf: Record<string, Json>;
  note: string | null;
  version_number: number;
  triggering_user_name: string | null;
  created_at: number;
  updated_at: number;
  backfill_id: number | null;
  sort_ordinal: number | null;
}

/** What a list of runs is filtered by outside of SQL. */
export interface RunSketch {
  id: number;
  run_id: string;
  triggering_user_name: string | null;
  /** Empty unless it was asked for: it may be large. */
  conf: string;
}

/** A stored spec version. */
export interface VersionRow {
  version_number: number;
  /** As `specHash` makes it. */
  dag_hash: string;
  created_at: number;
  spec: DagSpec;
}

/** A run as the table has it. */
type StoredRun = Omit<RunRow, "conf" | "params"> & { conf: string; params: string };

/** All reads and writes of one `Dag` object. */
export class DagStorage {
  readonly xcoms: XComStorage;
  readonly logs: LogStorage;
  readonly schedule: ScheduleStorage;
  readonly summaries: SummaryStorage;
  readonly past: PastStorage;
  readonly backfills: BackfillStorage;
  readonly heartbeats: HeartbeatStorage;
  readonly stops: StopStorage;
  readonly #sql: Sql;

  constructor(storage: SqlStorage) {
    this.#sql = new Sql(storage);
    this.xcoms = new XComStorage(this.#sql);
    this.logs = new LogStorage(this.#sql);
    this.schedule = new ScheduleStorage(this.#sql);
    this.summaries = new SummaryStorage(this.#sql);
    this.past = new PastStorage(this.#sql);
    this.backfills = new BackfillStorage(this.#sql);
    this.heartbeats = new HeartbeatStorage(this.#sql);
    this.stops = new StopStorage(this.#sql);
  }

  /** Rows written by SQL since the object woke: what the platform bills. */
  get rowsWritten(): number {
    return this.#sql.rowsWritten;
  }

  /** Counts a row that was written by other means: an alarm. */
  countRow(): void {
    this.#sql.rowsWritten += 1;
  }

  // ── the DAG and its versions ────────────────────────────────────────────────────────────────────────────────────

  /** The DAG's own row, or null before it was first described. */
  readDag(): { isPaused: boolean; isRegistered: boolean } | null {
    const row = this.#sql
      .query<{ is_paused: number; is_registered: number }>("SELECT is_paused, is_registered FROM dag")
      .toArray()[0];
    return row === undefined ? null : { isPaused: row.is_paused === 1, isRegistered: row.is_registered === 1 };
  }

  saveDag(dagId: string, isPaused: boolean): void {
    this.#sql.write(
      `INSERT INTO dag (singleton, dag_id, is_paused) VALUES (1, ?, ?)
       ON CONFLICT (singleton) DO UPDATE SET is_paused = excluded.is_paused`,
      dagId,
      Number(isPaused),
    );
  }

  newestVersion(): VersionRow | null {
    return this.#version("ORDER BY version_number DESC LIMIT 1");
  }

  version(versionNumber: number): VersionRow | null {
    return this.#version("WHERE version_number = ?", versionNumber);
  }

  #version(where: string, ...bindings: SqlStorageValue[]): VersionRow | null {
    const row = this.#sql
      .query<{ version_number: number; dag_hash: string; created_at: number; spec: string }>(
        `SELECT version_number, dag_hash, created_at, spec FROM dag_version ${where}`,
        ...bindings,
      )
      .toArray()[0];
    return row === undefined ? null : { ...row, spec: specOfStored(JSON.parse(row.spec)) };
  }

  /** Notes the hash that this release has for a version's spec. */
  rehashVersion(versionNumber: number, hash: string): void {
    this.#sql.write("UPDATE dag_version SET dag_hash = ? WHERE version_number = ?", hash, versionNumber);
  }

  insertVersion(version: VersionRow): void {
    this.#sql.write(
      "INSERT INTO dag_version (version_number, dag_hash, spec, created_at) VALUES (?, ?, ?, ?)",
      version.version_number,
      version.dag_hash,
      JSON.stringify(specToStore(version.spec)),
      version.created_at,
    );
  }

  // ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Inserts a run and returns its sequence number. The caller has checked that run_id and logical_date are free. */
  insertRun(run: Omit<RunRow, "id">): number {
    const cursor = this.#sql.query<{ id: number }>(
      `INSERT INTO dag_run (run_id, run_type, state, reason, logical_date, data_interval_start, data_interval_end, run_after,
         queued_at, start_date, end_date, triggered_by, conf, params, note, version_number,
         triggering_user_name, created_at, updated_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
      run.run_id,
      run.run_type,
      run.state,
      run.reason,
      run.logical_date,
      run.data_interval_start,
      run.data_interval_end,
      run.run_after,
      run.queued_at,
      run.start_date,
      run.end_date,
      run.triggered_by,
      JSON.stringify(run.conf),
      JSON.stringify(run.params),
      run.note,
      run.version_number,
      run.triggering_user_name,
      run.created_at,
      run.updated_at,
    );
    const { id } = cursor.one();
    this.#sql.rowsWritten += cursor.rowsWritten;
    return id;
  }

  updateRun(id: number, run: RunRow): void {
    this.#sql.write(
      `UPDATE dag_run SET state = ?, reason = ?, queued_at = ?, start_date = ?, end_date = ?, note = ?, version_number = ?,
         updated_at = ? WHERE id = ?`,
      run.state,
      run.reason,
      run.queued_at,
      run.start_date,
      run.end_date,
      run.note,
      run.version_number,
      run.updated_at,
      id,
    );
  }

  runByRunId(runId: string): RunRow | null {
    return this.#runs("WHERE run_id = ?", runId)[0] ?? null;
  }

  runByLogicalDate(logicalDate: number): RunRow | null {
    return this.#runs("WHERE logical_date = ?", logicalDate)[0] ?? null;
  }

  /** Ids of runs by logical date, both ends included; null for no bound. Without any bound also runs that have no date, unless `dated`. */
  runIdsByLogicalDate(from: number | null, to: number | null, dated = from !== null || to !== null): string[] {
    return this.#sql
      .query<{ run_id: string }>(
        `SELECT run_id FROM dag_run
         WHERE (?1 = 0 OR logical_date IS NOT NULL) AND (?2 IS NULL OR logical_date >= ?2) AND (?3 IS NULL OR logical_date <= ?3)
         ORDER BY logical_date, id`,
        Number(dated),
        from,
        to,
      )
      .toArray()
      .map(({ run_id }) => run_id);
  }

  /** Deletes a run with all it owns. Values in the bucket stay there. */
  deleteRun(id: number): void {
    for (const table of RUN_TABLES) {
      this.#sql.write(`DELETE FROM ${table} WHERE dag_run_id = ?`, id);
    }
    this.#sql.write("DELETE FROM dag_run WHERE id = ?", id);
  }

  /** Deletes what a task instance left beside its row: values, logs, tries. */
  deleteTraces(id: number, taskId: string, mapIndex: number): void {
    for (const table of ["xcom", "task_log_chunk", "task_instance_history"]) {
      this.#sql.write(
        `DELETE FROM ${table} WHERE dag_run_id = ? AND task_id = ? AND map_index = ?`,
        id,
        taskId,
        mapIndex,
      );
    }
  }

  /** Fits a run's rows to another version: instances of `gone` tasks become `removed`, those of `anew` are deleted. */
  fitToVersion(id: number, gone: readonly string[], anew: readonly string[], now: number): void {
    this.#sql.write(
      `UPDATE task_instance SET state = 'removed', end_date = coalesce(end_date, ?3), next_at = NULL
       WHERE dag_run_id = ?1 AND task_id IN (SELECT value FROM json_each(?2))`,
      id,
      JSON.stringify(gone),
      now,
    );
    for (const table of ["task_instance", "task_map"]) {
      this.#sql.write(
        `DELETE FROM ${table} WHERE dag_run_id = ? AND task_id IN (SELECT value FROM json_each(?))`,
        id,
        JSON.stringify(anew),
      );
    }
  }

  /**
   * Runs that are queued or running, oldest first, but for those that wait in a backfill: they may be many. One that was queued again
   * while tasks of it run is not left out.
   */
  unfinishedRuns(): RunRow[] {
    const waits = `state = 'queued' AND backfill_id IS NOT NULL AND id NOT IN (SELECT dag_run_id FROM task_instance
      WHERE dag_run_id = dag_run.id AND state IN ('scheduled', 'queued', 'running', 'restarting', 'deferred'))`;
    return this.#runs(`WHERE state IN ('queued', 'running') AND NOT (${waits}) ORDER BY id`);
  }

  /** Runs in an order, with what a list filters by; `where` and `orderBy` are SQL made by `run-query.ts`, never a caller's text. */
  selectRuns(where: string, bindings: SqlStorageValue[], orderBy: string, withConf: boolean): RunSketch[] {
    return this.#sql
      .query<RunSketch & Record<string, SqlStorageValue>>(
        `SELECT id, run_id, triggering_user_name, ${withConf ? "conf" : "'' AS conf"} FROM dag_run WHERE ${where} ORDER BY ${orderBy}`,
        ...bindings,
      )
      .toArray();
  }

  /** Runs by their sequence numbers, in that order. */
  runsByIds(ids: readonly number[]): RunRow[] {
    const rows = new Map(
      this.#runs("WHERE id IN (SELECT value FROM json_each(?))", JSON.stringify(ids)).map((row) => [row.id, row]),
    );
    return ids.map((id) => rows.get(id)).filter((row) => row !== undefined);
  }

  /** Stored task instances of runs by state, `none` for null: of runs that are over these are all there are. */
  countStates(ids: readonly number[]): Map<number, Record<string, number>> {
    const counts = new Map<number, Record<string, number>>();
    const cursor = this.#sql.query<{ dag_run_id: number; state: string; count: number }>(
      `SELECT dag_run_id, coalesce(state, 'none') AS state, count(*) AS count FROM task_instance
       WHERE dag_run_id IN (SELECT value FROM json_each(?)) AND detail ->> 'deleted' IS NULL GROUP BY 1, 2`,
      JSON.stringify(ids),
    );
    for (const { dag_run_id, state, count } of cursor) {
      counts.set(dag_run_id, { ...counts.get(dag_run_id), [state]: count });
    }
    return counts;
  }

  #runs(where: string, ...bindings: SqlStorageValue[]): RunRow[] {
    return this.#sql
      .query<StoredRun>(`SELECT * FROM dag_run ${where}`, ...bindings)
      .toArray()
      .map((row) => ({
        ...row,
        conf: JSON.parse(row.conf) as Record<string, Json>,
        params: JSON.parse(row.params) as Record<string, Json>,
      }));
  }

  // ── task instances ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Stores everything a run's machine gave in one drain; call inside a transaction. */
  saveChanges(id: number, changes: RunChanges, now: number): void {
    const rows: string[] = [];
    let hasValues = false;
    for (const instance of changes.instances) {
      const value = changes.values.get(instance);
      if (value === null) {
        this.#clearValue(id, instance.node.task.id, instance.mapIndex);
      }
      hasValues ||= value !== undefined && value !== null;
      rows.push(toStoredJson(instance.toRow(), columnsOf(value ?? null)));
    }
    for (const removed of changes.removedRows) {
      this.#sql.write(
        "DELETE FROM task_instance WHERE dag_run_id = ? AND task_id = ? AND map_index = ?",
        id,
        removed.task_id,
        removed.map_index,
      );
    }
    for (const { json } of joined(rows)) {
      this.#sql.write(hasValues ? UPSERT_INSTANCES_WITH_VALUES : UPSERT_INSTANCES, id, json);
    }
    for (const { task_id, length } of changes.mapLengths) {
      this.#sql.write(
        `INSERT INTO task_map (dag_run_id, task_id, length) VALUES (?, ?, ?)
         ON CONFLICT (dag_run_id, task_id) DO UPDATE SET length = excluded.length`,
        id,
        task_id,
        length,
      );
    }
    for (const { row } of changes.history) {
      this.#sql.write(
        `INSERT OR REPLACE INTO task_instance_history (dag_run_id, task_id, map_index, fence, try_number, row)
         VALUES (?, ?, ?, ?, ?, ?)`,
        id,
        row.task_id,
        row.map_index,
        row.fence,
        row.try_number,
        JSON.stringify(row),
      );
    }
    for (const stop of changes.stops) {
      this.stops.insert(stop.job_id, stop.reason, now);
    }
  }

  #clearValue(id: number, taskId: string, mapIndex: number): void {
    this.#sql.write(
      `UPDATE task_instance SET value = NULL, value_r2 = NULL WHERE dag_run_id = ? AND task_id = ? AND map_index = ?
         AND (value IS NOT NULL OR value_r2 IS NOT NULL)`,
      id,
      taskId,
      mapIndex,
    );
  }

  /** Rows and lengths a run's machine is rebuilt from. */
  loadInstances(id: number): { rows: TaskInstanceRow[]; mapLengths: { task_id: string; length: number }[] } {
    const rows: TaskInstanceRow[] = [];
    const cursor = this.#sql.query(
      `SELECT task_id, map_index, state, try_number, fence, start_date, end_date, next_at, detail
       FROM task_instance WHERE dag_run_id = ?`,
      id,
    );
    for (const raw of cursor.raw()) {
      rows.push(fromStored(raw as StoredInstance));
    }
    const mapLengths = this.#sql
      .query<{ task_id: string; length: number }>("SELECT task_id, length FROM task_map WHERE dag_run_id = ?", id)
      .toArray();
    return { rows, mapLengths };
  }

  /** Tries that are over, oldest first. */
  history(id: number, taskId: string, mapIndex: number): TaskInstanceRow[] {
    return this.#sql
      .query<{ row: string }>(
        "SELECT row FROM task_instance_history WHERE dag_run_id = ? AND task_id = ? AND map_index = ? ORDER BY fence",
        id,
        taskId,
        mapIndex,
      )
      .toArray()
      .map(({ row }) => JSON.parse(row) as TaskInstanceRow);
  }

  // ── inputs of bulk submissions ──────────────────────────────────────────────────────────────────────────────────

  saveInputs(id: number, payloads: readonly Json[]): void {
    let first = 0;
    for (const { json, rows } of joined(
      payloads.map((payload) => JSON.stringify(payload)),
      PAYLOADS_PER_ROW,
    )) {
      this.#sql.write("INSERT INTO run_input (dag_run_id, first_index, payloads) VALUES (?, ?, ?)", id, first, json);
      first += rows;
    }
  }

  /** The chunk of payloads that holds `index`, and where it begins. */
  inputChunk(id: number, index: number): { first: number; payloads: Json[] } | null {
    const row = this.#sql
      .query<{ first_index: number; payloads: string }>(
        "SELECT first_index, payloads FROM run_input WHERE dag_run_id = ? AND first_index <= ? ORDER BY first_index DESC LIMIT 1",
        id,
        index,
      )
      .toArray()[0];
    return row === undefined ? null : { first: row.first_index, payloads: JSON.parse(row.payloads) as Json[] };
  }

  // ── late results ──────────────────────────────────────────────────────────────────────────────────────────────

  insertLateResult(id: number, report: Report, now: number): void {
    this.#sql.write(
      "INSERT INTO late_result (dag_run_id, task_id, map_index, token, state, received_at) VALUES (?, ?, ?, ?, ?, ?)",
      id,
      report.task_id,
      report.map_index,
      report.token,
      report.outcome.state,
      now,
    );
  }
}

/** Tables whose rows belong to a run. */
const RUN_TABLES = [
  "task_instance",
  "task_map",
  "task_instance_history",
  "xcom",
  "run_input",
  "late_result",
  "task_log_chunk",
];

const COLUMNS = "task_id, map_index, state, try_number, fence, start_date, end_date, next_at, detail";
const VALUES = `${Array.from({ length: 8 }, (_, index) => `value ->> ${index}`).join(", ")}, value -> 8`;
const UPDATES = `state = excluded.state, try_number = excluded.try_number, fence = excluded.fence,
  start_date = excluded.start_date, end_date = excluded.end_date, next_at = excluded.next_at, detail = excluded.detail`;

const UPSERT_INSTANCES = `INSERT INTO task_instance (dag_run_id, ${COLUMNS})
  SELECT ?1, ${VALUES} FROM json_each(?2) WHERE true
  ON CONFLICT (dag_run_id, task_id, map_index) DO UPDATE SET ${UPDATES}`;

/** For a commit that brings values. One that is not given stays; a new try clears it first. */
const UPSERT_INSTANCES_WITH_VALUES = `INSERT INTO task_instance (dag_run_id, ${COLUMNS}, value, value_r2)
  SELECT ?1, ${VALUES}, value ->> 9, value ->> 10 FROM json_each(?2) WHERE true
  ON CONFLICT (dag_run_id, task_id, map_index) DO UPDATE SET ${UPDATES},
    value = iif(excluded.value_r2 IS NULL, coalesce(excluded.value, value), NULL),
    value_r2 = iif(excluded.value IS NULL, coalesce(excluded.value_r2, value_r2), NULL)`;
