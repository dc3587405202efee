/**
 * A DAG run as lines: its tasks each on a line, a mapped task with its instances counted.
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

/** Lines of a run. `order` gives the ids of its tasks from the first to the last. */
export function treeLines(run: DagRun, instances: readonly TaskInstance[], order: readonly string[]): string[] {
  const width = Math.max(...order.map((taskId) => taskId.length));
  const lines = order.map((taskId, index) => {
    const branch = index === order.length - 1 ? "└─" : "├─";
    const ofTask = instances.filter((instance) => instance.task_id === taskId);
    return `${branch} ${taskId.padEnd(width)}  ${describe(ofTask)}`;
  });
  return [`${run.dag_id}  ${run.dag_run_id}  ${markOf(run.state)} ${run.state}`, ...lines];
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
