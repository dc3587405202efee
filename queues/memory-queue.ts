/**
 * A queue in memory: what a queue's consumer sees of the platform, without the platform. Messages die with the process, and those that
 * are worth it are sent again by their owners.
 *
 * @module
 */
import type { WorkMessage } from "../src/engine/work.ts";
import type { WorkBatch } from "./tasks.ts";

/** What a consumer's part of `wrangler.toml` says of its queue. */
export interface ConsumerSettings {
  /** The queue's name on the platform. */
  queue: string;
  /** Messages in one batch. */
  maxBatchSize: number;
  /** Times that a message is delivered again before it is dropped. */
  maxRetries: number;
  /** Seconds until a message that asks for another delivery gets it, unless it says how many. */
  retryDelay: number;
}

/** What a queue does with the world outside. */
export interface Surroundings {
  /** Has the messages consumed, as `batchOf` makes a batch of them; the next ones are delivered when it has resolved. */
  deliver(messages: readonly Waiting[]): Promise<void>;
  /** Resolves after some milliseconds. */
  wait(ms: number): Promise<void>;
  /** Keeps work going that was begun in the present event. */
  waitUntil(work: Promise<void>): void;
  /** Epoch milliseconds. */
  now(): number;
}

/** A message that waits for its delivery. */
export interface Waiting {
  readonly body: WorkMessage;
  readonly retries: number;
}

/** How long a batch may take before another delivery begins beside it: its event may have been cut off. */
const CUT_OFF_AFTER_MS = 10_000;

/** One queue. Delivers one batch at a time, in the order of sending. */
export class MemoryQueue {
  readonly #settings: ConsumerSettings;
  #messages: Waiting[] = [];
  /** Number of the present delivery; one that was taken for cut off and comes back finds another. */
  #delivery = 0;
  /** When the present delivery last took a batch; null while there is none. */
  #tookAt: number | null = null;

  constructor(settings: ConsumerSettings) {
    this.#settings = settings;
  }

  /** Takes messages, and delivers them if no delivery is under way. */
  send(bodies: readonly WorkMessage[], around: Surroundings): void {
    for (const body of bodies) {
      this.#messages.push({ body, retries: 0 });
    }
    this.#deliver(around);
  }

  #deliver(around: Surroundings): void {
    const isUnderWay = this.#tookAt !== null && Math.abs(around.now() - this.#tookAt) < CUT_OFF_AFTER_MS;
    if (!isUnderWay && this.#messages.length > 0) {
      this.#delivery += 1;
      this.#tookAt = around.now();
      around.waitUntil(this.#deliverAll(this.#delivery, around));
    }
  }

  async #deliverAll(delivery: number, around: Surroundings): Promise<void> {
    // What waits for the present event goes first, such as the answer to a submission; and what else it sends shares the batch.
    await around.wait(0);
    while (delivery === this.#delivery && this.#messages.length > 0) {
      this.#tookAt = around.now();
      const messages = this.#messages.splice(0, this.#settings.maxBatchSize);
      try {
        // One batch after the other, as on the platform: what comes meanwhile shares the next.
        // oxlint-disable-next-line no-await-in-loop
        await around.deliver(messages);
      } catch (error) {
        console.error({ event: "batch_failed", queue: this.#settings.queue, error: String(error) });
        this.#again(messages, this.#settings.retryDelay, around);
      }
    }
    if (delivery === this.#delivery) {
      this.#tookAt = null;
    }
  }

  /** The batch that a consumer is given; what it retries is delivered again. */
  batchOf(messages: readonly Waiting[], around: Surroundings): WorkBatch {
    const again = (some: readonly Waiting[], { delaySeconds = this.#settings.retryDelay } = {}): void =>
      this.#again(some, delaySeconds, around);
    return {
      queue: this.#settings.queue,
      messages: messages.map((message) => ({ body: message.body, retry: (options) => again([message], options) })),
      retryAll: (options) => again(messages, options),
    };
  }

  #again(messages: readonly Waiting[], delaySeconds: number, around: Surroundings): void {
    const { maxRetries, queue } = this.#settings;
    const kept = messages.filter(({ retries }) => retries < maxRetries);
    if (kept.length < messages.length) {
      console.warn({ event: "messages_dropped", queue, messages: messages.length - kept.length, retries: maxRetries });
    }
    if (kept.length === 0) {
      return;
    }
    const redeliver = async (): Promise<void> => {
      await around.wait(delaySeconds * 1000);
      this.#messages.push(...kept.map(({ body, retries }) => ({ body, retries: retries + 1 })));
      this.#deliver(around);
    };
    around.waitUntil(redeliver());
  }
}
