/**
 * The sweeper's round: every DAG's object is woken, which arms its alarm for whatever is due, should that have been lost.
 *
 * @module
 */
import { openCatalog, openDag, type ObjectEnv } from "./env.ts";

/** Objects woken at a time. */
const AT_A_TIME = 50;

/** Wakes the DAGs of the code and those that were registered. One that cannot be woken does not keep the others asleep. */
export async function wakeDags(env: ObjectEnv, dagsOfCode: Iterable<string>): Promise<void> {
  await wakeAll(env, [...dagsOfCode]);
  await wakeAll(env, await openCatalog(env).list());
}

async function wakeAll(env: ObjectEnv, dagIds: readonly string[]): Promise<void> {
  for (let first = 0; first < dagIds.length; first += AT_A_TIME) {
    const some = dagIds.slice(first, first + AT_A_TIME);
    // One group after the other: all at once would be as many open connections.
    // oxlint-disable-next-line no-await-in-loop
    const answers = await Promise.allSettled(some.map((dagId) => openDag(env, dagId).describe()));
    for (const [index, answer] of answers.entries()) {
      if (answer.status === "rejected") {
        console.warn({ event: "wake_failed", dag_id: some[index], error: String(answer.reason) });
      }
    }
  }
}
