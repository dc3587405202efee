/**
 * The sweeper's round, once a minute: wakes the objects that are late, see `engine/watch.ts`. An object that has nothing to do is
 * not touched.
 *
 * @module
 */
import { isIntakeName } from "../src/engine/intake.ts";
import { ledgerName } from "../src/engine/permits/names.ts";
import type { Waking, Watched } from "../src/engine/watch.ts";
import { openCatalog, openDag, openIntakeNamed, openPool, type ObjectEnv } from "./env.ts";

const NEXT_SWEEP_MS = 60_000;
/** Objects woken at a time; what they answer is stored before the next ones are. */
const AT_A_TIME = 100;
/** Objects that one sweep wakes: with what it stores, half of the 10,000 subrequests an invocation has by default. */
const MOST_AT_ONCE = 5000;

/**
 * Wakes what is late, the latest first. What is beyond one sweep is left to the next one.
 *
 * @param specHashes Of the DAGs of the code, by their ids.
 */
export async function wakeLate(
  env: ObjectEnv,
  specHashes: ReadonlyMap<string, string>,
  most = MOST_AT_ONCE,
): Promise<void> {
  const catalog = openCatalog(env);
  const late = await catalog.toWake(specHashes, Date.now(), most);
  for (let first = 0; first < late.length; first += AT_A_TIME) {
    // One group after the other: a sweep that is cut off has stored what it did, and the next one begins behind it.
    // oxlint-disable-next-line no-await-in-loop
    const swept = await Promise.all(late.slice(first, first + AT_A_TIME).map((entry) => sweep(env, entry)));
    // oxlint-disable-next-line no-await-in-loop
    await catalog.swept(swept);
  }
  if (late.length === most) {
    console.warn({ event: "sweep_full", objects: late.length });
  }
}

/** Wakes one. One that cannot answer is woken again by the next sweep, after those that waited meanwhile. */
async function sweep(env: ObjectEnv, entry: Waking): Promise<Watched> {
  try {
    return { ...entry, due_at: await wake(env, entry.name) };
  } catch (error) {
    console.warn({ event: "wake_failed", name: entry.name, error: String(error) });
    return { ...entry, due_at: Date.now() + NEXT_SWEEP_MS };
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
