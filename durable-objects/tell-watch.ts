import { openJob, type ObjectEnv } from "./env.ts";

/** Tells the job of a try that its owner has ended it without its worker. Should that get lost, the job asks by itself after some minutes. */
export async function tellWatch(env: ObjectEnv, jobId: string, token: number): Promise<void> {
  try {
    await openJob(env, jobId).ownerEnded(token);
  } catch (error) {
    console.warn({ event: "job_not_notified", job_id: jobId, error: String(error) });
  }
}
