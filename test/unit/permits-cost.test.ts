import { test, vi } from "vitest";
import type * as Permits from "../../src/engine/permits/permit.ts";
import { Bench, OWNER, wish } from "./permits-support.ts";

/** How often two permits were compared. */
const work = vi.hoisted(() => ({ compared: 0 }));

vi.mock("../../src/engine/permits/permit.ts", async (importOriginal) => {
  const original = await importOriginal<typeof Permits>();
  const comesBefore: typeof original.comesBefore = (a, b) => {
    work.compared += 1;
    return original.comesBefore(a, b);
  };
  return { ...original, comesBefore };
});

const WAITERS = 10_000;
const SIZES = 3;

test("an event costs the logarithm of who waits, and a look at each size", ({ expect }) => {
  const bench = new Bench(10);
  const requests = Array.from({ length: WAITERS }, (_, index) =>
    // In no order, so that places must be found.
    wish(`t-${index}`, { priority: (index * 7919) % 101, slots: 1 + (index % SIZES) }),
  );
  bench.ask(...requests);
  const costs: number[] = [];
  for (let turn = 0; turn < 2000; turn += 1) {
    const before = work.compared;
    const [held] = bench.exchange({}).granted;
    bench.release(held ?? "");
    costs.push(work.compared - before);
  }
  expect(Math.max(...costs)).toBeGreaterThan(0);
  // One slot or up to three come free and are granted; each grant sinks a heap of at most 10,000.
  expect(Math.max(...costs)).toBeLessThan(4 * (2 * Math.ceil(Math.log2(WAITERS)) + 4 * SIZES));
});

test("who is granted and goes leaves nothing behind", ({ expect }) => {
  const bench = new Bench(5);
  for (let turn = 0; turn < 1000; turn += 1) {
    bench.exchange({ ask: [wish(`t-${turn}`, { slots: 1 + (turn % SIZES) })], release: [`t-${turn - 4}`] }, OWNER);
  }
  bench.release("t-996", "t-997", "t-998", "t-999");
  expect(bench.ledger.size).toBe(0);
  expect(bench.stored.size).toBe(0);
  expect(bench.ledger.nextDue()).toBe(null);
});
