/**
 * The calls of a `Dag` object to rate limits.
 *
 * @module
 */
import type { RateRule } from "../../src/engine/permits/gcra.ts";
import { MAX_IDS } from "../../src/engine/permits/reservations.ts";
import { openRateLimiter, type ObjectEnv } from "../env.ts";

/**
 * Asks each rate limit for the times of its ids, and gives the latest time of each id, in epoch milliseconds.
 *
 * @throws Error if one does not answer.
 */
export async function reserveTimes(
  env: ObjectEnv,
  limiters: ReadonlyMap<string, { rule: RateRule; ids: string[] }>,
): Promise<Map<string, number>> {
  const times = new Map<string, number>();
  const calls = [...limiters].flatMap(([limiter, { rule, ids }]) =>
    chunks(ids, MAX_IDS).map(async (part) => {
      const given = await openRateLimiter(env, limiter).reserve(part, rule);
      for (const [place, id] of part.entries()) {
        times.set(id, Math.max(times.get(id) ?? 0, given[place] ?? 0));
      }
    }),
  );
  await Promise.all(calls);
  return times;
}

/** Gives times back and slows keys down. What does not arrive is only logged: a time that is not used is lost to the others. */
export async function adjustRates(
  env: ObjectEnv,
  dagId: string,
  cancellations: ReadonlyMap<string, string[]>,
  slowDowns: readonly { limiter: string; until: number }[],
): Promise<void> {
  try {
    await Promise.all([
      ...[...cancellations].map(([limiter, ids]) => openRateLimiter(env, limiter).cancel(ids)),
      ...slowDowns.map(({ limiter, until }) => openRateLimiter(env, limiter).slowDown(until)),
    ]);
  } catch (error) {
    console.warn({ event: "rate_limit_not_reached", dag_id: dagId, error: String(error) });
  }
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
