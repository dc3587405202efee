/**
 * What a job of a task instance says to the object that owns the task instance, and asks it.
 *
 * @module
 */
import type { JobRecord } from "../src/engine/job-machine.ts";
import type { AttemptStanding } from "../src/engine/work.ts";
import { openDag, type ObjectEnv } from "./env.ts";

/** Asks how the attempt stands, and brings its progress. Null if there is no answer: the alarm asks again. */
export async function askOwner(env: ObjectEnv, job: JobRecord): Promise<AttemptStanding | null> {
  const { id, adoption, fence, progress } = job;
  if (adoption === null) {
    return null;
  }
  try {
    return await openDag(env, adoption.dag_id).attemptStanding(adoption, fence, progress);
  } catch (error) {
    console.warn({ event: "owner_not_asked", job_id: id, dag_id: adoption.dag_id, error: String(error) });
    return null;
  }
}

/** Tells what the owner must still be told. False if it was not: the alarm tells it again. */
export async function tellOwner(env: ObjectEnv, job: JobRecord): Promise<boolean> {
  const { id, adoption, owed, fence } = job;
  if (adoption === null || owed === null) {
    return false;
  }
  try {
    await openDag(env, adoption.dag_id).attemptEnded(adoption, fence, owed);
    return true;
  } catch (error) {
    console.warn({ event: "owner_not_told", job_id: id, dag_id: adoption.dag_id, error: String(error) });
    return false;
  }
}
