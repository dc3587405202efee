/**
 * W8: many DAGs whose only run is due at the same moment. Their objects are asleep by then, so each is woken by its own alarm.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { read } from "../scripts/client.ts";
import type { Client } from "../scripts/client.ts";
import { measure } from "./plan.ts";
import type { Plan } from "./plan.ts";
import { percentile } from "./statistics.ts";

const DAGS = 200;
const DAGS_QUICK = 60;
/** From the last registration to the moment that all are due: an object that nobody asks sleeps after ten to twenty seconds. */
const SLEEP_MS = 25_000;
/** For the registrations; a slow machine needs most of it. */
const REGISTRATION_MS = 10_000;
/** Nobody looks for so long after the moment: a look wakes an object, which then starts what is due. */
const UNSEEN_MS = 5000;
/** How long all of it may take. */
const PATIENCE_MS = 60_000;
const POLL_MS = 250;
/** Calls under way at a time. */
const CALLS = 16;

const runsSchema = z.object({
  dag_runs: z.array(z.object({ state: z.string(), run_after: z.string(), start_date: z.string().nullable() })),
  total_entries: z.number(),
});

const wakesSchema = z.object({ times: z.array(z.number()) });

/** When a scheduled run could have started and when it did (epoch ms). */
export interface Start {
  due: number;
  started: number;
}

/** What one round gives. */
interface Round {
  starts: Start[];
  /** DAGs whose object slept until their run was due. */
  asleep: number;
}

/** What a round comes to: runs started per second, from the moment they are due to the start of the last, and lateness in ms. */
export function readStarts(starts: readonly Start[]): { perSecond: number; p50: number; p99: number } {
  const lateness = starts.map(({ due, started }) => started - due);
  return {
    // Times are whole milliseconds.
    perSecond: starts.length / (Math.max(1, ...lateness) / 1000),
    p50: percentile(lateness, 0.5),
    p99: percentile(lateness, 0.99),
  };
}

/** Measures how fast scheduled runs start that are all due at once. Throws unless each DAG gets exactly one, on time or late. */
export async function measureSchedules(client: Client, { figures, runs, isQuick }: Plan): Promise<void> {
  const count = isQuick ? DAGS_QUICK : DAGS;
  let made = 0;
  const all = await measure(0, runs(5), async () => {
    made += 1;
    return startAtOnce(client, made, count);
  });
  const asleep = Math.min(...all.map((round) => round.asleep));
  const rounds = all.map(({ starts }) => readStarts(starts));
  const common = { served_by: "npm start", note: `${count} DAGs due at once, ${asleep} asleep until then` } as const;
  figures.add({ ...common, name: "W8", unit: "runs/s", runs: rounds.map(({ perSecond }) => perSecond) });
  figures.add({ ...common, name: "W8 lateness p50", unit: "ms", runs: rounds.map(({ p50 }) => p50) });
  figures.add({ ...common, name: "W8 lateness p99", unit: "ms", runs: rounds.map(({ p99 }) => p99) });
}

async function startAtOnce(client: Client, round: number, count: number): Promise<Round> {
  const due = Date.now() + REGISTRATION_MS + SLEEP_MS;
  const ids = Array.from({ length: count }, (_, index) => `scheduled_${round}_${index}`);
  await together(ids, async (id) => {
    const path = `/api/v2/dags/${id}`;
    read(
      z.unknown(),
      await client.http.call("PUT", path, {
        schedule: "@once",
        start_date: new Date(due).toISOString(),
        tasks: [{ task_id: "noop", handler: "noop" }],
      }),
      `PUT ${path}`,
    );
  });
  if (Date.now() > due - SLEEP_MS) {
    throw new Error(`expected ${count} DAGs to be registered in ${REGISTRATION_MS} ms, it took longer`);
  }
  await sleep(due + UNSEEN_MS - Date.now());
  const woken = await client.http.call("POST", "/bench/wakes", { dags: ids });
  const { times } = read(wakesSchema, woken, "POST /bench/wakes");
  const starts = await together(ids, async (id) => startOf(client, id, due));
  await together(ids, async (id) => {
    read(z.literal(""), await client.http.call("DELETE", `/api/v2/dags/${id}`), `DELETE /api/v2/dags/${id}`);
  });
  return { starts, asleep: times.filter((time) => time >= due).length };
}

/** Waits for the end of a DAG's run and gives its start. Throws unless it is the only one, of that time, and a success. */
async function startOf(client: Client, dagId: string, due: number): Promise<Start> {
  const path = `/api/v2/dags/${dagId}/dagRuns`;
  for (;;) {
    const { dag_runs: found, total_entries: total } = read(
      runsSchema,
      await client.http.call("GET", path),
      `GET ${path}`,
    );
    const [run] = found;
    if (run !== undefined && run.start_date !== null && run.state === "success" && total === 1) {
      const start: Start = { due: Date.parse(run.run_after), started: Date.parse(run.start_date) };
      if (start.due !== due || start.started < due) {
        throw new Error(
          `expected the run of ${dagId} to be due at ${due} and not to start before, got ${JSON.stringify(run)}`,
        );
      }
      return start;
    }
    if (total > 1 || run?.state === "failed" || Date.now() > due + PATIENCE_MS) {
      throw new Error(`expected one run of ${dagId} to succeed, got ${total}: ${JSON.stringify(found)}`);
    }
    await sleep(POLL_MS);
  }
}

/** Calls `work` for every item, a few at a time; the answers are in the order of the items. */
async function together<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const waiting = items.entries();
  await Promise.all(
    Array.from({ length: CALLS }, async () => {
      for (const [index, item] of waiting) {
        results[index] = await work(item);
      }
    }),
  );
  return results;
}
