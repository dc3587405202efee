/**
 * Logs of tries as an object keeps them: the last megabyte of each, in chunks whose rows begin at known lines. Lines may
 * come twice or overlap; what is there already is left out, so that a chunk can be sent again.
 *
 * @module
 */
import type { LogChunk, LogLine } from "../src/engine/work.ts";

/** Bytes of JSON kept of one try; the oldest rows give way. */
const LOG_BYTES = 1024 * 1024;
/** Bytes of one row. */
const ROW_BYTES = 256 * 1024;
/** A row below this takes the next lines too, so that a sensor that looks for days is not thousands of rows. */
const GROWS_UP_TO_BYTES = 16 * 1024;
/** Bytes of one page: as an answer of the API they are up to twice as many. */
const PAGE_BYTES = 512 * 1024;

/** The statements an object offers; `write` counts rows. */
export interface ChunkSql {
  query<T extends Record<string, SqlStorageValue>>(query: string, ...bindings: SqlStorageValue[]): SqlStorageCursor<T>;
  write(query: string, ...bindings: SqlStorageValue[]): void;
}

/** Lines of a log that follow each other. */
export interface LogPart {
  /** Number of the first line, from 0. */
  first: number;
  lines: LogLine[];
  /** Nothing is stored after them. */
  isLast: boolean;
}

/** Values of the key columns: which try. */
type Key = readonly SqlStorageValue[];

/** A table of chunks, with the columns `first_line`, `line_count` and `lines` after its key. */
export class LogChunks {
  readonly #sql: ChunkSql;
  readonly #table: string;
  readonly #columns: string;
  readonly #where: string;

  constructor(sql: ChunkSql, table: string, keyColumns: readonly string[]) {
    this.#sql = sql;
    this.#table = table;
    this.#columns = [...keyColumns, "first_line", "line_count", "lines"].join(", ");
    this.#where = keyColumns.map((column) => `${column} = ?`).join(" AND ");
  }

  /** Stores lines that are not there yet; call inside a transaction. A few lines of one report are one row written. */
  save(key: Key, { from, lines }: LogChunk): void {
    const last = this.#last(key);
    const end = last === null ? 0 : last.first_line + last.line_count;
    let first = Math.max(from, end);
    const pieces = piecesOf(lines.slice(first - from));
    first += dropExcess(pieces);
    if (last !== null && first === end && last.bytes < GROWS_UP_TO_BYTES) {
      const [piece] = pieces;
      if (piece !== undefined && last.bytes + piece.bytes <= ROW_BYTES) {
        this.#grow(key, last.first_line, piece);
        first += piece.count;
        pieces.shift();
      }
    }
    for (const piece of pieces) {
      const marks = Array.from({ length: key.length + 3 }, () => "?").join(", ");
      const row = [...key, first, piece.count, piece.json];
      this.#sql.write(`INSERT INTO ${this.#table} (${this.#columns}) VALUES (${marks})`, ...row);
      first += piece.count;
    }
    if (last !== null && first > end) {
      this.#trim(key);
    }
  }

  /** The lines from `from` on, as far as they follow each other and fit a page; they begin later if some were dropped. */
  read(key: Key, from: number): LogPart {
    const cursor = this.#sql.query<{ first_line: number; lines: string }>(
      `SELECT first_line, lines FROM ${this.#table} WHERE ${this.#where} AND first_line + line_count > ? ORDER BY first_line`,
      ...key,
      from,
    );
    const part: LogPart = { first: from, lines: [], isLast: true };
    let chars = 0;
    for (const row of cursor) {
      const isFirst = part.lines.length === 0;
      const follows = row.first_line <= part.first + part.lines.length;
      if (!isFirst && (!follows || chars + row.lines.length > PAGE_BYTES)) {
        part.isLast = false;
        break;
      }
      part.first = isFirst ? Math.max(from, row.first_line) : part.first;
      chars += row.lines.length;
      const lines = JSON.parse(row.lines) as LogLine[];
      part.lines = [...part.lines, ...lines.slice(part.first + part.lines.length - row.first_line)];
    }
    return part;
  }

  /** The number after the last line. */
  end(key: Key): number {
    const last = this.#last(key);
    return last === null ? 0 : last.first_line + last.line_count;
  }

  #last(key: Key): { first_line: number; line_count: number; bytes: number } | null {
    const [row] = this.#sql
      .query<{ first_line: number; line_count: number; bytes: number }>(
        `SELECT first_line, line_count, octet_length(lines) AS bytes FROM ${this.#table} WHERE ${this.#where}
         ORDER BY first_line DESC LIMIT 1`,
        ...key,
      )
      .toArray();
    return row ?? null;
  }

  #grow(key: Key, firstLine: number, piece: Piece): void {
    this.#sql.write(
      `UPDATE ${this.#table} SET line_count = line_count + ?, lines = substr(lines, 1, length(lines) - 1) || ',' || substr(?, 2)
       WHERE ${this.#where} AND first_line = ?`,
      piece.count,
      piece.json,
      ...key,
      firstLine,
    );
  }

  /** Drops the oldest rows beyond the last megabyte. */
  #trim(key: Key): void {
    const rows = this.#sql
      .query<{ first_line: number; bytes: number }>(
        `SELECT first_line, octet_length(lines) AS bytes FROM ${this.#table} WHERE ${this.#where} ORDER BY first_line DESC`,
        ...key,
      )
      .toArray();
    let bytes = 0;
    for (const row of rows) {
      bytes += row.bytes;
      if (bytes > LOG_BYTES) {
        this.#sql.write(`DELETE FROM ${this.#table} WHERE ${this.#where} AND first_line <= ?`, ...key, row.first_line);
        return;
      }
    }
  }
}

/** Two parts of one log as one, as far as its lines follow each other. */
export function joinParts(left: LogPart, right: LogPart): LogPart {
  const isLast = left.isLast && right.isLast;
  if (left.lines.length === 0 || right.lines.length === 0) {
    const { first, lines } = left.lines.length === 0 ? right : left;
    return { first, lines, isLast };
  }
  const [early, late] = left.first <= right.first ? [left, right] : [right, left];
  const end = early.first + early.lines.length;
  return late.first > end
    ? { ...early, isLast: false }
    : { first: early.first, lines: [...early.lines, ...late.lines.slice(end - late.first)], isLast };
}

/** Lines as the JSON of one row. */
interface Piece {
  json: string;
  count: number;
  bytes: number;
}

const encoder = new TextEncoder();

/** Lines as rows of bounded size. */
function piecesOf(lines: readonly LogLine[]): Piece[] {
  const pieces: Piece[] = [];
  let texts: string[] = [];
  let bytes = 0;
  const close = (): void => {
    if (texts.length > 0) {
      pieces.push({ json: `[${texts.join(",")}]`, count: texts.length, bytes: bytes + 1 });
    }
    texts = [];
    bytes = 0;
  };
  for (const line of lines) {
    const text = JSON.stringify(line);
    const size = encoder.encode(text).byteLength + 1;
    if (bytes + size + 1 > ROW_BYTES) {
      close();
    }
    texts.push(text);
    bytes += size;
  }
  close();
  return pieces;
}

/** Drops the first pieces of what is more than a whole log may have. Gives the number of their lines. */
function dropExcess(pieces: Piece[]): number {
  let bytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
  let dropped = 0;
  for (let piece = pieces[0]; piece !== undefined && bytes > LOG_BYTES; piece = pieces[0]) {
    pieces.shift();
    bytes -= piece.bytes;
    dropped += piece.count;
  }
  return dropped;
}
