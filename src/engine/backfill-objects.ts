/**
 * Backfills as the objects know them: what is asked for, what is answered, and the methods by RPC. Times are epoch
 * milliseconds.
 *
 * @module
 */
import type { Page, Result } from "./objects.ts";
import type { RunEndReason } from "./run-state.ts";
import type { Json } from "./spec.ts";
import type { DagRunState, TaskInstanceState } from "./states.ts";
import type { TaskError } from "./work.ts";

/** What a backfill does about dates that have a run: leave it, run it again if it failed, or if it is over. */
export type ReprocessBehavior = "none" | "failed" | "completed";

/** Why a date of a backfill got no run. Names are Airflow's. */
export type SkipReason = "in flight" | "already exists";

/** Why a backfill is over: all its runs are, somebody cancelled it, or its first run failed that `stop_on_first_failure` waits for. */
export type BackfillEndReason = "completed" | "cancelled" | "first_failure";

/** A backfill as it is asked for. */
export interface BackfillRequest {
  from_date: number;
  to_date: number;
  /** Latest date first. */
  run_backwards: boolean;
  /** Conf of every run. Null: none, and runs that are made again keep theirs. */
  dag_run_conf: Record<string, Json> | null;
  reprocess_behavior: ReprocessBehavior;
  max_active_runs: number;
  /** Runs that are made again take the newest spec instead of the one they began with. */
  run_on_latest_version: boolean;
  stop_on_first_failure: boolean;
  /** Runs after which it waits for somebody to unpause it; null: it does not. */
  canary: number | null;
  triggering_user_name: string | null;
}

/** A backfill. */
export interface BackfillView extends BackfillRequest {
  id: number;
  dag_id: string;
  /** No queued run of it starts; running ones go on. */
  is_paused: boolean;
  /** Its first runs are over, and it is paused until somebody has looked at them. */
  is_waiting_for_canary: boolean;
  created_at: number;
  updated_at: number;
  completed_at: number | null;
  end_reason: BackfillEndReason | null;
  /** The run that ended it, with `first_failure`. */
  first_failed_run_id: string | null;
}

/** What becomes of one date. */
export interface PlannedDateView {
  /** Place in the backfill, from 1. */
  sort_ordinal: number;
  logical_date: number;
  data_interval_start: number;
  data_interval_end: number;
  run_after: number;
  action: "create" | "reprocess" | "skip";
  /** Why it is left out; null unless it is. */
  reason: SkipReason | null;
  /** The run that the date has, with its state; null if it has none. */
  run_id: string | null;
  state: DagRunState | null;
}

/** What a backfill would do. */
export interface BackfillPlanView {
  dates: PlannedDateView[];
  /** Task instances of all runs that would run; a mapped task whose length is not known yet counts as one. */
  estimated_task_instances: number;
  /** The backfill of the DAG that is not over, because of which another one would be refused now; or null. */
  active_backfill_id: number | null;
}

/** A run of a backfill that is worth a look. */
export interface ReportedRun {
  run_id: string;
  logical_date: number;
  state: DagRunState;
  reason: RunEndReason | null;
}

/** A task instance of such a run. */
export interface ReportedInstance {
  run_id: string;
  logical_date: number;
  task_id: string;
  map_index: number;
  state: TaskInstanceState;
  try_number: number;
}

/** What became of a backfill; every list is cut, its total is not. */
export interface BackfillReportView {
  backfill: BackfillView;
  /** Dates it is about. */
  dates: number;
  /** Runs by state; every run state is named. */
  runs: Record<DagRunState, number>;
  /** Of the failed ones, those that never began: they were still queued when the backfill was ended. */
  never_started: number;
  /** Dates that got no run, by reason. */
  skipped: Record<SkipReason, number>;
  /** Dates whose run was deleted since. */
  deleted: number;
  failed_runs: Page<ReportedRun>;
  failed_task_instances: Page<ReportedInstance & { error: TaskError | null }>;
  /** Runs in which nothing can move any more. */
  deadlocked_runs: Page<ReportedRun>;
  /** Task instances of the listed runs that were never able to run. */
  deadlocked_task_instances: Page<ReportedInstance & { passes_if_past_is_ignored: boolean }>;
}

/** The backfills of one DAG. */
export interface BackfillOwner {
  /** Says whether `createBackfill` would refuse: not_found, invalid, too_large, or conflict with one that is not over. */
  checkBackfill(request: BackfillRequest): Promise<Result<null>>;
  /** What it would do; refused as `checkBackfill`, but for the conflict and for a range without dates. */
  planBackfill(request: BackfillRequest): Promise<Result<BackfillPlanView>>;
  /** Makes a backfill with all its runs. The same id again answers the one that exists. */
  createBackfill(id: number, request: BackfillRequest): Promise<Result<BackfillView>>;
  /** Oldest first unless `descending`. */
  listBackfills(limit: number, offset: number, descending: boolean): Promise<Result<Page<BackfillView>>>;
  getBackfill(id: number): Promise<Result<BackfillView>>;
  /** conflict if it is over. */
  setBackfillPaused(id: number, paused: boolean): Promise<Result<BackfillView>>;
  /** Ends it: its queued runs fail, running ones go on. conflict if it is over. */
  cancelBackfill(id: number): Promise<Result<BackfillView>>;
  reportBackfill(id: number): Promise<Result<BackfillReportView>>;
}

/** Which DAG has which backfill; part of the catalog. */
export interface BackfillIds {
  /** A number that no backfill has had. */
  newBackfill(dagId: string): Promise<number>;
  /** The DAG that a number was given to, or null. Whether there is such a backfill is for the DAG to say. */
  backfillDag(id: number): Promise<string | null>;
}
