import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, test } from "vitest";
import { isEligibleToRetry, MAX_RETRY_DELAY_S, retryDelayMs } from "../../src/engine/retry.ts";
import type { RetryKey, RetryPolicy } from "../../src/engine/retry.ts";

const key: RetryKey = { dagId: "etl", taskId: "extract", logicalDate: null, tryNumber: 1 };
const doubling: RetryPolicy = { retryDelayS: 300, backoff: 2, maxRetryDelayS: null };

/** The remainder of a hash digit by digit, as on paper, and not by a big number. */
function hashModulo(text: string, modulus: number): number {
  let remainder = 0;
  for (const digit of createHash("sha1").update(text, "utf8").digest("hex")) {
    remainder = (remainder * 16 + Number.parseInt(digit, 16)) % modulus;
  }
  return remainder;
}

const policies = fc.record({
  retryDelayS: fc.double({ min: 0, max: 100_000, noNaN: true }),
  backoff: fc.oneof(fc.constantFrom(0.5, 1.5, 2, 3), fc.double({ min: 0.01, max: 100, noNaN: true })),
  maxRetryDelayS: fc.option(fc.integer({ min: 1, max: 200_000 })),
});
const keys = fc.record({
  dagId: fc.string(),
  taskId: fc.string(),
  logicalDate: fc.option(fc.integer({ min: 0, max: 4_102_444_800_000 })),
  tryNumber: fc.integer({ min: 1, max: 2000 }),
});

describe("a failed try", () => {
  test.for<[number, number, boolean]>([
    [1, 0, false],
    [1, 1, true],
    [2, 1, false],
    [3, 3, true],
    [4, 3, false],
  ])("with number %i of at most %i more is followed by another: %s", ([tryNumber, maxTries, eligible], { expect }) => {
    expect(isEligibleToRetry(tryNumber, maxTries)).toBe(eligible);
  });
});

describe("the delay of a retry", () => {
  test.for([0, 1])("is the task's own with a multiplier of %i, and not capped", (backoff, { expect }) => {
    const policy = { retryDelayS: 100_000.5, backoff, maxRetryDelayS: 10 };
    expect(retryDelayMs(policy, { ...key, tryNumber: 9 })).toBe(100_000_500);
  });

  test("is whole milliseconds where the product is not", ({ expect }) => {
    expect(retryDelayMs({ retryDelayS: 1.005, backoff: 0, maxRetryDelayS: null }, key)).toBe(1005);
  });

  // 300 s doubled twice is 1200; sha1("etl#extract#None#3") mod 1200 is added to it, and so on.
  test.for<[RetryKey, number]>([
    [{ ...key, tryNumber: 3 }, 1_249_000],
    [{ ...key, logicalDate: Date.UTC(2026, 0, 1), tryNumber: 1 }, 376_000],
    [{ ...key, taskId: "läd", logicalDate: Date.UTC(2026, 10, 20, 13, 4, 5, 67), tryNumber: 2 }, 1_009_000],
  ])("of %o is always %i ms", ([retryKey, delayMs], { expect }) => {
    expect(retryDelayMs(doubling, retryKey)).toBe(delayMs);
  });

  test.for<[number | null, string]>([
    [null, "None"],
    [Date.UTC(2026, 0, 1), "2026-01-01 00:00:00+00:00"],
    [Date.UTC(2026, 10, 20, 13, 4, 5, 67), "2026-11-20 13:04:05.067000+00:00"],
    [Date.UTC(1999, 11, 31, 23, 59, 59, 900), "1999-12-31 23:59:59.900000+00:00"],
  ])("is derived from the logical date %s printed as '%s'", ([logicalDate, printed], { expect }) => {
    for (const tryNumber of [1, 2, 3, 4, 5]) {
      const base = 300 * 2 ** (tryNumber - 1);
      const jitter = hashModulo(`etl#extract#${printed}#${tryNumber}`, base);
      expect(retryDelayMs(doubling, { ...key, logicalDate, tryNumber })).toBe((base + jitter) * 1000);
    }
  });

  test("lies between its base and twice its base, before the caps", ({ expect }) => {
    fc.assert(
      fc.property(policies, keys, (policy, retryKey) => {
        fc.pre(policy.backoff !== 1);
        const base = Math.max(1, Math.ceil(policy.retryDelayS * policy.backoff ** (retryKey.tryNumber - 1)));
        fc.pre(2 * base <= MAX_RETRY_DELAY_S);
        const delayS = retryDelayMs({ ...policy, maxRetryDelayS: null }, retryKey) / 1000;
        expect(delayS).toBeGreaterThanOrEqual(base);
        expect(delayS).toBeLessThan(2 * base);
      }),
    );
  });

  test("never exceeds a day nor the task's own cap, is whole milliseconds and at least the smaller of a second and the cap", ({
    expect,
  }) => {
    fc.assert(
      fc.property(policies, keys, (policy, retryKey) => {
        fc.pre(policy.backoff !== 1);
        const delayMs = retryDelayMs(policy, retryKey);
        const capS = Math.min(MAX_RETRY_DELAY_S, policy.maxRetryDelayS ?? Infinity);
        expect(Number.isInteger(delayMs)).toBe(true);
        expect(delayMs).toBeLessThanOrEqual(capS * 1000);
        expect(delayMs).toBeGreaterThanOrEqual(1000);
      }),
    );
  });

  test("does not grow when the cap is lowered", ({ expect }) => {
    fc.assert(
      fc.property(
        policies,
        keys,
        fc.integer({ min: 1, max: 200_000 }),
        fc.integer({ min: 0, max: 1000 }),
        (policy, retryKey, cap, more) => {
          const low = retryDelayMs({ ...policy, maxRetryDelayS: cap }, retryKey);
          const high = retryDelayMs({ ...policy, maxRetryDelayS: cap + more }, retryKey);
          expect(low).toBeLessThanOrEqual(high);
        },
      ),
    );
  });

  test("rounds its base up to whole seconds, and its own cap to whole milliseconds", ({ expect }) => {
    // 10.1 x 1.5 is 15.15, and 1.005 x 1000 is a little less than 1005.
    const jitter = hashModulo("etl#extract#None#2", 16);
    const policy = { retryDelayS: 10.1, backoff: 1.5, maxRetryDelayS: null };
    expect(retryDelayMs(policy, { ...key, tryNumber: 2 })).toBe((16 + jitter) * 1000);
    expect(retryDelayMs({ ...policy, maxRetryDelayS: 1.005 }, { ...key, tryNumber: 2 })).toBe(1005);
  });

  test("is a day where the power overflows, also of a delay of nothing", ({ expect }) => {
    for (const retryDelayS of [0, 1, 300]) {
      expect(retryDelayMs({ ...doubling, retryDelayS }, { ...key, tryNumber: 5000 })).toBe(86_400_000);
    }
  });

  test("is at least a second where the delay is nothing", ({ expect }) => {
    expect(retryDelayMs({ ...doubling, retryDelayS: 0 }, key)).toBe(1000);
  });

  test("is not capped by a cap of 0, which is none", ({ expect }) => {
    expect(retryDelayMs({ ...doubling, maxRetryDelayS: 0 }, key)).toBe(retryDelayMs(doubling, key));
  });
});
