/**
 * Priority weights, as Airflow's `weight_rule` makes them of `priority_weight`.
 *
 * @module
 */
import type { Graph } from "./graph.ts";
import type { WeightRule } from "./weight-rules.ts";

/** What a task says of its weight. */
export interface Weighed {
  priority_weight: number;
  weight_rule: WeightRule;
}

/**
 * The weight of each task, in the order of the graph: its own, and by the rule that of all tasks down- or upstream of it,
 * each once. Costs about n² additions for n tasks; worked out once per version.
 */
export function totalWeights(graph: Graph, weightOf: (index: number) => Weighed): number[] {
  const weighed = graph.tasks.map(({ index }) => weightOf(index));
  const totals = weighed.map(({ priority_weight }) => priority_weight);
  for (const rule of ["downstream", "upstream"] as const) {
    if (!weighed.some(({ weight_rule }) => weight_rule === rule)) {
      continue;
    }
    const relatives = relativesOf(graph, rule);
    for (const [index, { weight_rule, priority_weight: own }] of weighed.entries()) {
      if (weight_rule === rule) {
        totals[index] = own + sumOver(relatives[index] ?? new Uint32Array(), weighed);
      }
    }
  }
  return totals;
}

/** Bits of all tasks down- or upstream of each. */
function relativesOf({ tasks }: Graph, direction: "downstream" | "upstream"): Uint32Array[] {
  const words = Math.ceil(tasks.length / 32);
  const sets = tasks.map(() => new Uint32Array(words));
  const isDone = new Uint8Array(tasks.length);
  // Depth first, without recursion: a chain may be thousands of tasks long.
  for (const { index: root } of tasks) {
    const stack = [root];
    for (let index = stack.at(-1); index !== undefined; index = stack.at(-1)) {
      const next = tasks[index]?.[direction] ?? [];
      const open = isDone[index] === 1 ? [] : next.filter((relative) => isDone[relative] === 0);
      if (open.length > 0) {
        stack.push(...open);
        continue;
      }
      stack.pop();
      const set = sets[index];
      if (isDone[index] === 0 && set !== undefined) {
        for (const relative of next) {
          const inherited = sets[relative] ?? set;
          for (let word = 0; word < words; word += 1) {
            set[word] = (set[word] ?? 0) | (inherited[word] ?? 0);
          }
          set[relative >> 5] = (set[relative >> 5] ?? 0) | (1 << (relative & 31));
        }
        isDone[index] = 1;
      }
    }
  }
  return sets;
}

function sumOver(set: Uint32Array, weighed: readonly Weighed[]): number {
  let sum = 0;
  for (const [word, bits] of set.entries()) {
    for (let rest = bits; rest !== 0; rest &= rest - 1) {
      sum += weighed[word * 32 + (31 - Math.clz32(rest & -rest))]?.priority_weight ?? 0;
    }
  }
  return sum;
}

const known = new WeakMap<Graph, number[]>();

/** The weights of a graph's tasks, in their order, as the spec has them; worked out once. */
export function weightsOf(graph: Graph): readonly number[] {
  let weights = known.get(graph);
  if (weights === undefined) {
    weights = totalWeights(
      graph,
      (index) => graph.tasks[index]?.spec ?? { priority_weight: 1, weight_rule: "absolute" },
    );
    known.set(graph, weights);
  }
  return weights;
}
