/**
 * W15: how many attempts one DAG carries that are alive at a time, on a disk that another process keeps busy. None may be taken for
 * dead or begin twice; a worker that falls silent among them must be found in time all the same.
 *
 * @module
 */
import { z } from "zod";
import { read } from "../scripts/client.ts";
import type { Client, TaskInstance } from "../scripts/client.ts";
import { startBusyDisk } from "./busy-disk.ts";
import { ALIVE } from "./dags.ts";
import type { Plan } from "./plan.ts";

const WAIT_SECONDS = 30;
/** What the README promises of a silent worker: heartrate x 2.1, and a second. */
const GRACE = 2.1;
const MORE_S = 1;

const countSchema = z.object({ begun: z.number(), twice: z.number(), most: z.number() });

/** What a round came to. */
export interface Round {
  /** Attempts that were alive at one moment. */
  most: number;
  /** Seconds from the last sign of the worker that fell silent until its attempt was ended. */
  foundAfter: number;
}

/** Measures both heartrates, on a calm disk and on a busy one. */
export async function measureAlive(client: Client, { figures, isQuick }: Plan): Promise<void> {
  for (const [key, { dagId, heartrate, seconds, full, quick }] of Object.entries(ALIVE)) {
    const count = isQuick ? quick : full;
    for (const isBusy of [false, true]) {
      const disk = isBusy ? startBusyDisk() : null;
      try {
        const { most, foundAfter } = await runAlive(client, dagId, heartrate, count);
        const where = `${key}${isBusy ? ", busy disk" : ""}`;
        const note = `${count} tasks of ${seconds} s at a heartrate of ${heartrate} s`;
        figures.add({ name: `W15 ${where}`, unit: "attempts", runs: [most], served_by: "npm start", note });
        figures.add({ name: `W15 ${where}, silent worker`, unit: "s", runs: [foundAfter], served_by: "npm start" });
      } finally {
        disk?.stop();
      }
    }
  }
}

/**
 * Runs `count` tasks that outlive their first heartbeat, one of which a silent worker claims first. Throws unless all succeed, none
 * begins twice and only the silent worker's is tried again.
 */
export async function runAlive(client: Client, dagId: string, heartrate: number, count: number): Promise<Round> {
  await client.http.call("POST", "/bench/alive", {});
  let run = await client.triggerRun(dagId, { conf: { count } });
  while (run.state === "queued" || run.state === "running") {
    run = await client.getRun(dagId, run.dag_run_id, WAIT_SECONDS);
  }
  const { begun, twice, most } = read(countSchema, await client.http.call("POST", "/bench/alive", {}), "/bench/alive");
  const instances = (await client.listTaskInstances(dagId, run.dag_run_id)).filter(
    ({ map_index: index }) => index >= 0,
  );
  const again = instances.filter(({ try_number: tries }) => tries > 1);
  const [lost] = again;
  if (run.state !== "success" || begun !== count || twice > 0 || again.length !== 1 || lost === undefined) {
    const what = JSON.stringify({
      state: run.state,
      counts: run.task_instance_counts,
      begun,
      twice,
      again: again.length,
    });
    throw new Error(`expected ${count} tasks to begin once and one worker to be lost, got ${what}`);
  }
  const foundAfter = await secondsOfFirstTry(client, dagId, run.dag_run_id, lost);
  if (foundAfter > heartrate * GRACE + MORE_S) {
    console.warn(`a silent worker was found after ${foundAfter} s`);
  }
  return { most, foundAfter };
}

const triesSchema = z.object({
  task_instances: z.array(z.object({ start_date: z.string(), end_date: z.string(), try_number: z.number() })),
});

async function secondsOfFirstTry(
  client: Client,
  dagId: string,
  runId: string,
  { task_id: taskId, map_index: mapIndex }: TaskInstance,
): Promise<number> {
  const path = `/api/v2/dags/${dagId}/dagRuns/${runId}/taskInstances/${taskId}/${mapIndex}/tries`;
  const [first] = read(triesSchema, await client.http.call("GET", path), path).task_instances;
  if (first === undefined) {
    throw new Error(`expected ${path} to have a first try, it has none`);
  }
  return (Date.parse(first.end_date) - Date.parse(first.start_date)) / 1000;
}
