/**
 * Logs of tries, wherever they lie: what heartbeats brought in the job that watched the try, what its report brought here.
 *
 * @module
 */
import type { LogPage, Result } from "../../src/engine/objects.ts";
import type { TaskInstanceState } from "../../src/engine/states.ts";
import type { TaskError, TaskInstanceKey } from "../../src/engine/work.ts";
import { openJob, type ObjectEnv } from "../env.ts";
import { joinParts, type LogPart } from "../log-chunks.ts";
import { refuse, type DagCore } from "./core.ts";

/** States of a try that has not ended: its log may grow. */
const GOES_ON: ReadonlySet<TaskInstanceState> = new Set([
  "scheduled",
  "queued",
  "running",
  "restarting",
  "up_for_reschedule",
  "deferred",
] as const);

/** What this object knows of a try. */
interface Sight {
  /** The job that watched it, or null. */
  jobId: string | null;
  goesOn: boolean;
  hostname: string | null;
  error: TaskError | null;
  part: LogPart;
}

/** Logs of tries, wherever they lie. */
export class LogDesk {
  readonly #core: DagCore;
  readonly #env: ObjectEnv;

  constructor(core: DagCore, env: ObjectEnv) {
    this.#core = core;
    this.#env = env;
  }

  async read(key: TaskInstanceKey, tryNumber: number, from: number, waitMs: number): Promise<Result<LogPage>> {
    const deadline = Date.now() + waitMs;
    for (;;) {
      const seen = this.#look(key, tryNumber, from);
      if (!seen.ok) {
        return seen;
      }
      const left = Math.max(0, deadline - Date.now());
      const patience = seen.value.goesOn && seen.value.part.lines.length === 0 ? left : 0;
      // What is seen is as it was before this call; whatever happens meanwhile is for the next look.
      const theirs = await this.#ask(key, tryNumber, from, seen.value, patience);
      const page = pageOf(seen.value, theirs, from);
      if (page.lines.length > 0 || page.isOver || left === 0) {
        return { ok: true, value: page };
      }
    }
  }

  #look(key: TaskInstanceKey, tryNumber: number, from: number): Result<Sight> {
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

  /** What the job has, or nothing; waits for lines, or until there is something else to see here. */
  async #ask(
    key: TaskInstanceKey,
    tryNumber: number,
    from: number,
    seen: Sight,
    waitMs: number,
  ): Promise<LogPage | null> {
    const topic = `log:${key.run_id}`;
    let isHeard = false;
    const change = this.#core.waiters.until(topic, waitMs, () => ({
      value: null,
      done: isHeard || this.#hasChanged(key, tryNumber, from, seen),
    }));
    if (seen.jobId === null) {
      return change;
    }
    const asked = openJob(this.#env, seen.jobId).readLog(tryNumber, from, waitMs);
    // Whoever is not waited for any more may fail unheard.
    asked.catch(() => undefined);
    try {
      const told = asked.then((answer) => (answer.ok && !isBare(answer.value) ? answer.value : change));
      return await Promise.race([told, ...(waitMs > 0 ? [change] : [])]);
    } finally {
      isHeard = true;
      this.#core.waiters.wake(topic);
    }
  }

  #hasChanged(key: TaskInstanceKey, tryNumber: number, from: number, seen: Sight): boolean {
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

/** The job's watch is over and it has no more to tell: the rest is told here. */
function isBare({ lines, isOver }: LogPage): boolean {
  return isOver && lines.length === 0;
}

function pageOf({ part, goesOn: isOpen, hostname, error }: Sight, theirs: LogPage | null, from: number): LogPage {
  const { first, lines, isLast } = theirs === null ? part : joinParts(part, partOf(theirs, from));
  const isOver = !isOpen && isLast;
  return {
    lines,
    next: first + lines.length,
    isOver,
    dropped: first - from,
    hostname,
    error: isOver ? error : null,
  };
}

/** A job that was not told that its try is over says that there may be more; there is not if it has nothing now. */
function partOf({ lines, dropped, isOver }: LogPage, from: number): LogPart {
  return { first: from + dropped, lines, isLast: isOver || lines.length === 0 };
}
