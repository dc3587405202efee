/**
 * What can be wrong with a state folder, in a sentence that says what and where: a full disk, garbled files.
 *
 * @module
 */
import { closeSync, existsSync, openSync, readdirSync, readSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Bytes that must be free: less is full, since one object's database with its log takes a hundred thousand. */
export const LEAST_FREE_BYTES = 1024 * 1024;
/** First bytes of every SQLite database. */
const MAGIC = "SQLite format 3\0";
/** What the runtime keeps of a class of objects: their names and alarms. */
const METADATA = "metadata.sqlite";
/** Garbled files that one sentence names. */
const NAMED_AT_MOST = 3;

/** Primary result codes of SQLite. */
const SQLITE = { busy: 5, locked: 6, full: 13, corrupt: 11, notADatabase: 26 } as const;

/** Says that the disk of a folder is full; null if it is not. */
export function describeFullDisk(path: string): string | null {
  const { bavail, bsize } = statfsSync(path);
  const free = bavail * bsize;
  return free >= LEAST_FREE_BYTES
    ? null
    : `the disk of ${path} is full: ${Math.floor(free / 1024)} KB are left, ${LEAST_FREE_BYTES / 1024} KB are the least; make room, or choose another folder with --state`;
}

/** What it means that the lock of a state folder cannot be taken. */
export function describeLockFailure(folder: string, file: string, error: unknown): string {
  const code = resultCode(error);
  if (code === SQLITE.busy || code === SQLITE.locked) {
    return `the state folder ${folder} is used by another server: stop that one, or choose another with --state`;
  }
  if (code === SQLITE.notADatabase || code === SQLITE.corrupt) {
    return `${file} is garbled: it holds nothing, so delete it and start again`;
  }
  const message = error instanceof Error ? error.message : String(error);
  return describeFullDisk(folder) ?? `${file} cannot be opened: ${message}`;
}

/** SQLite's primary result code of an error, without the extension in its upper bits; null if it is no error of SQLite. */
function resultCode(error: unknown): number | null {
  const code: unknown = error instanceof Error ? Reflect.get(error, "errcode") : null;
  return typeof code === "number" ? code % 256 : null;
}

/** Says whether a line of the runtime's log is about a disk without room. */
export function isAboutFullDisk(line: string): boolean {
  return /SQLITE_FULL|ENOSPC/.test(line);
}

/** Says whether a line of the runtime's log is about a database that is none, or is damaged. */
export function isAboutGarbledFile(line: string): boolean {
  return /SQLITE_(NOTADB|CORRUPT)/.test(line);
}

/** Names the garbled databases below a folder and says what to do; null if none is found. */
export function describeGarbledFiles(folder: string): string | null {
  const garbled = garbledFiles(folder);
  if (garbled.length === 0) {
    return null;
  }
  const names = garbled.slice(0, NAMED_AT_MOST).join(", ");
  const more = garbled.length > NAMED_AT_MOST ? ` and ${garbled.length - NAMED_AT_MOST} more` : "";
  const remedy = garbled.every((file) => file.endsWith(METADATA))
    ? "it holds alarms; stop the server, move it away and start again: the sweep wakes what is late, a standalone job wakes when it is asked for"
    : "stop the server and restore it from a copy, or move it away, which loses what that object stored";
  return `${names}${more} ${garbled.length === 1 ? "is" : "are"} garbled (no SQLite database, or a damaged one): ${remedy}`;
}

/** Databases below a folder that are not what they should be. Of an object's database only the beginning is looked at. */
function garbledFiles(folder: string): string[] {
  if (!existsSync(folder)) {
    return [];
  }
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".sqlite"))
    .map((name) => join(folder, name))
    .filter((file) => !hasMagic(file) || (file.endsWith(METADATA) && !isSound(file)));
}

/** An empty file is a database without a table. */
function hasMagic(file: string): boolean {
  const descriptor = openSync(file, "r");
  try {
    const head = Buffer.alloc(MAGIC.length);
    const length = readSync(descriptor, head, 0, head.length, 0);
    return length === 0 || head.toString("latin1") === MAGIC;
  } finally {
    closeSync(descriptor);
  }
}

function isSound(file: string): boolean {
  try {
    const database = new DatabaseSync(file, { readOnly: true });
    try {
      return database.prepare("PRAGMA quick_check(1)").get()?.["quick_check"] === "ok";
    } finally {
      database.close();
    }
  } catch {
    return false;
  }
}

/** An error of the start as a sentence about the state folder, if that is what is wrong; else as it is. */
export function explainStartFailure(error: unknown, folder: string): Error {
  const cause = error instanceof Error ? error : new Error(String(error));
  const trouble = describeFullDisk(folder) ?? (isAboutGarbledFile(cause.message) ? describeGarbledFiles(folder) : null);
  return trouble === null ? cause : new Error(trouble, { cause });
}
