/**
 * W16: what a burst of many clients costs. Single tasks of 200 clients, 10,000 long-polls at once, 20 large bulk submissions at once;
 * memory before, at the worst moment and after a rest.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ulid } from "ulid";
import { z } from "zod";
import { read } from "../scripts/client.ts";
import type { Client } from "../scripts/client.ts";
import type { Plan } from "./plan.ts";
import { percentile } from "./statistics.ts";
import type { Target } from "./target.ts";

const CLIENTS = 200;
const SECONDS = 60;
const SECONDS_QUICK = 10;
const POLLS = 10_000;
const POLLS_QUICK = 2000;
const BULKS = 20;
const BULKS_QUICK = 4;
const BULK = 10_000;
/** How long memory is given to come back. */
const REST_MS = 60_000;
const POLL_SECONDS = 30;
/** Connections opened at once, and the pause after them: a listener's backlog is some thousand. */
const CONNECTED_AT_ONCE = 200;
const CONNECT_MS = 20;

const jobSchema = z.object({ id: z.string(), state: z.string(), end_date: z.string().nullable() });

/** What a round of single tasks gives. */
interface Singles {
  accepted: number;
  refused: number;
  /** Milliseconds from request to answer, of what was accepted. */
  latencies: number[];
  /** From the first request to the end of the last task. */
  seconds: number;
}

const COMMON = { served_by: "npm start" } as const;

/** The bursts, each on a server of its own: what one leaves in memory is not the next one's. */
export const BURSTS: readonly ((target: Target, plan: Plan) => Promise<void>)[] = [
  measureSingles,
  measurePolls,
  measureBulks,
];

async function measureSingles(target: Target, { figures, isQuick }: Plan): Promise<void> {
  const before = target.runtimeMegabytes();
  const singles = await submitSingles(target.client, isQuick ? SECONDS_QUICK : SECONDS);
  const note = `${CLIENTS} clients, ${singles.accepted} accepted, ${singles.refused} refused with 503`;
  const perSecond = singles.accepted / singles.seconds;
  figures.add({ ...COMMON, note, name: "W16 singles", unit: "tasks/s", runs: [perSecond], target: { at_least: 1000 } });
  const p99 = percentile(singles.latencies, 0.99);
  figures.add({ ...COMMON, note, name: "W16 singles p99", unit: "ms", runs: [p99], target: { at_most: 1000 } });
  figures.add({ ...COMMON, name: "W16 memory at the end", unit: "MB", runs: [target.runtimeMegabytes()] });
  await sleep(isQuick ? REST_MS / 4 : REST_MS);
  const growth = target.runtimeMegabytes() / before;
  figures.add({ ...COMMON, name: "W16 memory after a rest", unit: "times", runs: [growth], target: { at_most: 1.2 } });
}

async function measurePolls(target: Target, { figures, isQuick }: Plan): Promise<void> {
  const count = isQuick ? POLLS_QUICK : POLLS;
  const polled = await pollAtOnce(target, count);
  const note = `${count} at once`;
  figures.add({ ...COMMON, note, name: "W16 long-polls", unit: "MB", runs: [polled], target: { at_most: 250 } });
}

async function measureBulks(target: Target, { figures, isQuick }: Plan): Promise<void> {
  const count = isQuick ? BULKS_QUICK : BULKS;
  const { seconds, megabytes } = await submitBulksAtOnce(target, count);
  const note = `${count} of ${BULK} tasks at once`;
  figures.add({ ...COMMON, note, name: "W16 bulks", unit: "s", runs: [seconds] });
  figures.add({ ...COMMON, note, name: "W16 bulks memory", unit: "MB", runs: [megabytes], target: { at_most: 300 } });
}

/** Many clients, each with one task after the other; then waits for the end of every one. */
async function submitSingles(client: Client, seconds: number): Promise<Singles> {
  const ids: string[] = [];
  const latencies: number[] = [];
  let refused = 0;
  const start = Date.now();
  const until = start + seconds * 1000;
  const one = async (): Promise<void> => {
    while (Date.now() < until) {
      const sentAt = performance.now();
      const answer = await client.http.call("POST", "/tasks/noop", { payload: null });
      if (answer.status === 503) {
        refused += 1;
        await sleep(Number(answer.headers["retry-after"] ?? 1) * 1000);
        continue;
      }
      ids.push(read(jobSchema, answer, "POST /tasks/noop").id);
      latencies.push(performance.now() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, one));
  let last = until;
  await eachOf(ids, async (id) => {
    const job = await endOf(client, id);
    last = Math.max(last, Date.parse(job.end_date ?? ""));
  });
  return { accepted: ids.length, refused, latencies, seconds: (last - start) / 1000 };
}

async function endOf(client: Client, id: string): Promise<z.infer<typeof jobSchema>> {
  for (;;) {
    const path = `/jobs/${id}?wait=${POLL_SECONDS}`;
    const job = read(jobSchema, await client.http.call("GET", path), `GET ${path}`);
    if (job.state === "success") {
      return job;
    }
    if (job.state === "failed") {
      throw new Error(`expected job ${id} to succeed, it failed`);
    }
  }
}

/** Memory while so many callers wait for one job each that does not start yet. */
async function pollAtOnce(target: Target, count: number): Promise<number> {
  const { client } = target;
  const ids = Array.from({ length: count }, () => ulid());
  await eachOf(ids, async (id) => {
    read(jobSchema, await client.http.call("POST", "/tasks/noop", { id, delay: 3600 }), "POST /tasks/noop");
  });
  const polls: Promise<unknown>[] = [];
  for (const id of ids) {
    polls.push(
      client.http.call("GET", `/jobs/${id}?wait=${POLL_SECONDS}`).then((answer) => read(jobSchema, answer, "GET")),
    );
    if (polls.length % CONNECTED_AT_ONCE === 0) {
      await sleep(CONNECT_MS);
    }
  }
  const answered = Promise.all(polls);
  const [megabytes] = await Promise.all([
    sleep((POLL_SECONDS * 1000) / 2).then(() => target.runtimeMegabytes()),
    answered,
  ]);
  return megabytes;
}

async function submitBulksAtOnce(target: Target, count: number): Promise<{ seconds: number; megabytes: number }> {
  const { client } = target;
  const start = Date.now();
  const entries = Array.from({ length: BULK }, () => ({ name: "noop", payload: null }));
  await Promise.all(
    Array.from({ length: count }, async () => {
      const { batch_id: id } = await client.submitTasks(entries);
      for (let state = ""; state !== "success";) {
        ({ state } = await client.getBatch(id, POLL_SECONDS));
      }
    }),
  );
  return { seconds: (Date.now() - start) / 1000, megabytes: target.runtimeMegabytes() };
}

async function eachOf<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const next = async (): Promise<void> => {
    for (const item of left) {
      await act(item);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, next));
}
