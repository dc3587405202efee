/**
 * The log of a job. Its newest lines lie in the job's own row, which every heartbeat and report writes anyway; when they
 * are too many, they move to a table, which is made then: most jobs never pay for it.
 *
 * @module
 */
import type { LogChunk, LogLine } from "../src/engine/work.ts";
import { joinParts, LogChunks, type ChunkSql, type LogPart } from "./log-chunks.ts";

/** Bytes of lines in the job's row. */
const RECENT_BYTES = 16 * 1024;

/** The columns of the table of chunks, but for what names the job where an object keeps many. */
export const LOG_CHUNK_COLUMNS = `
  try_number INTEGER NOT NULL,
  first_line INTEGER NOT NULL CHECK (first_line >= 0),
  line_count INTEGER NOT NULL CHECK (line_count > 0),
  lines TEXT NOT NULL CHECK (json_valid(lines))`;

const MAKE_TABLE = `CREATE TABLE IF NOT EXISTS log_chunk (${LOG_CHUNK_COLUMNS},
  PRIMARY KEY (try_number, first_line)
) STRICT, WITHOUT ROWID`;

/** The newest lines, of one try; as JSON they are the column `logs` of the job's row. */
interface Recent {
  try_number: number;
  /** Number of the first of them. */
  first: number;
  lines: LogLine[];
}

const encoder = new TextEncoder();

/** The log of one job, by tries. */
export class JobLog {
  readonly #sql: ChunkSql;
  readonly #chunks: LogChunks;
  readonly #key: readonly SqlStorageValue[];
  readonly #isShared: boolean;
  #recent: Recent | null = null;
  /** Whether the table is there; null until it was looked up. */
  #hasTable: boolean | null = null;

  /** @param job What names the job in a table that many share, which is there already; left out for an object's one job. */
  constructor(sql: ChunkSql, job?: { columns: readonly string[]; values: readonly SqlStorageValue[] }) {
    this.#sql = sql;
    this.#isShared = job !== undefined;
    this.#key = job?.values ?? [];
    this.#chunks = new LogChunks(sql, "log_chunk", [...(job?.columns ?? []), "try_number"]);
  }

  /** Takes the column as it was read. What was known before may never have been stored. */
  load(column: string | null): void {
    this.#recent = column === null ? null : (JSON.parse(column) as Recent);
    this.#hasTable = null;
  }

  /**
   * Adds lines that are not there yet; call inside the transaction that stores the job's row. Gives the column to store
   * with it, or undefined if that stays as it is.
   */
  add(tryNumber: number, { from, lines }: LogChunk): string | null | undefined {
    const first = Math.max(from, this.end(tryNumber));
    const fresh = lines.slice(first - from);
    if (fresh.length === 0) {
      return undefined;
    }
    const recent = this.#recent;
    const goesOn = recent?.try_number === tryNumber && recent.first + recent.lines.length === first;
    const next = goesOn
      ? { ...recent, lines: [...recent.lines, ...fresh] }
      : { try_number: tryNumber, first, lines: fresh };
    if (recent !== null && !goesOn) {
      this.#move(recent);
    }
    const column = JSON.stringify(next);
    const isSmall = encoder.encode(column).byteLength <= RECENT_BYTES;
    if (!isSmall) {
      this.#move(next);
    }
    this.#recent = isSmall ? next : null;
    return isSmall ? column : null;
  }

  /** The lines of a try from `from` on; see `LogChunks.read`. */
  read(tryNumber: number, from: number): LogPart {
    const stored = this.#tableExists()
      ? this.#chunks.read([...this.#key, tryNumber], from)
      : { first: from, lines: [], isLast: true };
    const recent = this.#recent;
    if (recent?.try_number !== tryNumber) {
      return stored;
    }
    const lines = recent.lines.slice(Math.max(0, from - recent.first));
    return joinParts(stored, { first: Math.max(from, recent.first), lines, isLast: true });
  }

  /** The number after the last line of a try. */
  end(tryNumber: number): number {
    const recent = this.#recent;
    if (recent?.try_number === tryNumber) {
      return recent.first + recent.lines.length;
    }
    return this.#tableExists() ? this.#chunks.end([...this.#key, tryNumber]) : 0;
  }

  #move({ try_number, first, lines }: Recent): void {
    if (!this.#tableExists()) {
      this.#sql.write(MAKE_TABLE);
      this.#hasTable = true;
    }
    this.#chunks.save([...this.#key, try_number], { from: first, lines });
  }

  #tableExists(): boolean {
    this.#hasTable ??=
      this.#isShared ||
      this.#sql.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'log_chunk'").toArray().length > 0;
    return this.#hasTable;
  }
}
