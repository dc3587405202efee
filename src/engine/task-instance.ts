/**
 * A task instance in memory and the row it is stored as. Values (XComs) are not here: they may be large, and deciding
 * needs only whether there is one and how long it is.
 *
 * @module
 */
import type { PermitWish } from "./permits/wish.ts";
import type { SkipRecord } from "./skips.ts";
import type { TaskInstanceState } from "./states.ts";
import type { Progress, TaskError } from "./work.ts";

/** One row of the `task_instance` table, its value left out. Times are epoch milliseconds. */
export interface TaskInstanceRow {
  task_id: string;
  map_index: number;
  state: TaskInstanceState;
  try_number: number;
  max_tries: number;
  /** Grows with every claim, clear and mark; the newest is the only token that may report. */
  fence: number;
  scheduled_when: number | null;
  queued_when: number | null;
  start_date: number | null;
  end_date: number | null;
  /** When the timer of the present state is due: see `docs/state-machines.md`. */
  next_at: number | null;
  /** Times the message of the present try was sent. */
  sends: number;
  job_id: string | null;
  hostname: string | null;
  unixname: string | null;
  /** 1 if a value is stored under `return_value`. */
  has_value: number;
  /** Length of the value if it is a list or an object, else null. */
  map_length: number | null;
  /** What a branch or short circuit said, as JSON; survives a clear of what it skipped. */
  skip_record: string | null;
  error: string | null;
  late_results: number;
  /** Times in a row that it lost its worker and ran again at no cost. */
  worker_losses: number;
  note: string | null;
  /** 1 if a user deleted it: it is `removed` and nobody sees it. */
  deleted: number;
  /** What it holds or asked for from pools and other limits, as JSON; see `permits/wish.ts`. */
  wish: string | null;
}

/** Task instances of one task in one run share it; the machine's side is in `task-node.ts`. */
export interface InstanceOwner {
  readonly task: { readonly id: string; readonly index: number };
}

/** A task instance in memory. Only the run machine changes it. */
export class TaskInstance<Owner extends InstanceOwner = InstanceOwner> {
  readonly node: Owner;
  mapIndex: number;
  state: TaskInstanceState = null;
  tryNumber = 0;
  maxTries: number;
  fence = 0;
  scheduledWhen: number | null = null;
  queuedWhen: number | null = null;
  startDate: number | null = null;
  endDate: number | null = null;
  nextAt: number | null = null;
  sends = 0;
  jobId: string | null = null;
  hostname: string | null = null;
  unixname: string | null = null;
  hasValue = false;
  mapLength: number | null = null;
  skipRecord: SkipRecord | null = null;
  error: TaskError | null = null;
  lateResults = 0;
  workerLosses = 0;
  note: string | null = null;
  /** A user deleted it: it is `removed` and nobody sees it, until its task expands anew. */
  deleted = false;
  wish: PermitWish | null = null;
  /** When its worker last proved that it lives; like the three below it is not stored with it. */
  latestHeartbeat: number | null = null;
  /** What was last said of its progress. */
  progress: Progress | null = null;
  /** Why the last attempt was to stop. */
  stopReason: string | null = null;
  /** How often its lapsed lease was allowed more; see `liveness.ts`. */
  allowances = 0;
  /** A row of it is stored (under its present map index). */
  stored = false;

  constructor(node: Owner, mapIndex: number, maxTries: number) {
    this.node = node;
    this.mapIndex = mapIndex;
    this.maxTries = maxTries;
  }

  /** When its timer is due: a retry is ready strictly after its delay, everything else at its time. */
  get dueAt(): number | null {
    return this.nextAt === null || this.state !== "up_for_retry" ? this.nextAt : this.nextAt + 1;
  }

  /** Fills it from a stored row. */
  load(row: TaskInstanceRow): void {
    this.state = row.state;
    this.tryNumber = row.try_number;
    this.maxTries = row.max_tries;
    this.fence = row.fence;
    this.scheduledWhen = row.scheduled_when;
    this.queuedWhen = row.queued_when;
    this.startDate = row.start_date;
    this.endDate = row.end_date;
    this.nextAt = row.next_at;
    this.sends = row.sends;
    this.jobId = row.job_id;
    this.hostname = row.hostname;
    this.unixname = row.unixname;
    this.hasValue = row.has_value === 1;
    this.mapLength = row.map_length;
    this.skipRecord = row.skip_record === null ? null : (JSON.parse(row.skip_record) as SkipRecord);
    this.error = row.error === null ? null : (JSON.parse(row.error) as TaskError);
    this.lateResults = row.late_results;
    this.workerLosses = row.worker_losses;
    this.note = row.note;
    this.deleted = row.deleted === 1;
    this.wish = row.wish === null ? null : (JSON.parse(row.wish) as PermitWish);
    this.stored = true;
  }

  /** The row to store. */
  toRow(): TaskInstanceRow {
    return {
      task_id: this.node.task.id,
      map_index: this.mapIndex,
      state: this.state,
      try_number: this.tryNumber,
      max_tries: this.maxTries,
      fence: this.fence,
      scheduled_when: this.scheduledWhen,
      queued_when: this.queuedWhen,
      start_date: this.startDate,
      end_date: this.endDate,
      next_at: this.nextAt,
      sends: this.sends,
      job_id: this.jobId,
      hostname: this.hostname,
      unixname: this.unixname,
      has_value: this.hasValue ? 1 : 0,
      map_length: this.mapLength,
      skip_record: this.skipRecord === null ? null : JSON.stringify(this.skipRecord),
      error: this.error === null ? null : JSON.stringify(this.error),
      late_results: this.lateResults,
      worker_losses: this.workerLosses,
      note: this.note,
      deleted: this.deleted ? 1 : 0,
      wish: this.wish === null ? null : JSON.stringify(this.wish),
    };
  }
}
