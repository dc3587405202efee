/**
 * Gives an attempt to its `Job` object, which runs it: what a consumer does with tasks that are not to hold it.
 *
 * @module
 */
import { backoffMs } from "../engine/backoff.ts";
import { livenessDeadline } from "../engine/liveness.ts";
import type { ClaimedTask } from "../engine/work.ts";
import type { Owner } from "./owner.ts";

/**
 * Has the object of an attempt run it; asks again while the lease that began with the claim may still hold. Never throws: what no
 * object took is left to that lease, and run again.
 *
 * @param since When the attempt was asked for, epoch milliseconds.
 */
export async function entrust(owner: Owner, task: ClaimedTask, since: number, now: () => number): Promise<void> {
  const lapsesAt = livenessDeadline(since, task.heartrateMs);
  for (let failures = 1; ; failures += 1) {
    try {
      // One after the other: the next is made because this one failed.
      // oxlint-disable-next-line no-await-in-loop
      await owner.runInObject(task, since);
      return;
    } catch (error) {
      const waitMs = backoffMs(failures, error);
      console.warn({ event: "not_run_in_object", task_id: task.task_id, failures, error: String(error) });
      if (now() + waitMs >= lapsesAt) {
        return;
      }
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
}
