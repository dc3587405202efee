/**
 * How a backfill goes on when one of its runs ends, and how it ends.
 *
 * @module
 */

/** Where a backfill stands with its first runs: they run, they are over and somebody must look, or somebody has. */
export type CanaryState = "running" | "waiting" | "released";

/** What the next step is decided from. */
export interface BackfillStanding {
  completed_at: number | null;
  stop_on_first_failure: boolean;
  canary_state: CanaryState | null;
  canary_until: number | null;
}

/** What a backfill does next. `stop`: what is queued fails, as by a cancel. */
export type BackfillStep = "go_on" | "complete" | "stop" | "wait_for_canary";

/**
 * The step after a run ended or is gone.
 *
 * @param hasFailed A run of it just failed.
 * @param isUnfinished Says whether it has runs that are queued or running, up to a place in its order or, with null, at all.
 */
export function nextStep(
  { completed_at, stop_on_first_failure, canary_state, canary_until }: BackfillStanding,
  hasFailed: boolean,
  isUnfinished: (until: number | null) => boolean,
): BackfillStep {
  if (completed_at !== null) {
    return "go_on";
  }
  if (hasFailed && stop_on_first_failure) {
    return "stop";
  }
  if (!isUnfinished(null)) {
    return "complete";
  }
  return canary_state === "running" && !isUnfinished(canary_until) ? "wait_for_canary" : "go_on";
}

/**
 * The last place up to which its queued runs may start; null for no bound. A run of a backfill that is over was queued again by
 * a user and has no bound.
 */
export function startsUntil({ completed_at, canary_state, canary_until }: BackfillStanding): number | null {
  return completed_at === null && canary_state === "running" ? canary_until : null;
}
