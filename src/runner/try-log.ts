/**
 * What a try logs and says of its progress, kept small and made JSON: it travels with the report, and nothing a handler
 * logs may keep its result, or that of a task beside it, from arriving.
 *
 * @module
 */
import type { Json } from "../engine/spec.ts";
import type { LogLine, Progress } from "../engine/work.ts";

/** Lines and characters kept of one try; older lines give way. */
const LINES_KEPT = 500;
const CHARS_KEPT = 64 * 1024;
const EVENT_CHARS = 2000;
const DATA_CHARS = 8 * 1024;

/** The log of one try. */
export class TryLog {
  readonly lines: LogLine[] = [];
  readonly #sizes: number[] = [];
  #chars = 0;

  add(timestamp: number, level: LogLine["level"], event: unknown, data: unknown): void {
    const text = String(event).slice(0, EVENT_CHARS);
    const json = data === undefined ? undefined : asJson(data);
    const size = text.length + (json === undefined ? 0 : JSON.stringify(json).length);
    this.lines.push({ timestamp, level, event: text, ...(json === undefined ? {} : { data: json }) });
    this.#sizes.push(size);
    this.#chars += size;
    while (this.lines.length > LINES_KEPT || this.#chars > CHARS_KEPT) {
      this.lines.shift();
      this.#chars -= this.#sizes.shift() ?? 0;
    }
  }
}

/** Progress as it may be stored, whatever the handler gave. */
export function cleanProgress(said: Progress): Progress {
  const { step, fraction, data } = said;
  return {
    ...(typeof step !== "string" ? {} : { step: step.slice(0, EVENT_CHARS) }),
    ...(typeof fraction === "number" && Number.isFinite(fraction)
      ? { fraction: Math.min(1, Math.max(0, fraction)) }
      : {}),
    ...(data === undefined ? {} : { data: asJson(data) }),
  };
}

/** The value as JSON; what is none, or too long, becomes a text that says so. */
function asJson(value: unknown): Json {
  try {
    const text: unknown = JSON.stringify(value);
    if (typeof text !== "string") {
      return `(no JSON: ${typeof value})`;
    }
    return text.length > DATA_CHARS
      ? `${text.slice(0, DATA_CHARS)}… (${text.length} characters)`
      : (JSON.parse(text) as Json);
  } catch (error) {
    return `(no JSON: ${error instanceof Error ? error.message : String(error)})`;
  }
}
