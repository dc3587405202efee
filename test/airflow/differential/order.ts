/**
 * In which order task instances end: of those that run, the one with the smallest hash. Both sides work it out alike.
 *
 * @module
 */

/** FNV-1a with 32 bits; `player.py` has the same. */
export function fnv(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  }
  return value;
}

/** A try of a task instance that runs. */
export interface RunningTry {
  runId: string;
  taskId: string;
  mapIndex: number;
  tryNumber: number;
}

/** The one of them that ends next. */
export function nextToEnd<T extends RunningTry>(salt: string, running: readonly T[]): T | undefined {
  const ranked = running.map((one) => {
    const name = `${one.runId}|${one.taskId}|${one.mapIndex}|${one.tryNumber}`;
    return { one, name, rank: fnv(`${salt}|${name}`) };
  });
  ranked.sort((a, b) => a.rank - b.rank || (a.name < b.name ? -1 : 1));
  return ranked[0]?.one;
}
