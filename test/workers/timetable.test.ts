/** Timetables in the runtime they are for: its time zone data, and a cron library that needs no `eval`. */
import { describe, it } from "vitest";
import { compileTimetable } from "../../src/engine/timetable/compile.ts";
import { previewRuns } from "../../src/engine/timetable/iterate.ts";
import { scheduleSchema } from "../../src/engine/timetable/schedule-spec.ts";

describe("timetables", () => {
  const rows: [string, string, string, string[]][] = [
    ["30 2 * * *", "Europe/Paris", "2026-03-28T12:00:00Z", ["2026-03-29T01:30:00.000Z", "2026-03-30T00:30:00.000Z"]],
    [
      "30 1 * * *",
      "America/New_York",
      "2026-10-31T12:00:00Z",
      ["2026-11-01T06:30:00.000Z", "2026-11-02T06:30:00.000Z"],
    ],
    [
      "15 2 * * *",
      "Australia/Lord_Howe",
      "2026-10-03T12:00:00Z",
      ["2026-10-03T15:45:00.000Z", "2026-10-04T15:15:00.000Z"],
    ],
    ["0 0 29 2 *", "UTC", "2026-10-03T12:00:00Z", ["2028-02-29T00:00:00.000Z", "2032-02-29T00:00:00.000Z"]],
  ];
  for (const [expression, zone, now, expected] of rows) {
    it(`${expression} in ${zone}`, ({ expect }) => {
      const timetable = compileTimetable(scheduleSchema.parse(expression), zone);
      const restriction = { earliest: Date.parse(now), latest: null, catchup: false };
      const runs = previewRuns(timetable, null, restriction, Date.parse(now), 2);
      expect(runs.map((run) => new Date(run.run_after).toISOString())).toEqual(expected);
    });
  }
});
