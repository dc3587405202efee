import { afterEach, describe, test } from "vitest";
import type { Client } from "../../scripts/client.ts";
import { startTestServer } from "../support/server.ts";
import type { TestServer } from "../support/server.ts";
import { eventually, pause } from "../support/waiting.ts";
import { momentsIn } from "./moments.ts";

const DAG_ID = "contended";
const POOL = "narrow";
const SLOTS = 2;
const MAPPED = 12;
const RUNS = 2;
/** How long each task instance works. */
const SECONDS = 0.3;
/** A run takes about MAPPED x RUNS x SECONDS / SLOTS = 3.6 seconds: at its start, and in the midst of it. */
const SPANS: [from: number, to: number][] = [
  [0, 300],
  [300, 1500],
  [1500, 3000],
];
const MOMENTS = momentsIn(SPANS);

let server: TestServer | null = null;

afterEach(async () => {
  await server?.remove();
  server = null;
});

async function call(client: Client, method: "GET" | "POST" | "PUT", path: string, body?: unknown): Promise<unknown> {
  const answer = await client.http.call(method, path, body);
  if (answer.status >= 300) {
    throw new Error(`${method} ${path}: expected a success, got ${answer.status}: ${JSON.stringify(answer.body)}`);
  }
  return answer.body;
}

function spec(): unknown {
  const seconds = Array.from({ length: MAPPED }, () => SECONDS);
  const expand = { type: "expand", kwargs: { seconds: { literal: seconds } } };
  const own = { pool: POOL, heartrate: 1, retries: 5, retry_delay: 1 };
  return { tasks: [{ task_id: "work", handler: "countdown", ...own, expand }] };
}

/** Task instances of a run by state, as its DAG has them at one moment. */
async function inState(client: Client, runId: string, ...states: string[]): Promise<number> {
  const instances = await client.listTaskInstances(DAG_ID, runId);
  return instances.filter(({ state }) => states.includes(state ?? "none")).length;
}

describe("kill -9 of the runtime while task instances hold and wait for the slots of a pool, then a start on the same state", () => {
  for (const moment of MOMENTS) {
    test(`after ${moment} ms: all finish, no run ever has more than ${SLOTS} on their way, the pool ends empty`, async ({
      expect,
    }) => {
      server = await startTestServer();
      await call(server.client, "POST", "/api/v2/pools", { name: POOL, slots: SLOTS });
      await call(server.client, "PUT", `/api/v2/dags/${DAG_ID}`, spec());
      const start = Date.now();
      const runIds: string[] = [];
      for (let run = 0; run < RUNS; run += 1) {
        runIds.push((await server.client.triggerRun(DAG_ID)).dag_run_id);
      }
      await pause(Math.max(0, start + moment - Date.now()));
      await server.crashAndRestart();
      const { client } = server;

      for (const runId of runIds) {
        const run = await eventually(`the run ${runId} to end`, async () => {
          expect(await inState(client, runId, "queued", "running", "restarting")).toBeLessThanOrEqual(SLOTS);
          const found = await client.getRun(DAG_ID, runId);
          return found.state === "success" || found.state === "failed" ? found : null;
        });
        expect(run).toMatchObject({ state: "success", task_instance_counts: { success: MAPPED } });
      }
      await eventually("the pool to be empty", async () => {
        const pool = await call(client, "GET", `/api/v2/pools/${POOL}`);
        const isEmpty =
          JSON.stringify(pool).includes('"occupied_slots":0') && JSON.stringify(pool).includes('"scheduled_slots":0');
        return isEmpty ? pool : null;
      });
    });
  }
});
