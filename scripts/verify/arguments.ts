/**
 * The command line of `npm run verify:cloudflare`.
 *
 * @module
 */
import { parseArgs } from "node:util";

export const HELP = `npm run verify:cloudflare -- [options]

Deploys the product with probes to the Cloudflare account of \`wrangler login\`, as jobbers-verify, looks how the platform treats them, prints
one line of JSON per check, and deletes all that it made. Takes about an hour, and less than a dollar on the plan Workers Paid.

  --only 1,3     these checks alone
  --hint PLACE   where check 6 has objects made (weur)
  --keep         leave the Worker, its queues and its bucket there
  --dry-run      bundle, and say what would be done; needs no login and no network`;

/** What was asked for. */
export interface VerifyArguments {
  help: boolean;
  /** Numbers of the checks, ascending. */
  checks: number[];
  hint: string;
  keep: boolean;
  dryRun: boolean;
}

/**
 * Reads the command line.
 *
 * @param known Numbers of the checks that there are.
 * @throws Error that says what was expected.
 */
export function parseVerifyArguments(args: readonly string[], known: readonly number[]): VerifyArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string" },
      hint: { type: "string", default: "weur" },
      keep: { type: "boolean", default: false },
      "dry-run": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const { only, hint, keep, help, "dry-run": dryRun } = values;
  return { help, checks: only === undefined ? [...known] : parseOnly(only, known), hint, keep, dryRun };
}

function parseOnly(only: string, known: readonly number[]): number[] {
  const numbers = only.split(",").map((text) => (text.trim() === "" ? Number.NaN : Number(text)));
  if (!numbers.every((number) => known.includes(number))) {
    throw new Error(`--only: expected numbers of checks (${known.join(",")}), got ${JSON.stringify(only)}`);
  }
  return [...new Set(numbers)].toSorted((left, right) => left - right);
}
