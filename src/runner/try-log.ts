/**
 * What a try logs and says of its progress, kept small and made JSON: it travels with heartbeats and the report, and
 * nothing a handler logs may keep its result, or that of a task beside it, from arriving.
 *
 * @module
 */
import { nestsDeeper } from "../engine/json-depth.ts";
import { LIMITS, type Json } from "../engine/spec.ts";
import type { LogChunk, LogLine, Progress } from "../engine/work.ts";
import { describeError, textOf } from "./outcome.ts";

/** Characters kept of one try, and in the whole isolate; older lines give way. */
const TRY_CHARS = 1024 * 1024;
const ISOLATE_CHARS = 32 * 1024 * 1024;
/** What a try keeps when the isolate is full, and of lines that its owner has already. */
const LEAST_CHARS = 64 * 1024;
const EVENT_CHARS = 2000;
const DATA_CHARS = 8 * 1024;
/** What a line takes beside its texts. */
const LINE_CHARS = 64;

/** Characters of logs that tries hold together. */
export class LogBudget {
  used = 0;
  readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }
}

const isolate = new LogBudget(ISOLATE_CHARS);

/**
 * The log of one try. Lines are numbered from the try's first, and kept until the owner has them; `discard` it when
 * nobody needs them any more.
 */
export class TryLog {
  readonly #budget: LogBudget;
  #lines: LogLine[] = [];
  #sizes: number[] = [];
  #chars = 0;
  /** Number of the first line that is kept, and of the first that the owner has not confirmed. */
  #first: number;
  #unshipped: number;
  /** Characters of lines that are kept although the owner has them. */
  #shippedChars = 0;
  #isOver = false;

  /** @param from Number of the first line: more than 0 for a try that was rescheduled and goes on. */
  constructor(from = 0, budget: LogBudget = isolate) {
    this.#budget = budget;
    this.#first = from;
    this.#unshipped = from;
  }

  /** Adds a line; `data` that is no JSON or too long becomes a text that says so. Nothing is added once the try is over. */
  add(timestamp: number, level: LogLine["level"], event: unknown, data: unknown): void {
    if (this.#isOver) {
      return;
    }
    const text = textOf(event, EVENT_CHARS);
    const json = data === undefined ? undefined : asJson(data);
    this.#lines.push({ timestamp, level, event: text, ...(json === undefined ? {} : { data: json }) });
    this.#count(LINE_CHARS + text.length + (json === undefined ? 0 : JSON.stringify(json).length));
    const most = this.#budget.used > this.#budget.limit ? LEAST_CHARS : TRY_CHARS;
    while (this.#chars > most && this.#lines.length > 1) {
      this.#drop();
    }
  }

  /** The lines that the owner has not confirmed yet. */
  pending(): LogChunk {
    const from = Math.max(this.#first, this.#unshipped);
    return { from, lines: this.#lines.slice(from - this.#first) };
  }

  /** The same, with as many of the lines before them as are still kept. */
  kept(): LogChunk {
    return { from: this.#first, lines: [...this.#lines] };
  }

  /** Characters of all that is kept. */
  get size(): number {
    return this.#chars;
  }

  /** The owner has every line before `next`. */
  confirm(next: number): void {
    for (let line = Math.max(this.#first, this.#unshipped); line < next; line += 1) {
      this.#shippedChars += this.#sizes[line - this.#first] ?? 0;
    }
    this.#unshipped = Math.max(this.#unshipped, next);
    while (this.#shippedChars > LEAST_CHARS) {
      this.#drop();
    }
  }

  /** The try is over: a handler that outlives its timeout adds nothing to what is reported. */
  end(): void {
    this.#isOver = true;
  }

  /** Forgets everything. */
  discard(): void {
    this.#isOver = true;
    this.#budget.used -= this.#chars;
    this.#chars = 0;
    this.#shippedChars = 0;
    this.#first += this.#lines.length;
    this.#lines = [];
    this.#sizes = [];
  }

  #count(size: number): void {
    this.#sizes.push(size);
    this.#chars += size;
    this.#budget.used += size;
  }

  #drop(): void {
    const size = this.#sizes.shift() ?? 0;
    this.#lines.shift();
    this.#chars -= size;
    this.#budget.used -= size;
    if (this.#first < this.#unshipped) {
      this.#shippedChars -= size;
    }
    this.#first += 1;
  }
}

/** Progress as it may be stored, whatever the handler gave. Never throws. */
export function cleanProgress(said: unknown): Progress {
  try {
    const { step, fraction, data } = (said ?? {}) as Partial<Record<keyof Progress, unknown>>;
    return {
      ...(typeof step !== "string" ? {} : { step: textOf(step, EVENT_CHARS) }),
      ...(typeof fraction === "number" && Number.isFinite(fraction)
        ? { fraction: Math.min(1, Math.max(0, fraction)) }
        : {}),
      ...(data === undefined ? {} : { data: asJson(data) }),
    };
  } catch {
    // Reading one of the fields throws.
    return {};
  }
}

/** The value as JSON; what is none, nests too deep or is too long becomes a text that says so. */
function asJson(value: unknown): Json {
  try {
    const text: unknown = JSON.stringify(value);
    if (typeof text !== "string") {
      return `(no JSON: ${typeof value})`;
    }
    if (text.length > DATA_CHARS) {
      return `${textOf(text, DATA_CHARS)}… (${text.length} characters)`;
    }
    return nestsDeeper(text, LIMITS.valueDepth)
      ? `(no JSON: more than ${LIMITS.valueDepth} levels of nesting)`
      : (JSON.parse(text) as Json);
  } catch (error) {
    return `(no JSON: ${describeError(error).message})`;
  }
}
