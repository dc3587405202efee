import { afterEach, beforeEach, describe, it, vi } from "vitest";
import { MemoryQueue, type ConsumerSettings, type Surroundings } from "../../queues/memory-queue.ts";
import type { WorkBatch } from "../../queues/tasks.ts";
import type { WorkMessage } from "../../src/engine/work.ts";

const SETTINGS: ConsumerSettings = { queue: "jobbers-tasks", maxBatchSize: 3, maxRetries: 2, retryDelay: 5 };

interface Delivery {
  ids: string[];
  batch: WorkBatch;
  /** Lets the consumer return. */
  letGo: () => void;
}

function message(id: string): WorkMessage {
  return { job_id: id };
}

/** A queue whose consumer returns when a test lets it, with a clock that the test moves. */
function lab(settings: Partial<ConsumerSettings> = {}, consume?: (batch: WorkBatch) => Promise<void>) {
  const queue = new MemoryQueue({ ...SETTINGS, ...settings });
  const deliveries: Delivery[] = [];
  const waits: { ms: number; over: () => void }[] = [];
  const time = { now: 1_000_000 };
  const around: Surroundings = {
    async deliver(messages) {
      const batch = queue.batchOf(messages, around);
      const { promise, resolve } = Promise.withResolvers<void>();
      deliveries.push({
        ids: batch.messages.map(({ body }) => ("job_id" in body ? body.job_id : "")),
        batch,
        letGo: resolve,
      });
      await (consume === undefined ? promise : consume(batch));
    },
    wait: (ms) => (ms === 0 ? Promise.resolve() : new Promise((resolve) => void waits.push({ ms, over: resolve }))),
    waitUntil: () => undefined,
    now: () => time.now,
  };
  return {
    deliveries,
    waits,
    time,
    send: async (...ids: string[]) => {
      queue.send(ids.map(message), around);
      await settle();
    },
  };
}

/** Lets everything happen that waits for nothing. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

const seen = (deliveries: readonly Delivery[]) => deliveries.map(({ ids }) => ids);

beforeEach(() => {
  vi.spyOn(console, "error").mockReturnValue();
  vi.spyOn(console, "warn").mockReturnValue();
});
afterEach(() => vi.restoreAllMocks());

describe("a queue in memory", () => {
  it("delivers what is sent in one turn of the event loop together", async ({ expect }) => {
    const { deliveries, send } = lab();
    await Promise.all([send("a"), send("b")]);
    expect(seen(deliveries)).toEqual([["a", "b"]]);
    expect(deliveries[0]?.batch.queue).toBe("jobbers-tasks");
  });

  it("delivers one batch at a time, in the order of sending, and none larger than the consumer takes", async ({
    expect,
  }) => {
    const { deliveries, send } = lab();
    await send("a");
    await send("b", "c");
    await send("d", "e");
    expect(seen(deliveries)).toEqual([["a"]]);
    deliveries[0]?.letGo();
    await settle();
    expect(seen(deliveries)).toEqual([["a"], ["b", "c", "d"]]);
    deliveries[1]?.letGo();
    await settle();
    deliveries[2]?.letGo();
    await settle();
    expect(seen(deliveries)).toEqual([["a"], ["b", "c", "d"], ["e"]]);
    await send("f");
    expect(seen(deliveries).at(-1)).toEqual(["f"]);
  });

  it("delivers again, after the time that the consumer says, what it asks for", async ({ expect }) => {
    const { deliveries, waits, send } = lab();
    await send("a", "b", "c");
    deliveries[0]?.batch.messages[1]?.retry({ delaySeconds: 7 });
    deliveries[0]?.batch.messages[2]?.retry();
    deliveries[0]?.letGo();
    await settle();
    expect(waits.map(({ ms }) => ms)).toEqual([7000, 5000]);
    expect(deliveries.length).toBe(1);
    waits[1]?.over();
    await settle();
    deliveries[1]?.letGo();
    waits[0]?.over();
    await settle();
    expect(seen(deliveries)).toEqual([["a", "b", "c"], ["c"], ["b"]]);
  });

  it("drops a message that was delivered again as often as the queue allows, and logs it", async ({ expect }) => {
    const { deliveries, waits, send } = lab();
    await send("a");
    for (const round of [0, 1, 2]) {
      deliveries[round]?.batch.retryAll({ delaySeconds: 1 });
      deliveries[round]?.letGo();
      waits[round]?.over();
      // oxlint-disable-next-line no-await-in-loop
      await settle();
    }
    expect(deliveries.length).toBe(3);
    expect(waits.length).toBe(2);
    expect(console.warn).toHaveBeenCalledWith(expect.objectContaining({ event: "messages_dropped", messages: 1 }));
  });

  it("delivers a batch again that its consumer throws at, and goes on with the next", async ({ expect }) => {
    let isBroken = true;
    const { deliveries, waits, send } = lab({ maxBatchSize: 1 }, async () => {
      if (isBroken) {
        isBroken = false;
        throw new Error("no");
      }
    });
    await send("a", "b");
    await settle();
    expect(seen(deliveries)).toEqual([["a"], ["b"]]);
    waits[0]?.over();
    await settle();
    expect(seen(deliveries)).toEqual([["a"], ["b"], ["a"]]);
    expect(console.error).toHaveBeenCalledWith(expect.objectContaining({ event: "batch_failed" }));
  });

  it("begins another delivery when the one under way was cut off, and lets the first one end if it comes back", async ({
    expect,
  }) => {
    const { deliveries, time, send } = lab();
    await send("a");
    time.now += 9999;
    await send("b", "c", "d");
    expect(seen(deliveries)).toEqual([["a"]]);
    time.now += 1;
    await send("e");
    expect(seen(deliveries)).toEqual([["a"], ["b", "c", "d"]]);
    deliveries[0]?.letGo();
    await settle();
    expect(seen(deliveries)).toEqual([["a"], ["b", "c", "d"]]);
    deliveries[1]?.letGo();
    await settle();
    expect(seen(deliveries)).toEqual([["a"], ["b", "c", "d"], ["e"]]);
  });
});
