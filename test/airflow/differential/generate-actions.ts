/**
 * Random clears and marks.
 *
 * @module
 */
import type { Json } from "../../../src/engine/spec.ts";
import type { Dice } from "./dice.ts";
import type { Draft, TaskInput } from "./generate.ts";
import type { Action, Scenario } from "./scenario.ts";

/** Phases of actions; none for about half of all scenarios. */
export function makeActions(draft: Draft, runs: Pick<Scenario, "runs" | "scheduledRuns">): { actions: Action[] }[] {
  const { dice } = draft;
  const runIds =
    runs.scheduledRuns === 0
      ? runs.runs.map((run) => run.dag_run_id)
      : Array.from({ length: runs.scheduledRuns }, (_, place) => scheduledRunId(runs.scheduledRuns - place));
  const dated = runIds.length > 1;
  // One at a time: what the first sets going would run while the next comes, which the two sides time differently.
  return Array.from({ length: dice.chance(0.5) ? dice.int(1, 4) : 0 }, () => ({
    actions: [makeAction(draft, dice.pick(runIds), dated)],
  }));
}

/** Id of the yearly run that became due so many years before the newest one, counted from 1. */
function scheduledRunId(yearsAgo: number): string {
  return `scheduled__${new Date().getUTCFullYear() - yearsAgo + 1}-01-01T00:00:00+00:00`;
}

function makeAction(draft: Draft, runId: string, dated: boolean): Action {
  const { dice, groups } = draft;
  const run = `/dagRuns/${encodeURIComponent(runId)}`;
  const kind = dice.weighted({ clear: 50, mark: 25, markRun: 8, clearRun: 7, markGroup: groups.length > 0 ? 10 : 0 });
  switch (kind) {
    case "clear":
      return makeClear(draft, runId, dated);
    case "mark":
      return makeMark(draft, run, dated);
    case "markRun":
      return { method: "PATCH", path: run, body: { state: dice.pick(["success", "failed", "queued"]) } };
    case "clearRun":
      return { method: "POST", path: `${run}/clear`, body: { dry_run: false, only_failed: dice.chance(0.5) } };
    case "markGroup":
      return {
        method: "PATCH",
        path: `${run}/taskGroupInstances/${dice.pick(groups).group_id}`,
        body: { new_state: dice.pick(["success", "failed"]), ...flags(dice, dated) },
      };
  }
}

function makeClear({ dice, tasks }: Draft, runId: string, dated: boolean): Action {
  const chosen = dice.some(tasks, dice.int(1, 2));
  const task_ids = chosen.map((task): Json => {
    const element = isMapped(task) && dice.chance(0.4);
    return element ? [task.task_id, dice.int(0, 2)] : task.task_id;
  });
  const body: Record<string, Json> = { dry_run: false, only_failed: dice.chance(0.3), ...flags(dice, dated) };
  if (dice.chance(0.95)) {
    body["dag_run_id"] = runId;
  }
  if (dice.chance(0.92)) {
    body["task_ids"] = task_ids;
  }
  if (dice.chance(0.08)) {
    body["reset_dag_runs"] = false;
  }
  return { method: "POST", path: "/clearTaskInstances", body };
}

function makeMark({ dice, tasks }: Draft, run: string, dated: boolean): Action {
  const task = dice.pick(tasks);
  const element = isMapped(task) && dice.chance(0.5) ? `/${dice.int(0, 2)}` : "";
  return {
    method: "PATCH",
    path: `${run}/taskInstances/${task.task_id}${element}`,
    body: { new_state: dice.weighted({ success: 45, failed: 45, skipped: 10 }), ...flags(dice, dated) },
  };
}

function flags(dice: Dice, dated: boolean): Record<string, Json> {
  const given: Record<string, Json> = {};
  for (const name of ["include_upstream", "include_downstream"]) {
    if (dice.chance(0.35)) {
      given[name] = true;
    }
  }
  for (const name of dated ? ["include_past", "include_future"] : []) {
    if (dice.chance(0.25)) {
      given[name] = true;
    }
  }
  return given;
}

function isMapped(task: TaskInput): boolean {
  return task.expand !== undefined || task.task_group_id === "mapped";
}
