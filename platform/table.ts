/**
 * The table of limits as the documents show it.
 *
 * @module
 */
import { LIMITS } from "./limits.ts";

/** One row of Markdown for each limit: name, figure, what it bounds, what happens beyond it, page, date. */
export function limitRows(): string[] {
  return Object.entries(LIMITS).map(
    ([name, { value, what, beyond, page, asOf }]) =>
      `| \`${name}\` | ${value.toLocaleString("en-US")} | ${what} | ${beyond} | ${page} | ${asOf} |`,
  );
}
