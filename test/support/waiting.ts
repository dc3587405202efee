/**
 * Waiting for something to become so over HTTP, where no event tells. Nothing here bounds how long anything takes: what never
 * comes ends the test by its timeout, which is there for what hangs.
 *
 * @module
 */
import type { Client } from "../../scripts/client.ts";

const LOOK_AGAIN_MS = 20;
/** How long a server lets one question wait. */
const POLL_SECONDS = 30;
/** Shorter than the timeout of a test, so that it is said what was waited for. */
const HANGS_MS = 240_000;

/** Looks until `look` gives something other than null. @throws Error that says what was waited for, if that hangs. */
export async function eventually<T>(what: string, look: () => Promise<T | null>): Promise<T> {
  const end = Date.now() + HANGS_MS;
  for (;;) {
    const found = await look();
    if (found !== null) {
      return found;
    }
    if (Date.now() > end) {
      throw new Error(`expected ${what}, it never came`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/** A run, when it is over. */
export async function endOfRun(client: Client, dagId: string, runId: string) {
  return eventually(`the run ${runId} of ${dagId} to end`, async () => {
    const run = await client.getRun(dagId, runId, POLL_SECONDS);
    return run.state === "success" || run.state === "failed" ? run : null;
  });
}

/** A job, when it is over. */
export async function endOfJob(client: Client, jobId: string) {
  return eventually(`the job ${jobId} to end`, async () => {
    const job = await client.getJob(jobId, POLL_SECONDS);
    return ["success", "failed", "skipped"].includes(job.state) ? job : null;
  });
}

/** A bulk submission, when all of it is over. */
export async function endOfBatch(client: Client, batchId: string) {
  return eventually(`the batch ${batchId} to end`, async () => {
    const batch = await client.getBatch(batchId, POLL_SECONDS);
    return batch.state === "success" || batch.state === "failed" ? batch : null;
  });
}

/** Lets time pass for what is about a moment: when a process is killed. Waiting for something to become so is `eventually`. */
export async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
