/**
 * Lines of a log as answers show them: Airflow's structured messages, as JSON or as text that a terminal may print.
 *
 * @module
 */
import type { LogPage } from "../engine/objects.ts";
import type { LogLine } from "../engine/work.ts";

/** One message: `event` and `level`, mostly `timestamp` and `logger`, and whatever the handler added. */
export type LogEntry = Record<string, unknown> & { event: string; level: string };

/** Fields that a handler's data cannot take the place of. */
const OWN_FIELDS: ReadonlySet<string> = new Set(["timestamp", "event", "level", "logger"]);

/** Who writes what no handler wrote. */
const OURS = "jobbers";

/** What stands at the beginning of every log in Airflow: where it comes from. */
export function headEntries({ hostname }: LogPage): LogEntry[] {
  const sources = hostname === null ? [] : [hostname];
  return [
    { event: "::group::Log message source details", level: "info", sources },
    { event: "::endgroup::", level: "info" },
  ];
}

/** The messages of a page: what is missing before its lines, the lines, and at the end why the try failed. */
export function pageEntries({ dropped, lines, error }: LogPage): LogEntry[] {
  const entries: LogEntry[] = [];
  if (dropped > 0) {
    const event = `${dropped} line${dropped === 1 ? " is" : "s are"} missing here: a log keeps its last megabyte`;
    entries.push({ event, level: "warning", logger: OURS });
  }
  for (const line of lines) {
    entries.push(lineEntry(line));
  }
  if (error !== null) {
    const detail = { exc_type: error.type, exc_value: error.message, frames: [] };
    const event = `Task failed with ${error.type}: ${error.message}`;
    entries.push({ event, level: "error", logger: OURS, error_detail: [detail] });
  }
  return entries;
}

function lineEntry({ timestamp, level, event, data }: LogLine): LogEntry {
  return { timestamp: isoOf(timestamp), event, level, logger: "task", ...fieldsOf(data) };
}

/** A time with its milliseconds, so that all lines of a log are as wide; a worker's clock may say anything. */
function isoOf(epochMs: number): string | null {
  const date = new Date(epochMs);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** An object's fields stand beside the message's own, unless they would replace one; anything else is `data`. */
function fieldsOf(data: LogLine["data"]): Record<string, unknown> {
  if (data === undefined) {
    return {};
  }
  const stands =
    data !== null &&
    typeof data === "object" &&
    !Array.isArray(data) &&
    !Object.keys(data).some((name) => OWN_FIELDS.has(name));
  return stands ? data : { data };
}

/** One message per line, as JSON. */
export function asJsonLines(entries: readonly LogEntry[]): string {
  return entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
}

/** One message per line, to be read: `[2026-01-31T06:00:00.000Z] INFO - fetched rows=42`. */
export function asText(entries: readonly LogEntry[]): string {
  return entries.map((entry) => `${textOf(entry)}\n`).join("");
}

function textOf({ timestamp, event, level, logger, error_detail: _detail, ...rest }: LogEntry): string {
  const fields = Object.entries(rest).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`);
  // The marks of a group are for tools that fold it, and those look at the beginning of the line.
  const head =
    logger === undefined ? "" : `${typeof timestamp === "string" ? `[${timestamp}] ` : ""}${level.toUpperCase()} - `;
  return plain(head + event + fields.join(""));
}

// What moves a terminal's cursor, colours it, or begins another line.
// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000A-\u001F\u007F-\u009F\u2028\u2029]/g;

/** Text without control characters but tabs: they are written as JSON writes them. */
function plain(text: string): string {
  return text.replace(CONTROLS, (character) =>
    character === "\n" ? "\\n" : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
