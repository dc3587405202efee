/**
 * W1 to W4 on Jobbers, and the runs that others are made of, each as a client sees it: the clock starts before the request and stops when the answer that it
 * is all done has arrived.
 *
 * @module
 */
import type { Batch, Client, DagRun } from "../scripts/client.ts";

const WAIT_SECONDS = 30;

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** W1: `count` no-op tasks in one submission, waited for. */
export async function submitInBulk(client: Client, count: number): Promise<void> {
  const submitted = await client.submitTasks(
    Array.from({ length: count }, (_, index) => ({ name: "noop", payload: { index } })),
  );
  let batch: Batch = submitted;
  while (batch.state !== "success") {
    if (batch.state === "failed") {
      throw new Error(`expected ${count} tasks to succeed, got ${JSON.stringify(batch.counts)}`);
    }
    batch = await client.getBatch(submitted.batch_id, WAIT_SECONDS);
  }
  if (batch.counts["success"] !== count) {
    throw new Error(`expected ${count} successes, got ${JSON.stringify(batch.counts)}`);
  }
}

/** W2: one task, waited for. */
export async function submitOne(client: Client): Promise<void> {
  let job = await client.submitTask("noop", { index: 0 });
  while (job.state !== "success") {
    if (job.state === "failed") {
      throw new Error(`expected the task to succeed, it failed: ${JSON.stringify(job.error)}`);
    }
    job = await client.getJob(job.id, WAIT_SECONDS);
  }
}

/** W3: a run of 20 tasks, each after the one before. */
export async function runChain(client: Client): Promise<DagRun> {
  return runDag(client, "chain_20", {}, 20);
}

/** W4 and W7: 1 -> `count` -> 1, the middle one mapped over what the first one gives at run time. */
export async function runFanOut(client: Client, count: number): Promise<DagRun> {
  return runMapped(client, "fan_out", count);
}

/** W9 and W10: the same of another DAG of that shape. */
export async function runMapped(client: Client, dagId: string, count: number): Promise<DagRun> {
  return runDag(client, dagId, { count }, count + 2);
}

async function runDag(client: Client, dagId: string, conf: Record<string, unknown>, expected: number): Promise<DagRun> {
  let run = await client.triggerRun(dagId, { conf });
  while (run.state === "queued" || run.state === "running") {
    run = await client.getRun(dagId, run.dag_run_id, WAIT_SECONDS);
  }
  if (run.state !== "success" || run.task_instance_counts["success"] !== expected) {
    throw new Error(
      `expected a run of ${dagId} with ${expected} successes, got ${run.state} (${String(run.reason)}) ${JSON.stringify(run.task_instance_counts)}`,
    );
  }
  return run;
}
