import { afterEach, describe, test } from "vitest";
import type { Client, DagRun, TaskInstance } from "../../scripts/client.ts";
import { expectedReport } from "../../scripts/demo/etl.ts";
import { startTestServer } from "../support/server.ts";
import type { TestServer } from "../support/server.ts";
import { endOfBatch, endOfJob, endOfRun, pause } from "../support/waiting.ts";
import { momentsIn } from "./moments.ts";

const DAG_ID = "flights_etl";
const RUNS = 8;
const BULK = 400;
/** Runs start one after the other, so that at any moment of their work some are at its start and some at its end. */
const STAGGER_MS = 25;
/** When the runs are at work: their first try, and what follows its retry a second later. The rest is waiting. */
const SPANS: [from: number, to: number][] = [
  [0, 250],
  [1000, 1080],
  [1080, 1160],
  [1160, 1240],
  [1240, 1400],
];
const MOMENTS = momentsIn(SPANS);

let server: TestServer | null = null;

afterEach(async () => {
  await server?.remove();
  server = null;
});

async function finishedRun(client: Client, runId: string): Promise<{ state: string; instances: TaskInstance[] }> {
  const run = await endOfRun(client, DAG_ID, runId);
  return { state: run.state, instances: await client.listTaskInstances(DAG_ID, runId) };
}

function keysOf(instances: readonly TaskInstance[]): string[] {
  return instances.map(({ task_id: taskId, map_index: mapIndex }) => `${taskId}[${mapIndex}]`);
}

describe("kill -9 of the runtime in the middle of runs, then a start on the same state", () => {
  for (const moment of MOMENTS) {
    test(`after ${moment} ms: every run ends, and each task instance's result is there once`, async ({ expect }) => {
      server = await startTestServer();
      const { client } = server;
      const start = Date.now();
      const batch = await client.submitTasks(
        Array.from({ length: BULK }, (_, index) => ({ name: "word_count", payload: { text: "a ".repeat(index) } })),
      );
      const flaky = await client.submitTask("flaky", { failures: 1 });
      const runs: DagRun[] = [];
      for (let index = 0; index < RUNS && Date.now() - start < moment; index += 1) {
        runs.push(await client.triggerRun(DAG_ID));
        await pause(STAGGER_MS);
      }
      await pause(Math.max(0, start + moment - Date.now()));
      await server.crashAndRestart();
      const survivor = server.client;
      const expected = expectedReport();

      for (const { dag_run_id: runId } of runs) {
        const { state, instances } = await finishedRun(survivor, runId);
        expect(new Set(keysOf(instances)).size).toBe(instances.length);
        expect(instances.filter((each) => each.end_date === null && each.state !== "removed")).toEqual([]);
        expect(instances.filter((each) => each.try_number > each.max_tries + 1)).toEqual([]);
        expect({ state, failed: instances.filter((each) => each.state === "failed") }).toEqual({
          state: "success",
          failed: [],
        });
        expect(await survivor.getXCom(DAG_ID, runId, "report_flights")).toEqual(expected);
        const mapped = instances.filter((each) => each.task_id === "airport_delays");
        expect(mapped.map((each) => each.map_index).toSorted((a, b) => a - b)).toEqual(
          Array.from({ length: expected.airports }, (_, index) => index),
        );
      }

      const done = await endOfBatch(survivor, batch.batch_id);
      // A task of the bulk may not be tried again: if it was running when the worker died, it has failed as a zombie.
      const { success = 0, failed = 0 } = done.counts;
      expect(success + failed).toBe(BULK);
      const members = await Promise.all(batch.job_ids.map(async (id) => survivor.getJob(id)));
      const wrong = members.filter(
        (job, index) => JSON.stringify(job.result).includes(`"words":${index},`) !== (job.state === "success"),
      );
      expect(wrong).toEqual([]);
      expect(members.filter((job) => job.state === "failed" && job.error?.type !== "Zombie")).toEqual([]);

      const job = await endOfJob(survivor, flaky.id);
      expect(job.state).toBe("success");
      expect(await survivor.countRuns(DAG_ID)).toBe(runs.length);
    });
  }
});
