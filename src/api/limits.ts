/**
 * Limits on what a request may carry, applied before anything else reads it.
 *
 * @module
 */
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import type { AppEnv } from "./env.ts";
import { ApiError, isJson } from "./errors.ts";
import { MAX_DEPTH, tooDeepAt } from "./json-text.ts";

/** Bytes of a bulk submission. */
export const BULK_BODY_BYTES = 16 * 1024 * 1024;
/** Bytes of any other body. */
export const BODY_BYTES = 1024 * 1024;
/** Bytes of one task's payload or one run's conf, as JSON: a page of 100 runs must fit one message of the platform. */
export const PAYLOAD_BYTES = 128 * 1024;
/** Bytes of the free data of one heartbeat, as JSON. */
export const PROGRESS_BYTES = 16 * 1024;

const BULK_PATH = "/tasks";

/** Characters of a request's address. */
export const URL_CHARACTERS = 16 * 1024;
/** Parameters of a request's query. */
export const QUERY_PARAMETERS = 500;

/** Refuses addresses that are too long, or have too many parameters. */
export const limitUrl = createMiddleware<AppEnv>(async (c, next) => {
  const { url } = c.req;
  if (url.length > URL_CHARACTERS) {
    throw new ApiError(414, `expected an address of at most ${URL_CHARACTERS} characters, got ${url.length}`);
  }
  // A shorter one cannot have too many.
  if (url.length > QUERY_PARAMETERS && url.split("&", QUERY_PARAMETERS + 1).length > QUERY_PARAMETERS) {
    const msg = `expected at most ${QUERY_PARAMETERS} parameters, got more`;
    throw new ApiError(422, [{ loc: ["query"], msg, type: "too_many" }]);
  }
  await next();
});

/** Refuses bodies that are too large. */
export const limitSize = createMiddleware<AppEnv>(async (c, next) => {
  const isBulk = c.req.path === BULK_PATH;
  const declared = c.req.header("content-length");
  if (declared === undefined || c.req.header("transfer-encoding") !== undefined) {
    return isBulk ? countBulk(c, next) : countOrdinary(c, next);
  }
  // The runtime holds senders to the length they declare, and to count again would cost a stream per request.
  const limit = isBulk ? BULK_BODY_BYTES : BODY_BYTES;
  if (!(Number(declared) <= limit)) {
    throw tooLarge(limit);
  }
  return next();
});

const countBulk = countBody(BULK_BODY_BYTES);
const countOrdinary = countBody(BODY_BYTES);

/** Refuses JSON that nests too deep for code that walks it recursively. Webhooks are read raw, by their route. */
export const limitDepth = createMiddleware<AppEnv>(async (c, next) => {
  if (isJson(c.req.header("content-type")) && !c.req.path.startsWith("/webhooks/")) {
    refuseTooDeep(await c.req.text());
  }
  await next();
});

/** @throws ApiError 422 naming the place at which `text` nests too deep. */
export function refuseTooDeep(text: string): void {
  const position = tooDeepAt(text);
  if (position !== -1) {
    const msg = `expected at most ${MAX_DEPTH} levels of nesting, got more at position ${position}`;
    throw new ApiError(422, [{ loc: ["body", position], msg, type: "too_deep" }]);
  }
}

const encoder = new TextEncoder();

/** Says whether `json` has more than `limit` bytes as UTF-8. Counts them only if its length leaves a doubt. */
export function exceedsBytes(json: string, limit: number): boolean {
  return json.length > limit || (json.length * 3 > limit && encoder.encode(json).byteLength > limit);
}

function countBody(maxSize: number): ReturnType<typeof bodyLimit> {
  return bodyLimit({
    maxSize,
    onError: () => {
      throw tooLarge(maxSize);
    },
  });
}

function tooLarge(limit: number): ApiError {
  return new ApiError(413, `expected a body of at most ${limit} bytes, got more`);
}
