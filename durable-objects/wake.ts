/**
 * The sweeper's round, once a minute: wakes the objects that are late, see `engine/watch.ts`. An object that has nothing to do is
 * not touched.
 *
 * @module
 */
import { isIntakeName } from "../src/engine/intake.ts";
import { ledgerName } from "../src/engine/permits/names.ts";
import { toWake, type Watched } from "../src/engine/watch.ts";
import { openCatalog, openDag, openIntakeNamed, openPool, type ObjectEnv } from "./env.ts";

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
}

/** Wakes an object; gives when it has something to do next, or null. */
async function wake(env: ObjectEnv, name: string): Promise<number | null> {
  if (isIntakeName(name)) {
    return openIntakeNamed(env, name).wake();
  }
  return isPool(name) ? openPool(env, name).wake() : openDag(env, name).wake();
}

/** Neither ids of DAGs nor names of bulk submissions look like those of pools. */
function isPool(name: string): boolean {
  return name.startsWith(ledgerName("pool", ""));
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
