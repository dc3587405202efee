/**
 * The thirteen trigger rules, as Airflow's `TriggerRuleDep` decides them: which state the upstream task instances force
 * on a task instance, and whether it may run. Pure arithmetic over counters; who counts is decided elsewhere.
 *
 * @module
 */
import type { TriggerRule } from "./spec.ts";

/**
 * Counters over the finished and relevant direct upstream task instances. `setup…` count those among them that are
 * setups.
 */
export interface UpstreamCounts {
  /** How many there are, finished or not. */
  total: number;
  success: number;
  skipped: number;
  failed: number;
  upstreamFailed: number;
  removed: number;
  setupTotal: number;
  setupSuccess: number;
  setupSkipped: number;
  /** How many are finished. The sum of the five states unless it is given. */
  done?: number;
}

/** State that upstream task instances force on one that has not started. */
export type ForcedState = "skipped" | "upstream_failed" | "removed";

/** What a rule says. Both parts are independent: a forced state does not make the rule pass, nor the reverse. */
export interface RuleVerdict {
  forced: ForcedState | null;
  passes: boolean;
}

const PASSES: RuleVerdict = { forced: null, passes: true };

/**
 * Decides `rule` for a task instance. `mapIndex` is its own, -1 if it is unmapped. Without any upstream every rule
 * passes. Costs the same however many upstream task instances there are.
 *
 * @example
 * evaluateTriggerRule("all_success", { ...none, total: 2, failed: 1 }, -1); // { forced: "upstream_failed", passes: false }
 */
export function evaluateTriggerRule(rule: TriggerRule, counts: UpstreamCounts, mapIndex: number): RuleVerdict {
  if (counts.total === 0 || rule === "always") {
    return PASSES;
  }
  return { forced: forcedState(rule, counts, mapIndex), passes: rulePasses(rule, counts) };
}

/**
 * Decides the indirect setups of a task instance that is no teardown: all must have succeeded, whatever its own rule.
 * `counts` are over those setups alone. If this forces a state, the task's own rule is not looked at. Unlike in a
 * trigger rule, a removed setup is missed by a task that is not mapped.
 */
export function evaluateSetups(counts: UpstreamCounts, mapIndex: number): RuleVerdict {
  if (counts.total === 0) {
    return PASSES;
  }
  const excused = mapIndex > -1 ? counts.removed : 0;
  return { forced: forcedState("all_success", counts, mapIndex), passes: counts.total - counts.success - excused <= 0 };
}

/** Says whether everything between the setups of a teardown and itself is over. `counts` are over those tasks alone. */
export function evaluateScope(counts: UpstreamCounts): boolean {
  return doneCount(counts) >= counts.total;
}

function doneCount(counts: UpstreamCounts): number {
  return counts.done ?? counts.success + counts.skipped + counts.failed + counts.upstreamFailed + counts.removed;
}

function forcedState(rule: TriggerRule, counts: UpstreamCounts, mapIndex: number): ForcedState | null {
  const { total, success, skipped, failed, upstreamFailed, removed } = counts;
  const anyFailed = failed > 0 || upstreamFailed > 0;
  switch (rule) {
    case "all_success":
      if (anyFailed) {
        return "upstream_failed";
      }
      if (skipped > 0) {
        return "skipped";
      }
      return removed > 0 && success > 0 && mapIndex > -1 && mapIndex >= success ? "removed" : null;
    case "all_failed":
      return success > 0 || skipped > 0 ? "skipped" : null;
    case "all_done_min_one_success":
      if (skipped > 0) {
        return "skipped";
      }
      return success + failed + upstreamFailed + removed >= total - skipped && success === 0 ? "upstream_failed" : null;
    case "all_done_setup_success":
      return forcedBySetups(counts);
    case "one_success": {
      const done = doneCount(counts);
      if (done < total) {
        return null;
      }
      if (done === skipped) {
        return "skipped";
      }
      return success === 0 ? "upstream_failed" : null;
    }
    case "one_failed":
      return doneCount(counts) >= total && !anyFailed ? "skipped" : null;
    case "one_done":
      return doneCount(counts) >= total && failed + success === 0 ? "skipped" : null;
    case "none_failed":
      return anyFailed ? "upstream_failed" : null;
    case "none_failed_min_one_success":
      if (anyFailed) {
        return "upstream_failed";
      }
      if (skipped === total) {
        return "skipped";
      }
      return doneCount(counts) >= total && success === 0 ? "upstream_failed" : null;
    case "none_skipped":
      return skipped > 0 ? "skipped" : null;
    case "all_skipped":
      return success > 0 || anyFailed ? "skipped" : null;
    case "all_done":
    case "always":
      return null;
  }
}

function forcedBySetups(counts: UpstreamCounts): ForcedState | null {
  if (doneCount(counts) < counts.total || counts.setupTotal === 0) {
    return null;
  }
  if (counts.setupSkipped >= counts.setupTotal) {
    return "skipped";
  }
  return counts.setupSuccess === 0 ? "upstream_failed" : null;
}

/** A removed upstream is not missed: its element is gone for good. Only `all_skipped` asks for each that there was. */
function rulePasses(rule: TriggerRule, counts: UpstreamCounts): boolean {
  const { total, success, skipped, failed, upstreamFailed, removed } = counts;
  switch (rule) {
    case "all_success":
      return total - success - removed <= 0;
    case "all_failed":
      return total - failed - upstreamFailed - removed <= 0;
    case "all_done":
      return doneCount(counts) >= total;
    case "all_done_min_one_success":
      return skipped === 0 && success + failed + upstreamFailed >= total - removed && success > 0;
    case "all_done_setup_success":
      return doneCount(counts) >= total && !(counts.setupTotal > 0 && counts.setupSuccess === 0);
    case "one_success":
      return success > 0;
    case "one_failed":
      return failed + upstreamFailed > 0;
    case "one_done":
      return success + failed > 0;
    case "none_failed":
      return total - success - skipped - removed <= 0;
    case "none_failed_min_one_success":
      return total - success - skipped - removed <= 0 && success > 0;
    case "none_skipped":
      return doneCount(counts) >= total && skipped === 0;
    case "all_skipped":
      return total - skipped <= 0;
    case "always":
      return true;
  }
}

const REQUIREMENTS: Record<TriggerRule, string> = {
  all_success: "all upstream tasks to have succeeded",
  all_failed: "all upstream tasks to have failed",
  all_done: "all upstream tasks to have completed",
  all_done_min_one_success: "all upstream tasks to have completed, none skipped and at least one succeeded",
  all_done_setup_success: "all upstream tasks to have completed and, if there are setups, one of them succeeded",
  one_success: "at least one upstream task to have succeeded",
  one_failed: "at least one upstream task to have failed",
  one_done: "at least one upstream task to have succeeded or failed",
  none_failed: "all upstream tasks to have succeeded or been skipped",
  none_failed_min_one_success: "all upstream tasks to have succeeded or been skipped, and at least one succeeded",
  none_skipped: "all upstream tasks to have completed and none skipped",
  all_skipped: "all upstream tasks to have been skipped",
  always: "nothing",
};

/**
 * Says why `rule` does not pass, with the counters, for people who wonder what a task waits for. Empty if it passes.
 * Not for the path of every event: it builds a sentence.
 */
export function explainTriggerRule(rule: TriggerRule, counts: UpstreamCounts, mapIndex: number): string {
  if (evaluateTriggerRule(rule, counts, mapIndex).passes) {
    return "";
  }
  return `Task's trigger rule '${rule}' requires ${REQUIREMENTS[rule]}, but found ${describeCounts(rule, counts)}.`;
}

/** Says why the indirect setups do not let a task run, with the counters. Empty if they do. */
export function explainSetups(counts: UpstreamCounts, mapIndex: number): string {
  if (evaluateSetups(counts, mapIndex).passes) {
    return "";
  }
  return `All setup tasks must complete successfully, but found ${describeCounts("all_success", counts)}.`;
}

/** Says why the scope of a teardown does not let it run. Empty if it does. */
export function explainScope(rule: TriggerRule, counts: UpstreamCounts): string {
  const open = counts.total - doneCount(counts);
  return open <= 0
    ? ""
    : `Task's trigger rule '${rule}' requires all tasks between setup and teardown to have completed, ` +
        `but found ${open} of ${counts.total} not done.`;
}

function describeCounts(rule: TriggerRule, counts: UpstreamCounts): string {
  const parts = [
    `success=${counts.success}`,
    `skipped=${counts.skipped}`,
    `failed=${counts.failed}`,
    `upstream_failed=${counts.upstreamFailed}`,
    `removed=${counts.removed}`,
    `done=${doneCount(counts)}`,
  ];
  if (rule === "all_done_setup_success") {
    parts.push(
      `success_setup=${counts.setupSuccess}`,
      `skipped_setup=${counts.setupSkipped}`,
      `setup=${counts.setupTotal}`,
    );
  }
  return `${parts.join(", ")} of ${counts.total} upstream task instance${counts.total === 1 ? "" : "s"}`;
}
