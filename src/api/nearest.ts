/**
 * Suggestions for names that were probably mistyped.
 *
 * @module
 */
const LONGEST = 64;

/** Up to `count` of `names`, those nearest to `name` first; names that are too far off are left out. */
export function nearest(name: string, names: Iterable<string>, count = 3): string[] {
  const wanted = name.slice(0, LONGEST).toLowerCase();
  const ranked: { candidate: string; distance: number }[] = [];
  for (const candidate of names) {
    const text = candidate.slice(0, LONGEST).toLowerCase();
    const distance = text.includes(wanted) && wanted.length > 2 ? 1 : editDistance(wanted, text);
    if (distance <= Math.max(2, Math.ceil(wanted.length / 2))) {
      ranked.push({ candidate, distance });
    }
  }
  ranked.sort((left, right) => left.distance - right.distance || (left.candidate < right.candidate ? -1 : 1));
  return ranked.slice(0, count).map(({ candidate }) => candidate);
}

/** `did you mean "a", "b"?`, or what there is, or nothing. */
export function suggestion(name: string, names: ReadonlyMap<string, unknown>): string {
  const near = nearest(name, names.keys());
  if (near.length > 0) {
    return `; did you mean ${near.map((text) => JSON.stringify(text)).join(", ")}?`;
  }
  return names.size === 0 ? "; none is registered" : "";
}

/** Levenshtein's distance: insertions, deletions and substitutions. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let line = 1; line <= left.length; line += 1) {
    const next = [line];
    for (let column = 1; column <= right.length; column += 1) {
      const substitute = (row[column - 1] ?? 0) + (left.charAt(line - 1) === right.charAt(column - 1) ? 0 : 1);
      next.push(Math.min(substitute, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
