/**
 * Logs of tries, wherever they lie: what heartbeats brought in the job that watched the try, what its report brought here.
 *
 * @module
 */
import type { LogPage, Result } from "../../src/engine/objects.ts";
import type { TaskInstanceState } from "../../src/engine/states.ts";
import type { TaskError, TaskInstanceKey } from "../../src/engine/work.ts";
import { refuse } from "../../src/engine/result.ts";
import type { ObjectEnv } from "../env.ts";
import { readTryLog, type TryLogSource, type TryLogState } from "../try-log.ts";
import type { DagCore } from "./core.ts";

/** States of a try that has not ended: its log may grow. */
const GOES_ON: ReadonlySet<TaskInstanceState> = new Set([
  "scheduled",
  "queued",
  "running",
  "restarting",
  "up_for_reschedule",
  "deferred",
] as const);

/** Logs of tries, wherever they lie. */
export class LogDesk {
  readonly #core: DagCore;
  readonly #env: ObjectEnv;

  constructor(core: DagCore, env: ObjectEnv) {
    this.#core = core;
    this.#env = env;
  }

  async read(key: TaskInstanceKey, tryNumber: number, from: number, waitMs: number): Promise<Result<LogPage>> {
    const source: TryLogSource = {
      env: this.#env,
      waiters: this.#core.waiters,
      topic: `log:${key.run_id}`,
      look: () => this.#look(key, tryNumber, from),
      hasChanged: (seen) => this.#hasChanged(key, tryNumber, from, seen),
    };
    return readTryLog(source, tryNumber, from, waitMs);
  }

  #look(key: TaskInstanceKey, tryNumber: number, from: number): Result<TryLogState> {
    const found = this.#core.instance(key);
    if (!found.ok) {
      return found;
    }
    const { run, instance } = found.value;
    const { row } = run;
    const past = this.#core.storage.history(row.id, key.task_id, key.map_index);
    const ended = past.filter(({ try_number }) => try_number === tryNumber);
    const isPresent = instance.tryNumber === tryNumber;
    const last = ended.at(-1);
    if (last === undefined && !isPresent) {
      const which = `"${key.task_id}" with map_index ${key.map_index} in run "${key.run_id}"`;
      return refuse("not_found", `TaskInstance not found: there is no try ${tryNumber} of ${which}`);
    }
    // A try that ended and was cleared then has two rows; a clear forgets the job.
    const jobIds = [...ended.map((one) => one.job_id), isPresent ? instance.jobId : null];
    const error =
      last === undefined ? instance.error : last.error === null ? null : (JSON.parse(last.error) as TaskError);
    return {
      ok: true,
      value: {
        jobId: jobIds.findLast((jobId) => jobId !== null) ?? null,
        goesOn: isPresent && goesOn(instance.state, tryNumber),
        hostname: last === undefined ? instance.hostname : last.hostname,
        error,
        part: this.#core.storage.logs.read(row.id, key.task_id, key.map_index, tryNumber, from),
      },
    };
  }

  #hasChanged(key: TaskInstanceKey, tryNumber: number, from: number, seen: TryLogState): boolean {
    const found = this.#core.instance(key);
    if (!found.ok) {
      return true;
    }
    const { run, instance } = found.value;
    const isPresent = instance.tryNumber === tryNumber && goesOn(instance.state, tryNumber);
    const end = this.#core.storage.logs.end(run.row.id, key.task_id, key.map_index, tryNumber);
    return !isPresent || instance.jobId !== seen.jobId || end > from;
  }
}

/** Says whether the present try may log more. Try 0 is none yet: its task instance waits for what lies before it. */
function goesOn(state: TaskInstanceState, tryNumber: number): boolean {
  return GOES_ON.has(state) || (state === null && tryNumber === 0);
}
