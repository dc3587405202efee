/**
 * Owners of work as a runner sees them, over the durable objects.
 *
 * @module
 */
import { ulid } from "ulid";
import { openDag, openIntakeNamed, openJob, type ObjectEnv } from "../durable-objects/env.ts";
import { endOf } from "../src/engine/job-watch.ts";
import type { AdoptionRequest } from "../src/engine/objects.ts";
import type { Json } from "../src/engine/spec.ts";
import type {
  ClaimedTask,
  LogChunk,
  Progress,
  StoredValue,
  TaskInstanceKey,
  WorkerIdentity,
} from "../src/engine/work.ts";
import type { Owner } from "../src/runner/owner.ts";

/**
 * Ready task instances one report may claim for its own worker: enough to carry a chain or a small fan-out without the
 * queue, while a wide one goes to the queue, so that other workers share it. When what is reported was quick, as many
 * as one batch of messages would bring: the queue would then cost more than the work.
 */
const FOLLOW_UPS = 10;
const FOLLOW_UPS_WHEN_QUICK = 100;
const QUICK_MS = 50;
/** Characters of a step that a beat carries. */
const STEP_CHARS = 200;

const NO_LINES: LogChunk = { from: 0, lines: [] };

/** Reads a value that lies in R2. */
export type GetPayload = (key: string) => Promise<Json>;

/** The owner of task instances: a DAG, or a bulk submission. */
export function dagOwner(env: ObjectEnv, name: string, worker: WorkerIdentity, getPayload: GetPayload): Owner {
  const valueOf = async (stored: StoredValue): Promise<Json> =>
    "json" in stored ? (JSON.parse(stored.json) as Json) : getPayload(stored.r2);
  const newIds = new WeakMap<ClaimedTask, string>();
  // The same one if an answer is lost: another job would run the attempt once more, or show one that nothing runs.
  const newIdOf = (task: ClaimedTask): string => {
    const id = newIds.get(task) ?? ulid();
    newIds.set(task, id);
    return id;
  };
  const places = new Map<string, string>();
  let reused = openDag(env, name);
  let givenAt = Date.now();
  return {
    async report(reports, limit) {
      try {
        const usual = Date.now() - givenAt < QUICK_MS ? FOLLOW_UPS_WHEN_QUICK : FOLLOW_UPS;
        const { followUps } = await reused.report(reports, worker, Math.min(usual, limit));
        givenAt = Date.now();
        return followUps;
      } catch (error) {
        // A reference stays broken once its object was reset under it.
        reused = openDag(env, name);
        throw error;
      }
    },
    async beat(beats) {
      return openDag(env, name).beat(
        beats.map(({ task, jobId, progress }) => ({
          ...keyOf(task),
          token: task.token,
          ...(jobId === null ? {} : { job_id: jobId }),
          ...hostOf(worker),
          ...(progress === null ? {} : { progress: brief(progress) }),
        })),
        worker,
      );
    },
    async publish({ task, jobId, progress, startDate, logs }) {
      if (jobId !== null) {
        return { ...(await openJob(env, jobId).beat(task.token, progress, ...linesOf(logs))), jobId };
      }
      const newId = newIdOf(task);
      const request = { dag_id: name, ...keyOf(task), ...adoptionOf(task, startDate, worker, progress, logs) };
      const answer = await openJob(env, newId).adopt(request);
      return { ...answer, jobId: newId };
    },
    async runInObject(task, startDate) {
      const adoption = adoptionOf(task, startDate, worker, null, NO_LINES);
      return openJob(env, newIdOf(task)).run({ dag_id: name, ...keyOf(task), ...adoption, task });
    },
    async ended(task, jobId, outcome) {
      await openJob(env, jobId).complete(task.token, ...endOf(outcome));
    },
    async payloadPlace({ run }) {
      const runId = run?.run_id ?? "";
      const known = places.get(runId);
      if (known !== undefined) {
        return known;
      }
      const place = await openDag(env, name).payloadPlace(runId);
      if (!place.ok) {
        throw new Error(place.refusal.message);
      }
      places.set(runId, place.value);
      return place.value;
    },
    async pullXCom(task, { taskId, key = "return_value", mapIndex }) {
      const dag = openDag(env, name);
      const runId = task.run?.run_id ?? "";
      const one = await dag.getXCom({ run_id: runId, task_id: taskId, map_index: mapIndex ?? -1 }, key);
      if (one.ok) {
        return valueOf(one.value);
      }
      const all = mapIndex === undefined ? await dag.getXComs(runId, taskId, key) : null;
      if (all?.ok === false && all.refusal.code === "too_large") {
        throw new RangeError(all.refusal.message);
      }
      return all !== null && all.ok && all.value.length > 0 ? Promise.all(all.value.map(valueOf)) : null;
    },
  };
}

/** The owner of standalone tasks: the intake object that keeps their jobs, by its name. */
export function intakeOwner(env: ObjectEnv, name: string, worker: WorkerIdentity): Owner {
  const watched = new WeakSet<ClaimedTask>();
  let reused = openIntakeNamed(env, name);
  return {
    async report(reports) {
      try {
        await reused.report(reports);
        return [];
      } catch (error) {
        // A reference stays broken once its object was reset under it.
        reused = openIntakeNamed(env, name);
        throw error;
      }
    },
    async beat(beats) {
      return openIntakeNamed(env, name).beat(
        beats.map(({ task, progress }) => ({
          job_id: task.job_id ?? "",
          token: task.token,
          is_watched: worker.isObject === true || watched.has(task),
          ...hostOf(worker),
          ...(progress === null ? {} : { progress: brief(progress) }),
        })),
      );
    },
    async publish({ task, jobId, progress, startDate, logs }) {
      const id = jobId ?? "";
      const job = openJob(env, id);
      if (watched.has(task)) {
        return { ...(await job.beat(task.token, progress, ...linesOf(logs))), jobId: id };
      }
      const answer = await job.adopt({
        dag_id: null,
        ...keyOf(task),
        ...adoptionOf(task, startDate, worker, progress, logs),
      });
      watched.add(task);
      return { ...answer, jobId: id };
    },
    async runInObject(task, startDate) {
      const adoption = adoptionOf(task, startDate, worker, null, NO_LINES);
      return openJob(env, task.job_id ?? "").run({ dag_id: null, ...keyOf(task), ...adoption, task });
    },
    async ended(task, jobId, outcome) {
      await openJob(env, jobId).complete(task.token, ...endOf(outcome));
    },
    async payloadPlace({ job_id: jobId }) {
      return `xcom/${jobId ?? ""}/`;
    },
    async pullXCom() {
      return null;
    },
  };
}

/** The beat of an object that runs the attempt itself says where. */
function hostOf({ hostname, isObject }: WorkerIdentity): { object_host?: string } {
  return isObject === true ? { object_host: hostname } : {};
}

/** The last argument of a beat, which most go without. */
function linesOf(logs: LogChunk): [] | [LogChunk] {
  return logs.lines.length > 0 ? [logs] : [];
}

/** What a job is told of the attempt that it is made for, but for its owner. */
function adoptionOf(
  { heartrateMs, handler, try_number, max_tries, token }: ClaimedTask,
  startDate: number,
  worker: WorkerIdentity,
  progress: Progress | null,
  logs: LogChunk,
): Omit<AdoptionRequest, "dag_id" | keyof TaskInstanceKey> {
  const lines = logs.lines.length > 0 ? { logs } : {};
  return { try_number, max_tries, token, handler, heartrateMs, startDate, worker, progress, ...lines };
}

function keyOf(task: ClaimedTask): TaskInstanceKey {
  return { run_id: task.run?.run_id ?? "", task_id: task.task_id, map_index: task.map_index };
}

/** As much of it as a post-mortem tells. */
function brief({ step, fraction }: Progress): Progress {
  return {
    ...(step === undefined ? {} : { step: step.slice(0, STEP_CHARS) }),
    ...(fraction === undefined ? {} : { fraction }),
  };
}
