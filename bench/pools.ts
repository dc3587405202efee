/**
 * W9: how fast the slots of one pool change hands. Task instances that do nothing contend for a pool that has few.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { read } from "../scripts/client.ts";
import type { Client } from "../scripts/client.ts";
import { CONTENDED_POOL, CONTENDERS } from "./dags.ts";
import { measure } from "./plan.ts";
import type { Plan } from "./plan.ts";
import { runMapped, timed } from "./workloads.ts";

const SLOTS = 10;
const GRANTS = 2000;
const GRANTS_QUICK = 500;
/** A slot may come back after the run's end was told: its owner gives it back after its own commit. */
const PATIENCE_MS = 10_000;
const POLL_MS = 10;

const poolSchema = z.object({ slots: z.number(), occupied_slots: z.number(), scheduled_slots: z.number() });

/** Makes a pool, or gives the one of that name so many slots. */
export async function makePool(client: Client, name: string, slots: number): Promise<void> {
  const pool = { name, slots };
  const made = await client.http.call("POST", "/api/v2/pools", pool);
  if (made.status === 409) {
    read(z.unknown(), await client.http.call("PATCH", poolPath(name), { slots }), `PATCH ${poolPath(name)}`);
  } else {
    read(z.unknown(), made, "POST /api/v2/pools");
  }
}

/** Returns when nobody holds a slot of a pool or waits for one. Throws if that does not come. */
export async function waitUntilEmpty(client: Client, name: string): Promise<void> {
  const patience = Date.now() + PATIENCE_MS;
  for (;;) {
    const { occupied_slots: occupied, scheduled_slots: waiting } = await look(client, name);
    if (occupied === 0 && waiting === 0) {
      return;
    }
    if (Date.now() > patience) {
      throw new Error(`expected pool ${name} to end empty, got ${occupied} slots held and ${waiting} waited for`);
    }
    await sleep(POLL_MS);
  }
}

/**
 * Measures grants per second, of one DAG and of several that contend. A look at a pool asks its users what runs, so the runs that
 * are timed are not looked at; one of each kind is, all the time, and is not timed.
 */
export async function measureGrants(client: Client, { figures, runs, isQuick }: Plan): Promise<void> {
  const grants = isQuick ? GRANTS_QUICK : GRANTS;
  await makePool(client, CONTENDED_POOL, SLOTS);
  const held: number[] = [];
  for (const dagIds of [CONTENDERS.slice(0, 1), CONTENDERS]) {
    const contend = async (): Promise<void> => {
      await Promise.all(dagIds.map(async (dagId) => runMapped(client, dagId, grants / dagIds.length)));
    };
    held.push(await mostHeld(client, contend));
    await waitUntilEmpty(client, CONTENDED_POOL);
    const rates = await measure(0, runs(9), async () => {
      const elapsed = await timed(contend);
      await waitUntilEmpty(client, CONTENDED_POOL);
      return grants / (elapsed / 1000);
    });
    figures.add({
      name: dagIds.length === 1 ? "W9" : `W9 ${dagIds.length} DAGs`,
      unit: "grants/s",
      runs: rates,
      served_by: "npm start",
      note: `${grants} task instances, ${SLOTS} slots`,
    });
  }
  figures.add({
    name: "W9 most held",
    unit: "slots",
    runs: [Math.max(...held)],
    served_by: "npm start",
    target: { at_most: SLOTS },
  });
}

/** Looks at the pool all the time while `work` is done, and gives the most slots that were held. Throws above its size. */
async function mostHeld(client: Client, work: () => Promise<void>): Promise<number> {
  const over = new AbortController();
  async function watch(): Promise<number> {
    let most = 0;
    while (!over.signal.aborted) {
      const { slots, occupied_slots: occupied } = await look(client, CONTENDED_POOL);
      if (occupied > slots) {
        throw new Error(`expected at most ${slots} slots of ${CONTENDED_POOL} to be held, got ${occupied}`);
      }
      most = Math.max(most, occupied);
    }
    return most;
  }
  const watched = work().finally(() => {
    over.abort();
  });
  const [most] = await Promise.all([watch(), watched]);
  return most;
}

async function look(client: Client, name: string): Promise<z.infer<typeof poolSchema>> {
  return read(poolSchema, await client.http.call("GET", poolPath(name)), `GET ${poolPath(name)}`);
}

function poolPath(name: string): string {
  return `/api/v2/pools/${encodeURIComponent(name)}`;
}
