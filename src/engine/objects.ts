/**
 * What the durable objects offer by RPC, as interfaces over plain data. The API, the queue consumer and the runner know
 * these and not the classes. Methods are idempotent; a refusal is a value, because error classes do not survive RPC.
 *
 * @module
 */
import type { PoolNames } from "./permits/pool-names.ts";
import type { QueueRoleBook } from "./queue-roles.ts";
import type { BackfillIds, BackfillOwner } from "./backfill-objects.ts";
import type { Result } from "./result.ts";
import type { DagSpec, Json } from "./spec.ts";
import type { DagRunInfo } from "./timetable/timetable.ts";
import type { WatchBook } from "./watch.ts";
import type { DagRunState } from "./states.ts";
import type {
  AttemptBeat,
  AttemptStanding,
  BeatAnswer,
  ClaimedTask,
  DagRunView,
  JobView,
  Progress,
  Report,
  ReportAnswer,
  Outcome,
  LogChunk,
  LogLine,
  StoredValue,
  TaskError,
  TaskInstanceKey,
  TaskInstanceView,
  Verdict,
  WorkerIdentity,
} from "./work.ts";

export type { Refusal, Result } from "./result.ts";

/** A DAG as its object knows it, in epoch milliseconds. */
export interface DagView {
  dag_id: string;
  is_paused: boolean;
  /** It came by `register` and not with the deployed code. */
  is_registered: boolean;
  /** Version number of the newest spec, from 1. */
  version: number;
  version_created_at: number;
  /** The next run its schedule makes, or null. */
  next_dagrun: DagRunInfo | null;
  spec: DagSpec;
}

/** One version of a DAG's spec. */
export interface DagVersionView {
  dag_id: string;
  version_number: number;
  created_at: number;
}

/** What a list of DAGs asks beyond the DAG itself. */
export interface DagStatsView {
  dag_id: string;
  /** Runs by state; every run state is named. */
  runs: Record<DagRunState, number>;
  /** The run of the latest `run_after`, or null. */
  latest: { state: DagRunState; start_date: number | null; end_date: number | null } | null;
}

/** What a caller asks for when a run is made; times in epoch milliseconds. */
export interface TriggerRequest {
  /** Null: made from the type and `run_after`. The same id again answers `conflict`, unless `dedupe`. */
  run_id: string | null;
  logical_date: number | null;
  data_interval_start: number | null;
  data_interval_end: number | null;
  run_after: number | null;
  conf: Record<string, Json>;
  note: string | null;
  triggered_by: "rest_api" | "cli" | "ui" | "webhook" | "test";
  /** Who asked for it, or null if nobody is known by name. */
  triggering_user_name?: string | null;
  /** The same run_id again answers the run that exists: for webhook deliveries. */
  dedupe?: boolean;
}

/** Bounds of a filter: epoch milliseconds, or seconds for a duration. A value that is null is in no range. */
export interface Range {
  gte?: number;
  gt?: number;
  lte?: number;
  lt?: number;
}

/** Which runs. What is left out does not filter. Patterns: see `like.ts`. */
export interface RunFilter {
  run_ids?: string[];
  state?: string[];
  run_type?: string[];
  dag_version?: number[];
  run_id_pattern?: string;
  triggering_user_name_pattern?: string;
  /** The run's conf as JSON text contains this. */
  conf_contains?: string;
  run_after?: Range;
  logical_date?: Range;
  start_date?: Range;
  end_date?: Range;
  updated_at?: Range;
  duration?: Range;
}

export interface RunQuery extends RunFilter {
  limit: number;
  offset: number;
  /**
   * e.g. `["-run_after", "run_id"]`; fields: id (order of creation), state, dag_id, run_id, logical_date, run_after,
   * start_date, end_date, updated_at, conf, duration. Nulls come last, with `-` first. Empty: by id.
   */
  order_by: string[];
}

/** Which task instances. What is left out does not filter. */
export interface TaskInstanceFilter {
  /** Only those of these runs. */
  runs?: RunFilter;
  task_ids?: string[];
  task_group_id?: string;
  /** `none` for null. */
  state?: string[];
  map_index?: number[];
  try_number?: number[];
  operator?: string[];
  pool?: string[];
  queue?: string[];
  executor?: string[];
  dag_version?: number[];
  task_display_name_pattern?: string;
  operator_name_pattern?: string;
  pool_name_pattern?: string;
  queue_name_pattern?: string;
  start_date?: Range;
  end_date?: Range;
  duration?: Range;
}

export interface TaskInstanceQuery extends TaskInstanceFilter {
  limit: number;
  offset: number;
  /**
   * Fields: id (order of the spec), task_id, map_index, state, start_date, end_date, duration, try_number, operator,
   * queued_when, scheduled_when, and of the run: run_id, logical_date, run_after, data_interval_start, data_interval_end;
   * `-` before one for descending. Nulls come last, with `-` first. Empty: by run, then id, then map index.
   */
  order_by: string[];
}

/** Which values task instances left. */
export interface XComQuery {
  limit: number;
  offset: number;
  /** Null: of all runs, or of all tasks. */
  run_id: string | null;
  task_id: string | null;
  key?: string;
  map_index?: number;
  key_pattern?: string;
  run_id_pattern?: string;
  task_id_pattern?: string;
  logical_date?: Range;
  run_after?: Range;
  /** Fields: key, run_id, task_id, map_index, timestamp, run_after. Ties: by task, run, map index and key. */
  order_by?: string[];
}

/** A value a task instance left, without the value. */
export interface XComView {
  run_id: string;
  task_id: string;
  map_index: number;
  key: string;
  /** When it was stored, epoch milliseconds. */
  timestamp: number;
  logical_date: number | null;
  run_after: number;
}

/** A part of one try's log. */
export interface LogPage {
  lines: LogLine[];
  /** Where the next part begins: give it as `from`. */
  next: number;
  /** The try is over and these are its last lines. */
  isOver: boolean;
  /** Lines that were dropped before the first of these, because a log keeps its last megabyte. */
  dropped: number;
  /** The worker that ran the try, or null. */
  hostname: string | null;
  /** Why the try failed; null while it is not over. */
  error: TaskError | null;
}

/** A page of a list. */
export interface Page<T> {
  items: T[];
  total: number;
}

/** One task of a bulk submission. */
export interface BatchEntry {
  name: string;
  payload: Json;
  /** Epoch milliseconds; null for at once. */
  runAt: number | null;
}

/** A bulk submission as the API shows it. */
export interface BatchView {
  batch_id: string;
  state: "queued" | "running" | "success" | "failed";
  total: number;
  counts: Record<string, number>;
  created_at: number;
  end_date: number | null;
}

/** Why a task instance or a job is where it is. */
export interface WhyView {
  state: string | null;
  /** One sentence: the first of the causes, or how it stands if nothing keeps it. */
  reason: string;
  /** All that keeps it from running, the first to be mended first. */
  causes: { name: string; reason: string }[];
}

/** The object of one DAG, or of one bulk submission. */
export interface DagObject extends BackfillOwner {
  /** The DAG, or not_found if neither the code nor a registration knows it. */
  describe(): Promise<Result<DagView>>;
  setPaused(paused: boolean): Promise<Result<DagView>>;
  /** Stores a spec that came over HTTP; one that differs from the newest becomes a new version. conflict: the code defines this DAG. */
  register(spec: DagSpec): Promise<Result<DagView>>;
  /** Deletes all that is stored of the DAG. conflict while task instances run. One of the code begins anew. */
  deleteDag(): Promise<Result<null>>;
  /** The next runs its schedule would make if time passed. */
  previewRuns(count: number): Promise<Result<DagRunInfo[]>>;
  stats(): Promise<Result<DagStatsView>>;
  /** Newest last unless `descending`. */
  listVersions(limit: number, offset: number, descending: boolean): Promise<Result<Page<DagVersionView>>>;
  getVersion(versionNumber: number): Promise<Result<DagVersionView & { spec: DagSpec }>>;
  trigger(request: TriggerRequest): Promise<Result<DagRunView>>;
  listRuns(query: RunQuery): Promise<Result<Page<DagRunView>>>;
  /** With `waitMs`, answers when the run is over or the time is up. */
  getRun(runId: string, waitMs: number): Promise<Result<DagRunView>>;
  /** Airflow's `PATCH` of a run: a state as `dags state`-marking does (semantics in `run-marking.ts`), a note, or both. */
  patchRun(
    runId: string,
    patch: { state?: "queued" | "success" | "failed"; note?: string | null },
  ): Promise<Result<DagRunView>>;
  /** Deletes a run with all it owns. conflict while it is running. */
  deleteRun(runId: string): Promise<Result<null>>;
  /** Task instances of a run, or with null of all runs. */
  listTaskInstances(runId: string | null, query: TaskInstanceQuery): Promise<Result<Page<TaskInstanceView>>>;
  getTaskInstance(key: TaskInstanceKey): Promise<Result<TaskInstanceView>>;
  /** Tries that are over, oldest first, then the present one. */
  listTries(key: TaskInstanceKey): Promise<Result<TaskInstanceView[]>>;
  /** What keeps a task instance from being scheduled and queued, by Airflow's names of dependencies; empty if nothing does. */
  dependencies(key: TaskInstanceKey): Promise<Result<WhyView["causes"]>>;
  /** Why a task instance is where it is: the first reason in a sentence, and all causes. */
  why(key: TaskInstanceKey): Promise<Result<WhyView>>;
  /** Marks task instances; answers those that change (or would, with `dry_run`), in their state after it. */
  mark(request: MarkRequest): Promise<Result<TaskInstanceView[]>>;
  /** Sets the note of a task instance, with `map_index` null of all instances of the task. Answers them. */
  setNote(
    runId: string,
    taskId: string,
    mapIndex: number | null,
    note: string | null,
  ): Promise<Result<TaskInstanceView[]>>;
  /** Forgets a task instance: stopped if it runs, then hidden. Of a mapped task it is not missed; else what follows never runs. */
  deleteTaskInstance(key: TaskInstanceKey): Promise<Result<null>>;
  /**
   * The log of one try from line `from` on, as much as fits a page and follows without a gap. With `waitMs`, answers when
   * there is more than nothing or the time is up. not_found if there was no such try.
   */
  readLog(key: TaskInstanceKey, tryNumber: number, from: number, waitMs: number): Promise<Result<LogPage>>;
  /** Task instances that a job watches now, oldest first. */
  listAdopted(): Promise<Result<TaskInstanceView[]>>;
  /** A value a task instance left; a large one stands as `{ r2 }`. not_found if there is none. */
  getXCom(key: TaskInstanceKey, xcomKey: string): Promise<Result<StoredValue>>;
  /** All values the instances of a mapped task left under a key, by map index. too_large if one message cannot take them. */
  getXComs(runId: string, taskId: string, xcomKey: string): Promise<Result<StoredValue[]>>;
  listXComs(query: XComQuery): Promise<Result<Page<XComView>>>;
  /**
   * Stores a value by a user's word, with its length if it is a list or an object, for tasks that are mapped over it.
   * `create`: conflict if there is one under the key; `update`: not_found if there is none.
   */
  setXCom(
    key: TaskInstanceKey,
    xcomKey: string,
    value: StoredValue,
    mapLength: number | null,
    mode: "create" | "update",
  ): Promise<Result<XComView>>;
  deleteXCom(key: TaskInstanceKey, xcomKey: string): Promise<Result<null>>;
  /**
   * Where in the bucket `PAYLOADS` a run's values lie that are too large for rows, with a slash at the end: a prefix that no
   * other run ever has. What is put there goes with the run at the latest. With `forXCom`, and nothing is made then, the refusal
   * that `setXCom` would answer.
   */
  payloadPlace(runId: string, forXCom?: XComPlace): Promise<Result<string>>;
  /** Clears task instances so that they run again; a running one is stopped first. Answers those that it clears, as they are after it. */
  clear(request: ClearRequest): Promise<Result<TaskInstanceView[]>>;

  submitBatch(batchId: string, entries: BatchEntry[]): Promise<Result<BatchView>>;
  getBatch(waitMs: number): Promise<Result<BatchView>>;
  /** The batch member at a position, shown as a job. */
  getMember(index: number, waitMs: number): Promise<Result<JobView>>;
  killMember(index: number, reason: string): Promise<Result<JobView>>;
  /** As `why`, of the batch member at a position. */
  whyMember(index: number): Promise<Result<WhyView>>;
  /** As `readLog`, of the batch member at a position. */
  readMemberLog(index: number, tryNumber: number, from: number, waitMs: number): Promise<Result<LogPage>>;

  claim(requests: (TaskInstanceKey & { try_number: number })[], worker: WorkerIdentity): Promise<ClaimedTask[]>;
  report(reports: Report[], worker: WorkerIdentity, followUpLimit: number): Promise<ReportAnswer>;
  /**
   * A worker beats for attempts it runs: their leases begin anew, and the jobs that were made for them are noted. Answers in their
   * order: `stop` for one that is no longer the current one.
   */
  beat(beats: AttemptBeat[], worker: WorkerIdentity): Promise<BeatAnswer[]>;
  /**
   * How an attempt stands, asked by its job when it has heard nothing for too long; the job brings its progress. Here it is
   * decided whether the worker is lost.
   */
  attemptStanding(key: TaskInstanceKey, token: number, progress: Progress | null): Promise<AttemptStanding>;
  /** Does what is due and has not happened; gives when there is something to do next (epoch ms), or null. */
  wake(): Promise<number | null>;
  /** The job of an attempt was killed, or its worker obeyed a stop. Fenced by the token; idempotent. */
  attemptEnded(key: TaskInstanceKey, token: number, outcome: Outcome): Promise<Verdict>;
}

/** Task instances that lie around those named, as Airflow's flags say it. */
export interface Neighbourhood {
  include_upstream?: boolean;
  include_downstream?: boolean;
  /** The same in runs of later logical dates; invalid if the run has none. */
  include_future?: boolean;
  include_past?: boolean;
}

/** Airflow's `clearTaskInstances`, and with `task_ids` null its clear of runs. What is left out is false. */
export interface ClearRequest extends Neighbourhood {
  /** The run, or null for all runs whose logical date lies from `start_date` to `end_date`, null for no bound. */
  run_id: string | null;
  start_date?: number | null;
  end_date?: number | null;
  /** Null: every task. A pair names one mapped instance. */
  task_ids: (string | [string, number])[] | null;
  only_failed?: boolean;
  only_running?: boolean;
  /** False leaves finished runs as they are. Default true. */
  reset_dag_runs?: boolean;
  /** Run again on the newest spec instead of the one the run began with. */
  run_on_latest_version?: boolean;
  /** conflict if one of them runs, instead of stopping it. */
  prevent_running_task?: boolean;
  /** Put on every cleared task instance, or with `task_ids` null on the runs; empty text removes the note. */
  note?: string;
  /** Puts the note on the task instances with `task_ids` null, too. */
  note_on_instances?: boolean;
  /** Changes nothing; answers the task instances as they are. */
  dry_run?: boolean;
}

/** Airflow's `set_task_instance_state`. */
export interface MarkRequest extends Neighbourhood {
  run_id: string;
  /** The task; or several that are marked together, as those of a group. */
  task_id: string | string[];
  /** Null: every instance of the task. */
  map_index: number | null;
  new_state: "success" | "failed" | "skipped";
  /** Changes nothing; answers the task instances as they are. */
  dry_run?: boolean;
}

/** What a job that watches a task instance is created from. */
export interface AdoptionRequest {
  /** Null for a try of a standalone job: its intake object is the owner. */
  dag_id: string | null;
  run_id: string;
  task_id: string;
  map_index: number;
  try_number: number;
  max_tries: number;
  token: number;
  handler: string;
  heartrateMs: number;
  startDate: number;
  worker: WorkerIdentity;
  progress: Progress | null;
  /** What it has logged by now. */
  logs?: LogChunk;
}

/** An attempt that its `Job` object is to run. */
export interface RunRequest extends AdoptionRequest {
  task: ClaimedTask;
}

/** The object of one job. */
export interface JobReader {
  get(waitMs: number): Promise<Result<JobView>>;
  why(): Promise<Result<WhyView>>;
  kill(reason: string): Promise<Result<JobView>>;
  /** Progress over HTTP, which keeps no attempt alive: not_found, or conflict if the job is not running. */
  heartbeat(progress: Progress | null): Promise<Result<JobView>>;
  /** The log of one try from line `from` on, as far as it is kept here; `waitMs` as in `DagObject.readLog`. */
  readLog(tryNumber: number, from: number, waitMs: number): Promise<Result<LogPage>>;
}

/** The object of a job that watches a try. */
export interface JobObject extends JobReader {
  /** A beat of our own runner, fenced, with the lines logged since the last one; the same lines may come twice. */
  beat(token: number, progress: Progress | null, logs?: LogChunk): Promise<BeatAnswer>;
  adopt(request: AdoptionRequest): Promise<BeatAnswer>;
  /**
   * Runs an attempt in this object, and answers before its handler begins. Called again with the same token it changes nothing; `stop`
   * for a token that is not the newest, or whose handler is over or gone.
   */
  run(request: RunRequest): Promise<BeatAnswer>;
  /** The owner wants the adopted attempt stopped: its next beat is answered so. Idempotent. */
  stop(reason: string): Promise<void>;
  /** The owner has ended the try itself, since nothing was heard of its worker: the job asks how it stands. Idempotent. */
  ownerEnded(token: number): Promise<void>;
  /** The adopted task instance is over; the job ends with it. */
  complete(token: number, state: "success" | "failed" | "skipped", error: TaskError | null): Promise<void>;
}

/** DAGs that may be registered over HTTP: a list over all of them asks each one's object. */
export const MAX_REGISTERED_DAGS = 5000;
/** Versions of one registered DAG. */
export const MAX_VERSIONS = 1000;

/** Where a value is to be set, and what `setXCom` is given beside it. */
export interface XComPlace {
  key: TaskInstanceKey;
  xcom_key: string;
  map_length: number | null;
  mode: "create" | "update";
}

/** The one object that counts failed logins. Names and networks are given as digests. */
export interface LoginGuardObject {
  /** Counts a login as a failure before it is tried, or says for how long it is refused. */
  begin(name: string, network: string): Promise<{ retryAfterMs: number | null }>;
  /** Takes that back: it succeeded. The name is known from that network from now on. */
  succeeded(name: string, network: string): Promise<void>;
}

/** The one object that knows which DAGs were registered over HTTP: those of the code are known without it. */
export interface CatalogObject extends BackfillIds, PoolNames, QueueRoleBook, WatchBook {
  has(dagId: string): Promise<boolean>;
  /** Sorted. */
  list(): Promise<string[]>;
  /** Idempotent, as is `remove`. conflict: there are `MAX_REGISTERED_DAGS` others. */
  add(dagId: string): Promise<Result<null>>;
  remove(dagId: string): Promise<void>;
}
