import { afterEach, describe, test } from "vitest";
import { z } from "zod";
import { startTestServer } from "../support/server.ts";
import type { TestServer } from "../support/server.ts";
import { eventually } from "../support/waiting.ts";

/** What ran when the runtime was killed has failed, and is tried again. */
const again = { retries: 3, retry_delay: 0.1 };
const DAG = {
  dag_id: "past_days",
  schedule: "@daily",
  is_paused_upon_creation: true,
  tasks: [
    { task_id: "first", handler: "hello", input: { name: "Ada" }, ...again },
    { task_id: "second", handler: "hello", input: { name: "Grace" }, upstream_task_ids: ["first"], ...again },
  ],
};
const DATES = 366;

const report = z.object({
  backfill: z.object({ id: z.number(), end_reason: z.string().nullable() }),
  dates: z.number(),
  runs: z.record(z.string(), z.number()),
});
const created = z.object({ id: z.number() });
const runsPage = z.object({
  dag_runs: z.array(z.object({ dag_run_id: z.string(), task_instance_counts: z.record(z.string(), z.number()) })),
});

let server: TestServer | null = null;

afterEach(async () => {
  await server?.remove();
  server = null;
});

describe("kill -9 of the runtime in the middle of a backfill, then a start on the same state", () => {
  for (const share of [0.02, 0.3, 0.7]) {
    test(`after ${share * 100}% of its runs: it goes on, and every date has its run once`, async ({ expect }) => {
      server = await startTestServer();
      const ask = async (method: string, path: string, body?: unknown): Promise<unknown> =>
        (await server?.client.http.call(method, `/api/v2${path}`, body))?.body;
      const reportOf = async (id: number) => report.parse(await ask("GET", `/backfills/${id}/report`));

      await ask("PUT", `/dags/${DAG.dag_id}`, DAG);
      const dates = { from_date: "2024-01-01T00:00:00Z", to_date: "2024-12-31T00:00:00Z" };
      const body = { dag_id: DAG.dag_id, ...dates, max_active_runs: 8 };
      const { id } = created.parse(await ask("POST", "/backfills", body));
      await eventually("some of its runs to end", async () => {
        const { runs } = await reportOf(id);
        return (runs["success"] ?? 0) >= share * DATES ? runs : null;
      });
      await server.crashAndRestart();

      const done = await eventually("the backfill to end", async () => {
        const found = await reportOf(id);
        return found.backfill.end_reason === null ? null : found;
      });
      expect(done).toMatchObject({
        backfill: { end_reason: "completed" },
        dates: DATES,
        runs: { queued: 0, running: 0, success: DATES, failed: 0 },
      });
      const seen = new Set<string>();
      for (let offset = 0; offset < DATES; offset += 100) {
        const page = runsPage.parse(await ask("GET", `/dags/${DAG.dag_id}/dagRuns?limit=100&offset=${offset}`));
        for (const run of page.dag_runs) {
          seen.add(run.dag_run_id);
          expect(run.task_instance_counts).toEqual({ success: 2 });
        }
      }
      expect(seen.size).toBe(DATES);
    });
  }
});
