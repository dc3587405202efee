/**
 * What a handler is given beside its input. Airflow's template context, under TypeScript names.
 *
 * @module
 */
import type { Json } from "../engine/spec.ts";
import type { ClaimedTask, LogLine, Progress, RunContext } from "../engine/work.ts";

/** `return_value` is what the handler returns; an address cannot have the others as a part. */
const RESERVED_KEYS = ["return_value", ".", ".."];

/** Writes lines that belong to this try; `data` must be JSON. */
export interface TaskLog {
  debug(event: string, data?: Json): void;
  info(event: string, data?: Json): void;
  warning(event: string, data?: Json): void;
  error(event: string, data?: Json): void;
}

/** The run that a task instance belongs to. */
export interface DagRunInfo {
  runId: string;
  runType: string;
  conf: Record<string, Json>;
  logicalDate: Date | null;
  runAfter: Date;
  dataIntervalStart: Date | null;
  dataIntervalEnd: Date | null;
  startDate: Date | null;
}

/** Names a value another task instance of the same run left. */
export interface XComRequest {
  taskId: string;
  /** `return_value` unless named. */
  key?: string;
  /** One element of a mapped task; without it the list of all their values. */
  mapIndex?: number;
}

/**
 * What a handler may ask and tell. `Env` is the type of the Worker's bindings, `Cloudflare.Env` for the generated one.
 *
 * A task submitted by itself belongs to no run: there `dag`, `dagRun` and `runId` are null, `conf` and `params` are
 * empty, and `xcomPush` and `xcomPull` throw.
 */
export interface TaskContext<Env = unknown> {
  readonly dag: { readonly dagId: string } | null;
  readonly task: { readonly taskId: string; readonly handler: string; readonly operator: ClaimedTask["operator"] };
  readonly ti: {
    readonly taskId: string;
    /** -1 for a task that is not mapped. */
    readonly mapIndex: number;
    /** From 1. */
    readonly tryNumber: number;
    /** Retries allowed by now: the task has `maxTries + 1` tries unless it is cleared. */
    readonly maxTries: number;
  };
  readonly dagRun: DagRunInfo | null;
  readonly runId: string | null;
  readonly params: Record<string, Json>;
  readonly conf: Record<string, Json>;
  /** Throws if the run has no logical date, as the four below do: runs triggered by hand have one only if it was given. */
  readonly logicalDate: Date;
  /** The logical date as `YYYY-MM-DD`, in UTC. */
  readonly ds: string;
  /** The logical date as `YYYYMMDD`, in UTC. */
  readonly dsNodash: string;
  /** The logical date as `2026-01-31T06:00:00+00:00`. */
  readonly ts: string;
  /** The logical date as `20260131T060000`, in UTC. */
  readonly tsNodash: string;
  /** Id of the job that watches this execution; null as long as it has none. */
  readonly jobId: string | null;
  /** Aborts when the execution is to stop: it timed out, or was killed, cleared or replaced. Its answer no longer counts. */
  readonly signal: AbortSignal;
  /**
   * Tells how far the task is. The runner beats for a running handler by itself; this adds the progress and does not
   * send more often than the heartrate. Does not throw.
   */
  heartbeat(progress?: Progress): void;
  readonly log: TaskLog;
  /** Leaves a value under a key of its own; `return_value` is what the handler returns. Stored when the try ends. */
  xcomPush(key: string, value: Json): void;
  /** Reads a value another task instance of this run left; null if there is none. */
  xcomPull(request: XComRequest): Promise<Json>;
  /** The Worker's bindings. */
  readonly env: Env;
}

/** What a context is made of: the claimed work and the ways back to the runner. */
export interface TaskContextParts<Env = unknown> {
  claimed: ClaimedTask;
  /** Id of the job that watches the execution by now, or null. */
  jobId: () => string | null;
  /** Asked for when the handler asks: most never do. */
  signal: () => AbortSignal;
  heartbeat: (progress: Progress | undefined) => void;
  log: (level: LogLine["level"], event: string, data: Json | undefined) => void;
  xcomPush: (key: string, value: Json) => void;
  xcomPull: (request: XComRequest) => Promise<Json>;
  env: Env;
}

/** Makes the context of one execution. Pure: it only reads what was claimed and passes calls on. */
export function createTaskContext<Env>(parts: TaskContextParts<Env>): TaskContext<Env> {
  const { claimed } = parts;
  const { run } = claimed;
  const logicalDate = (): Date => {
    if (run === null || run.logical_date === null) {
      const whose = run === null ? `task "${claimed.task_id}", which belongs to no run` : `run "${run.run_id}"`;
      throw new Error(
        `expected a logical date, got none in ${whose}: give one when you trigger, or use dagRun.runAfter`,
      );
    }
    return new Date(run.logical_date);
  };
  return {
    dag: run === null ? null : { dagId: run.dag_id },
    task: { taskId: claimed.task_id, handler: claimed.handler, operator: claimed.operator },
    ti: {
      taskId: claimed.task_id,
      mapIndex: claimed.map_index,
      tryNumber: claimed.try_number,
      maxTries: claimed.max_tries,
    },
    dagRun: run === null ? null : dagRunInfo(run),
    runId: run?.run_id ?? null,
    params: run?.params ?? {},
    conf: run?.conf ?? {},
    get logicalDate() {
      return logicalDate();
    },
    get ds() {
      return day(logicalDate());
    },
    get dsNodash() {
      return day(logicalDate()).replaceAll("-", "");
    },
    get ts() {
      return isoFormat(logicalDate());
    },
    get tsNodash() {
      return logicalDate().toISOString().replace(/\..*$/, "").replaceAll(/[-:]/g, "");
    },
    get jobId() {
      return parts.jobId();
    },
    get signal() {
      return parts.signal();
    },
    heartbeat: (progress) => parts.heartbeat(progress),
    log: {
      debug: (event, data) => parts.log("debug", event, data),
      info: (event, data) => parts.log("info", event, data),
      warning: (event, data) => parts.log("warning", event, data),
      error: (event, data) => parts.log("error", event, data),
    },
    xcomPush: (key, value) => {
      requireRun(run, claimed.task_id);
      if (key.length === 0 || key.length > 512 || RESERVED_KEYS.includes(key)) {
        throw new Error(`expected a key of 1 to 512 characters other than "return_value", "." and "..", got "${key}"`);
      }
      parts.xcomPush(key, value);
    },
    xcomPull: async (request) => {
      requireRun(run, claimed.task_id);
      return parts.xcomPull(request);
    },
    env: parts.env,
  };
}

function requireRun(run: RunContext | null, taskId: string): void {
  if (run === null) {
    throw new Error(
      `expected a task of a DAG run, got task "${taskId}", which was submitted by itself: it has no XCom`,
    );
  }
}

function dagRunInfo(run: RunContext): DagRunInfo {
  return {
    runId: run.run_id,
    runType: run.run_type,
    conf: run.conf,
    logicalDate: date(run.logical_date),
    runAfter: new Date(run.run_after),
    dataIntervalStart: date(run.data_interval_start),
    dataIntervalEnd: date(run.data_interval_end),
    startDate: date(run.start_date),
  };
}

function date(epochMs: number | null): Date | null {
  return epochMs === null ? null : new Date(epochMs);
}

/** As Python's `isoformat` writes it: six digits of a fraction, or none at all. */
function isoFormat(instant: Date): string {
  return instant
    .toISOString()
    .replace(".000Z", "+00:00")
    .replace(/(\.\d{3})Z$/, "$1000+00:00");
}

function day(instant: Date): string {
  return instant.toISOString().slice(0, 10);
}
