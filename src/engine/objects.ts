/**
 * What the durable objects offer by RPC, as interfaces over plain data. The API, the queue consumer and the runner know
 * these and not the classes. Methods are idempotent; a refusal is a value, because error classes do not survive RPC.
 *
 * @module
 */
import type { DagSpec, Json } from "./spec.ts";
import type {
  BeatAnswer,
  ClaimedTask,
  DagRunView,
  JobSubmission,
  JobView,
  Progress,
  Report,
  ReportAnswer,
  Outcome,
  LogLine,
  StoredValue,
  TaskInstanceKey,
  TaskInstanceView,
  Verdict,
  WorkerIdentity,
} from "./work.ts";

/** Why an object refused a request. The API maps the code to a status: 404, 409, 422 or 400, 413. */
export interface Refusal {
  code: "not_found" | "conflict" | "invalid" | "too_large";
  /** What was expected, and what came. */
  message: string;
  /** Where, as a path into the request, e.g. `["body", "conf", "year"]`. */
  loc?: (string | number)[];
}

/** An answer or a refusal. */
export type Result<T> = { ok: true; value: T } | { ok: false; refusal: Refusal };

/** A DAG as its object knows it, in epoch milliseconds. */
export interface DagView {
  dag_id: string;
  is_paused: boolean;
  /** Version number of the newest spec, from 1. */
  version: number;
  version_created_at: number;
  spec: DagSpec;
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
  /** The same run_id again answers the run that exists: for webhook deliveries. */
  dedupe?: boolean;
}

export interface RunQuery {
  limit: number;
  offset: number;
  /** e.g. `["-run_after", "run_id"]`; fields: id, run_id, run_after, logical_date, start_date, end_date, state. */
  order_by: string[];
  state?: string[];
}

export interface TaskInstanceQuery {
  limit: number;
  offset: number;
  /**
   * Fields: id (order of creation), task_id, map_index, state, start_date, end_date, duration, try_number, operator;
   * `-` before one for descending. Empty: by id.
   */
  order_by: string[];
  task_id?: string;
  /** `none` for null. */
  state?: string[];
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

/** The object of one DAG, or of one bulk submission. */
export interface DagObject {
  /** The DAG, or not_found if neither the code nor a registration knows it. */
  describe(): Promise<Result<DagView>>;
  setPaused(paused: boolean): Promise<Result<DagView>>;
  trigger(request: TriggerRequest): Promise<Result<DagRunView>>;
  listRuns(query: RunQuery): Promise<Result<Page<DagRunView>>>;
  /** With `waitMs`, answers when the run is over or the time is up. */
  getRun(runId: string, waitMs: number): Promise<Result<DagRunView>>;
  listTaskInstances(runId: string, query: TaskInstanceQuery): Promise<Result<Page<TaskInstanceView>>>;
  getTaskInstance(key: TaskInstanceKey): Promise<Result<TaskInstanceView>>;
  /** A value a task instance left; a large one stands as `{ r2 }`. not_found if there is none. */
  getXCom(key: TaskInstanceKey, xcomKey: string): Promise<Result<StoredValue>>;
  /** All values the instances of a mapped task left under a key, by map index. */
  getXComs(runId: string, taskId: string, xcomKey: string): Promise<Result<StoredValue[]>>;
  /** Clears task instances so that they run again; a running one is stopped first. Returns how many. */
  clear(request: ClearRequest): Promise<Result<{ cleared: TaskInstanceKey[] }>>;

  submitBatch(batchId: string, entries: BatchEntry[]): Promise<Result<BatchView>>;
  getBatch(waitMs: number): Promise<Result<BatchView>>;
  /** The batch member at a position, shown as a job. */
  getMember(index: number, waitMs: number): Promise<Result<JobView>>;
  killMember(index: number, reason: string): Promise<Result<JobView>>;

  claim(requests: (TaskInstanceKey & { try_number: number })[], worker: WorkerIdentity): Promise<ClaimedTask[]>;
  report(reports: Report[], worker: WorkerIdentity, followUpLimit: number): Promise<ReportAnswer>;
  /** A task instance outlived its first heartbeat and is watched by `jobId` from now on. */
  adopt(key: TaskInstanceKey, token: number, jobId: string, worker: WorkerIdentity): Promise<BeatAnswer>;
  /** The watching job lost the worker, or the worker obeyed a stop. Fenced by the token; idempotent. */
  attemptEnded(key: TaskInstanceKey, token: number, outcome: Outcome): Promise<Verdict>;
}

export interface ClearRequest {
  run_id: string;
  /** Null: every task instance of the run. */
  task_ids: string[] | null;
  map_index?: number;
  only_failed: boolean;
}

/** What a job that watches a task instance is created from. */
export interface AdoptionRequest {
  dag_id: string;
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
}

/** The object of one job. */
export interface JobObject {
  /** Makes the job and queues it; the same id again answers the job that exists (`created: false`). */
  submit(submission: JobSubmission): Promise<Result<{ job: JobView; created: boolean }>>;
  get(waitMs: number): Promise<Result<JobView>>;
  kill(reason: string): Promise<Result<JobView>>;
  /** Progress over HTTP, which keeps no attempt alive: not_found, or conflict if the job is not running. */
  heartbeat(progress: Progress | null): Promise<Result<JobView>>;

  claim(worker: WorkerIdentity): Promise<ClaimedTask | null>;
  report(token: number, outcome: Outcome, logs: LogLine[]): Promise<Verdict>;
  /** A beat of our own runner, fenced. */
  beat(token: number, progress: Progress | null): Promise<BeatAnswer>;
  adopt(request: AdoptionRequest): Promise<BeatAnswer>;
  /** The owner wants the adopted attempt stopped: its next beat is answered so. Idempotent. */
  stop(reason: string): Promise<void>;
  /** The adopted task instance is over; the job ends with it. */
  complete(token: number, state: "success" | "failed" | "skipped", error: string | null): Promise<void>;
}
