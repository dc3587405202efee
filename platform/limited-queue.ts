/**
 * The queues of `npm start -- --platform-limits`: an entrypoint of the Worker stands where the platform's queues are bound elsewhere, as
 * `queues/local-queue.ts` does without limits. Batches are those of wrangler.toml, and consumers are added as on the platform.
 *
 * @module
 */
import { WorkerEntrypoint } from "cloudflare:workers";
import type { ObjectEnv } from "../durable-objects/env.ts";
import type { ConsumerSettings } from "../queues/memory-queue.ts";
import type { WorkMessage } from "../src/engine/work.ts";
import type { Handlers, Platform } from "./platform.ts";
import { batchOf, PlatformQueue, type QueueAround, type QueuedMessage, type Retried } from "./queue.ts";

/** Makes the entrypoint for a Worker's handlers, which are under the limits already. */
export function createLimitedQueueClass(platform: Platform, handlers: Handlers<ObjectEnv>) {
  const queues = new Map<string, PlatformQueue>();
  const queueOf = (settings: ConsumerSettings): PlatformQueue => {
    const queue = queues.get(settings.queue) ?? new PlatformQueue(settings, () => platform.values.consumers);
    queues.set(settings.queue, queue);
    return queue;
  };
  return class LocalQueue extends WorkerEntrypoint<ObjectEnv, ConsumerSettings> {
    /** As that of a producer's binding on the platform. */
    async sendBatch(messages: readonly { body: WorkMessage }[]): Promise<void> {
      const bodies = messages.map(({ body }) => body);
      queueOf(this.ctx.props).send(bodies, around(this.ctx));
    }

    /** One delivery, in an event of its own as on the platform. Gives what is to be delivered again. */
    async deliver(messages: readonly QueuedMessage[]): Promise<Retried[]> {
      const { batch, retried } = batchOf(this.ctx.props.queue, messages);
      await handlers.queue(batch, this.env, this.ctx);
      return retried();
    }
  };
}

function around(ctx: ExecutionContext<ConsumerSettings>): QueueAround {
  const exported: object = ctx.exports;
  const self = (exported as Exports).LocalQueue({ props: ctx.props });
  return {
    deliver: (messages) => self.deliver(messages),
    wait: (ms) => scheduler.wait(ms),
    waitUntil: (work) => ctx.waitUntil(work),
  };
}

/** What the entry exports, as far as it is used here. */
interface Exports {
  LocalQueue(options: { props: ConsumerSettings }): { deliver(messages: readonly QueuedMessage[]): Promise<Retried[]> };
}
