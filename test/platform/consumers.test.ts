/** The harness itself: consumers of a queue. */
import { describe, it } from "vitest";
import { batchOf, PlatformQueue, type QueueAround, type QueuedMessage, type Retried } from "../../platform/queue.ts";
import type { WorkMessage } from "../../src/engine/work.ts";
import { movedClock, startLab } from "./lab.ts";

startLab();

const SETTINGS = { queue: "q", maxBatchSize: 2, maxRetries: 2, retryDelay: 5 };

function bodies(count: number): WorkMessage[] {
  return Array.from({ length: count }, (_, index) => ({ job_id: String(index) }));
}

/** Batches that are handled until a test ends them. */
class Handled {
  readonly batches: { messages: readonly QueuedMessage[]; end: (retried?: Retried[]) => void; fail: () => void }[] = [];
  readonly around: QueueAround = {
    deliver: async (messages) =>
      new Promise((resolve, reject) =>
        this.batches.push({
          messages,
          end: (retried = []) => resolve(retried),
          fail: () => reject(new Error("broken on purpose")),
        }),
      ),
    wait: (ms) => movedClock.wait(ms),
    waitUntil: () => undefined,
  };

  /** Ends a batch, by its number, and lets what follows begin. */
  async end(index: number, retried: Retried[] = []): Promise<void> {
    this.batches[index]?.end(retried);
    await scheduler.wait(0);
  }
}

describe("consumers of a queue", () => {
  it("are added one at a time, and only after a batch has ended", async ({ expect }) => {
    const handled = new Handled();
    const queue = new PlatformQueue(SETTINGS, () => 250);
    queue.send(bodies(20), handled.around);
    await scheduler.wait(0);
    // However long it takes, and however much is sent: one.
    queue.send(bodies(20), handled.around);
    await movedClock.advance(600_000);
    expect(queue.running).toBe(1);
    await handled.end(0);
    expect(queue.running).toBe(2);
    await handled.end(1);
    expect(queue.running).toBe(3);
    await handled.end(2);
    expect(queue.running).toBe(4);
  });

  it("are 250 at most", async ({ expect }) => {
    const handled = new Handled();
    const queue = new PlatformQueue(SETTINGS, () => 3);
    queue.send(bodies(100), handled.around);
    await scheduler.wait(0);
    for (let ended = 0; ended < 10; ended += 1) {
      await handled.end(ended);
    }
    expect(queue.running).toBe(3);
    expect(queue.mostRunning).toBe(3);
  });

  it("are fewer again when no message waits", async ({ expect }) => {
    const handled = new Handled();
    const queue = new PlatformQueue(SETTINGS, () => 250);
    queue.send(bodies(6), handled.around);
    await scheduler.wait(0);
    await handled.end(0);
    expect(queue.consumers).toBe(2);
    await handled.end(1);
    await handled.end(2);
    expect(queue.running).toBe(0);
    expect(queue.consumers).toBe(1);
  });

  it("get what they retry again after its delay, as often as the queue allows", async ({ expect }) => {
    const handled = new Handled();
    const queue = new PlatformQueue(SETTINGS, () => 250);
    queue.send(bodies(2), handled.around);
    await scheduler.wait(0);
    await handled.end(0, [{ id: "2" }]);
    await movedClock.advance(4999);
    expect(handled.batches.length).toBe(1);
    await movedClock.advance(1);
    expect(handled.batches[1]?.messages.map(({ id, retries }) => [id, retries])).toEqual([["2", 1]]);
    await handled.end(1, [{ id: "2", delaySeconds: 0 }]);
    await handled.end(2, [{ id: "2", delaySeconds: 0 }]);
    expect(handled.batches.length).toBe(3);
    expect(queue.dropped).toBe(1);
  });

  it("get the whole of a batch again that failed", async ({ expect }) => {
    const handled = new Handled();
    const queue = new PlatformQueue(SETTINGS, () => 250);
    queue.send(bodies(2), handled.around);
    await scheduler.wait(0);
    handled.batches[0]?.fail();
    await scheduler.wait(0);
    await movedClock.advance(5000);
    await handled.end(1);
    expect(handled.batches.slice(1).flatMap(({ messages }) => messages.map(({ id }) => id))).toEqual(["1", "2"]);
  });
});

describe("a batch", () => {
  it("gathers what is retried and not acknowledged after all", ({ expect }) => {
    const messages = bodies(3).map((body, index) => ({ id: String(index), body, retries: index }));
    const { batch, retried } = batchOf("q", messages);
    batch.messages[0]?.retry({ delaySeconds: 7 });
    batch.messages[1]?.retry();
    batch.messages[1]?.ack();
    expect(retried()).toEqual([{ id: "0", delaySeconds: 7 }]);
    expect(batch.messages.map(({ attempts }) => attempts)).toEqual([1, 2, 3]);
    batch.retryAll();
    expect(retried().length).toBe(3);
    batch.ackAll();
    expect(retried()).toEqual([]);
  });
});
