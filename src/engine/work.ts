/**
 * What travels between an owner of work (a `Dag` or a `Job` object), the queue and a runner. Everything here is plain
 * data: it survives structured clone, and ids alone go through the queue.
 *
 * @module
 */
import type { RemoteInput } from "./inputs.ts";
import type { JobState, TaskInstanceState } from "./states.ts";
import type { Json, TaskSpec } from "./spec.ts";

/** Names one task instance; `map_index` is -1 for an unmapped one. */
export interface TaskInstanceKey {
  run_id: string;
  task_id: string;
  map_index: number;
}

/** Message of one queued try of one task instance. It may be duplicated, reordered or lost. */
export interface TaskInstanceMessage extends TaskInstanceKey {
  dag_id: string;
  try_number: number;
}

/** Message of one standalone job. */
export interface JobMessage {
  job_id: string;
}

/** What the work queue carries. */
export type WorkMessage = TaskInstanceMessage | JobMessage;

/** Who runs the work, as Airflow's Job names it. */
export interface WorkerIdentity {
  hostname: string;
  unixname: string;
  /** The queue it takes messages from; left out for the default one. */
  queue?: string;
  /** It is the `Job` object of the attempt, which takes no messages. */
  isObject?: true;
}

/** A value as it is stored: JSON text beside its task instance, or an object in the `PAYLOADS` bucket. */
export type StoredValue = { json: string } | { r2: string; bytes: number };

/** Error of a try, as rows and answers show it. */
export interface TaskError {
  /** Class name of what was thrown, or one of the machine's own: `TaskTimeout`, `Zombie`, `Killed`, `BranchError` … */
  type: string;
  message: string;
  /** First lines of the stack, for whoever debugs the handler; never shown to anonymous callers. */
  stack?: string;
}

/** What a handler's run came to, normalised by the runner. */
export type Outcome =
  | {
      state: "success";
      value?: StoredValue;
      /** Length of the value if it is a list or an object: what a mapped task expands to. */
      mapLength?: number;
      /** Answer of a branch: ids of tasks or groups to follow. */
      follow?: string[];
      /** Answer of a short circuit. */
      proceed?: boolean;
    }
  | { state: "skipped"; reason?: string }
  | {
      state: "failed";
      error: TaskError;
      retryable: boolean;
      /** Earliest next try, milliseconds from now. */ retryAfterMs?: number;
      /** Its worker was lost, and the error says what was found out: its owner decides what that costs. */
      isWorkerLost?: true;
      /** It may run again at once, with no delay. */
      isAtOnce?: true;
      /** A branch answered with what is no id: its owner adds to the error which ids would do. */
      isBranchAnswer?: true;
    }
  | { state: "up_for_reschedule"; /** Epoch milliseconds. */ at: number };

/** What a handler said of its progress: where it is, how far (0 to 1), and free JSON. */
export interface Progress {
  step?: string;
  fraction?: number;
  data?: Json;
}

/** One line a handler logged. */
export interface LogLine {
  /** Epoch milliseconds. */
  timestamp: number;
  level: "debug" | "info" | "warning" | "error";
  event: string;
  data?: Json;
}

/** Lines of a try's log that follow each other. */
export interface LogChunk {
  /** Position of the first line in the whole log of the try, from 0: sent twice, it is the same chunk. */
  from: number;
  lines: LogLine[];
}

/** Context of the run that claimed task instances belong to; shared by all of one run in one answer. */
export interface RunContext {
  dag_id: string;
  run_id: string;
  run_type: string;
  logical_date: number | null;
  data_interval_start: number | null;
  data_interval_end: number | null;
  run_after: number;
  start_date: number | null;
  conf: Record<string, Json>;
  params: Record<string, Json>;
}

/** One try that a runner may run, with the token that fences its report. */
export interface ClaimedTask {
  /** Null for a standalone job. */
  run: RunContext | null;
  /** Id of the standalone job; null for a task instance, which gets a job only when it is adopted. */
  job_id: string | null;
  task_id: string;
  map_index: number;
  try_number: number;
  max_tries: number;
  /** Grows with every claim, clear and mark. Only the newest may report. */
  token: number;
  handler: string;
  operator: TaskSpec["operator"];
  input: Json;
  /** Places in the input whose values lie in R2; the runner fetches them, so that they never travel through the owner. */
  remote?: RemoteInput[];
  /** Milliseconds. */
  heartrateMs: number;
  /** Milliseconds; null for no limit. */
  executionTimeoutMs: number | null;
  /** Number of the first line it will log, if that is not 0: the try was rescheduled, and its log goes on. */
  log_from?: number;
  /** Its handler runs in its `Job` object; left out for one that runs in the consumer. */
  run_in?: "object";
}

/** One try's result, fenced by its token. */
export interface Report {
  run_id: string;
  task_id: string;
  map_index: number;
  token: number;
  outcome: Outcome;
  /** Values pushed under other keys than `return_value`. */
  xcoms?: { key: string; value: StoredValue }[];
  /** Keys of all that this try put into the bucket. What of it the owner does not keep, the owner deletes. */
  payloads?: string[];
  /** Lines that its job has not been brought yet. */
  logs?: LogChunk;
  /** The standalone job; or the job that showed the task instance, if there was one: the owner may not know of it yet. */
  job_id?: string;
  /** Of a standalone job: it has a `Job` object, which has the log lines that are not here. */
  is_watched?: boolean;
}

/** Keys of all that a try put into the bucket, also as a runner of an earlier release reports it. */
export function payloadsOf({
  outcome,
  xcoms = [],
  payloads = [],
}: Pick<Report, "outcome" | "xcoms" | "payloads">): string[] {
  const values = [outcome.state === "success" ? outcome.value : undefined, ...xcoms.map(({ value }) => value)];
  const keys = values.flatMap((value) => (value !== undefined && "r2" in value ? [value.r2] : []));
  return [...new Set([...payloads, ...keys])];
}

/** What became of one report or beat. `late`: the attempt is no longer the current one; nothing changed. */
export type Verdict = "accepted" | "duplicate" | "late";

/** Answer to a batch of reports, in their order, with work for the same worker that is already claimed. */
export interface ReportAnswer {
  verdicts: Verdict[];
  followUps: ClaimedTask[];
}

/** One attempt in a worker's call to prove that it lives. */
export interface AttemptBeat extends TaskInstanceKey {
  token: number;
  /** The job that shows it, once there is one. */
  job_id?: string;
  /** Where its `Job` object runs it, if the object does: the beat is the object's own. */
  object_host?: string;
  /** Where it is, for the post-mortem: step and fraction. */
  progress?: Progress;
}

/** How an attempt stands, as its job is told by the owner. */
export type AttemptStanding =
  | { state: "running"; /** Epoch milliseconds. */ latest_heartbeat: number }
  | { state: "success" | "failed" | "skipped"; error: TaskError | null };

/** Answer to a heartbeat: go on, or stop because the attempt was killed, cleared or replaced. */
export interface BeatAnswer {
  verdict: "continue" | "stop";
  reason?: string;
}

/** A standalone submission. */
export interface JobSubmission {
  job_id: string;
  /** Name of the registered task. */
  name: string;
  payload: Json;
  /** Epoch milliseconds before which the job does not start; null for at once. */
  runAt: number | null;
}

/** A job as the API shows it, in epoch milliseconds. Airflow's fields first. */
export interface JobView {
  id: string;
  dag_id: string | null;
  state: JobState;
  job_type: string;
  start_date: number | null;
  end_date: number | null;
  latest_heartbeat: number | null;
  executor_class: string | null;
  hostname: string | null;
  unixname: string | null;
  /** Seconds. */
  heartrate: number;
  name: string;
  run_id: string | null;
  task_id: string | null;
  map_index: number | null;
  try_number: number;
  max_tries: number;
  created_at: number;
  run_at: number | null;
  progress: Progress | null;
  result: Json | null;
  /** Where a result over 128 KB lies; the API fetches it. */
  result_r2?: string;
  error: TaskError | null;
  /** Results of dead attempts that came too late and changed nothing. */
  late_results: number;
}

/** A task instance as the API shows it, in epoch milliseconds. */
export interface TaskInstanceView {
  dag_id: string;
  run_id: string;
  task_id: string;
  map_index: number;
  state: TaskInstanceState;
  try_number: number;
  max_tries: number;
  logical_date: number | null;
  run_after: number;
  data_interval_start?: number | null;
  data_interval_end?: number | null;
  scheduled_when: number | null;
  queued_when: number | null;
  start_date: number | null;
  end_date: number | null;
  hostname: string | null;
  unixname: string | null;
  operator: string;
  /** The pool it takes slots of, if it names one. */
  pool?: string;
  pool_slots?: number;
  /** With that of its relatives, by its weight rule. */
  priority_weight?: number | null;
  /** As `queueShown` has it; left out for the default one. */
  queue?: string;
  job_id: string | null;
  /** Milliseconds since the epoch at which a timer of this state is due (retry, reschedule, lease, re-send). */
  next_at: number | null;
  error: TaskError | null;
  late_results: number;
  note: string | null;
  dag_version: number;
  /** When that version was made; the API shows no version without it. */
  dag_version_created_at?: number;
}

/** A DAG run as the API shows it, in epoch milliseconds. */
export interface DagRunView {
  dag_id: string;
  run_id: string;
  run_type: string;
  state: "queued" | "running" | "success" | "failed";
  /** Why it ended: `success`, `task_failure`, `all_tasks_deadlocked`, `timed_out`; null while it goes on. */
  reason: string | null;
  logical_date: number | null;
  data_interval_start: number | null;
  data_interval_end: number | null;
  run_after: number;
  queued_at: number | null;
  start_date: number | null;
  end_date: number | null;
  triggered_by: string;
  triggering_user_name: string | null;
  /** When it was made, and when it last changed. */
  created_at: number;
  updated_at: number;
  conf: Record<string, Json>;
  /** In the answer to a trigger: keys of its conf that are no params of a DAG that has some, and those it has. */
  unknown_conf?: { keys: string[]; params: string[] };
  note: string | null;
  dag_version: number;
  /** When that version was made; the API shows no version without it. */
  dag_version_created_at?: number;
  /** Task instances by state; `none` for null. */
  counts: Record<string, number>;
}
