/**
 * The folder in which an embedded server keeps everything: the objects' databases, the development key, and who uses it.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { endOrphan, noteRuntime } from "./runtime-record.ts";
import { describeFullDisk, describeLockFailure } from "./state-trouble.ts";

/** A state folder that this process alone uses until `release`. */
export interface StateFolder {
  path: string;
  /** Folder of the objects' databases. */
  resources: string;
  /** Notes which runtime writes here, so that one that outlives its parent is found by the next start. */
  noteRuntime(pid: number | null): void;
  release(): void;
}

/**
 * Opens a state folder, making it if it is not there. Throws, in a sentence that says which, if another server uses it,
 * its disk is full or its lock is garbled. A runtime left behind by a
 * server that was killed still holds the databases: it is ended first, which is safe because every answer it gave was
 * on disk before.
 */
export async function openStateFolder(path: string): Promise<StateFolder> {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  // One that was there before may be open to others.
  chmodSync(path, 0o700);
  const fullDisk = describeFullDisk(path);
  if (fullDisk !== null) {
    throw new Error(fullDisk);
  }
  const lock = takeLock(path);
  try {
    await endOrphan(path);
  } catch (error) {
    lock.close();
    throw error;
  }
  return {
    path,
    resources: join(path, "resources"),
    noteRuntime: (pid) => noteRuntime(path, pid),
    release() {
      lock.close();
    },
  };
}

/** A SQLite lock and not a file with a process id: the operating system frees it however the process ends. */
function takeLock(path: string): DatabaseSync {
  const file = join(path, "lock.sqlite");
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file);
    database.exec("BEGIN EXCLUSIVE");
    return database;
  } catch (error) {
    database?.close();
    throw new Error(describeLockFailure(path, file, error), { cause: error });
  }
}

/** The development key of a state folder, made on first use and readable by its owner alone. */
export function developmentKey(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const file = join(path, "api-key");
  if (existsSync(file)) {
    return readFileSync(file, "utf8").trim();
  }
  const key = `jobbers_dev_${randomBytes(24).toString("base64url")}`;
  writeFileSync(file, `${key}\n`, { mode: 0o600, flag: "wx" });
  return key;
}
