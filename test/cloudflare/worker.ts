/**
 * The product with probes: tasks that show what the platform does with invocations, for `npm run verify:cloudflare`.
 *
 * @module
 */
import { createJobbers } from "../../src/jobbers.ts";
import { createRegistry, dag, param, task } from "../../src/sdk/index.ts";
import type { DagDefinition } from "../../src/sdk/index.ts";

const LARGEST_MAP = 19_998;
const HOPS = 20;
/** Loop rounds that take about a millisecond of CPU time on a common machine. */
const ROUNDS_PER_MS = 400_000;

/** Does nothing. */
const noop = task({ id: "noop" }, () => null);

/** The same, in a chain. */
const hop = task({ id: "hop" }, () => null);

/** Waits without computing. */
const nap = task({ id: "nap" }, async (_ctx, { seconds }: { seconds: number }) => {
  await scheduler.wait(seconds * 1000);
  return { seconds };
});

/** Keeps the thread for about so much CPU time. The clock stands still meanwhile on the platform, so rounds are counted. */
const compute = task({ id: "compute" }, (_ctx, { cpuMs }: { cpuMs: number }) => {
  let sum = 0;
  for (let round = 0; round < cpuMs * ROUNDS_PER_MS; round += 1) {
    sum = (sum * 31 + round) % 1_000_003;
  }
  return { sum };
});

/** As many items as are asked for. */
const list = task({ id: "list" }, (_ctx, { count }: { count: number }) =>
  Array.from({ length: count }, (_, index) => index),
);
const index = task({ id: "index" }, (_ctx, { item }: { item: number }) => item);
const napItem = task({ id: "nap_item" }, async (_ctx, { seconds }: { item: number; seconds: number }) => {
  await scheduler.wait(seconds * 1000);
  return null;
});
const computeItem = task({ id: "compute_item" }, (ctx, { cpuMs }: { item: number; cpuMs: number }) =>
  compute.run(ctx, { cpuMs }),
);

const count = param<number>({ default: 100, schema: { type: "integer", minimum: 1, maximum: LARGEST_MAP } });
const seconds = param<number>({ default: 1, schema: { type: "number", minimum: 0 } });
const cpuMs = param<number>({ default: 1, schema: { type: "number", minimum: 0 } });

/** A hundred naps, or as many as are asked for. */
const naps = dag({ id: "naps", params: { count, seconds } }, (d) => {
  d.expand(napItem, { item: d.run(list, { count: d.params.count }) }, { partial: { seconds: d.params.seconds } });
});

/** A hundred computations, or as many as are asked for. */
const computations = dag({ id: "computations", params: { count, cpuMs } }, (d) => {
  d.expand(computeItem, { item: d.run(list, { count: d.params.count }) }, { partial: { cpuMs: d.params.cpuMs } });
});

/** A run as wide as there may be; each of these DAGs has an object of its own. */
function wide(id: string): DagDefinition {
  return dag({ id, maxMapLength: LARGEST_MAP, params: { count } }, (d) => {
    d.expand(index, { item: d.run(list, { count: d.params.count }) });
  });
}

/** A chain, whose hops are round trips between its object and a worker. */
function chain(id: string): DagDefinition {
  return dag({ id }, (d) => {
    const hops = Array.from({ length: HOPS }, (_, number) => d.run(hop, undefined, { id: `hop_${number}` }));
    hops.slice(1).forEach((next, number) => d.after(hops[number] ?? [], next));
  });
}

/** Instances that go through a pool one after the other. */
function pooled(id: string, pool: string): DagDefinition {
  return dag({ id, params: { count } }, (d) => {
    d.expand(index, { item: d.run(list, { count: d.params.count }) }, { pool });
  });
}

const dags = [
  naps,
  computations,
  ...Array.from({ length: 8 }, (_, number) => wide(`wide_${number + 1}`)),
  ...["plain", "hinted"].flatMap((place) => [chain(`chain_${place}`), pooled(`pooled_${place}`, `verify_${place}`)]),
];

const jobbers = createJobbers(createRegistry({ dags, tasks: [noop, nap, compute] }));

export default jobbers.handler;
export class Dag extends jobbers.Dag {}
export class Job extends jobbers.Job {}
export class Intake extends jobbers.Intake {}
export class Catalog extends jobbers.Catalog {}
export class Pool extends jobbers.Pool {}
export class RateLimiter extends jobbers.RateLimiter {}
export class LoginGuard extends jobbers.LoginGuard {}
export class LocalQueue extends jobbers.LocalQueue {}
