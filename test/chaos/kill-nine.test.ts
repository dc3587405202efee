import { afterEach, describe, test } from "vitest";
import type { Client, TaskInstance } from "../../scripts/client.ts";
import { expectedReport } from "../../scripts/demo/etl.ts";
import { startTestServer } from "../support/server.ts";
import type { TestServer } from "../support/server.ts";
import { eventually } from "../support/waiting.ts";

const DAG_ID = "flights_etl";
const RUNS = 4;
const BULK = 400;
/** How long a run takes undisturbed, most of it waiting for a retry: the kill falls anywhere inside. */
const SPAN_MS = 1600;
const RECOVERY_MS = 90_000;

let server: TestServer | null = null;

afterEach(async () => {
  await server?.remove();
  server = null;
});

/** One moment in each fifth of the span, so that a few draws cover it. */
const MOMENTS = Array.from({ length: 5 }, (_, part) => Math.round(((part + Math.random()) * SPAN_MS) / 5));

async function finishedRun(client: Client, runId: string): Promise<{ state: string; instances: TaskInstance[] }> {
  const run = await eventually(`the run ${runId} to end`, RECOVERY_MS, async () => {
    const found = await client.getRun(DAG_ID, runId, 10);
    return found.state === "success" || found.state === "failed" ? found : null;
  });
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
      const runs = await Promise.all(Array.from({ length: RUNS }, async () => client.triggerRun(DAG_ID)));
      const batch = await client.submitTasks(
        Array.from({ length: BULK }, (_, index) => ({ name: "word_count", payload: { text: "a ".repeat(index) } })),
      );
      const flaky = await client.submitTask("flaky", { failures: 1 });
      await new Promise((resolve) => setTimeout(resolve, moment));
      await server.crashAndRestart();
      const survivor = server.client;
      const expected = expectedReport();

      for (const { dag_run_id: runId } of runs) {
        const { state, instances } = await finishedRun(survivor, runId);
        expect(new Set(keysOf(instances)).size).toBe(instances.length);
        expect(instances.filter((each) => each.end_date === null && each.state !== "removed")).toEqual([]);
        expect(instances.filter((each) => each.try_number > each.max_tries + 1)).toEqual([]);
        const failed = instances.filter((each) => each.state === "failed");
        if (state === "success") {
          expect(failed).toEqual([]);
          expect(await survivor.getXCom(DAG_ID, runId, "report_flights")).toEqual(expected);
          const mapped = instances.filter((each) => each.task_id === "airport_delays");
          expect(mapped.map((each) => each.map_index).toSorted((a, b) => a - b)).toEqual(
            Array.from({ length: expected.airports }, (_, index) => index),
          );
        } else {
          // A task that may not be tried again and was running when the worker died has failed, and nothing else may have.
          expect(failed.map((each) => [each.error?.type, each.try_number])).toEqual(
            failed.map((each) => ["Zombie", each.max_tries + 1]),
          );
          expect(failed.length).toBeGreaterThan(0);
        }
      }

      const done = await eventually("the batch to end", RECOVERY_MS, async () => {
        const found = await survivor.getBatch(batch.batch_id, 10);
        return found.state === "success" || found.state === "failed" ? found : null;
      });
      const { success = 0, failed = 0 } = done.counts;
      expect(success + failed).toBe(BULK);
      const members = await Promise.all(batch.job_ids.map(async (id) => survivor.getJob(id)));
      const wrong = members.filter(
        (job, index) => JSON.stringify(job.result).includes(`"words":${index},`) !== (job.state === "success"),
      );
      expect(wrong).toEqual([]);
      expect(members.filter((job) => job.state === "failed" && job.error?.type !== "Zombie")).toEqual([]);

      const job = await eventually("the flaky task to end", RECOVERY_MS, async () => {
        const found = await survivor.getJob(flaky.id, 10);
        return found.state === "success" || found.state === "failed" ? found : null;
      });
      expect(job.state).toBe("success");
      expect(await survivor.countRuns(DAG_ID)).toBe(RUNS);
    });
  }
});
