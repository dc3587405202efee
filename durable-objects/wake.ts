/**
 * The sweeper's round, once a minute: wakes the objects that are late, see `engine/watch.ts`, and takes away names of pools whose
 * making or deletion was cut. An object that has nothing to do is not touched.
 *
 * @module
 */
import { ledgerName } from "../src/engine/permits/names.ts";
import { HALF_MADE_MS, type PoolName } from "../src/engine/permits/pool-names.ts";
import { toWake, type Watched } from "../src/engine/watch.ts";
import { openCatalog, openDag, openPool, type ObjectEnv } from "./env.ts";

/** Objects woken at a time. */
const AT_A_TIME = 50;

/** @param specHashes Of the DAGs of the code, by their ids. */
export async function wakeLate(env: ObjectEnv, specHashes: ReadonlyMap<string, string>): Promise<void> {
  const catalog = openCatalog(env);
  const late = toWake(await catalog.watched(), specHashes, Date.now());
  const swept: Watched[] = [];
  await eachOf(late, async (entry) => {
    swept.push({ ...entry, due_at: await wake(env, entry.name) });
  });
  if (swept.length > 0) {
    await catalog.swept(swept);
  }
  const now = Date.now();
  const halfMade = (await catalog.listPools()).filter(({ added_at }) => isDoubtful(added_at, now));
  await eachOf(halfMade, (pool) => forgetHalfMade(env, pool, now));
}

/** Wakes an object; gives when it has something to do next, or null. */
async function wake(env: ObjectEnv, name: string): Promise<number | null> {
  return isPool(name) ? openPool(env, name).wake() : openDag(env, name).wake();
}

/** Neither ids of DAGs nor names of bulk submissions look like those of pools. */
function isPool(name: string): boolean {
  return name.startsWith(ledgerName("pool", ""));
}

/** Old enough to have been made by now, and not so old that it was looked at before. */
function isDoubtful(addedAt: number, now: number): boolean {
  return addedAt < now - HALF_MADE_MS && addedAt > now - LOOKED_AT_FOR_MS;
}

/** For how long after a name was put down the sweeper looks whether there is such a pool. */
const LOOKED_AT_FOR_MS = HALF_MADE_MS + 600_000;

async function forgetHalfMade(env: ObjectEnv, pool: PoolName, now: number): Promise<void> {
  const answer = await openPool(env, ledgerName("pool", pool.name)).describe();
  if (!answer.ok && answer.refusal.code === "not_found" && pool.added_at < now - HALF_MADE_MS) {
    await openCatalog(env).removePool(pool);
  }
}

async function eachOf<T extends { name: string }>(
  items: readonly T[],
  act: (item: T) => Promise<unknown>,
): Promise<void> {
  for (let first = 0; first < items.length; first += AT_A_TIME) {
    const some = items.slice(first, first + AT_A_TIME);
    // One group after the other: all at once would be as many open connections.
    // oxlint-disable-next-line no-await-in-loop
    const answers = await Promise.allSettled(some.map((item) => act(item)));
    for (const [index, { name }] of some.entries()) {
      const answer = answers[index];
      if (answer?.status === "rejected") {
        console.warn({ event: "wake_failed", name, error: String(answer.reason) });
      }
    }
  }
}
