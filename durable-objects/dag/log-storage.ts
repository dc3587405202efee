/**
 * Logs of tries, as far as their reports brought them: what an adopted try shipped with its heartbeats lies in its job.
 *
 * @module
 */
import type { LogChunk } from "../../src/engine/work.ts";
import { LogChunks, type LogPart } from "../log-chunks.ts";
import type { Sql } from "./sql.ts";

/** The logs of one `Dag` object. A try is named by its run's sequence number, its task, map index and try number. */
export class LogStorage {
  readonly #chunks: LogChunks;

  constructor(sql: Sql) {
    this.#chunks = new LogChunks(sql, "task_log_chunk", ["dag_run_id", "task_id", "map_index", "try_number"]);
  }

  /** Stores lines that are not there yet; call inside a transaction. */
  save(id: number, taskId: string, mapIndex: number, tryNumber: number, chunk: LogChunk): void {
    this.#chunks.save([id, taskId, mapIndex, tryNumber], chunk);
  }

  read(id: number, taskId: string, mapIndex: number, tryNumber: number, from: number): LogPart {
    return this.#chunks.read([id, taskId, mapIndex, tryNumber], from);
  }

  /** The number after the last line. */
  end(id: number, taskId: string, mapIndex: number, tryNumber: number): number {
    return this.#chunks.end([id, taskId, mapIndex, tryNumber]);
  }
}
