import fc from "fast-check";
import { describe, it } from "vitest";
import { sendAll } from "../../durable-objects/send-all.ts";
import type { WorkMessage } from "../../src/engine/work.ts";

function messages(count: number): { body: WorkMessage }[] {
  return Array.from({ length: count }, (_, index) => ({ body: { job_id: String(index) } }));
}

/** A queue that answers when a turn of the event loop has passed, and notes what came. */
class FakeQueue {
  readonly sent: string[] = [];
  readonly sizes: number[] = [];
  atOnce = 0;
  most = 0;
  calls = 0;
  fail: (call: number) => Error | null = () => null;

  async sendBatch(batch: readonly { body: WorkMessage }[]): Promise<void> {
    this.calls += 1;
    const error = this.fail(this.calls);
    this.atOnce += 1;
    this.most = Math.max(this.most, this.atOnce);
    await new Promise((resolve) => setImmediate(resolve));
    this.atOnce -= 1;
    if (error !== null) {
      throw error;
    }
    this.sizes.push(batch.length);
    this.sent.push(...batch.map(({ body }) => ("job_id" in body ? body.job_id : "")));
  }
}

const TOO_MANY = new Error("Queue sendBatch failed: Too Many Requests");

/** Waits that are over at once, and noted. */
function waiting() {
  const waits: number[] = [];
  const waitMs = async (ms: number): Promise<void> => void waits.push(ms);
  return { waits, waitMs };
}

describe("sending many messages", () => {
  it("takes 100 in a call and five calls at a time", async ({ expect }) => {
    const queue = new FakeQueue();
    await sendAll(queue, messages(2050), waiting().waitMs);
    expect(queue.sent.length).toBe(2050);
    expect(queue.most).toBe(5);
    expect(queue.sizes.toSorted((one, other) => one - other)).toEqual([50, ...Array.from({ length: 20 }, () => 100)]);
  });

  it("makes a call again that the queue has no room for, after a wait that grows", async ({ expect }) => {
    const queue = new FakeQueue();
    queue.fail = (call) => (call <= 4 ? TOO_MANY : null);
    const { waits, waitMs } = waiting();
    await sendAll(queue, messages(1), waitMs);
    expect(queue.sent).toEqual(["0"]);
    expect(waits.length).toBe(4);
    for (const [index, ms] of waits.entries()) {
      expect(ms).toBeGreaterThanOrEqual(50 * 2 ** index);
      expect(ms).toBeLessThanOrEqual(100 * 2 ** index);
    }
  });

  it("gives up after some seconds, and says how many were not sent", async ({ expect }) => {
    const queue = new FakeQueue();
    queue.fail = () => TOO_MANY;
    const { waits, waitMs } = waiting();
    await expect(sendAll(queue, messages(150), waitMs)).rejects.toThrow(
      "150 of 150 messages were not sent: Error: Queue sendBatch failed: Too Many Requests",
    );
    expect(queue.calls).toBe(14);
    // Less than the ten seconds after which their owner sends them again.
    expect(waits.reduce((sum, ms) => sum + ms, 0) / 2).toBeLessThan(10_000);
  });

  it("sends the others if one call fails for good", async ({ expect }) => {
    const queue = new FakeQueue();
    queue.fail = (call) => (call === 2 ? new Error("broken") : null);
    await expect(sendAll(queue, messages(1000), waiting().waitMs)).rejects.toThrow(
      "100 of 1000 messages were not sent: Error: broken",
    );
    expect(queue.sent.length).toBe(900);
  });

  it("sends every message once, whatever number there is and whichever calls have no room", async ({ expect }) => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 1500 }),
        fc.uniqueArray(fc.integer({ min: 1, max: 20 })),
        async (count, full) => {
          const queue = new FakeQueue();
          // Not so many that one call finds no room seven times.
          const some = new Set(full.slice(0, 6));
          queue.fail = (call) => (some.has(call) ? TOO_MANY : null);
          await sendAll(queue, messages(count), waiting().waitMs);
          expect(queue.sent.toSorted()).toEqual(
            messages(count)
              .map(({ body }) => ("job_id" in body ? body.job_id : ""))
              .toSorted(),
          );
        },
      ),
      { numRuns: 50 },
    );
  });
});
