/**
 * Owners of work as a runner sees them, over the durable objects.
 *
 * @module
 */
import { ulid } from "ulid";
import { openDag, openJob, type ObjectEnv } from "../durable-objects/env.ts";
import type { Json } from "../src/engine/spec.ts";
import type {
  ClaimedTask,
  LogChunk,
  Outcome,
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

/** Reads a value that lies in R2. */
export type GetPayload = (key: string) => Promise<Json>;

/** The owner of task instances: a DAG, or a bulk submission. */
export function dagOwner(env: ObjectEnv, name: string, worker: WorkerIdentity, getPayload: GetPayload): Owner {
  const valueOf = async (stored: StoredValue): Promise<Json> =>
    "json" in stored ? (JSON.parse(stored.json) as Json) : getPayload(stored.r2);
  const jobIds = new Map<string, string>();
  const places = new Map<string, string>();
  let reused = openDag(env, name);
  let givenAt = Date.now();
  return {
    async report(reports) {
      try {
        const limit = Date.now() - givenAt < QUICK_MS ? FOLLOW_UPS_WHEN_QUICK : FOLLOW_UPS;
        const { followUps } = await reused.report(reports, worker, limit);
        givenAt = Date.now();
        return followUps;
      } catch (error) {
        // A reference stays broken once its object was reset under it.
        reused = openDag(env, name);
        throw error;
      }
    },
    async beat(task, beats, progress, startDate, logs) {
      const key = keyOf(task);
      const attempt = `${key.run_id}\n${key.task_id}\n${key.map_index}\n${task.token}`;
      const jobId = jobIds.get(attempt) ?? ulid();
      jobIds.set(attempt, jobId);
      const job = openJob(env, jobId);
      if (beats > 0) {
        return { ...(await job.beat(task.token, progress, ...linesOf(logs))), jobId };
      }
      // The job first: between the two the DAG's own lease still watches the attempt.
      const { heartrateMs, handler, try_number, max_tries, token } = task;
      await job.adopt({
        dag_id: name,
        ...key,
        try_number,
        max_tries,
        token,
        handler,
        heartrateMs,
        startDate,
        worker,
        progress,
        ...(logs.lines.length > 0 ? { logs } : {}),
      });
      const answer = await openDag(env, name).adopt(key, token, jobId, worker);
      if (answer.verdict === "stop") {
        await job.complete(token, "failed", answer.reason ?? "stopped");
      }
      return { ...answer, jobId };
    },
    async ended(task, jobId, outcome) {
      if (jobId !== null) {
        await openJob(env, jobId).complete(task.token, ...endOf(outcome));
      }
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

/** The owner of a standalone task: its own job. */
export function jobOwner(env: ObjectEnv, jobId: string): Owner {
  return {
    async report([report]) {
      if (report !== undefined) {
        const { token, outcome, logs = NO_LINES, payloads = [] } = report;
        await openJob(env, jobId).report(token, outcome, logs, ...(payloads.length > 0 ? [payloads] : []));
      }
      return [];
    },
    async beat(task, _beats, progress, _startDate, logs) {
      return { ...(await openJob(env, jobId).beat(task.token, progress, ...linesOf(logs))), jobId };
    },
    async ended() {
      // Its report ended the job.
    },
    async payloadPlace() {
      return `xcom/${jobId}/`;
    },
    async pullXCom() {
      return null;
    },
  };
}

const NO_LINES: LogChunk = { from: 0, lines: [] };

/** The last argument of a beat, which most go without. */
function linesOf(logs: LogChunk): [] | [LogChunk] {
  return logs.lines.length > 0 ? [logs] : [];
}

function keyOf(task: ClaimedTask): TaskInstanceKey {
  return { run_id: task.run?.run_id ?? "", task_id: task.task_id, map_index: task.map_index };
}

function endOf(outcome: Outcome): ["success" | "failed" | "skipped", string | null] {
  switch (outcome.state) {
    case "failed":
      return ["failed", outcome.error.message];
    case "skipped":
      return ["skipped", null];
    default:
      return ["success", null];
  }
}
