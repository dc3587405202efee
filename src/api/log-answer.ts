/**
 * Answers with a log: a page of it as JSON, all of it as lines, or a stream that follows it until its try is over.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { accepts } from "hono/accepts";
import type { LogPage, Result } from "../engine/objects.ts";
import { service } from "../isolate/service.ts";
import type { AppEnv } from "./env.ts";
import { ApiError, unwrap } from "./errors.ts";
import { asJsonLines, asText, headEntries, pageEntries, type LogEntry } from "./log-entries.ts";
import { booleanQuery } from "./query.ts";
import { refusals } from "./responses.ts";
import { byteStream } from "./run-stream.ts";
import { stableUuid } from "./stable-uuid.ts";

/** Milliseconds that one call waits for further lines. */
const WAIT_MS = 25_000;
/** Milliseconds that one stream follows a log, and calls it may make: a request of a Worker may make only so many. */
const FOLLOW_MS = 10 * 60_000;
const MAX_LOOKS = 800;
/** Pages of a whole log: a few, unless it grows faster than it is read. */
const MAX_PAGES = 20;

// Not a literal type: the framework takes such types that end in "json" for one JSON value.
const NDJSON: string = "application/x-ndjson";
const TEXT: string = "text/plain";
const JSON_TYPE = "application/json";

/** Reads a log from line `from` on; see `DagObject.readLog`. */
export type ReadLog = (from: number, waitMs: number) => Promise<Result<LogPage>>;

export const logQuery = z.object({
  full_content: booleanQuery.openapi({ description: "All of it at once, and not in pages" }),
  token: z
    .string()
    .max(100, "expected a continuation_token")
    .optional()
    .openapi({ description: "The `continuation_token` of the last answer" }),
  follow: booleanQuery.openapi({
    description: "Go on sending lines, as text or as lines of JSON, until the try is over, at most for ten minutes",
  }),
});

const messageSchema = z
  .looseObject({
    timestamp: z.string().nullable().optional().openapi({ format: "date-time" }),
    event: z.string(),
    level: z.string(),
    logger: z.string().optional(),
  })
  .openapi("StructuredLogMessage", { description: "A line, with the fields of the data it was logged with" });

const logSchema = z
  .object({
    content: z.array(messageSchema),
    continuation_token: z.string().nullable().openapi({ description: "Null at the end of a try that is over" }),
  })
  .openapi("TaskInstancesLog");

/** What a route answers that answers with a log. */
export const logResponses = {
  200: {
    content: {
      [JSON_TYPE]: { schema: logSchema },
      [NDJSON]: { schema: z.string().openapi({ example: '{"event": "fetched", "level": "info", "rows": 42}\n' }) },
      [TEXT]: { schema: z.string().openapi({ example: "[2026-01-31T06:00:00.000Z] INFO - fetched rows=42\n" }) },
    },
    description: "A page of the log, or by `Accept` all of it, one message to a line",
  },
  ...refusals(400, 401, 404, 422),
};

/**
 * Answers with a log.
 *
 * @param name What tells this log from all others: a token of another log is refused.
 * @param now Epoch milliseconds.
 * @throws ApiError 400 for a token that is none.
 */
export async function answerLog(
  c: Context<AppEnv>,
  { full_content: isFull = false, token, follow = false }: z.output<typeof logQuery>,
  name: readonly (string | number)[],
  read: ReadLog,
  now: () => number,
): Promise<Response> {
  const place = token === undefined || token === "" ? { from: 0, isFull } : readToken(token, name);
  const type = accepts(c, { header: "Accept", supports: [JSON_TYPE, NDJSON, TEXT], default: JSON_TYPE });
  const write = type === TEXT ? asText : asJsonLines;
  const first = unwrap(await read(place.from, 0));
  const head = place.from === 0 ? headEntries(first) : [];
  if (follow) {
    const pieces = followed(first, head, write, read, now);
    return c.newResponse(byteStream(pieces), 200, headersOf(type === TEXT ? TEXT : NDJSON));
  }
  const isWhole = place.isFull || isFull || type !== JSON_TYPE;
  const pages = isWhole ? await allPages(first, read) : [first];
  const entries = [...head, ...pages.flatMap(pageEntries)];
  const last = pages.at(-1) ?? first;
  const next = last.isOver ? null : makeToken({ from: last.next, isFull: place.isFull || isFull }, name);
  if (type === JSON_TYPE) {
    return c.json({ content: entries, continuation_token: next }, 200);
  }
  const headers = { ...headersOf(type), ...(next === null ? {} : { "Airflow-Continuation-Token": next }) };
  return c.newResponse(write(entries), 200, headers);
}

function headersOf(type: string): Record<string, string> {
  return { "Content-Type": `${type}; charset=utf-8`, "Cache-Control": "no-store" };
}

async function allPages(first: LogPage, read: ReadLog): Promise<LogPage[]> {
  const pages = [first];
  for (let last = first; !last.isOver && last.lines.length > 0 && pages.length < MAX_PAGES;) {
    last = unwrap(await read(last.next, 0));
    pages.push(last);
  }
  return pages;
}

/** Pieces of a stream, the first of them at once. It ends with the try, when the time is up, or if the log is gone. */
async function* followed(
  first: LogPage,
  head: LogEntry[],
  write: (entries: readonly LogEntry[]) => string,
  read: ReadLog,
  now: () => number,
): AsyncGenerator<string, void, void> {
  const until = now() + FOLLOW_MS;
  let page = first;
  for (let looks = 0; ; looks += 1) {
    const entries = looks === 0 ? [...head, ...pageEntries(page)] : pageEntries(page);
    if (entries.length > 0) {
      yield write(entries);
    }
    if (page.isOver || looks === MAX_LOOKS || now() >= until || service.isStopping) {
      return;
    }
    const answer = await read(page.next, WAIT_MS).catch((error: unknown) => {
      // The answer has begun: all that can be done is to end it, and whoever follows asks again.
      console.warn({ event: "follow_ended", error: String(error) });
      return null;
    });
    if (answer === null || !answer.ok) {
      return;
    }
    page = answer.value;
  }
}

/** Where a reader goes on. */
interface Place {
  from: number;
  isFull: boolean;
}

const TOKEN = /^([0-9a-z]{1,9})-([pf])-([0-9a-f]{12})$/;

/** A token says where to go on; its check refuses what was not made here for this log. It guards nothing. */
function makeToken({ from, isFull }: Place, name: readonly (string | number)[]): string {
  const kind = isFull ? "f" : "p";
  return `${from.toString(36)}-${kind}-${stableUuid("log", kind, from, ...name).slice(-12)}`;
}

function readToken(token: string, name: readonly (string | number)[]): Place {
  const [, from = "", kind] = TOKEN.exec(token) ?? [];
  const place = { from: Number.parseInt(from, 36), isFull: kind === "f" };
  if (Number.isNaN(place.from) || makeToken(place, name) !== token) {
    throw new ApiError(400, "Bad Signature. Please use only the tokens provided by the API.");
  }
  return place;
}
