/**
 * A DAG run as lines: its tasks in the order they start, a mapped task as one line that counts its instances.
 *
 * @module
 */
import type { DagRun, TaskInstance } from "../client.ts";
import { coloured } from "./screen.ts";

const MARKS: Record<string, { mark: string; style: Parameters<typeof coloured>[0] }> = {
  success: { mark: "✔", style: "green" },
  failed: { mark: "✘", style: "red" },
  upstream_failed: { mark: "✘", style: "yellow" },
  skipped: { mark: "–", style: "gray" },
  running: { mark: "▶", style: "cyan" },
  queued: { mark: "…", style: "blue" },
  scheduled: { mark: "…", style: "blue" },
  up_for_retry: { mark: "↻", style: "yellow" },
  up_for_reschedule: { mark: "↻", style: "yellow" },
  restarting: { mark: "↻", style: "yellow" },
  none: { mark: "·", style: "gray" },
};

/** Lines of a run. `order` gives the tasks' ids from the first to the last. */
export function treeLines(run: DagRun, instances: readonly TaskInstance[], order: readonly string[]): string[] {
  const width = Math.max(...order.map((taskId) => taskId.length));
  const lines = order.map((taskId, index) => {
    const branch = index === order.length - 1 ? "└─" : "├─";
    const ofTask = instances.filter((instance) => instance.task_id === taskId);
    return `${branch} ${taskId.padEnd(width)}  ${describe(ofTask)}`;
  });
  return [`${run.dag_id}  ${run.dag_run_id}  ${markOf(run.state)} ${run.state}`, ...lines];
}

/** Order in which tasks first started; those that never did come last. */
export function startOrder(instances: readonly TaskInstance[]): string[] {
  const first = new Map<string, string>();
  for (const { task_id: taskId, start_date: start } of instances) {
    const known = first.get(taskId);
    const value = start ?? "~";
    if (known === undefined || value < known) {
      first.set(taskId, value);
    }
  }
  return [...first].toSorted(([, left], [, right]) => left.localeCompare(right)).map(([taskId]) => taskId);
}

function describe(instances: readonly TaskInstance[]): string {
  const [only] = instances;
  if (only === undefined) {
    return `${markOf("none")} not yet`;
  }
  if (instances.length === 1 && only.map_index === -1) {
    const state = only.state ?? "none";
    const tries = only.try_number > 1 ? `  try ${only.try_number}` : "";
    const error = only.error === null || state === "success" ? "" : `  ${only.error.message}`;
    return `${markOf(state)} ${state}${tries}${error}`;
  }
  const counts = new Map<string, number>();
  for (const { state } of instances) {
    counts.set(state ?? "none", (counts.get(state ?? "none") ?? 0) + 1);
  }
  const parts = [...counts].map(([state, count]) => `${markOf(state)} ${count} ${state}`);
  return `${parts.join("  ")}  of ${instances.length}`;
}

function markOf(state: string): string {
  const { mark, style } = MARKS[state] ?? { mark: "?", style: "gray" };
  return coloured(style, mark);
}
