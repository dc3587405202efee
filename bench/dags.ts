/**
 * The benchmark's own tasks and DAGs. Handlers do nothing, so that what is measured is the engine.
 *
 * @module
 */
import { createRegistry, dag, param, task } from "../src/sdk/index.ts";
import type { Registry, TaskNode } from "../src/sdk/index.ts";

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

const fanOut = dag(
  {
    id: "fan_out",
    maxMapLength: LARGEST_MAP,
    params: { count: param<number>({ default: 500, schema: { type: "integer", minimum: 1, maximum: LARGEST_MAP } }) },
  },
  (d) => {
    const mapped = d.expand(each, { index: d.run(list, { count: d.params.count }) });
    d.after(mapped, d.run(end));
  },
);

/** What the benchmark's Worker registers. */
export const registry: Registry = createRegistry({ dags: [chain, fanOut], tasks: [noop] });
