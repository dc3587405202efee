/**
 * May a cell be scheduled? Airflow's dependencies written out over lists of states, every time from the whole run.
 *
 * @module
 */
import type { TriggerRule } from "../../../src/engine/spec.ts";
import type { TaskInstanceState } from "../../../src/engine/states.ts";
import {
  cellsOf,
  feedersOf,
  indirectSetups,
  isExpanded,
  mappedGroupOf,
  OVER,
  scopeOf,
  taskOf,
  type Cell,
  type World,
} from "./world.ts";

/** `wait`, `pass`, or the state that the dependencies force. */
export type Verdict = "wait" | "pass" | "skipped" | "upstream_failed" | "removed";

/** Judges a cell that waits, timers left out. */
export function judge(world: World, cell: Cell): Verdict {
  if (previouslySkipped(world, cell)) {
    return "skipped";
  }
  const mapped = mappedUpstream(world, cell);
  if (mapped === "skipped" || mapped === "upstream_failed") {
    return mapped;
  }
  const setups = indirectSetups(world, cell.task);
  const bySetups = judgeSetups(relevant(world, cell, setups), cell.index);
  if (bySetups !== "pass" && bySetups !== "wait") {
    return bySetups;
  }
  const upstream = cell.task.upstream_task_ids;
  const byRule = judgeRule(cell.task.trigger_rule, relevant(world, cell, upstream), cell.index);
  if (byRule !== "pass") {
    return byRule;
  }
  if (cell.task.is_teardown && !relevant(world, cell, scopeOf(world, cell.task)).every(isOver)) {
    return "wait";
  }
  const isHeldByPast = cell.task.depends_on_past && world.shut.has(cell.task.task_id);
  return mapped === "pass" && bySetups === "pass" && !isHeldByPast ? "pass" : "wait";
}

/** A branch or short circuit right above is over and its answer leaves this task out. */
function previouslySkipped(world: World, cell: Cell): boolean {
  return cell.task.upstream_task_ids.some((id) => {
    const index = isExpanded(world, id) ? cell.index : -1;
    const parent = cellsOf(world, id).find((other) => other.index === index);
    if (parent === undefined || parent.answer === null || !OVER.includes(parent.state)) {
      return false;
    }
    const named = parent.answer.ids.includes(cell.task.task_id);
    return parent.answer.kind === "followed" ? !named : named;
  });
}

/** What feeds an expansion: it must have succeeded, or, where it is expanded itself, be over. */
function mappedUpstream(world: World, cell: Cell): Verdict {
  const feeders = feedersOf(world, cell.task).flatMap((id) => cellsOf(world, id));
  const unexpanded = feeders.filter((feeder) => feeder.index < 0).map((feeder) => feeder.state);
  if (unexpanded.includes("failed") || unexpanded.includes("upstream_failed")) {
    return "upstream_failed";
  }
  if (unexpanded.includes("skipped")) {
    return "skipped";
  }
  return feeders.every((feeder) => OVER.includes(feeder.state)) ? "pass" : "wait";
}

/** Cells of upstream tasks that count for this one: inside one mapped group, those of the same element. */
function relevant(world: World, cell: Cell, upstream: readonly string[]): Cell[] {
  const group = mappedGroupOf(world, cell.task);
  return upstream.flatMap((id) => {
    const together = group !== null && mappedGroupOf(world, taskOf(world, id)) === group;
    return cellsOf(world, id).filter((other) => !together || other.index < 0 || other.index === cell.index);
  });
}

function isOver(cell: Cell): boolean {
  return OVER.includes(cell.state);
}

/** Indirect setups must have succeeded. A task that is not mapped misses one that was removed, an element does not. */
function judgeSetups(setups: readonly Cell[], index: number): Verdict {
  const verdict = judgeRule("all_success", setups, index);
  return verdict === "pass" && index < 0 && setups.some(({ state }) => state === "removed") ? "wait" : verdict;
}

/**
 * One trigger rule over a list of upstream cells. A forced state comes before whether the rule passes. A removed cell is
 * over, and where a rule asks for an outcome of every upstream, it is as if it were not there.
 */
export function judgeRule(rule: TriggerRule, upstream: readonly Cell[], index: number): Verdict {
  if (upstream.length === 0 || rule === "always") {
    return "pass";
  }
  const states = upstream.map((cell) => cell.state);
  const all = (...wanted: TaskInstanceState[]): boolean => states.every((state) => wanted.includes(state));
  const any = (...wanted: TaskInstanceState[]): boolean => states.some((state) => wanted.includes(state));
  const done = all("success", "failed", "skipped", "upstream_failed", "removed");
  const failures: TaskInstanceState[] = ["failed", "upstream_failed"];
  const passIf = (condition: boolean): Verdict => (condition ? "pass" : "wait");
  switch (rule) {
    case "all_success": {
      if (any(...failures)) return "upstream_failed";
      if (any("skipped")) return "skipped";
      const successes = states.filter((state) => state === "success").length;
      if (index >= 0 && any("removed") && successes > 0 && index >= successes) return "removed";
      return passIf(all("success", "removed"));
    }
    case "all_failed":
      return any("success", "skipped") ? "skipped" : passIf(all(...failures, "removed"));
    case "all_done":
      return passIf(done);
    case "all_done_min_one_success":
      if (any("skipped")) return "skipped";
      if (done && !any("success")) return "upstream_failed";
      return passIf(done);
    case "all_done_setup_success": {
      const setups = upstream.filter((cell) => cell.task.is_setup).map((cell) => cell.state);
      if (!done) return "wait";
      if (setups.length === 0 || setups.includes("success")) return "pass";
      return setups.every((state) => state === "skipped") ? "skipped" : "upstream_failed";
    }
    case "one_success":
      if (any("success")) return "pass";
      return done ? (all("skipped") ? "skipped" : "upstream_failed") : "wait";
    case "one_failed":
      return any(...failures) ? "pass" : done ? "skipped" : "wait";
    case "one_done":
      return any("success", "failed") ? "pass" : done ? "skipped" : "wait";
    case "none_failed":
      return any(...failures) ? "upstream_failed" : passIf(done);
    case "none_failed_min_one_success":
      if (any(...failures)) return "upstream_failed";
      if (!done) return "wait";
      return any("success") ? "pass" : all("skipped") ? "skipped" : "upstream_failed";
    case "none_skipped":
      return any("skipped") ? "skipped" : passIf(done);
    case "all_skipped":
      return any("success", ...failures) ? "skipped" : passIf(all("skipped"));
  }
}
