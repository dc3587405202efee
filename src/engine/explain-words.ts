/**
 * How sentences that say why are put: lengths of time, lists of names, capital letter and full stop.
 *
 * @module
 */

/** Milliseconds as seconds with at most one decimal: "6 s", "3.2 s". Never below 0. */
export function inSeconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 100) / 10)} s`;
}

/** A time with how long it is until then: "2026-01-01T00:00:30.000Z, in 30 s". */
export function whenAndIn(at: number, now: number): string {
  return `${new Date(at).toISOString()}, in ${inSeconds(at - now)}`;
}

/** Names in a row, of which the first few are given: "a, b and 3 more". */
export function listed(names: readonly string[], most = 3, total: number = names.length): string {
  const shown = names.slice(0, most);
  const more = total - shown.length;
  const parts = more > 0 ? [...shown, `${more} more`] : shown;
  return parts.length > 1 ? `${parts.slice(0, -1).join(", ")} and ${parts.at(-1) ?? ""}` : (parts[0] ?? "");
}

/** A name as code. */
export function code(name: string): string {
  return `\`${name}\``;
}

/** "1 slot", "2 slots". */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** The text with a capital letter at the beginning and a full stop. */
export function asSentence(text: string): string {
  const begun = text.slice(0, 1).toUpperCase() + text.slice(1);
  return /[.!?]$/u.test(begun) ? begun : `${begun}.`;
}
