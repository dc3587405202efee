/**
 * Priority weights, as Airflow's `weight_rule` makes them of `priority_weight`.
 *
 * @module
 */
import { reachable, type Graph } from "./graph.ts";
import type { WeightRule } from "./weight-rules.ts";

/** What a task says of its weight. */
export interface Weighed {
  priority_weight: number;
  weight_rule: WeightRule;
}

/**
 * The weight of each task, in the order of the graph: its own, and by the rule that of all tasks down- or upstream of it,
 * each once. Tasks are weighed once per version: a chain of n tasks costs n².
 */
export function totalWeights(graph: Graph, weightOf: (index: number) => Weighed): number[] {
  return graph.tasks.map(({ index }) => {
    const { priority_weight: own, weight_rule: rule } = weightOf(index);
    let total = own;
    for (const relative of rule === "absolute" ? [] : reachable(graph.tasks, index, rule)) {
      total += weightOf(relative).priority_weight;
    }
    return total;
  });
}
