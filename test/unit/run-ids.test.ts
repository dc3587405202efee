import { test } from "vitest";
import { isoFormat } from "../../src/engine/iso-date.ts";
import { runIdOf } from "../../src/engine/run-ids.ts";

const MIDNIGHT = Date.UTC(2026, 0, 1);

test("a run nobody named is its type and the time after which it may start", ({ expect }) => {
  expect(runIdOf("scheduled", MIDNIGHT)).toBe("scheduled__2026-01-01T00:00:00+00:00");
  expect(runIdOf("backfill", MIDNIGHT)).toBe("backfill__2026-01-01T00:00:00+00:00");
  expect(runIdOf("manual", MIDNIGHT)).toBe("manual__2026-01-01T00:00:00+00:00");
});

test("microseconds are told only if there are any", ({ expect }) => {
  expect(runIdOf("manual", MIDNIGHT + 7)).toBe("manual__2026-01-01T00:00:00.007000+00:00");
  expect(runIdOf("manual", MIDNIGHT, 7)).toBe("manual__2026-01-01T00:00:00.000007+00:00");
  expect(runIdOf("manual", MIDNIGHT + 999, 999)).toBe("manual__2026-01-01T00:00:00.999999+00:00");
});

test("dates before 1970 are dates too", ({ expect }) => {
  expect(isoFormat(-1)).toBe("1969-12-31T23:59:59.999000+00:00");
});
