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
import { MemoryQueue, type ConsumerSettings, type Surroundings, type Waiting } from "./memory-queue.ts";
import { consumeTasks, type WorkBatch } from "./tasks.ts";

/** Makes the entrypoint for a registry: the code that a deployment consists of. */
export function createLocalQueueClass(registry: Registry) {
  const queues = new Map<string, MemoryQueue>();
  const queueOf = (settings: ConsumerSettings): MemoryQueue => {
    const queue = queues.get(settings.queue) ?? new MemoryQueue(settings);
    queues.set(settings.queue, queue);
    return queue;
  };
  return class LocalQueue extends WorkerEntrypoint<ObjectEnv, ConsumerSettings> {
    /** As that of a producer's binding on the platform. */
    async sendBatch(messages: readonly { body: WorkMessage }[]): Promise<void> {
      const bodies = messages.map(({ body }) => body);
      queueOf(this.ctx.props).send(bodies, surroundings(this.ctx));
    }

    /** One delivery, in an event of its own as on the platform: what shares one event waits for each other's calls and timers. */
    async deliver(messages: readonly Waiting[]): Promise<void> {
      await this.consume(queueOf(this.ctx.props).batchOf(messages, surroundings(this.ctx)));
    }

    /** Takes a batch: `createJobbers().handler.queue`, unless the Worker's entry says otherwise. */
    async consume(batch: WorkBatch): Promise<void> {
      await consumeTasks(registry, batch, this.env, this.ctx);
    }
  };
}

function surroundings(ctx: ExecutionContext<ConsumerSettings>): Surroundings {
  // The types of the entry's exports are the project's own: a Worker that uses the package has others.
  const exported: object = ctx.exports;
  const self = (exported as Exports).LocalQueue({ props: ctx.props });
  return {
    deliver: (messages) => self.deliver(messages),
    wait: (ms) => scheduler.wait(ms),
    waitUntil: (work) => ctx.waitUntil(work),
    now: () => Date.now(),
  };
}

/** What the Worker's entry exports, as far as it is used here. */
interface Exports {
  LocalQueue(options: { props: ConsumerSettings }): { deliver(messages: readonly Waiting[]): Promise<void> };
}
