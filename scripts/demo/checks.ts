/**
 * What the demo holds its results against. Nothing is a success because it was printed.
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";

/** One thing that had to be so. */
export interface Check {
  /** A sentence that is true if the check holds. */
  claim: string;
  holds: boolean;
  /** What was found instead; empty if it holds. */
  found: string;
}

/** Gathers checks; a check that fails does not stop the demo. */
export interface Checks {
  /** Checks that two values are equal, deeply. */
  equal(claim: string, actual: unknown, expected: unknown): void;
  isTrue(claim: string, condition: boolean, found: string): void;
  all(): readonly Check[];
}

/** Starts with no checks. */
export function gatherChecks(): Checks {
  const checks: Check[] = [];
  return {
    equal(claim, actual, expected) {
      const holds = isDeepStrictEqual(actual, expected);
      checks.push({ claim, holds, found: holds ? "" : `expected ${brief(expected)}, got ${brief(actual)}` });
    },
    isTrue(claim, condition, found) {
      checks.push({ claim, holds: condition, found: condition ? "" : found });
    },
    all: () => checks,
  };
}

const BRIEF = 200;

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= BRIEF ? text : `${text.slice(0, BRIEF)}…`;
}
