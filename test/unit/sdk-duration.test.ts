import { describe, test } from "vitest";
import { durationSeconds } from "../../src/sdk/duration.ts";
import type { Duration } from "../../src/sdk/duration.ts";

describe("a duration", () => {
  test.for<[Duration, number]>([
    [0, 0],
    [1.5, 1.5],
    ["500ms", 0.5],
    ["30s", 30],
    ["5m", 300],
    ["1h", 3600],
    ["1.5h", 5400],
    ["2d", 172_800],
  ])("%j is %d seconds", ([duration, seconds], { expect }) => {
    expect(durationSeconds(duration)).toBe(seconds);
  });

  test.for([-1, Number.NaN, Number.POSITIVE_INFINITY, "", "30", "s", "-5s", "5 m", "1h30m", "1e3s", "5M", null, {}])(
    "is refused: %j",
    (given, { expect }) => {
      expect(() => durationSeconds(given as Duration)).toThrow(
        'expected a duration as seconds or with a unit (30, "30s", "500ms", "5m", "1h", "2d"), got',
      );
    },
  );

  test("is shown in the error as it was written", ({ expect }) => {
    expect(() => durationSeconds("5 m")).toThrow(/got "5 m"$/);
    expect(() => durationSeconds(-1)).toThrow(/got -1$/);
  });
});
