/**
 * The operations of a `Dag` object on its tables. No other file of the object holds SQL. Sets of rows are written by one
 * statement over `json_each`; a statement's text parameter stays well under the platform's 2 MB.
 *
 * @module
 */
import type { RunChanges, RunInfo } from "../../src/engine/run-state.ts";
import type { DagSpec, Json } from "../../src/engine/spec.ts";
import type { TaskInstanceRow } from "../../src/engine/task-instance.ts";
import type { LogLine, Report, StoredValue } from "../../src/engine/work.ts";
import { fromStored, toStoredJson, type StoredInstance } from "./rows.ts";

/** Bytes of JSON in one statement, and rows: both far below the platform's limits. */
const CHUNK_CHARS = 400_000;
const CHUNK_ROWS = 2000;
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
}

/** A stored spec version. */
export interface VersionRow {
  version_number: number;
  dag_hash: string;
  created_at: number;
  spec: DagSpec;
}

/** A worker to stop, kept until its job has taken the order. */
export interface StopRow {
  id: number;
  job_id: string;
  reason: string;
  attempts: number;
  due_at: number;
}

/** A run as the table has it. */
type StoredRun = Omit<RunRow, "conf" | "params"> & { conf: string; params: string };

/** All reads and writes of one `Dag` object. */
export class DagStorage {
  /** Rows written by SQL since the object woke: what the platform bills. */
  rowsWritten = 0;
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  #write(query: string, ...bindings: SqlStorageValue[]): void {
    this.rowsWritten += this.#sql.exec(query, ...bindings).rowsWritten;
  }

  // ── the DAG and its versions ────────────────────────────────────────────────────────────────────────────────────

  /** The DAG's own row, or null before it was first described. */
  readDag(): { isPaused: boolean } | null {
    const row = this.#sql.exec<{ is_paused: number }>("SELECT is_paused FROM dag").toArray()[0];
    return row === undefined ? null : { isPaused: row.is_paused === 1 };
  }

  saveDag(dagId: string, isPaused: boolean): void {
    this.#write(
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
      .exec<{ version_number: number; dag_hash: string; created_at: number; spec: string }>(
        `SELECT version_number, dag_hash, created_at, spec FROM dag_version ${where}`,
        ...bindings,
      )
      .toArray()[0];
    return row === undefined ? null : { ...row, spec: JSON.parse(row.spec) as DagSpec };
  }

  insertVersion(version: VersionRow): void {
    this.#write(
      "INSERT INTO dag_version (version_number, dag_hash, spec, created_at) VALUES (?, ?, ?, ?)",
      version.version_number,
      version.dag_hash,
      JSON.stringify(version.spec),
      version.created_at,
    );
  }

  // ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Inserts a run and returns its sequence number. The caller has checked that run_id and logical_date are free. */
  insertRun(run: Omit<RunRow, "id">): number {
    const cursor = this.#sql.exec<{ id: number }>(
      `INSERT INTO dag_run (run_id, run_type, state, reason, logical_date, data_interval_start, data_interval_end, run_after,
         queued_at, start_date, end_date, triggered_by, conf, params, note, version_number)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
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
    );
    const { id } = cursor.one();
    this.rowsWritten += cursor.rowsWritten;
    return id;
  }

  updateRun(id: number, run: RunInfo): void {
    this.#write(
      "UPDATE dag_run SET state = ?, reason = ?, queued_at = ?, start_date = ?, end_date = ? WHERE id = ?",
      run.state,
      run.reason,
      run.queued_at,
      run.start_date,
      run.end_date,
      id,
    );
  }

  runByRunId(runId: string): RunRow | null {
    return this.#runs("WHERE run_id = ?", runId)[0] ?? null;
  }

  runByLogicalDate(logicalDate: number): RunRow | null {
    return this.#runs("WHERE logical_date = ?", logicalDate)[0] ?? null;
  }

  /** Runs that are queued or running, oldest first. */
  unfinishedRuns(): RunRow[] {
    return this.#runs("WHERE state IN ('queued', 'running') ORDER BY id");
  }

  /** A page of runs. `orderBy` is SQL made by `orderClause`, never a caller's text. */
  listRuns(
    states: readonly string[],
    orderBy: string,
    limit: number,
    offset: number,
  ): { rows: RunRow[]; total: number } {
    const filter = "WHERE (?1 = '[]' OR state IN (SELECT value FROM json_each(?1)))";
    const wanted = JSON.stringify(states);
    const { total } = this.#sql
      .exec<{ total: number }>(`SELECT count(*) AS total FROM dag_run ${filter}`, wanted)
      .one();
    return { rows: this.#runs(`${filter} ORDER BY ${orderBy} LIMIT ?2 OFFSET ?3`, wanted, limit, offset), total };
  }

  #runs(where: string, ...bindings: SqlStorageValue[]): RunRow[] {
    return this.#sql
      .exec<StoredRun>(`SELECT * FROM dag_run ${where}`, ...bindings)
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
      this.#write(
        "DELETE FROM task_instance WHERE dag_run_id = ? AND task_id = ? AND map_index = ?",
        id,
        removed.task_id,
        removed.map_index,
      );
    }
    for (const { json } of joined(rows)) {
      this.#write(hasValues ? UPSERT_INSTANCES_WITH_VALUES : UPSERT_INSTANCES, id, json);
    }
    for (const { task_id, length } of changes.mapLengths) {
      this.#write(
        `INSERT INTO task_map (dag_run_id, task_id, length) VALUES (?, ?, ?)
         ON CONFLICT (dag_run_id, task_id) DO UPDATE SET length = excluded.length`,
        id,
        task_id,
        length,
      );
    }
    for (const { row } of changes.history) {
      this.#write(
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
      this.#write("INSERT INTO stop_order (job_id, reason, due_at) VALUES (?, ?, ?)", stop.job_id, stop.reason, now);
    }
  }

  #clearValue(id: number, taskId: string, mapIndex: number): void {
    this.#write(
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
    const cursor = this.#sql.exec(
      `SELECT task_id, map_index, state, try_number, fence, start_date, end_date, next_at, detail
       FROM task_instance WHERE dag_run_id = ?`,
      id,
    );
    for (const raw of cursor.raw()) {
      rows.push(fromStored(raw as StoredInstance));
    }
    const mapLengths = this.#sql
      .exec<{ task_id: string; length: number }>("SELECT task_id, length FROM task_map WHERE dag_run_id = ?", id)
      .toArray();
    return { rows, mapLengths };
  }

  /** Tries that are over, oldest first. */
  history(id: number, taskId: string, mapIndex: number): TaskInstanceRow[] {
    return this.#sql
      .exec<{ row: string }>(
        "SELECT row FROM task_instance_history WHERE dag_run_id = ? AND task_id = ? AND map_index = ? ORDER BY fence",
        id,
        taskId,
        mapIndex,
      )
      .toArray()
      .map(({ row }) => JSON.parse(row) as TaskInstanceRow);
  }

  // ── values ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A value one instance left, under `return_value` or another key; null if there is none. */
  value(id: number, taskId: string, mapIndex: number, key: string): StoredValue | null {
    const columns = "SELECT value, value_r2 FROM";
    const where = "WHERE dag_run_id = ? AND task_id = ? AND map_index = ?";
    const cursor =
      key === "return_value"
        ? this.#sql.exec(`${columns} task_instance ${where}`, id, taskId, mapIndex)
        : this.#sql.exec(`${columns} xcom ${where} AND key = ?`, id, taskId, mapIndex, key);
    for (const [value, r2] of cursor.raw()) {
      return storedValue(value, r2);
    }
    return null;
  }

  /** Values of all instances of a mapped task that left one, by map index. */
  values(id: number, taskId: string, key: string): { mapIndex: number; value: StoredValue }[] {
    const table = key === "return_value" ? "task_instance" : "xcom";
    const cursor = this.#sql.exec(
      `SELECT map_index, value, value_r2 FROM ${table} WHERE dag_run_id = ?1 AND task_id = ?2 AND map_index >= 0
         AND (value IS NOT NULL OR value_r2 IS NOT NULL) ${key === "return_value" ? "AND state IS NOT 'removed'" : "AND key = ?3"}
       ORDER BY map_index`,
      ...(key === "return_value" ? [id, taskId] : [id, taskId, key]),
    );
    const values: { mapIndex: number; value: StoredValue }[] = [];
    for (const [mapIndex, value, r2] of cursor.raw()) {
      const stored = storedValue(value, r2);
      if (stored !== null) {
        values.push({ mapIndex: Number(mapIndex), value: stored });
      }
    }
    return values;
  }

  saveXComs(id: number, report: Report): void {
    for (const { key, value } of report.xcoms ?? []) {
      this.#write(
        `INSERT INTO xcom (dag_run_id, task_id, map_index, key, value, value_r2) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (dag_run_id, task_id, map_index, key) DO UPDATE SET value = excluded.value, value_r2 = excluded.value_r2`,
        id,
        report.task_id,
        report.map_index,
        key,
        ...columnsOf(value),
      );
    }
  }

  /** A new try begins without the values of the one before. */
  clearXComs(id: number, taskId: string, mapIndex: number): void {
    this.#write("DELETE FROM xcom WHERE dag_run_id = ? AND task_id = ? AND map_index = ?", id, taskId, mapIndex);
  }

  // ── inputs of bulk submissions ──────────────────────────────────────────────────────────────────────────────────

  saveInputs(id: number, payloads: readonly Json[]): void {
    let first = 0;
    for (const { json, rows } of joined(
      payloads.map((payload) => JSON.stringify(payload)),
      PAYLOADS_PER_ROW,
    )) {
      this.#write("INSERT INTO run_input (dag_run_id, first_index, payloads) VALUES (?, ?, ?)", id, first, json);
      first += rows;
    }
  }

  /** The chunk of payloads that holds `index`, and where it begins. */
  inputChunk(id: number, index: number): { first: number; payloads: Json[] } | null {
    const row = this.#sql
      .exec<{ first_index: number; payloads: string }>(
        "SELECT first_index, payloads FROM run_input WHERE dag_run_id = ? AND first_index <= ? ORDER BY first_index DESC LIMIT 1",
        id,
        index,
      )
      .toArray()[0];
    return row === undefined ? null : { first: row.first_index, payloads: JSON.parse(row.payloads) as Json[] };
  }

  // ── late results, logs, stop orders ─────────────────────────────────────────────────────────────────────────────

  insertLateResult(id: number, report: Report, now: number): void {
    this.#write(
      "INSERT INTO late_result (dag_run_id, task_id, map_index, token, state, received_at) VALUES (?, ?, ?, ?, ?, ?)",
      id,
      report.task_id,
      report.map_index,
      report.token,
      report.outcome.state,
      now,
    );
  }

  saveLogs(id: number, taskId: string, mapIndex: number, tryNumber: number, lines: readonly LogLine[]): void {
    this.#write(
      `INSERT INTO task_log (dag_run_id, task_id, map_index, try_number, lines) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (dag_run_id, task_id, map_index, try_number) DO UPDATE SET lines = excluded.lines`,
      id,
      taskId,
      mapIndex,
      tryNumber,
      JSON.stringify(lines),
    );
  }

  stopOrders(): StopRow[] {
    return this.#sql.exec<Pick<StopRow, keyof StopRow>>("SELECT * FROM stop_order ORDER BY due_at").toArray();
  }

  deleteStopOrder(id: number): void {
    this.#write("DELETE FROM stop_order WHERE id = ?", id);
  }

  postponeStopOrder(id: number, dueAt: number): void {
    this.#write("UPDATE stop_order SET attempts = attempts + 1, due_at = ? WHERE id = ?", dueAt, id);
  }
}

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
    value = coalesce(excluded.value, value), value_r2 = coalesce(excluded.value_r2, value_r2)`;

/** Arrays of JSON texts, each array within the limits of one statement. */
function* joined(texts: readonly string[], maxRows = CHUNK_ROWS): Generator<{ json: string; rows: number }> {
  let parts: string[] = [];
  let chars = 0;
  for (const text of texts) {
    if (parts.length > 0 && (parts.length === maxRows || chars + text.length > CHUNK_CHARS)) {
      yield { json: `[${parts.join(",")}]`, rows: parts.length };
      parts = [];
      chars = 0;
    }
    parts.push(text);
    chars += text.length;
  }
  if (parts.length > 0) {
    yield { json: `[${parts.join(",")}]`, rows: parts.length };
  }
}

function columnsOf(value: StoredValue | null): [string | null, string | null] {
  if (value === null) {
    return [null, null];
  }
  return "json" in value ? [value.json, null] : [null, `${value.bytes}:${value.r2}`];
}

function storedValue(value: SqlStorageValue | undefined, r2: SqlStorageValue | undefined): StoredValue | null {
  if (typeof value === "string") {
    return { json: value };
  }
  if (typeof r2 === "string") {
    const colon = r2.indexOf(":");
    return { r2: r2.slice(colon + 1), bytes: Number(r2.slice(0, colon)) };
  }
  return null;
}
