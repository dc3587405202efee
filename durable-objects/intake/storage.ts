/**
 * The tables of an intake object: a row per job, and the ids whose objects are others. Jobs that are not over lie beside each
 * other, because the key begins with that: they are found without an index, which each write would have to pay for.
 *
 * @module
 */
import type { LinkKind } from "../../src/engine/intake.ts";
import type { JobRecord } from "../../src/engine/job-machine.ts";
import { isJobFinished } from "../../src/engine/states.ts";
import type { LogChunk } from "../../src/engine/work.ts";
import { JobLog, LOG_CHUNK_COLUMNS } from "../job-log.ts";
import type { ChunkSql } from "../log-chunks.ts";
import { migrate, type Migration } from "../migrate.ts";
import { MAKE_DELETION_TABLE } from "../payload-storage.ts";

/** The schema; times are epoch milliseconds. */
export const INTAKE_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    statements: [
      `CREATE TABLE job (
        is_finished INTEGER NOT NULL CHECK (is_finished IN (0, 1)),
        id TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'restarting', 'up_for_retry', 'up_for_reschedule',
          'success', 'failed', 'skipped')),
        try_number INTEGER NOT NULL CHECK (try_number >= 1),
        fence INTEGER NOT NULL CHECK (fence >= 0),
        latest_heartbeat INTEGER,
        end_date INTEGER,
        next_at INTEGER,
        detail TEXT NOT NULL CHECK (json_valid(detail)),
        logs TEXT,
        PRIMARY KEY (is_finished, id),
        CHECK ((state IN ('success', 'failed', 'skipped')) = is_finished),
        CHECK ((end_date IS NOT NULL) = is_finished),
        CHECK (state <> 'running' OR latest_heartbeat IS NOT NULL)
      ) STRICT, WITHOUT ROWID`,
      `CREATE TABLE log_chunk (job_id TEXT NOT NULL, ${LOG_CHUNK_COLUMNS},
        PRIMARY KEY (job_id, try_number, first_line)) STRICT, WITHOUT ROWID`,
      MAKE_DELETION_TABLE,
      `CREATE TABLE link (
        id TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('batch', 'watch')),
        PRIMARY KEY (id, kind)
      ) STRICT, WITHOUT ROWID`,
    ],
  },
];

type Columns = "state" | "try_number" | "fence" | "latest_heartbeat" | "end_date" | "next_at";

interface Row {
  state: JobRecord["state"];
  try_number: number;
  fence: number;
  latest_heartbeat: number | null;
  end_date: number | null;
  next_at: number | null;
  is_finished: number;
  detail: string;
  logs: string | null;
  [column: string]: SqlStorageValue;
}

/** A job as it is stored. */
export interface StoredJob {
  readonly job: JobRecord;
  readonly log: JobLog;
  /** As the row has it: the job may have changed since. */
  readonly wasFinished: boolean;
}

/** What is read of each job that is not over when the object wakes. */
interface Unfinished extends Record<string, SqlStorageValue> {
  id: string;
  state: string;
  next_at: number | null;
  hostname: string | null;
}

/** Reads and writes of one intake object. */
export class IntakeStorage {
  /** Rows written by SQL and alarms since the object woke: what the platform bills. */
  rowsWritten = 0;
  /** Statements over further tables of the object. */
  readonly statements: ChunkSql;
  readonly #storage: DurableObjectStorage;
  #isOpen = false;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.statements = {
      query: <T extends Record<string, SqlStorageValue>>(query: string, ...bindings: SqlStorageValue[]) =>
        storage.sql.exec<T>(query, ...bindings),
      write: (query, ...bindings) => this.#write(query, ...bindings),
    };
  }

  /** Opens the tables. False, and nothing is written, if there are none: no job was ever submitted here. */
  open(): boolean {
    this.#isOpen ||=
      this.#storage.sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'job'").toArray().length >
        0 && this.make();
    return this.#isOpen;
  }

  /** Opens the tables, and makes them if there are none. */
  make(): true {
    if (!this.#isOpen) {
      migrate(this.#storage, INTAKE_MIGRATIONS);
      this.#isOpen = true;
    }
    return true;
  }

  /** Everything inside is stored, or nothing is. */
  transaction<T>(decide: () => T): T {
    return this.#storage.transactionSync(decide);
  }

  /** The job, or null. */
  read(id: string): StoredJob | null {
    const [row] = this.#storage.sql
      .exec<Row>(
        `SELECT state, try_number, fence, latest_heartbeat, end_date, next_at, is_finished, detail, logs
         FROM job WHERE is_finished IN (0, 1) AND id = ?`,
        id,
      )
      .toArray();
    if (row === undefined) {
      return null;
    }
    const { is_finished: isFinished, detail, logs, ...columns } = row;
    const stored = JSON.parse(detail) as Omit<JobRecord, Columns>;
    const log = this.#log(id);
    log.load(logs);
    return { job: { ...stored, ...columnsOf(columns) }, log, wasFinished: isFinished === 1 };
  }

  /** Stores a new job: one row. */
  insert(job: JobRecord): void {
    const { columns, detail } = split(job);
    this.#write(
      `INSERT INTO job (is_finished, id, state, try_number, fence, latest_heartbeat, end_date, next_at, detail)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      Number(isJobFinished(job.state)),
      job.id,
      ...columns,
      detail,
    );
  }

  /** Stores a changed job, with lines of one of its tries; call inside a transaction if there are any. */
  update({ job, log, wasFinished }: StoredJob, tryNumber: number | null, logs: LogChunk): void {
    const column = tryNumber === null ? undefined : log.add(tryNumber, logs);
    const { columns, detail } = split(job);
    this.#write(
      `UPDATE job SET is_finished = ?, state = ?, try_number = ?, fence = ?, latest_heartbeat = ?, end_date = ?,
         next_at = ?, detail = ? ${column === undefined ? "" : ", logs = ?"}
       WHERE is_finished = ? AND id = ?`,
      Number(isJobFinished(job.state)),
      ...columns,
      detail,
      ...(column === undefined ? [] : [column]),
      Number(wasFinished),
      job.id,
    );
  }

  /** The jobs that are not over, with the time that their state's timer is due. */
  unfinished(): Unfinished[] {
    return this.#storage.sql
      .exec<Unfinished>(
        "SELECT id, state, next_at, json_extract(detail, '$.hostname') AS hostname FROM job WHERE is_finished = 0",
      )
      .toArray();
  }

  link(id: string, kind: LinkKind): void {
    this.#write("INSERT INTO link (id, kind) VALUES (?, ?) ON CONFLICT DO NOTHING", id, kind);
  }

  isLinked(id: string, kind: LinkKind): boolean {
    return this.#storage.sql.exec("SELECT 1 FROM link WHERE id = ? AND kind = ?", id, kind).toArray().length > 0;
  }

  #log(id: string): JobLog {
    return new JobLog(this.statements, { columns: ["job_id"], values: [id] });
  }

  #write(query: string, ...bindings: SqlStorageValue[]): void {
    this.rowsWritten += this.#storage.sql.exec(query, ...bindings).rowsWritten;
  }
}

function columnsOf(row: Pick<JobRecord, Columns>): Pick<JobRecord, Columns> {
  const { state, try_number, fence, latest_heartbeat, end_date, next_at } = row;
  return { state, try_number, fence, latest_heartbeat, end_date, next_at };
}

function split(job: JobRecord): { columns: SqlStorageValue[]; detail: string } {
  const { state, try_number, fence, latest_heartbeat, end_date, next_at, ...detail } = job;
  return {
    columns: [state, try_number, fence, latest_heartbeat, end_date, next_at],
    detail: JSON.stringify(detail),
  };
}
