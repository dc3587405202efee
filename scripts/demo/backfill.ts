/**
 * A year that is made up for: a daily DAG, paused, whose runs of a year share a pool of four slots; two runs first, then the word.
 *
 * @module
 */
import { z } from "zod";
import { read, type Client } from "../client.ts";
import { deadline, nextFrame } from "./stage.ts";
import type { Stage } from "./stage.ts";

const DAG_ID = "daily_words";
const POOL = "dictionary";
const SLOTS = 4;
const CANARY = 2;
const DAYS = 365;
const DATES = { dag_id: DAG_ID, from_date: "2025-01-01T00:00:00Z", to_date: "2025-12-31T00:00:00Z" };

const planSchema = z.object({ created: z.number(), reprocessed: z.number(), skipped: z.number() });
const backfillSchema = z.object({
  id: z.number(),
  completed_at: z.string().nullable(),
  is_waiting_for_canary: z.boolean(),
});
type Backfill = z.infer<typeof backfillSchema>;
const poolSchema = z.object({ slots: z.number(), occupied_slots: z.number(), scheduled_slots: z.number() });
const runsSchema = z.object({ dag_runs: z.array(z.object({ dag_run_id: z.string() })), total_entries: z.number() });
const whySchema = z.object({ state: z.string().nullable(), reason: z.string() });

/** Backfills a year in a pool, and asks one that waits why it does. */
export async function backfillYear({ client, screen, checks }: Stage): Promise<void> {
  screen.section(`5. A year made up for: ${DAYS} daily runs of a paused DAG in a pool of ${SLOTS} slots`);
  const late = deadline("the backfill to be over", 60_000);
  await call(client, z.unknown(), "POST", "/pools", { name: POOL, slots: SLOTS });
  const text = "so foul and fair a day I have not seen";
  const task = { task_id: "count", handler: "word_count", input: { text }, pool: POOL };
  await call(client, z.unknown(), "PUT", `/dags/${DAG_ID}`, {
    schedule: "@daily",
    is_paused_upon_creation: true,
    tasks: [task],
  });

  const plan = await call(client, planSchema, "POST", "/backfills/plan", DATES);
  checks.equal("the plan says what will be made before anything is", plan, {
    created: DAYS,
    reprocessed: 0,
    skipped: 0,
  });
  const wanted = { ...DATES, canary: CANARY, max_active_runs: 100 };
  const { id } = await call(client, backfillSchema, "POST", "/backfills", wanted);
  const look = (): Promise<Backfill> => call(client, backfillSchema, "GET", `/backfills/${id}`);
  while (!(await look()).is_waiting_for_canary) {
    await nextFrame();
    late();
  }
  checks.equal("two runs went first, and the others wait for a word", await countRuns(client, "success"), CANARY);
  await call(client, backfillSchema, "PUT", `/backfills/${id}/unpause`);

  let most = 0;
  let reason = "";
  for (let state = await look(); state.completed_at === null; state = await look()) {
    const pool = await call(client, poolSchema, "GET", `/pools/${POOL}`);
    most = Math.max(most, pool.occupied_slots);
    reason ||= await whyOneWaits(client);
    screen.paint([
      `${await countRuns(client, "success")} of ${DAYS} runs done, ${pool.occupied_slots} of ${pool.slots} slots held`,
    ]);
    await nextFrame();
    late();
  }
  screen.settle();
  screen.line(`why one waited: ${reason}`);
  checks.equal("every day of the year has its run", await countRuns(client, "success"), DAYS);
  checks.isTrue("no more slots were held than there are", most > 0 && most <= SLOTS, `${most} were held`);
  checks.isTrue("one that waited said why", reason.includes(POOL), `it said "${reason}"`);
  const after = await call(client, poolSchema, "GET", `/pools/${POOL}`);
  checks.equal("and all were given back", [after.occupied_slots, after.scheduled_slots], [0, 0]);
}

/** What a task instance that waits for the pool says; empty if none was found waiting. */
async function whyOneWaits(client: Client): Promise<string> {
  const { dag_runs: runs } = await call(
    client,
    runsSchema,
    "GET",
    `/dags/${DAG_ID}/dagRuns?state=running&limit=1&order_by=-run_after`,
  );
  const [run] = runs;
  if (run === undefined) {
    return "";
  }
  const path = `/dags/${DAG_ID}/dagRuns/${encodeURIComponent(run.dag_run_id)}/taskInstances/count/why`;
  const { state, reason } = await call(client, whySchema, "GET", path);
  return state === "scheduled" ? reason : "";
}

async function countRuns(client: Client, state: string): Promise<number> {
  return (await call(client, runsSchema, "GET", `/dags/${DAG_ID}/dagRuns?state=${state}&limit=1`)).total_entries;
}

async function call<T>(client: Client, schema: z.ZodType<T>, method: string, path: string, body?: unknown): Promise<T> {
  return read(schema, await client.http.call(method, `/api/v2${path}`, body), `${method} ${path}`);
}
