/**
 * The queues of `npm start`: an entrypoint of the Worker itself stands where the platform's queues are bound elsewhere. A message
 * goes from its owner to the consumer by a call within the process, where the simulator of queues takes several over HTTP. The
 * consumer is the same.
 *
 * @module
 */
import { WorkerEntrypoint } from "cloudflare:workers";
import type { ObjectEnv } from "../durable-objects/env.ts";
import type { WorkMessage } from "../src/engine/work.ts";
import type { Registry } from "../src/sdk/index.ts";
import { MemoryQueue, type ConsumerSettings } from "./memory-queue.ts";
import { consumeTasks, type WorkBatch } from "./tasks.ts";

/** Makes the entrypoint for a registry: the code that a deployment consists of. */
export function createLocalQueueClass(registry: Registry) {
  const queues = new Map<string, MemoryQueue>();
  return class LocalQueue extends WorkerEntrypoint<ObjectEnv, ConsumerSettings> {
    /** Takes a batch: `createJobbers().handler.queue`, unless the Worker's entry says otherwise. */
    async consume(batch: WorkBatch): Promise<void> {
      await consumeTasks(registry, batch, this.env, this.ctx);
    }

    /** As that of a producer's binding on the platform. */
    async sendBatch(messages: readonly { body: WorkMessage }[]): Promise<void> {
      const { ctx } = this;
      const settings = ctx.props;
      const queue = queues.get(settings.queue) ?? new MemoryQueue(settings);
      queues.set(settings.queue, queue);
      queue.send(
        messages.map(({ body }) => body),
        {
          consume: (batch) => this.consume(batch),
          wait: (ms) => scheduler.wait(ms),
          waitUntil: (work) => ctx.waitUntil(work),
          now: () => Date.now(),
        },
      );
    }
  };
}
