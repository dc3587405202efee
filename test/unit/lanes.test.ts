import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { describe, it } from "vitest";
import { Lanes } from "../../src/runner/lanes.ts";

describe("lanes", () => {
  it("are taken as far as they are free", async ({ expect }) => {
    const lanes = new Lanes(5);
    expect(await lanes.take(3)).toBe(3);
    expect(await lanes.take(3)).toBe(2);
    expect(lanes.takeNow(1)).toBe(0);
  });

  it("go to those that wait, in the order of asking, before any that do not", async ({ expect }) => {
    const lanes = new Lanes(2);
    await lanes.take(2);
    const order: [string, number][] = [];
    const waiting = [
      lanes.take(3).then((taken) => order.push(["first", taken])),
      lanes.take(1).then((taken) => order.push(["second", taken])),
    ];
    expect(lanes.isWanted).toBe(true);
    lanes.leave(2);
    expect(lanes.takeNow(1)).toBe(0);
    lanes.leave(1);
    await Promise.all(waiting);
    expect(order).toEqual([
      ["first", 2],
      ["second", 1],
    ]);
  });

  it("are never held by more than there are, and nobody who wants one is left out", async ({ expect }) => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("take" as const), most: fc.integer({ min: 1, max: 12 }) }),
      fc.record({ kind: fc.constant("leave" as const), most: fc.integer({ min: 1, max: 12 }) }),
      fc.record({ kind: fc.constant("now" as const), most: fc.integer({ min: 1, max: 12 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 10 }), fc.array(step, { maxLength: 60 }), async (width, steps) => {
        const lanes = new Lanes(width);
        const seen = { held: 0, served: 0, asked: 0 };
        const takeWhenFree = async (most: number): Promise<void> => {
          seen.asked += 1;
          const taken = await lanes.take(most);
          expect(taken).toBeGreaterThanOrEqual(1);
          expect(taken).toBeLessThanOrEqual(most);
          seen.held += taken;
          seen.served += 1;
        };
        for (const { kind, most } of steps) {
          if (kind === "take") {
            void takeWhenFree(most);
          } else if (kind === "now") {
            seen.held += lanes.takeNow(most);
          } else {
            const left = Math.min(most, seen.held);
            seen.held -= left;
            lanes.leave(left);
          }
          // oxlint-disable-next-line no-await-in-loop
          await nextTurn();
          expect(seen.held).toBeLessThanOrEqual(width);
          expect(lanes.isWanted).toBe(seen.served < seen.asked);
          // Who waits does so because nothing is free.
          expect(lanes.isWanted && seen.held < width).toBe(false);
        }
        while (seen.served < seen.asked) {
          const left = seen.held;
          seen.held = 0;
          lanes.leave(left);
          // oxlint-disable-next-line no-await-in-loop
          await nextTurn();
        }
      }),
    );
  });
});
