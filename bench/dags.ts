/**
 * The benchmark's own tasks and DAGs. Handlers do nothing, so that what is measured is the engine.
 *
 * @module
 */
import { ledgerName } from "../src/engine/permits/names.ts";
import { createRegistry, dag, param, task } from "../src/sdk/index.ts";
import type { DagDefinition, Registry, TaskDefinition, TaskNode, TaskOptions } from "../src/sdk/index.ts";

const HOPS = 20;
const LARGEST_MAP = 19_998;

const noop = task({ id: "noop" }, () => null);

const first = task({ id: "first" }, () => 0);
const next = task({ id: "next" }, (_ctx, { value }: { value: number }) => value + 1);

const chain = dag({ id: "chain_20" }, (d) => {
  let last: TaskNode<number> = d.run(first);
  for (let hop = 1; hop < HOPS; hop += 1) {
    last = d.run(next, { value: last }, { id: `next_${hop}` });
  }
});

const list = task({ id: "list" }, (_ctx, { count }: { count: number }) =>
  Array.from({ length: count }, (_, index) => index),
);
const each = task({ id: "each" }, (_ctx, { index }: { index: number }) => index);
const end = task({ id: "end" }, () => null);

/** 1 -> `count` -> 1, the middle one mapped at run time over what the first one gives. */
function mappedDag(
  options: { id: string; maxActiveTasks?: number },
  mapped: TaskDefinition<{ index: number }, number>,
  pool: Pick<TaskOptions, "pool"> = {},
): DagDefinition {
  const count = param<number>({ default: 500, schema: { type: "integer", minimum: 1, maximum: LARGEST_MAP } });
  return dag({ ...options, maxMapLength: LARGEST_MAP, params: { count } }, (d) => {
    d.after(d.expand(mapped, { index: d.run(list, { count: d.params.count }) }, pool), d.run(end));
  });
}

/** More than anybody asks for. */
const PLENTY = 100_000;

/** The pool that many contend for, and the DAGs that do. */
export const CONTENDED_POOL = "bench_contended";
export const CONTENDERS = ["contender_1", "contender_2", "contender_3", "contender_4"] as const;

/** A pool that has room for all. */
export const WIDE_POOL = "bench_wide";
export const WIDE_SLOTS = PLENTY;

const eachWithKey = task(
  { id: "each_with_key", concurrency: { limit: PLENTY } },
  (_ctx, { index }: { index: number }) => index,
);

/** The same DAG without limits and under limits that hold nothing back, with the ledgers that it asks. */
export const ADMITTED = {
  free: { dagId: "fan_out", ledgers: [] },
  local: { dagId: "fan_out_local", ledgers: [] },
  pool: { dagId: "fan_out_pool", ledgers: [ledgerName("pool", WIDE_POOL)] },
  key: { dagId: "fan_out_key", ledgers: [ledgerName("key", eachWithKey.id)] },
} as const satisfies Record<string, { dagId: string; ledgers: string[] }>;

/** W15: tasks that outlive their first heartbeat, with the default heartrate and with a short one. Times in seconds. */
export const ALIVE = {
  "heartrate 5 s": { dagId: "alive_12", heartrate: 5, seconds: 12, full: 5000, quick: 1000 },
  "heartrate 1 s": { dagId: "alive_3", heartrate: 1, seconds: 3, full: 2000, quick: 500 },
} as const;

/** Attempts by the element they are of: how many are alive, and what was seen of them since they were last asked for. */
export const alive = { now: 0, most: 0, begun: new Map<string, number>() };

function waitingTask({ dagId, heartrate, seconds }: (typeof ALIVE)[keyof typeof ALIVE]) {
  return task(
    { id: `${dagId}_each`, heartrate, retries: 1, retryDelay: 0 },
    async (ctx, { index }: { index: number }) => {
      const name = `${dagId} ${index}`;
      alive.begun.set(name, (alive.begun.get(name) ?? 0) + 1);
      alive.now += 1;
      alive.most = Math.max(alive.most, alive.now);
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      alive.now -= 1;
      return index;
    },
  );
}

/** What the benchmark's Worker registers. */
export const registry: Registry = createRegistry({
  dags: [
    chain,
    mappedDag({ id: ADMITTED.free.dagId }, each),
    mappedDag({ id: ADMITTED.local.dagId, maxActiveTasks: PLENTY }, each),
    mappedDag({ id: ADMITTED.pool.dagId }, each, { pool: WIDE_POOL }),
    mappedDag({ id: ADMITTED.key.dagId }, eachWithKey),
    ...Object.values(ALIVE).map((each_) => mappedDag({ id: each_.dagId }, waitingTask(each_))),
    ...CONTENDERS.map((id) => mappedDag({ id }, each, { pool: CONTENDED_POOL })),
  ],
  tasks: [noop],
});
