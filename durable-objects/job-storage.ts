/**
 * The table of a `Job` object, with its one row. The ledger of migrations is a column of that row: a table of its own
 * would be a third of all rows a job ever writes. Log lines beyond a few have a table of theirs: see `job-log.ts`.
 *
 * @module
 */
import type { WatchRecord } from "../src/engine/job-watch.ts";
import type { LogChunk } from "../src/engine/work.ts";
import { JobLog } from "./job-log.ts";
import type { ChunkSql } from "./log-chunks.ts";
import { migrate, readableFrom, type Ledger, type Migration } from "./migrate.ts";

/** @param more Further columns. */
function makeTable(more = ""): string {
  return `CREATE TABLE job (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    schema_version INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'restarting', 'up_for_retry', 'up_for_reschedule',
      'success', 'failed', 'skipped')),
    try_number INTEGER NOT NULL CHECK (try_number >= 1),
    fence INTEGER NOT NULL CHECK (fence >= 0),
    latest_heartbeat INTEGER,
    end_date INTEGER,
    next_at INTEGER,
    detail TEXT NOT NULL CHECK (json_valid(detail)),
    logs TEXT,
    ${more}
    CHECK ((state IN ('success', 'failed', 'skipped')) = (end_date IS NOT NULL)),
    CHECK (state <> 'running' OR latest_heartbeat IS NOT NULL)
  ) STRICT`;
}

/** The schema; times are epoch milliseconds. */
export const JOB_MIGRATIONS: readonly Migration[] = [
  { version: 1, statements: [makeTable()] },
  {
    // The lines of the last try, and nothing else, were in the column.
    version: 2,
    statements: [
      "UPDATE job SET logs = json_object('try_number', try_number, 'first', 0, 'lines', json(logs)) WHERE logs IS NOT NULL",
    ],
  },
  { version: 3, statements: ["ALTER TABLE job ADD COLUMN readable_from INTEGER"] },
];
/** Of its row, from this version on, the ledger says which code may use it. */
const READABLE_FROM_SINCE = 3;

/** The table as the newest version has it, for a new job. */
const NEWEST_TABLE = makeTable("readable_from INTEGER,");
const NEWEST_VERSION = JOB_MIGRATIONS.at(-1)?.version ?? 1;

/** Where a `Job` object remembers its version. */
export const JOB_LEDGER: Ledger = {
  read(sql) {
    const [table] = sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'job'").raw();
    const row =
      table === undefined
        ? undefined
        : sql.exec<{ schema_version: number }>("SELECT schema_version FROM job").toArray()[0];
    return row?.schema_version ?? 0;
  },
  readableFrom(sql) {
    const row = sql.exec<{ schema_version: number; readable_from?: number | null }>("SELECT * FROM job").one();
    return row.readable_from ?? row.schema_version;
  },
  write(sql, version, oldest) {
    if (version >= READABLE_FROM_SINCE) {
      sql.exec("UPDATE job SET schema_version = ?, readable_from = ?", version, oldest);
    } else if (version > 1) {
      sql.exec("UPDATE job SET schema_version = ?", version);
    }
  },
};

type Columns = "state" | "try_number" | "fence" | "latest_heartbeat" | "end_date" | "next_at";

/** Reads and writes of one `Job` object. */
export class JobStorage {
  /** Rows written by SQL and alarms since the object woke: what the platform bills. */
  rowsWritten = 0;
  readonly log: JobLog;
  /** Statements over further tables of the object. */
  readonly statements: ChunkSql;
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.statements = {
      query: <T extends Record<string, SqlStorageValue>>(query: string, ...bindings: SqlStorageValue[]) =>
        storage.sql.exec<T>(query, ...bindings),
      write: (query, ...bindings) => this.#write(query, ...bindings),
    };
    this.log = new JobLog(this.statements);
  }

  /** The job, or null; nothing is written for a job that does not exist. */
  read(): WatchRecord | null {
    if (JOB_LEDGER.read(this.#storage.sql) === 0) {
      return null;
    }
    migrate(this.#storage, JOB_MIGRATIONS, JOB_LEDGER);
    const { detail, logs, ...columns } = this.#storage.sql
      .exec<Pick<WatchRecord, Columns> & { detail: string; logs: string | null }>(
        "SELECT state, try_number, fence, latest_heartbeat, end_date, next_at, detail, logs FROM job",
      )
      .one();
    this.log.load(logs);
    return { ...(JSON.parse(detail) as Omit<WatchRecord, Columns>), ...columns };
  }

  /** Makes the table and its row. */
  create(job: WatchRecord): void {
    this.#storage.transactionSync(() => {
      this.#write(NEWEST_TABLE);
      const { columns, detail } = split(job);
      this.#write(
        `INSERT INTO job (singleton, schema_version, readable_from, state, try_number, fence, latest_heartbeat, end_date,
           next_at, detail)
         VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        NEWEST_VERSION,
        readableFrom(JOB_MIGRATIONS, NEWEST_VERSION),
        ...columns,
        detail,
      );
    });
  }

  /** Stores a changed job, with lines of its try. */
  update(job: WatchRecord, logs: LogChunk): void {
    this.#storage.transactionSync(() => {
      const column = this.log.add(job.try_number, logs);
      const { columns, detail } = split(job);
      this.#write(
        `UPDATE job SET state = ?, try_number = ?, fence = ?, latest_heartbeat = ?, end_date = ?, next_at = ?, detail = ?
           ${column === undefined ? "" : ", logs = ?"}`,
        ...columns,
        detail,
        ...(column === undefined ? [] : [column]),
      );
    });
  }

  #write(query: string, ...bindings: SqlStorageValue[]): void {
    this.rowsWritten += this.#storage.sql.exec(query, ...bindings).rowsWritten;
  }
}

function split(job: WatchRecord): { columns: SqlStorageValue[]; detail: string } {
  const { state, try_number, fence, latest_heartbeat, end_date, next_at, ...detail } = job;
  return {
    columns: [state, try_number, fence, latest_heartbeat, end_date, next_at],
    detail: JSON.stringify(detail),
  };
}
