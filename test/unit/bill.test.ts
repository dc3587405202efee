import { describe, test } from "vitest";
import { bill, BILLED, marginal, marginalByItem, NO_USAGE } from "../../scripts/bill/bill.ts";
import { EXAMPLES, UNITS, usageOf } from "../../scripts/bill/examples.ts";
import { PLAN_DOLLARS, PRICES } from "../../scripts/bill/prices.ts";

describe("a bill", () => {
  test("is the plan's price as long as nothing exceeds what it includes", ({ expect }) => {
    const included = Object.fromEntries(BILLED.map((item) => [item, PRICES[item].included]));
    expect(bill(NO_USAGE)).toBe(PLAN_DOLLARS);
    expect(bill({ ...NO_USAGE, ...included })).toBe(PLAN_DOLLARS);
  });

  test("has what exceeds it, by its price", ({ expect }) => {
    expect(bill({ ...NO_USAGE, rowsWritten: 53e6 })).toBeCloseTo(PLAN_DOLLARS + 3);
    expect(bill({ ...NO_USAGE, objectRequests: 3e6, storedGb: 15 })).toBeCloseTo(PLAN_DOLLARS + 0.3 + 2);
  });

  test("is proportional once what is included is used up", ({ expect }) => {
    const usage = { ...NO_USAGE, queueOperations: 3e6, gbSeconds: 1e6 };
    expect(marginalByItem(usage)).toMatchObject({ queueOperations: expect.closeTo(1.2), gbSeconds: 12.5 });
    expect(marginal(usage)).toBeCloseTo(13.7);
    expect(marginal(NO_USAGE)).toBe(0);
  });
});

describe("the worked examples", () => {
  test("price everything that was counted", ({ expect }) => {
    expect(EXAMPLES.map(({ unit }) => unit).toSorted()).toEqual(Object.keys(UNITS).toSorted());
    for (const example of EXAMPLES) {
      expect(Object.values(usageOf(example)).every((used) => used >= 0)).toBe(true);
      expect(marginal(usageOf(example))).toBeGreaterThan(0);
    }
  });

  test("take three queue operations for a message", ({ expect }) => {
    const [single] = EXAMPLES;
    expect(single && usageOf(single)).toMatchObject({ queueOperations: 3e6, workerRequests: 2e6 });
  });
});
