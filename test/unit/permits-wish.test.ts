import fc from "fast-check";
import { describe, test } from "vitest";
import {
  ledgersToRelease,
  newWish,
  nextStep,
  takeGrant,
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
    wish.at = NOW + 500;
    expect(nextStep(wish, NOW)).toEqual({ kind: "wait", until: NOW + 500 });
    expect(nextStep(wish, NOW + 500)).toEqual({ kind: "done" });
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
