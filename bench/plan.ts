/**
 * What one call of the benchmark is to measure, and how often.
 *
 * @module
 */
import type { FigureSink } from "./figures.ts";

/** All there are, in the order they are measured. */
export const WORKLOADS = ["W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "W9", "W10", "W15"] as const;
export type Workload = (typeof WORKLOADS)[number];

/** What is wanted of a call, and where the figures go. */
export interface Plan {
  wants: (workload: Workload) => boolean;
  /** How many runs: all, or a third. */
  runs: (full: number) => number;
  isQuick: boolean;
  figures: FigureSink;
}

/** Runs `work` without counting, then `runs` times, giving what it measured. */
export async function measure<T>(warmUps: number, runs: number, work: () => Promise<T>): Promise<T[]> {
  for (let index = 0; index < warmUps; index += 1) {
    await work();
  }
  const values: T[] = [];
  for (let index = 0; index < runs; index += 1) {
    values.push(await work());
  }
  return values;
}
