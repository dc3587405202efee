import { describe, it } from "vitest";
import { dateTimeInput, dateTimeQuery } from "../../src/api/time.ts";

const SIX = Date.UTC(2026, 0, 31, 6);

describe("a date-time in a body", () => {
  it.for([
    ["2026-01-31T06:00:00Z", SIX],
    ["2026-01-31 06:00:00Z", SIX],
    ["2026-01-31 07:00:00+01:00", SIX],
    ["2026-01-31T07:00:00+0100", SIX],
    ["2026-01-31T06:00:00.250Z", SIX + 250],
    [SIX / 1000, SIX],
    [SIX / 1000 + 0.25, SIX + 250],
    [String(SIX / 1000), SIX],
    [`${SIX / 1000}.25`, SIX + 250],
    [0, 0],
    // What is too large for seconds counts milliseconds.
    [SIX, SIX],
    [String(SIX), SIX],
  ] as const)("%j is read", ([given, expected], { expect }) => {
    expect(dateTimeInput.parse(given)).toBe(expected);
  });

  it.for([
    "2026-01-31T06:00:00",
    "2026-01-31",
    "2026-01-31  06:00:00Z",
    "2026-02-30 06:00:00Z",
    "soon",
    "",
    "1e9",
    true,
    Number.NaN,
  ])("%j is refused with what was expected", (given, { expect }) => {
    expect(dateTimeInput.safeParse(given).error?.issues[0]?.message).toBe(
      "expected an ISO 8601 date-time with a time zone, such as 2026-01-31T06:00:00Z, or seconds since 1970",
    );
  });

  it.for(["2100-01-01 00:00:00Z", 4_102_444_800, 1e300])("%j is too late for an alarm", (given, { expect }) => {
    expect(dateTimeInput.safeParse(given).error?.issues[0]?.message).toBe("expected a date-time before the year 2100");
  });
});

describe("a date-time in a query", () => {
  it.for([
    ["2026-01-31T06:00:00Z", SIX],
    ["2026-01-31 06:00:00Z", SIX],
    ["2026-01-31T06:00:00", SIX],
    ["2026-01-31 06:00:00.250", SIX + 250],
    ["2026-01-31", SIX - 6 * 3_600_000],
    ["2026-01-31T07:00:00+0100", SIX],
    [String(SIX / 1000), SIX],
  ] as const)("%s is read, in UTC if it has no zone", ([given, expected], { expect }) => {
    expect(dateTimeQuery.parse(given)).toBe(expected);
  });

  it.for(["2026-02-30", "2026-1-1", "31.1.2026", "tomorrow", ""])(
    "%j is refused with what was expected",
    (given, { expect }) => {
      expect(dateTimeQuery.safeParse(given).error?.issues[0]?.message).toBe(
        "expected an ISO 8601 date-time or date, such as 2026-01-31T06:00:00Z or 2026-01-31",
      );
    },
  );
});
