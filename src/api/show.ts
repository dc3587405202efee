/**
 * Values as error messages show them.
 *
 * @module
 */
const LONGEST = 80;

/** A value as JSON, cut to one short line; `nothing` for undefined. */
export function show(value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}… (${text.length} characters)` : text;
}
