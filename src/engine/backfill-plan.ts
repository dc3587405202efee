/**
 * What a backfill does, before it does it: whether it may, which dates it has, and what becomes of each. Rules and words are
 * Airflow's.
 *
 * @module
 */
import type { BackfillRequest, PlannedDateView, ReprocessBehavior, SkipReason } from "./backfill-objects.ts";
import type { Refusal } from "./objects.ts";
import type { DagSpec } from "./spec.ts";
import { isRunFinished, type DagRunState } from "./states.ts";
import { iterateRuns } from "./timetable/iterate.ts";
import type { DagRunInfo, Timetable } from "./timetable/timetable.ts";

/** What one backfill may take, so that it is made in one turn of its DAG. */
export const BACKFILL_LIMITS = {
  dates: 10_000,
  /** Runs that are made again, and task instances of them. */
  reprocessedRuns: 1000,
  reprocessedInstances: 20_000,
  /** Characters of JSON that conf and params take in all its runs. */
  confs: 32 * 1024 * 1024,
  maxActiveRuns: 1000,
  /** Tasks of all runs that may be running at a time: they are in memory together. */
  activeTasks: 50_000,
} as const;

/** A run that a date has already. */
export interface ExistingRun {
  id: number;
  run_id: string;
  state: DagRunState;
  version_number: number;
}

/** One date with what becomes of it. */
export interface PlannedDate {
  sort_ordinal: number;
  info: DagRunInfo;
  existing: ExistingRun | null;
  action: "create" | "reprocess" | "skip";
  reason: SkipReason | null;
}

type Rejection = Refusal & { code: "invalid" };

/** Says why a backfill is refused, whatever its dates; null if it is not. */
export function refuseBackfill(
  spec: DagSpec,
  timetable: Pick<Timetable, "canBackfill">,
  request: BackfillRequest,
  now: number,
): Rejection | null {
  const { from_date: from, to_date: to, run_backwards: backwards, reprocess_behavior: behavior } = request;
  if (!timetable.canBackfill) {
    return rejection(`${spec.dag_id} has no schedule`, "dag_id");
  }
  if (from > to) {
    const [start, end] = [from, to].map((date) => new Date(date).toISOString());
    return rejection(`from_date (${start}) must not be after to_date (${end}).`, "from_date");
  }
  // The other end is later still.
  if (from >= now) {
    return rejection("Backfill cannot be executed for future dates.", "from_date");
  }
  const most = Math.floor(BACKFILL_LIMITS.activeTasks / Math.max(spec.tasks.length, 1));
  if (request.max_active_runs > most) {
    const message = `expected at most ${most} of a DAG of ${spec.tasks.length} tasks, got ${request.max_active_runs}`;
    return rejection(message, "max_active_runs");
  }
  if (spec.tasks.some((task) => task.depends_on_past || task.wait_for_downstream)) {
    if (backwards) {
      return rejection(
        "Backfill cannot be run in reverse when the Dag has tasks where depends_on_past=True.",
        "run_backwards",
      );
    }
    if (behavior === "none") {
      return rejection(
        "Dag has tasks for which depends_on_past=True. You must set reprocess behavior to reprocess completed or reprocess failed.",
        "reprocess_behavior",
      );
    }
  }
  return null;
}

/** The runs of a backfill in the order they start in; null if there are more than one backfill may have. */
export function backfillDates(timetable: Timetable, request: BackfillRequest, now: number): DagRunInfo[] | null {
  const dates: DagRunInfo[] = [];
  for (const run of iterateRuns(timetable, { from: request.from_date, to: request.to_date, now })) {
    if (dates.length === BACKFILL_LIMITS.dates) {
      return null;
    }
    dates.push(run);
  }
  return request.run_backwards ? dates.toReversed() : dates;
}

/** What becomes of each date. `existing`: runs that are there, by logical date. */
export function planDates(
  dates: readonly DagRunInfo[],
  existing: ReadonlyMap<number, ExistingRun>,
  behavior: ReprocessBehavior,
): PlannedDate[] {
  return dates.map((info, index): PlannedDate => {
    const run = existing.get(info.logical_date) ?? null;
    const planned = { sort_ordinal: index + 1, info, existing: run };
    if (run === null) {
      return { ...planned, action: "create", reason: null };
    }
    const reason = whyNot(run.state, behavior);
    return { ...planned, action: reason === null ? "reprocess" : "skip", reason };
  });
}

/** Why a run is not made again; null if it is. */
function whyNot(state: DagRunState, behavior: ReprocessBehavior): SkipReason | null {
  if (!isRunFinished(state)) {
    return "in flight";
  }
  const isWanted = behavior === "completed" || (behavior === "failed" && state === "failed");
  return isWanted ? null : "already exists";
}

/** The place of the last of the first `canary` runs; null without a canary. Dates that get no run do not count. */
export function canaryUntil(plan: readonly PlannedDate[], canary: number | null): number | null {
  if (canary === null) {
    return null;
  }
  const runs = plan.filter(({ action }) => action !== "skip");
  return (runs[canary - 1] ?? runs.at(-1))?.sort_ordinal ?? 0;
}

/** A planned date as it is shown. */
export function plannedDateView({ sort_ordinal, info, existing, action, reason }: PlannedDate): PlannedDateView {
  return {
    sort_ordinal,
    logical_date: info.logical_date,
    data_interval_start: info.data_interval.start,
    data_interval_end: info.data_interval.end,
    run_after: info.run_after,
    action,
    reason,
    run_id: existing?.run_id ?? null,
    state: existing?.state ?? null,
  };
}

/** A refusal of what stands in a field of the request. */
export function rejection(message: string, field: string): Rejection {
  return { code: "invalid", message, loc: ["body", field] };
}
