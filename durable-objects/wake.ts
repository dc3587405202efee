/**
 * The sweeper's round: every DAG's object is woken, which arms its alarm for whatever is due, should that have been lost; and so
 * is every pool's.
 *
 * @module
 */
import { ledgerName } from "../src/engine/permits/names.ts";
import { HALF_MADE_MS, type PoolName } from "../src/engine/permits/pool-names.ts";
import { openCatalog, openDag, openPool, type ObjectEnv } from "./env.ts";

/** Objects woken at a time. */
const AT_A_TIME = 50;

/** Wakes the DAGs of the code, those that were registered, and the pools. One that cannot be woken keeps no other asleep. */
export async function wakeAll(env: ObjectEnv, dagsOfCode: Iterable<string>): Promise<void> {
  const catalog = openCatalog(env);
  await wakeDags(env, [...dagsOfCode]);
  await wakeDags(env, await catalog.list());
  await eachOf(
    await catalog.listPools(),
    (pool) => wakePool(env, pool),
    ({ name }) => ({ pool: name }),
  );
}

async function wakeDags(env: ObjectEnv, dagIds: readonly string[]): Promise<void> {
  await eachOf(
    dagIds,
    (dagId) => openDag(env, dagId).describe(),
    (dagId) => ({ dag_id: dagId }),
  );
}

/** Wakes a pool, or takes away its name if its making or deletion was cut long ago. */
async function wakePool(env: ObjectEnv, pool: PoolName): Promise<void> {
  const now = Date.now();
  const answer = await openPool(env, ledgerName("pool", pool.name)).describe();
  if (!answer.ok && answer.refusal.code === "not_found" && pool.added_at < now - HALF_MADE_MS) {
    await openCatalog(env).removePool(pool);
  }
}

async function eachOf<T>(
  items: readonly T[],
  wake: (item: T) => Promise<unknown>,
  describe: (item: T) => Record<string, string>,
): Promise<void> {
  for (let first = 0; first < items.length; first += AT_A_TIME) {
    const some = items.slice(first, first + AT_A_TIME);
    // One group after the other: all at once would be as many open connections.
    // oxlint-disable-next-line no-await-in-loop
    const answers = await Promise.allSettled(some.map((item) => wake(item)));
    for (const [index, item] of some.entries()) {
      const answer = answers[index];
      if (answer?.status === "rejected") {
        console.warn({ event: "wake_failed", ...describe(item), error: String(answer.reason) });
      }
    }
  }
}
