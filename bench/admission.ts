/**
 * W10: what it costs a task instance to be admitted, against one that nothing limits. The limits have room for all, so that
 * nobody waits for anybody: what is left is the asking.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../scripts/client.ts";
import { ADMITTED, WIDE_POOL, WIDE_SLOTS } from "./dags.ts";
import { measure } from "./plan.ts";
import type { Plan } from "./plan.ts";
import { makePool, waitUntilEmpty } from "./pools.ts";
import { rowsOf } from "./rows.ts";
import { runMapped, timed } from "./workloads.ts";

const INSTANCES = 500;
/** A ledger is told of the last ends after the run is over. */
const STILL_MS = 100;

type Kind = keyof typeof ADMITTED;

/** Of one run, per task instance of its mapped task. */
interface Cost {
  ms: number;
  rows: number;
}

const LIMITED = ["local", "pool", "key"] as const satisfies Kind[];

/** Measures time and rows per task instance, of all kinds in turn, so that a change of the machine's mood meets them all. */
export async function measureAdmission(client: Client, { figures, runs }: Plan): Promise<void> {
  await makePool(client, WIDE_POOL, WIDE_SLOTS);
  const rounds = await measure(2, runs(15), async () => ({
    free: await costOf(client, "free"),
    local: await costOf(client, "local"),
    pool: await costOf(client, "pool"),
    key: await costOf(client, "key"),
  }));
  await waitUntilEmpty(client, WIDE_POOL);
  const common = { served_by: "npm start", note: `run of 1 -> ${INSTANCES} -> 1, all of it` } as const;
  for (const kind of ["free", ...LIMITED] as const) {
    figures.add({ ...common, name: `W10 ${kind}`, unit: "ms", runs: rounds.map((costs) => costs[kind].ms) });
  }
  for (const kind of LIMITED) {
    const more = rounds.map((costs) => costs[kind].ms - costs.free.ms);
    figures.add({ ...common, name: `W10 ${kind}, more than free`, unit: "ms", runs: more });
  }
  for (const kind of LIMITED) {
    const more = rounds.map((costs) => costs[kind].rows - costs.free.rows);
    figures.add({ ...common, name: `W10 ${kind}, rows more than free`, unit: "rows", runs: more });
  }
}

async function costOf(client: Client, kind: Kind): Promise<Cost> {
  const { dagId, ledgers } = ADMITTED[kind];
  const before = await rowsWhenStill(client, dagId, ledgers);
  const elapsed = await timed(() => runMapped(client, dagId, INSTANCES));
  const after = await rowsWhenStill(client, dagId, ledgers);
  return { ms: elapsed / INSTANCES, rows: (after - before) / INSTANCES };
}

/** Rows that a DAG and its ledgers wrote since they woke, once they write no more. */
async function rowsWhenStill(client: Client, dagId: string, ledgers: readonly string[]): Promise<number> {
  const objects = { dags: [dagId], ledgers: [...ledgers] };
  for (let rows = await rowsOf(client, objects); ;) {
    await sleep(STILL_MS);
    const later = await rowsOf(client, objects);
    if (later === rows) {
      return rows;
    }
    rows = later;
  }
}
