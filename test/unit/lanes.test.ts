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
        let held = 0;
        let served = 0;
        let asked = 0;
        for (const { kind, most } of steps) {
          if (kind === "take") {
            asked += 1;
            void lanes.take(most).then((taken) => {
              expect(taken).toBeGreaterThanOrEqual(1);
              expect(taken).toBeLessThanOrEqual(most);
              held += taken;
              served += 1;
            });
          } else if (kind === "now") {
            held += lanes.takeNow(most);
          } else {
            const left = Math.min(most, held);
            held -= left;
            lanes.leave(left);
          }
          // oxlint-disable-next-line no-await-in-loop
          await nextTurn();
          expect(held).toBeLessThanOrEqual(width);
          expect(lanes.isWanted).toBe(served < asked);
          // Who waits does so because nothing is free.
          expect(lanes.isWanted && held < width).toBe(false);
        }
        while (served < asked) {
          const left = held;
          held = 0;
          lanes.leave(left);
          // oxlint-disable-next-line no-await-in-loop
          await nextTurn();
        }
      }),
    );
  });
});
