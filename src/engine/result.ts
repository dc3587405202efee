/**
 * Answers of objects: a refusal is a value, because error classes do not survive RPC.
 *
 * @module
 */

/** Why an object refused a request. The API maps the code to a status: 404, 409, 422 or 400, 413. */
export interface Refusal {
  code: "not_found" | "conflict" | "invalid" | "too_large";
  /** What was expected, and what came. */
  message: string;
  /** Where, as a path into the request, e.g. `["body", "conf", "year"]`. */
  loc?: (string | number)[];
}

/** An answer or a refusal. */
export type Result<T> = { ok: true; value: T } | { ok: false; refusal: Refusal };

/** A refusal as a value. */
export function refuse<T>(code: Refusal["code"], message: string, loc?: (string | number)[]): Result<T> {
  return { ok: false, refusal: { code, message, ...(loc === undefined ? {} : { loc }) } };
}
