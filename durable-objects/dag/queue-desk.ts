/**
 * How it stands with the queue that a queued task instance waits on.
 *
 * @module
 */
import { DEFAULT_QUEUE_TIMING, stuckAfterMs } from "../../src/engine/queue-timing.ts";
import type { QueueStanding } from "../../src/engine/queue-standing.ts";
import type { NodeInstance } from "../../src/engine/task-node.ts";
import type { DagCore } from "./core.ts";
import type { LoadedRun } from "./run-book.ts";

/**
 * The standing of a queued instance. Reads the roles if its queue is named by one, so what was known of the instance may have
 * changed by the answer.
 *
 * @throws Error if the roles cannot be read and never were.
 */
export async function queueStanding(
  core: DagCore,
  run: LoadedRun,
  instance: NodeInstance,
  now: number,
): Promise<QueueStanding> {
  const name = core.outbox.nameFor(run, instance);
  const { sends, queuedWhen } = instance;
  const failsAt = queuedWhen === null ? {} : { failsAt: queuedWhen + stuckAfterMs(DEFAULT_QUEUE_TIMING) };
  const queue = await core.outbox.resolve(name, now);
  return { name, queue, heardAt: queue === null ? null : (core.workers.heard.get(queue) ?? null), sends, ...failsAt };
}
