/**
 * What a task's own limits come to for one input: which ledger of permits it needs a slot of, and which rate limit a time of.
 *
 * @module
 */
import type { RateRule } from "../engine/permits/gcra.ts";
import { ledgerName } from "../engine/permits/names.ts";
import { durationSeconds, type Duration } from "./duration.ts";
import type { AnyTaskDefinition } from "./task.ts";

/** Characters a key may have, together with its scope. */
const MAX_KEY_LENGTH = 500;
/** And bytes: an object of a longer name does not know it. */
const MAX_KEY_BYTES = 1000;
/** Of which the scope may have so many, which leaves some to the key. */
const MAX_SCOPE_LENGTH = 400;

/** The limits that one task instance or job is under. */
export interface KeyedLimits {
  /** One slot of this ledger of `limit`. */
  concurrency: { ledger: string; limit: number } | null;
  /** A start of this rate limit. */
  rate: { limiter: string; rule: RateRule } | null;
}

/**
 * The limits of a task for an input, which is made only if a key is read from it.
 *
 * @throws Error if a key cannot be made: its function throws, or gives no text of 1 to 500 characters.
 */
export function limitsOf({ id, limits }: AnyTaskDefinition, input: () => unknown): KeyedLimits {
  const { concurrency, rateLimit } = limits ?? {};
  return {
    concurrency:
      concurrency === undefined
        ? null
        : { ledger: ledgerName("key", keyOf("concurrency", id, concurrency, input)), limit: concurrency.limit },
    rate:
      rateLimit === undefined
        ? null
        : {
            limiter: ledgerName("key", keyOf("rateLimit", id, rateLimit, input)),
            rule: {
              limit: rateLimit.limit,
              perMs: Math.round(durationSeconds(rateLimit.per) * 1000),
              ...(rateLimit.burst === undefined ? {} : { burst: rateLimit.burst }),
            },
          },
  };
}

/** What is wrong with a task's limits, whatever the input. */
export function limitProblems({ limits }: AnyTaskDefinition): { where: string; message: string }[] {
  const problems: { where: string; message: string }[] = [];
  const whole = (where: string, value: number): void => {
    if (!Number.isSafeInteger(value) || value < 1 || value > 1_000_000) {
      problems.push({ where, message: `expected an integer from 1 to 1000000, got ${String(value)}` });
    }
  };
  for (const option of ["concurrency", "rateLimit"] as const) {
    const limit = limits?.[option];
    if (limit !== undefined) {
      whole(`${option}.limit`, limit.limit);
      problems.push(...keyProblems(option, limit));
    }
  }
  if (limits?.rateLimit !== undefined) {
    whole("rateLimit.burst", limits.rateLimit.burst ?? 1);
    try {
      const seconds = durationSeconds(limits.rateLimit.per);
      if (seconds < 0.001 || seconds > 86_400) {
        problems.push({ where: "rateLimit.per", message: `expected 1 ms to 1 day, got ${seconds} s` });
      }
    } catch (error) {
      problems.push({ where: "rateLimit.per", message: error instanceof Error ? error.message : String(error) });
    }
  }
  return problems;
}

/** Tasks that share a scope and say different things of it: whoever asked last would set the limit for all. */
export function scopeProblems(tasks: Iterable<AnyTaskDefinition>): string[] {
  const first = new Map<string, { id: string; text: string }>();
  const problems: string[] = [];
  for (const { id, limits } of tasks) {
    for (const option of ["concurrency", "rateLimit"] as const) {
      const limit = limits?.[option];
      if (limit === undefined) {
        continue;
      }
      const scope = limit.scope ?? id;
      const text = "per" in limit ? rateText(limit) : String(limit.limit);
      const known = first.get(`${option} ${scope}`);
      if (known === undefined) {
        first.set(`${option} ${scope}`, { id, text });
      } else if (known.text !== text) {
        problems.push(
          `task "${id}", ${option}: expected the limit that task "${known.id}" gives the scope "${scope}" (${known.text}), got ${text}`,
        );
      }
    }
  }
  return problems;
}

function rateText({ limit, per, burst = 1 }: { limit: number; per: Duration; burst?: number }): string {
  try {
    return `${limit} per ${durationSeconds(per)} s, burst ${burst}`;
  } catch {
    return `${limit} per ${String(per)}, burst ${burst}`;
  }
}

/** Code may come without types. */
function keyProblems(
  option: string,
  { key, scope }: { key?: unknown; scope?: unknown },
): { where: string; message: string }[] {
  const problems: { where: string; message: string }[] = [];
  if (key !== undefined && typeof key !== "function") {
    problems.push({ where: `${option}.key`, message: `expected a function, got ${typeof key}` });
  }
  // A colon ends the scope where it is put before a key.
  const isText = typeof scope === "string" && /^[^:]+$/u.test(scope) && scope.length <= MAX_SCOPE_LENGTH;
  if (scope !== undefined && !isText) {
    const got = typeof scope === "string" ? JSON.stringify(scope.slice(0, MAX_SCOPE_LENGTH)) : typeof scope;
    const message = `expected text of 1 to ${MAX_SCOPE_LENGTH} characters without a colon, got ${got}`;
    problems.push({ where: `${option}.scope`, message });
  }
  return problems;
}

/** The author's function is named in what it throws. */
function callKey(option: string, id: string, limit: { key?(input: unknown): string }, input: () => unknown): unknown {
  const given = input();
  try {
    return limit.key?.(given);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${option}.key of task "${id}" threw: ${message}`, { cause: error });
  }
}

function keyOf(
  option: string,
  id: string,
  limit: { key?(input: unknown): string; scope?: string },
  input: () => unknown,
): string {
  const scope = limit.scope ?? id;
  if (limit.key === undefined) {
    return scope;
  }
  const key = callKey(option, id, limit, input);
  if (typeof key !== "string" || key === "" || scope.length + key.length > MAX_KEY_LENGTH) {
    const got = typeof key === "string" ? `${key.length} characters` : typeof key;
    throw new Error(
      `expected ${option}.key of task "${id}" to give text of 1 to ${MAX_KEY_LENGTH} characters, got ${got}`,
    );
  }
  // Half of a surrogate pair, as of text that was cut, is in no name.
  const name = `${scope}:${key}`.toWellFormed();
  const bytes = new TextEncoder().encode(name).length;
  if (bytes > MAX_KEY_BYTES) {
    throw new Error(
      `expected ${option}.key of task "${id}" to give text of at most ${MAX_KEY_BYTES} bytes with its scope, got ${bytes}`,
    );
  }
  return name;
}
