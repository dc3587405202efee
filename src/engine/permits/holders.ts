/**
 * Names of those who ask for permits: their object, and which asking of which task instance or job.
 *
 * @module
 */
import type { TaskInstanceKey } from "../work.ts";

const JOB_OWNER = "job/";

/** The name under which a job's object asks. No DAG has one with a slash. */
export function jobOwnerName(jobId: string): string {
  return `${JOB_OWNER}${jobId}`;
}

/** The id of the job that asks under this name; null for the object of a DAG or a bulk submission. */
export function jobOfOwner(owner: string): string | null {
  return owner.startsWith(JOB_OWNER) ? owner.slice(JOB_OWNER.length) : null;
}

/** Names one asking of a task instance: the token grows with every end of a try, so that the next asking has another name. */
export function holderName({ run_id, task_id, map_index }: TaskInstanceKey, token: number): string {
  return JSON.stringify([run_id, task_id, map_index, token]);
}

/** Names one asking of a job. */
export function jobHolderName(token: number): string {
  return JSON.stringify([token]);
}

/** The task instance and the token a name was made of; null for any other text. */
export function parseHolder(holder: string): (TaskInstanceKey & { token: number }) | null {
  const parts = partsOf(holder);
  const [run_id, task_id, map_index, token] = parts ?? [];
  return typeof run_id === "string" &&
    typeof task_id === "string" &&
    typeof map_index === "number" &&
    typeof token === "number"
    ? { run_id, task_id, map_index, token }
    : null;
}

/** Says in words who holds or waits: `load[3] of run "r1" of DAG "etl"`, `job 01J…`. */
export function describeHolder(owner: string, holder: string): string {
  const jobId = jobOfOwner(owner);
  if (jobId !== null) {
    return `job ${jobId}`;
  }
  const key = parseHolder(holder);
  if (key === null) {
    return `${owner} ${holder}`;
  }
  const index = key.map_index < 0 ? "" : `[${key.map_index}]`;
  return `${key.task_id}${index} of run "${key.run_id}" of DAG "${owner}"`;
}

function partsOf(holder: string): unknown[] | null {
  try {
    const parts: unknown = JSON.parse(holder);
    return Array.isArray(parts) ? parts : null;
  } catch {
    return null;
  }
}
