/**
 * Durations as authors write them.
 *
 * @module
 */

/** Units a duration may have. */
export type DurationUnit = "ms" | "s" | "m" | "h" | "d";

/** A number of seconds, or a number with its unit: `30`, `"30s"`, `"500ms"`, `"5m"`, `"1.5h"`, `"2d"`. */
export type Duration = number | `${number}${DurationUnit}`;

const SECONDS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };

/**
 * Seconds of a duration.
 *
 * @throws TypeError if it is neither a number of seconds nor a number with a unit, or if it is negative.
 *
 * @example
 * durationSeconds("5m"); // 300
 */
export function durationSeconds(duration: Duration): number {
  // Callers without types may hand in anything.
  const given: unknown = duration;
  const seconds = typeof given === "number" ? given : typeof given === "string" ? parse(given) : Number.NaN;
  if (!Number.isFinite(seconds) || seconds < 0) {
    const shown = typeof given === "string" ? `"${given}"` : String(given);
    throw new TypeError(
      `expected a duration as seconds or with a unit (30, "30s", "500ms", "5m", "1h", "2d"), got ${shown}`,
    );
  }
  return seconds;
}

function parse(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const factor = unit === undefined ? undefined : SECONDS[unit];
  return digits === undefined || factor === undefined ? Number.NaN : Number(digits) * factor;
}
