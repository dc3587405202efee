/**
 * Parts that the descriptions of routes share.
 *
 * @module
 */
import type { z } from "@hono/zod-openapi";
import { errorSchema } from "./errors.ts";

/** A JSON body, of a request or an answer. */
export function json<S extends z.ZodType>(schema: S, description: string) {
  return { content: { "application/json": { schema } }, description };
}

/** A JSON body that a request must have. */
export function body<S extends z.ZodType>(schema: S, description: string) {
  return { ...json(schema, description), required: true };
}

const REFUSALS = {
  400: json(errorSchema, "The request is malformed"),
  401: json(errorSchema, "No API key, a wrong one, or a missing or wrong signature"),
  403: json(errorSchema, "The caller's role may not do this"),
  404: json(errorSchema, "There is no such thing"),
  409: json(errorSchema, "It conflicts with what is there"),
  413: json(errorSchema, "It is too large"),
  415: json(errorSchema, "The body is not declared as what it must be, which is JSON"),
  429: json(errorSchema, "Too many of them: the header Retry-After says in how many seconds to try again"),
  422: json(errorSchema, "The request does not fit: a list of place, expectation and value"),
} as const;

/** Descriptions of the refusals a route may answer. */
export function refusals<const C extends keyof typeof REFUSALS>(...codes: C[]): Pick<typeof REFUSALS, C> {
  return Object.fromEntries(codes.map((code) => [code, REFUSALS[code]])) as Pick<typeof REFUSALS, C>;
}

/** Tells that a route needs no API key. */
export const PUBLIC: { [name: string]: string[] }[] = [];
