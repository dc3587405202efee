/**
 * The one shape of errors, Airflow's: `{"detail": string | list}`, and the one place where anything thrown becomes one.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Refusal, Result } from "../engine/objects.ts";
import type { AppEnv } from "./env.ts";
import { syntaxErrorOf } from "./json-text.ts";
import { isPlatformError } from "../engine/platform-errors.ts";
import { show } from "./show.ts";

/** One thing wrong with a request: where, what was expected and what came. */
export interface Problem {
  loc: (string | number)[];
  msg: string;
  type: string;
  input?: unknown;
}

/** Body of every error. */
export const errorSchema = z
  .object({
    detail: z.union([
      z.string(),
      z.array(
        z.object({
          loc: z.array(z.union([z.string(), z.number()])),
          msg: z.string(),
          type: z.string(),
          input: z.unknown().optional(),
        }),
      ),
    ]),
  })
  .openapi("Error");

/** An answer other than success. Thrown anywhere below a route, made into a response by `respondToError`. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: ContentfulStatusCode,
    readonly detail: string | Problem[],
    readonly headers: Record<string, string> = {},
  ) {
    super(typeof detail === "string" ? detail : detail.map(({ msg }) => msg).join("; "));
  }
}

/** A 404 with its reason. */
export function notFound(message: string): ApiError {
  return new ApiError(404, message);
}

/** A 422 about one place of the request; `message` says what was expected, what came is added. */
export function invalid(loc: (string | number)[], message: string, input: unknown, type = "value_error"): ApiError {
  return new ApiError(422, [problem(loc, message, input, type)]);
}

/** One entry of a 422; the value is shown in the message, and repeated as `input` if it is small. */
export function problem(loc: (string | number)[], message: string, input: unknown, type = "value_error"): Problem {
  const entry: Problem = { loc, msg: `${message}, got ${show(input)}`, type };
  return isSmall(input) ? { ...entry, input } : entry;
}

const STATUS = { not_found: 404, conflict: 409, invalid: 422, too_large: 413 } as const satisfies Record<
  Refusal["code"],
  ContentfulStatusCode
>;

/** The value of an object's answer. @throws ApiError with the status that its refusal maps to. */
export function unwrap<T>(result: Result<T>): T {
  if (result.ok) {
    return result.value;
  }
  throw refusalError(result.refusal);
}

/** The error that an object's refusal maps to. */
export function refusalError({ code, message, loc }: Refusal): ApiError {
  if (code === "invalid") {
    return new ApiError(422, [{ loc: loc ?? ["body"], msg: message, type: "value_error" }]);
  }
  return new ApiError(STATUS[code], message);
}

/** Makes a response of whatever was thrown. What was not foreseen is logged, and answered without its text. */
export async function respondToError(error: unknown, c: Context<AppEnv>): Promise<Response> {
  const known = await knownError(error, c);
  if (known !== null) {
    return c.json({ detail: known.detail }, known.status, known.headers);
  }
  console.error({
    event: "request_failed",
    request_id: c.get("requestId"),
    method: c.req.method,
    path: c.req.path,
    error,
  });
  if (isPlatformError(error)) {
    return c.json({ detail: "a part of the service is restarting or overloaded; try again" }, 503, {
      "Retry-After": "1",
    });
  }
  return c.json({ detail: `internal error; quote request id ${c.get("requestId")} to whoever runs this service` }, 500);
}

async function knownError(error: unknown, c: Context<AppEnv>): Promise<ApiError | null> {
  if (error instanceof ApiError) {
    return error;
  }
  if (!(error instanceof HTTPException) || error.status >= 500) {
    return null;
  }
  if (error.status === 415) {
    return unsupportedType(c.req.header("content-type"));
  }
  if (error.status === 400 && isJson(c.req.header("content-type"))) {
    return malformedJson(await c.req.text());
  }
  return new ApiError(error.status, error.message);
}

/** Says whether a body declares itself to be JSON of any kind. Media types have no case. */
export function isJson(contentType: string | undefined): boolean {
  return /json/i.test(contentType ?? "");
}

/** 415 for a body that does not say it is JSON. */
export function unsupportedType(contentType: string | undefined): ApiError {
  return new ApiError(
    415,
    `expected Content-Type application/json, got ${contentType === undefined ? "none" : show(contentType)}`,
  );
}

/** 400 for a body that is not JSON, naming the place. */
export function malformedJson(text: string): ApiError {
  const { message, position, line, column } = syntaxErrorOf(text);
  const place = `at position ${position} (line ${line}, column ${column})`;
  return new ApiError(400, [
    { loc: ["body", position], msg: `malformed JSON: ${message} ${place}`, type: "json_invalid" },
  ]);
}

const SMALL = 200;

function isSmall(input: unknown): boolean {
  return input !== undefined && (JSON.stringify(input)?.length ?? Infinity) <= SMALL;
}
