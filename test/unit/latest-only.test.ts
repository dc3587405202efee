import { describe, test } from "vitest";
import { latestOnlyProceeds } from "../../src/engine/latest-only.ts";

const nextInterval = { start: 1000, end: 2000 };

describe("what is behind a latest-only task", () => {
  test.for<[number, boolean]>([
    [999, false],
    [1000, false],
    [1001, true],
    [2000, true],
    [2001, false],
  ])("at %i, with the next interval from 1000 to 2000, goes on: %s", ([now, proceeds], { expect }) => {
    for (const runType of ["scheduled", "backfill", "asset_triggered"]) {
      expect(latestOnlyProceeds({ runType, now, nextInterval }), runType).toBe(proceeds);
    }
  });

  test("goes on in a manual run at any time", ({ expect }) => {
    expect([0, 1500, 9000].map((now) => latestOnlyProceeds({ runType: "manual", now, nextInterval }))).toEqual([
      true,
      true,
      true,
    ]);
  });

  test("goes on in the last run of a schedule", ({ expect }) => {
    expect(latestOnlyProceeds({ runType: "scheduled", now: 9000, nextInterval: null })).toBe(true);
  });
});
