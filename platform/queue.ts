/**
 * A queue in memory that adds consumers as the platform does: one more only after a batch has ended while messages wait.
 *
 * @module
 */
import type { ConsumerSettings } from "../queues/memory-queue.ts";
import type { WorkMessage } from "../src/engine/work.ts";

/** A message that waits for its delivery. */
export interface QueuedMessage {
  readonly id: string;
  readonly body: WorkMessage;
  /** Deliveries before this one. */
  readonly retries: number;
}

/** A message that a consumer wants delivered again. */
export interface Retried {
  id: string;
  /** As the queue has it, if left out. */
  delaySeconds?: number;
}

/** What a queue does with the world outside. */
export interface QueueAround {
  /** Has a batch consumed. Gives what is to be delivered again; rejects if the whole batch is. */
  deliver(messages: readonly QueuedMessage[]): Promise<readonly Retried[]>;
  /** Resolves after some milliseconds. */
  wait(ms: number): Promise<void>;
  /** Keeps work going that was begun in the present event. */
  waitUntil(work: Promise<void>): void;
}

/** One queue and its consumers. */
export class PlatformQueue {
  readonly #settings: ConsumerSettings;
  readonly #mostConsumers: () => number;
  readonly #messages: QueuedMessage[] = [];
  #allowed = 1;
  #running = 0;
  #sent = 0;
  /** Batches at the same time, at most so far. */
  mostRunning = 0;
  /** Messages that were dropped after too many deliveries. */
  dropped = 0;

  constructor(settings: ConsumerSettings, mostConsumers: () => number) {
    this.#settings = settings;
    this.#mostConsumers = mostConsumers;
  }

  /** Consumers that there are now. */
  get consumers(): number {
    return this.#allowed;
  }

  /** Batches that are handled now. */
  get running(): number {
    return this.#running;
  }

  /** Messages that wait. */
  get backlog(): number {
    return this.#messages.length;
  }

  /** Takes messages. */
  send(bodies: readonly WorkMessage[], around: QueueAround): void {
    for (const body of bodies) {
      this.#sent += 1;
      this.#messages.push({ id: String(this.#sent), body, retries: 0 });
    }
    this.#fill(around);
  }

  #fill(around: QueueAround): void {
    while (this.#running < this.#allowed && this.#messages.length > 0) {
      this.#running += 1;
      this.mostRunning = Math.max(this.mostRunning, this.#running);
      around.waitUntil(this.#consume(around));
    }
  }

  async #consume(around: QueueAround): Promise<void> {
    // What else the present event sends shares the batch.
    await around.wait(0);
    const messages = this.#messages.splice(0, this.#settings.maxBatchSize);
    try {
      const retried = messages.length === 0 ? [] : await around.deliver(messages);
      this.#redeliver(messages, retried, around);
    } catch (error) {
      console.error({ event: "batch_failed", queue: this.#settings.queue, error: String(error) });
      this.#redeliver(messages, messages, around);
    }
    this.#running -= 1;
    this.#scale();
    this.#fill(around);
  }

  /** The platform looks only now whether there should be more consumers, or fewer. */
  #scale(): void {
    const wanted = this.#messages.length > 0 ? this.#allowed + 1 : this.#allowed - 1;
    this.#allowed = Math.max(1, Math.min(wanted, this.#mostConsumers()));
  }

  #redeliver(messages: readonly QueuedMessage[], retried: readonly Retried[], around: QueueAround): void {
    const byId = new Map(messages.map((message) => [message.id, message]));
    for (const { id, delaySeconds = this.#settings.retryDelay } of retried) {
      const message = byId.get(id);
      if (message === undefined) {
        continue;
      }
      if (message.retries >= this.#settings.maxRetries) {
        this.dropped += 1;
        console.warn({ event: "messages_dropped", queue: this.#settings.queue, messages: 1 });
        continue;
      }
      around.waitUntil(this.#after(delaySeconds * 1000, { ...message, retries: message.retries + 1 }, around));
    }
  }

  async #after(ms: number, message: QueuedMessage, around: QueueAround): Promise<void> {
    if (ms > 0) {
      await around.wait(ms);
    }
    this.#messages.push(message);
    this.#fill(around);
  }
}

/** A batch as a consumer has it; what it retries is gathered. */
export function batchOf(
  queue: string,
  messages: readonly QueuedMessage[],
): { batch: MessageBatch<WorkMessage>; retried: () => Retried[] } {
  const retries = new Map<string, Retried>();
  const retry = (id: string, options?: QueueRetryOptions): void => void retries.set(id, { id, ...options });
  const timestamp = new Date();
  return {
    retried: () => [...retries.values()],
    batch: {
      queue,
      metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } },
      messages: messages.map(({ id, body, retries: before }) => ({
        id,
        body,
        timestamp,
        attempts: before + 1,
        retry: (options) => retry(id, options),
        ack: () => void retries.delete(id),
      })),
      retryAll: (options) => messages.forEach(({ id }) => retry(id, options)),
      ackAll: () => retries.clear(),
    },
  };
}
