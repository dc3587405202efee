/**
 * The schema of a `Dag` object. Times are epoch milliseconds, JSON is TEXT. `task_instance` is one row per instance that
 * has something to say: an instance in state null that was never touched has none.
 *
 * @module
 */
import type { Migration } from "../migrate.ts";
import { MAKE_PAYLOAD_TABLES } from "../payload-storage.ts";

export const DAG_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    statements: [
      `CREATE TABLE dag (
        singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
        dag_id TEXT NOT NULL,
        is_paused INTEGER NOT NULL CHECK (is_paused IN (0, 1))
      ) STRICT`,
      `CREATE TABLE dag_version (
        version_number INTEGER PRIMARY KEY CHECK (version_number >= 1),
        dag_hash TEXT NOT NULL,
        spec TEXT NOT NULL CHECK (json_valid(spec)),
        created_at INTEGER NOT NULL
      ) STRICT`,
      `CREATE TABLE dag_run (
        id INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL UNIQUE,
        run_type TEXT NOT NULL CHECK (run_type IN ('scheduled', 'manual', 'backfill', 'asset_triggered')),
        state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'success', 'failed')),
        reason TEXT CHECK (reason IN ('success', 'task_failure', 'all_tasks_deadlocked', 'timed_out')),
        logical_date INTEGER,
        data_interval_start INTEGER,
        data_interval_end INTEGER,
        run_after INTEGER NOT NULL,
        queued_at INTEGER,
        start_date INTEGER,
        end_date INTEGER,
        triggered_by TEXT NOT NULL,
        conf TEXT NOT NULL CHECK (json_valid(conf)),
        params TEXT NOT NULL CHECK (json_valid(params)),
        note TEXT,
        version_number INTEGER NOT NULL REFERENCES dag_version (version_number),
        CHECK ((data_interval_start IS NULL) = (data_interval_end IS NULL)),
        CHECK ((state IN ('success', 'failed')) = (end_date IS NOT NULL)),
        CHECK ((state IN ('success', 'failed')) = (reason IS NOT NULL))
      ) STRICT`,
      `CREATE UNIQUE INDEX dag_run_logical_date ON dag_run (logical_date) WHERE logical_date IS NOT NULL`,
      `CREATE INDEX dag_run_unfinished ON dag_run (state) WHERE state IN ('queued', 'running')`,
      `CREATE TABLE task_instance (
        dag_run_id INTEGER NOT NULL,
        task_id TEXT NOT NULL,
        map_index INTEGER NOT NULL CHECK (map_index >= -1),
        state TEXT CHECK (state IN ('scheduled', 'queued', 'running', 'success', 'failed', 'skipped', 'upstream_failed',
          'removed', 'restarting', 'up_for_retry', 'up_for_reschedule', 'deferred')),
        try_number INTEGER NOT NULL CHECK (try_number >= 0),
        fence INTEGER NOT NULL CHECK (fence >= 0),
        start_date INTEGER,
        end_date INTEGER,
        next_at INTEGER,
        detail TEXT NOT NULL,
        value TEXT,
        value_r2 TEXT,
        PRIMARY KEY (dag_run_id, task_id, map_index),
        CHECK (state NOT IN ('success', 'failed', 'skipped', 'upstream_failed', 'removed') OR end_date IS NOT NULL),
        CHECK (state <> 'running' OR (start_date IS NOT NULL AND end_date IS NULL)),
        CHECK (value IS NULL OR value_r2 IS NULL)
      ) STRICT, WITHOUT ROWID`,
      `CREATE TABLE task_map (
        dag_run_id INTEGER NOT NULL,
        task_id TEXT NOT NULL,
        length INTEGER NOT NULL CHECK (length >= 0),
        PRIMARY KEY (dag_run_id, task_id)
      ) STRICT, WITHOUT ROWID`,
      `CREATE TABLE task_instance_history (
        dag_run_id INTEGER NOT NULL,
        task_id TEXT NOT NULL,
        map_index INTEGER NOT NULL,
        fence INTEGER NOT NULL,
        try_number INTEGER NOT NULL,
        row TEXT NOT NULL CHECK (json_valid(row)),
        PRIMARY KEY (dag_run_id, task_id, map_index, fence)
      ) STRICT, WITHOUT ROWID`,
      `CREATE TABLE xcom (
        dag_run_id INTEGER NOT NULL,
        task_id TEXT NOT NULL,
        map_index INTEGER NOT NULL,
        key TEXT NOT NULL,
        value TEXT,
        value_r2 TEXT,
        PRIMARY KEY (dag_run_id, task_id, map_index, key),
        CHECK ((value IS NULL) <> (value_r2 IS NULL))
      ) STRICT, WITHOUT ROWID`,
      `CREATE TABLE run_input (
        dag_run_id INTEGER NOT NULL,
        first_index INTEGER NOT NULL,
        payloads TEXT NOT NULL CHECK (json_valid(payloads)),
        PRIMARY KEY (dag_run_id, first_index)
      ) STRICT, WITHOUT ROWID`,
      `CREATE TABLE late_result (
        id INTEGER PRIMARY KEY,
        dag_run_id INTEGER NOT NULL,
        task_id TEXT NOT NULL,
        map_index INTEGER NOT NULL,
        token INTEGER NOT NULL,
        state TEXT NOT NULL,
        received_at INTEGER NOT NULL
      ) STRICT`,
      `CREATE TABLE task_log (
        dag_run_id INTEGER NOT NULL,
        task_id TEXT NOT NULL,
        map_index INTEGER NOT NULL,
        try_number INTEGER NOT NULL,
        lines TEXT NOT NULL CHECK (json_valid(lines)),
        PRIMARY KEY (dag_run_id, task_id, map_index, try_number)
      ) STRICT, WITHOUT ROWID`,
      `CREATE TABLE stop_order (
        id INTEGER PRIMARY KEY,
        job_id TEXT NOT NULL,
        reason TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        due_at INTEGER NOT NULL
      ) STRICT`,
    ],
  },
  {
    version: 2,
    statements: [
      "ALTER TABLE dag ADD COLUMN is_registered INTEGER NOT NULL DEFAULT 0 CHECK (is_registered IN (0, 1))",
      "ALTER TABLE dag_run ADD COLUMN triggering_user_name TEXT",
      "ALTER TABLE dag_run ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0",
      "ALTER TABLE dag_run ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0",
      "UPDATE dag_run SET created_at = coalesce(queued_at, run_after), updated_at = coalesce(end_date, start_date, queued_at, run_after)",
      "ALTER TABLE xcom ADD COLUMN timestamp INTEGER NOT NULL DEFAULT 0",
      // A log comes in chunks; the one of a short try is whole in the first.
      `CREATE TABLE task_log_chunk (
        dag_run_id INTEGER NOT NULL,
        task_id TEXT NOT NULL,
        map_index INTEGER NOT NULL,
        try_number INTEGER NOT NULL,
        first_line INTEGER NOT NULL CHECK (first_line >= 0),
        line_count INTEGER NOT NULL CHECK (line_count > 0),
        lines TEXT NOT NULL CHECK (json_valid(lines)),
        PRIMARY KEY (dag_run_id, task_id, map_index, try_number, first_line)
      ) STRICT, WITHOUT ROWID`,
      `INSERT INTO task_log_chunk
        SELECT dag_run_id, task_id, map_index, try_number, 0, json_array_length(lines), lines FROM task_log
        WHERE json_array_length(lines) > 0`,
      "DROP TABLE task_log",
    ],
  },
  {
    version: 3,
    statements: [
      // One row: the newest scheduled data interval, and the next run. A DAG without a schedule has none.
      `CREATE TABLE schedule (
        singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
        key TEXT NOT NULL,
        last_start INTEGER,
        last_end INTEGER,
        next_logical_date INTEGER,
        next_start INTEGER,
        next_end INTEGER,
        next_run_after INTEGER,
        CHECK ((last_start IS NULL) = (last_end IS NULL)),
        CHECK ((next_run_after IS NULL) = (next_logical_date IS NULL))
      ) STRICT`,
    ],
  },
  {
    version: 4,
    statements: [
      "ALTER TABLE dag_run ADD COLUMN backfill_id INTEGER",
      "ALTER TABLE dag_run ADD COLUMN sort_ordinal INTEGER CHECK ((sort_ordinal IS NULL) = (backfill_id IS NULL))",
      // Which backfills have runs that wait or run, and which run of one is next in its order.
      `CREATE INDEX dag_run_backfill ON dag_run (state, backfill_id, sort_ordinal) WHERE backfill_id IS NOT NULL`,
      `CREATE TABLE backfill (
        id INTEGER PRIMARY KEY,
        from_date INTEGER NOT NULL,
        to_date INTEGER NOT NULL CHECK (to_date >= from_date),
        run_backwards INTEGER NOT NULL CHECK (run_backwards IN (0, 1)),
        dag_run_conf TEXT CHECK (json_valid(dag_run_conf)),
        is_paused INTEGER NOT NULL CHECK (is_paused IN (0, 1)),
        reprocess_behavior TEXT NOT NULL CHECK (reprocess_behavior IN ('none', 'failed', 'completed')),
        max_active_runs INTEGER NOT NULL CHECK (max_active_runs >= 1),
        run_on_latest_version INTEGER NOT NULL CHECK (run_on_latest_version IN (0, 1)),
        stop_on_first_failure INTEGER NOT NULL CHECK (stop_on_first_failure IN (0, 1)),
        canary INTEGER CHECK (canary >= 1),
        canary_state TEXT CHECK (canary_state IN ('running', 'waiting', 'released')),
        canary_until INTEGER,
        triggering_user_name TEXT,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        completed_at INTEGER,
        end_reason TEXT CHECK (end_reason IN ('completed', 'cancelled', 'first_failure')),
        first_failed_run_id TEXT,
        CHECK ((canary IS NULL) = (canary_state IS NULL) AND (canary IS NULL) = (canary_until IS NULL)),
        CHECK ((completed_at IS NULL) = (end_reason IS NULL))
      ) STRICT`,
      // A DAG has one backfill at a time that is not over.
      `CREATE UNIQUE INDEX backfill_active ON backfill ((1)) WHERE completed_at IS NULL`,
      // A date of a backfill: the run it made or took, or why it did not.
      `CREATE TABLE backfill_dag_run (
        backfill_id INTEGER NOT NULL,
        sort_ordinal INTEGER NOT NULL CHECK (sort_ordinal >= 1),
        logical_date INTEGER NOT NULL,
        dag_run_id INTEGER,
        exception_reason TEXT CHECK (exception_reason IN ('in flight', 'already exists', 'unknown')),
        PRIMARY KEY (backfill_id, sort_ordinal),
        CHECK (dag_run_id IS NULL OR exception_reason IS NULL)
      ) STRICT, WITHOUT ROWID`,
      "CREATE INDEX backfill_dag_run_run ON backfill_dag_run (dag_run_id) WHERE dag_run_id IS NOT NULL",
    ],
  },
  {
    version: 5,
    statements: [
      // The leases of the attempts that a worker runs begin anew with its heartbeat: one row for all of them.
      `CREATE TABLE worker (
        hostname TEXT PRIMARY KEY,
        latest_heartbeat INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID`,
    ],
  },
  { version: 6, statements: MAKE_PAYLOAD_TABLES },
];
