/**
 * W6: rows written, as the objects counted them from their SQL cursors, alarms included.
 *
 * @module
 */
import { z } from "zod";
import { batchObjectName } from "../src/api/objects.ts";
import { batchKey } from "../src/engine/batch-ids.ts";
import { INTAKE_DIGITS, intakeNamed } from "../src/engine/intake.ts";
import { read } from "../scripts/client.ts";
import type { Client } from "../scripts/client.ts";
import type { FigureSink } from "./figures.ts";
import { runChain, runFanOut } from "./workloads.ts";

const RUNS = 5;
const JOBS = 50;
const BULK = 2000;
const FAN_OUT = 500;
const HOPS = 20;

/** Measures rows per task instance and per job. Objects sleep after ten idle seconds and count anew, so each is read at once. */
export async function measureRows(client: Client, figures: FigureSink): Promise<void> {
  const chain = await perRun(client, "chain_20", async () => runChain(client), HOPS);
  const fanOut = await perRun(client, "fan_out", async () => runFanOut(client, FAN_OUT), FAN_OUT + 2);
  const common = { unit: "rows", served_by: "npm start" } as const;
  figures.add({
    ...common,
    name: "W6 queued task instance",
    runs: fanOut,
    target: { at_most: 3 },
    note: "run of 1 -> 500 -> 1, all of it",
  });
  figures.add({
    ...common,
    name: "W6 inline task instance",
    runs: chain,
    target: { at_most: 2 },
    note: "chain of 20, all of it",
  });
  figures.add({ ...common, name: "W6 standalone job", runs: [await perJob(client)], target: { at_most: 6 } });
  figures.add({ ...common, name: "W6 task of a bulk of 2,000", runs: [await perMember(client)] });
}

async function perRun(
  client: Client,
  dagId: string,
  run: () => Promise<unknown>,
  instances: number,
): Promise<number[]> {
  await run();
  const values: number[] = [];
  for (let index = 0; index < RUNS; index += 1) {
    const before = await rowsOf(client, { dags: [dagId] });
    await run();
    values.push(((await rowsOf(client, { dags: [dagId] })) - before) / instances);
  }
  return values;
}

async function perJob(client: Client): Promise<number> {
  const intakes = Array.from(INTAKE_DIGITS, intakeNamed);
  const before = await rowsOf(client, { intakes });
  for (let index = 0; index < JOBS; index += 1) {
    const { id } = await client.submitTask("noop", { index });
    await client.getJob(id, 30);
  }
  return ((await rowsOf(client, { intakes })) - before) / JOBS;
}

async function perMember(client: Client): Promise<number> {
  const batch = await client.submitTasks(
    Array.from({ length: BULK }, (_, index) => ({ name: "noop", payload: { index } })),
  );
  await client.getBatch(batch.batch_id, 30);
  return (await rowsOf(client, { dags: [batchObjectName(batchKey(batch.batch_id))] })) / BULK;
}

/** Rows that objects wrote since they woke. */
export async function rowsOf(
  client: Client,
  objects: { dags?: string[]; intakes?: string[]; ledgers?: string[] },
): Promise<number> {
  const answer = await client.http.call("POST", "/bench/rows", { dags: [], intakes: [], ledgers: [], ...objects });
  return read(z.object({ rows: z.number() }), answer, "POST /bench/rows").rows;
}
