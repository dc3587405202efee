import fc from "fast-check";
import { describe, test } from "vitest";
import {
  dropPassedTime,
  giveBackSlots,
  ledgersToRelease,
  newWish,
  nextStep,
  takeGrant,
  takeTime,
  type PermitNeeds,
  type PermitWish,
} from "../../src/engine/permits/wish.ts";

const NOW = 1_000_000;
const RATE = { limiter: "key:r", rule: { limit: 1, perMs: 1000 } };
const NEEDS: PermitNeeds = {
  ledgers: [
    { ledger: "pool:z", slots: 2 },
    { ledger: "key:a", slots: 1, limit: 3 },
  ],
  rates: [RATE],
};

function made(needs: PermitNeeds = NEEDS): PermitWish {
  const wish = newWish(needs, 7);
  if (wish === null) {
    throw new Error("expected a wish");
  }
  return wish;
}

describe("a wish", () => {
  test("is none if nothing is needed", ({ expect }) => {
    expect(newWish({ ledgers: [], rates: [] }, 1)).toBeNull();
  });

  test("asks one ledger after the other by name, then for its time, and waits for that", ({ expect }) => {
    const wish = made();
    expect(nextStep(wish, NOW)).toEqual({ kind: "ask", need: { ledger: "key:a", slots: 1, limit: 3 } });
    expect(takeGrant(wish, "key:a")).toBe("new");
    expect(nextStep(wish, NOW)).toEqual({ kind: "ask", need: { ledger: "pool:z", slots: 2 } });
    expect(takeGrant(wish, "pool:z")).toBe("new");
    expect(nextStep(wish, NOW)).toEqual({ kind: "reserve", rates: [RATE] });
    takeTime(wish, NOW + 500, NOW);
    expect(nextStep(wish, NOW)).toEqual({ kind: "wait", until: NOW + 500 });
    // When the time has come it is asked for again, and the answer lets it start.
    expect(nextStep(wish, NOW + 500)).toEqual({ kind: "reserve", rates: [RATE] });
    takeTime(wish, NOW + 500, NOW + 501);
    expect(nextStep(wish, NOW + 501)).toEqual({ kind: "done" });
  });

  test("that could not be queued at its time asks for it again", ({ expect }) => {
    const wish = made({ ledgers: [], rates: [RATE] });
    takeTime(wish, NOW, NOW);
    expect(nextStep(wish, NOW + 100)).toEqual({ kind: "done" });
    expect(nextStep(wish, NOW + 101)).toEqual({ kind: "reserve", rates: [RATE] });
  });

  test("gives its slots back while its time is far ahead, and asks for them a second before it", ({ expect }) => {
    const wish = made();
    takeGrant(wish, "key:a");
    takeGrant(wish, "pool:z");
    takeTime(wish, NOW + 2000, NOW);
    expect(giveBackSlots(wish, () => 8, NOW)).toBeNull();
    takeTime(wish, NOW + 60_000, NOW);
    const back = giveBackSlots(wish, () => 8, NOW);
    expect(back).toMatchObject({ token: 7, held: 2, rates: [] });
    expect(wish).toMatchObject({ token: 8, rateToken: 7, held: 0, at: NOW + 60_000 });
    expect(giveBackSlots(wish, () => 9, NOW)).toBeNull();
    expect(nextStep(wish, NOW)).toEqual({ kind: "wait", until: NOW + 59_000 });
    expect(nextStep(wish, NOW + 59_000)).toMatchObject({ kind: "ask", need: { ledger: "key:a" } });
  });

  test("that missed its time in the line for its slots asks for them earlier before the next one", ({ expect }) => {
    const wish = made();
    takeTime(wish, NOW + 10_000, NOW);
    takeGrant(wish, "key:a");
    takeGrant(wish, "pool:z");
    // It stood in line from a second before its time until four seconds after it.
    takeTime(wish, NOW + 60_000, NOW + 14_000);
    giveBackSlots(wish, () => 8, NOW + 14_000);
    expect(nextStep(wish, NOW + 14_000)).toEqual({ kind: "wait", until: NOW + 50_000 });
  });

  test("forgets a time that passed while nothing was asked for it, as it was stopped", ({ expect }) => {
    const wish = made();
    takeTime(wish, NOW + 10_000, NOW);
    dropPassedTime(wish, NOW + 10_100);
    expect(wish.at).toBe(NOW + 10_000);
    dropPassedTime(wish, NOW + 10_101);
    expect(wish.at).toBeNull();
  });

  test("leaves what it was given as it was", ({ expect }) => {
    const needs = structuredClone(NEEDS);
    made(needs);
    expect(needs).toEqual(NEEDS);
  });

  test("takes each grant once, in order, and of no ledger that it has not asked", ({ expect }) => {
    const wish = made();
    expect(takeGrant(wish, "pool:z")).toBe("unwanted");
    expect(takeGrant(wish, "pool:other")).toBe("unwanted");
    expect(wish.held).toBe(0);
    takeGrant(wish, "key:a");
    expect(takeGrant(wish, "key:a")).toBe("known");
    expect(wish.held).toBe(1);
  });

  test("gives back what it holds and what it may be granted any moment", ({ expect }) => {
    const wish = made();
    expect(ledgersToRelease(wish)).toEqual(["key:a"]);
    takeGrant(wish, "key:a");
    expect(ledgersToRelease(wish)).toEqual(["key:a", "pool:z"]);
    takeGrant(wish, "pool:z");
    expect(ledgersToRelease(wish)).toEqual(["key:a", "pool:z"]);
  });

  test("has the same order whoever makes it, so that nobody waits in a circle", ({ expect }) => {
    const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4, unit: "binary" }), { maxLength: 6 });
    fc.assert(
      fc.property(names, fc.infiniteStream(fc.nat()), (ledgers, order) => {
        const shuffled = ledgers
          .map((ledger) => ({ ledger, key: order.next().value ?? 0 }))
          .toSorted((a, b) => a.key - b.key)
          .map(({ ledger }) => ledger);
        const [one, other] = [ledgers, shuffled].map((list) =>
          newWish({ ledgers: list.map((ledger) => ({ ledger, slots: 1 })), rates: [] }, 1)?.ledgers.map(
            (need) => need.ledger,
          ),
        );
        expect(one).toEqual(other);
      }),
    );
  });
});
