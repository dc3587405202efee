/**
 * When the runtime is killed: at random, and again at the same moments with the seed that a run prints:
 * `CHAOS_SEED=1234 npm run test:chaos`.
 *
 * @module
 */
import { inject } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    chaosSeed: number;
  }
}

const seed = inject("chaosSeed");
console.log(`chaos: CHAOS_SEED=${seed} kills at the same moments again`);

/** One moment in each span of milliseconds. The same ones in every file of a run with one seed. */
export function momentsIn(spans: readonly (readonly [from: number, to: number])[]): number[] {
  const roll = dice(seed);
  return spans.map(([from, to]) => Math.round(from + roll() * (to - from)));
}

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
function dice(from: number): () => number {
  let state = from >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
