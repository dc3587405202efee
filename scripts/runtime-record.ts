/**
 * The record of the runtime that uses a state folder, by which the next start finds one that outlived its server.
 *
 * @module
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { isRuntime, killAndWait, startOf } from "./processes.ts";

const RECORD = "runtime.json";

/** An id is used again when its process is gone; together with the start it is one process for good. */
const recordSchema = z.object({ pid: z.int().positive(), started_at: z.string() });

/** Notes the process that is the runtime of a state folder now; null takes the note away. */
export function noteRuntime(folder: string, pid: number | null): void {
  const file = join(folder, RECORD);
  const startedAt = pid === null ? null : startOf(pid);
  if (pid === null || startedAt === null) {
    rmSync(file, { force: true });
    return;
  }
  // Renamed into its place, so that a server killed at this moment leaves a whole record.
  const record: z.infer<typeof recordSchema> = { pid, started_at: startedAt };
  try {
    writeFileSync(`${file}.new`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  } catch (error) {
    // A full disk must not end a server: without the record only a start after a kill would miss the runtime.
    console.warn(`${file} cannot be written: ${String(error)}`);
  }
}

/**
 * Ends the runtime that a killed server left behind on a state folder, if it still runs. Only a process with the
 * recorded id, the recorded start and the command of a runtime is ended. Safe, because every answer it gave was on disk.
 *
 * @throws Error if it does not end.
 */
export async function endOrphan(folder: string): Promise<void> {
  const record = readRecord(join(folder, RECORD));
  if (record !== null && startOf(record.pid) === record.started_at && isRuntime(record.pid)) {
    await killAndWait(record.pid);
  }
}

function readRecord(file: string): z.infer<typeof recordSchema> | null {
  if (!existsSync(file)) {
    return null;
  }
  try {
    return recordSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    console.warn(`${file} is not readable, so a runtime that a killed server left behind would not be found.`);
    return null;
  }
}
