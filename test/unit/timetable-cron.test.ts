/** The instants of cron expressions: sparse ones, several zones, and what happens when clocks are changed. */
import fc from "fast-check";
import { describe, test } from "vitest";
import { parseCron } from "../../src/engine/timetable/cron-fields.ts";
import type { CronFields } from "../../src/engine/timetable/cron-fields.ts";
import type { Ticks } from "../../src/engine/timetable/ticks.ts";
import { at, DAY, HOUR, MINUTE, SECOND, text, ticks, ticksBetween } from "./timetable-support.ts";

describe("an expression marks times", () => {
  const marks: [string, string, string[]][] = [
    ["0 0 29 2 *", "2026-01-01", ["2028-02-29", "2032-02-29", "2036-02-29"]],
    ["0 0 29 2 *", "2095-01-01", ["2096-02-29", "2104-02-29", "2108-02-29"]],
    ["0 0 L * *", "2027-12-31T12:00", ["2028-01-31", "2028-02-29", "2028-03-31"]],
    ["0 0 L 2 *", "2026-01-01", ["2026-02-28", "2027-02-28", "2028-02-29"]],
    ["0 0 15,L * *", "2026-01-01", ["2026-01-15", "2026-01-31", "2026-02-15"]],
    ["0 9 * * 5#2", "2026-01-01", ["2026-01-09T09:00", "2026-02-13T09:00", "2026-03-13T09:00"]],
    ["0 0 * * 5#5", "2026-01-01", ["2026-01-30", "2026-05-29", "2026-07-31"]],
    ["0 0 * 2 5#5", "2026-01-01", ["2036-02-29", "2064-02-29", "2092-02-29"]],
    ["0 0 * * L5", "2026-01-01", ["2026-01-30", "2026-02-27", "2026-03-27"]],
    ["0 0 13 * 5", "2026-02-01", ["2026-02-06", "2026-02-13", "2026-02-20"]],
    ["0 0 31 * *", "2026-02-01", ["2026-03-31", "2026-05-31", "2026-07-31"]],
    ["*/20 2 * * * 10,50", "2026-01-01", ["2026-01-01T02:00:10", "2026-01-01T02:00:50", "2026-01-01T02:20:10"]],
    ["* * * * * *", "2026-01-01T00:00:00.500", ["2026-01-01T00:00:01", "2026-01-01T00:00:02", "2026-01-01T00:00:03"]],
    ["59 23 31 12 *", "2026-01-01", ["2026-12-31T23:59", "2027-12-31T23:59", "2028-12-31T23:59"]],
  ];
  for (const [expression, after, expected] of marks) {
    test(`${expression} after ${after}, and back again`, ({ expect }) => {
      const source = ticks(expression);
      const [first, second, third] = expected.map(at);
      expect(ticksAfter(source, at(after), 3).map(text)).toEqual(expected);
      expect(source.prev(third ?? 0)).toBe(second);
      expect(source.prev(second ?? 0)).toBe(first);
      expect(source.prev(first ?? 0)).toBeLessThanOrEqual(at(after));
    });
  }

  test("alignment leaves a marked time where it is, and moves any other", ({ expect }) => {
    const source = ticks("0 6 * * *");
    expect(source.alignNext(at("2026-03-01T06:00"))).toBe(at("2026-03-01T06:00"));
    expect(source.alignPrev(at("2026-03-01T06:00"))).toBe(at("2026-03-01T06:00"));
    expect(source.alignNext(at("2026-03-01T06:00:00.001"))).toBe(at("2026-03-02T06:00"));
    expect(source.alignPrev(at("2026-03-01T05:59:59.999"))).toBe(at("2026-02-28T06:00"));
  });

  test("beyond the calendar there is nothing, and it is said at once", ({ expect }) => {
    for (const zone of ["UTC", "Europe/Paris"]) {
      const source = ticks("0 0 29 2 *", zone);
      expect(source.next(at("2999-12-31"))).toBe(Infinity);
      expect(source.next(8.64e15)).toBe(Infinity);
      expect(source.prev(at("1000-01-01"))).toBe(-Infinity);
      expect(source.prev(-8.64e15)).toBe(-Infinity);
      expect(source.next(-8.64e15)).toBeLessThan(at("1010-01-01"));
      expect(source.prev(8.64e15)).toBeGreaterThan(at("2990-01-01"));
    }
  });
});

// The window of each row is written in UTC, and so is what is expected.
describe("clocks put forward: a skipped time comes as much later, never on another day", () => {
  const rows: [string, string, string, string[]][] = [
    [
      "30 2 * * *",
      "Europe/Paris",
      "2026-03-28T00:00..2026-03-31T00:00",
      ["2026-03-28T01:30", "2026-03-29T01:30", "2026-03-30T00:30"],
    ],
    [
      "30 2 * * *",
      "America/New_York",
      "2026-03-07T00:00..2026-03-09T12:00",
      ["2026-03-07T07:30", "2026-03-08T07:30", "2026-03-09T06:30"],
    ],
    [
      "15 2 * * *",
      "Australia/Lord_Howe",
      "2026-10-02T00:00..2026-10-04T20:00",
      ["2026-10-02T15:45", "2026-10-03T15:45", "2026-10-04T15:15"],
    ],
    [
      "0 0 * * *",
      "America/Santiago",
      "2026-09-05T00:00..2026-09-07T12:00",
      ["2026-09-05T04:00", "2026-09-06T04:00", "2026-09-07T03:00"],
    ],
    ["0,30 2,3 * * *", "Europe/Paris", "2026-03-29T00:00..2026-03-29T12:00", ["2026-03-29T01:00", "2026-03-29T01:30"]],
    [
      "15,40 2 * * *",
      "Australia/Lord_Howe",
      "2026-10-03T00:00..2026-10-04T00:00",
      ["2026-10-03T15:40", "2026-10-03T15:45"],
    ],
    [
      "0 */2 * * *",
      "Europe/Paris",
      "2026-03-28T23:00..2026-03-29T05:00",
      ["2026-03-28T23:00", "2026-03-29T01:00", "2026-03-29T02:00", "2026-03-29T04:00"],
    ],
    ["0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00..2012-01-31T00:00", ["2011-12-30T22:00"]],
  ];
  for (const [expression, zone, window, expected] of rows) {
    test(`${expression} in ${zone}`, ({ expect }) => {
      expect(walk(expression, zone, window)).toEqual(expected);
    });
  }
});

describe("clocks put back: a time that is twice comes once, the second time", () => {
  const rows: [string, string, string, string[]][] = [
    [
      "30 2 * * *",
      "Europe/Paris",
      "2026-10-24T00:00..2026-10-26T12:00",
      ["2026-10-24T00:30", "2026-10-25T01:30", "2026-10-26T01:30"],
    ],
    [
      "30 1 * * *",
      "America/New_York",
      "2026-10-31T00:00..2026-11-02T12:00",
      ["2026-10-31T05:30", "2026-11-01T06:30", "2026-11-02T06:30"],
    ],
    [
      "45 1 * * *",
      "Australia/Lord_Howe",
      "2026-04-03T00:00..2026-04-05T20:00",
      ["2026-04-03T14:45", "2026-04-04T15:15", "2026-04-05T15:15"],
    ],
    [
      "0 */2 * * *",
      "Europe/Paris",
      "2026-10-24T22:00..2026-10-25T04:00",
      ["2026-10-24T22:00", "2026-10-25T01:00", "2026-10-25T03:00"],
    ],
    [
      "0 0 * * *",
      "America/Santiago",
      "2026-04-04T00:00..2026-04-06T12:00",
      ["2026-04-04T03:00", "2026-04-05T04:00", "2026-04-06T04:00"],
    ],
  ];
  for (const [expression, zone, window, expected] of rows) {
    test(`${expression} in ${zone}`, ({ expect }) => {
      expect(walk(expression, zone, window)).toEqual(expected);
    });
  }
});

describe("where every hour is marked, runs go by what the clocks show, twice if they show it twice", () => {
  const rows: [string, string, string, string[]][] = [
    [
      "30 * * * *",
      "Europe/Paris",
      "2026-03-29T00:00..2026-03-29T03:00",
      ["2026-03-29T00:30", "2026-03-29T01:30", "2026-03-29T02:30"],
    ],
    [
      "30 * * * *",
      "Europe/Paris",
      "2026-10-24T23:00..2026-10-25T03:00",
      ["2026-10-24T23:30", "2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"],
    ],
    [
      "0 * * * *",
      "America/New_York",
      "2026-11-01T04:00..2026-11-01T08:00",
      ["2026-11-01T04:00", "2026-11-01T05:00", "2026-11-01T06:00", "2026-11-01T07:00", "2026-11-01T08:00"],
    ],
    [
      "0 0-23 * * *",
      "America/New_York",
      "2026-03-08T05:00..2026-03-08T08:00",
      ["2026-03-08T05:00", "2026-03-08T06:00", "2026-03-08T07:00", "2026-03-08T08:00"],
    ],
    // Half an hour: the first of them comes at 02:30, when the clocks skip 02:00.
    [
      "0 * * * *",
      "Australia/Lord_Howe",
      "2026-10-03T14:00..2026-10-03T17:00",
      ["2026-10-03T14:30", "2026-10-03T15:30", "2026-10-03T16:00", "2026-10-03T17:00"],
    ],
    [
      "0 * * * *",
      "Australia/Lord_Howe",
      "2026-04-04T13:00..2026-04-04T16:30",
      ["2026-04-04T13:00", "2026-04-04T14:00", "2026-04-04T15:30", "2026-04-04T16:30"],
    ],
    [
      "30 * * * *",
      "Australia/Lord_Howe",
      "2026-04-04T13:30..2026-04-04T16:30",
      ["2026-04-04T13:30", "2026-04-04T14:30", "2026-04-04T15:00", "2026-04-04T16:00"],
    ],
    // Over a weekend with a change: no drift on Monday.
    [
      "0 * * * 1-5",
      "Europe/Paris",
      "2026-03-27T22:00..2026-03-29T23:00",
      ["2026-03-27T22:00", "2026-03-29T22:00", "2026-03-29T23:00"],
    ],
  ];
  for (const [expression, zone, window, expected] of rows) {
    test(`${expression} in ${zone} from ${window.slice(0, 10)}`, ({ expect }) => {
      expect(walk(expression, zone, window)).toEqual(expected);
    });
  }
});

/** Zones and the days around which their clocks are changed. */
const CHANGES: [string, string][] = [
  ["Europe/Paris", "2026-03-29"],
  ["Europe/Paris", "2026-10-25"],
  ["America/New_York", "2026-03-08"],
  ["America/New_York", "2026-11-01"],
  ["Australia/Lord_Howe", "2026-04-04"],
  ["Australia/Lord_Howe", "2026-10-03"],
  ["America/Santiago", "2026-04-05"],
  ["America/Santiago", "2026-09-06"],
  ["Asia/Beirut", "2026-03-28"],
  ["Antarctica/Troll", "2026-03-29"],
  ["Pacific/Apia", "2011-12-30"],
  ["Asia/Kolkata", "2026-06-01"],
];

const minuteField = fc.oneof(
  fc.constantFrom("0", "30", "*", "*/15", "15,40"),
  fc.uniqueArray(fc.nat(59), { minLength: 1, maxLength: 4 }).map((values) => values.join(",")),
);
const hourField = fc.oneof(
  fc.constantFrom("*", "*/2", "2", "0-3", "23"),
  fc.uniqueArray(fc.nat(23), { minLength: 1, maxLength: 6 }).map((values) => values.join(",")),
);
const weekdayField = fc.constantFrom("*", "*", "0", "6,0,1", "1-5");
const anyExpression = fc
  .tuple(minuteField, hourField, weekdayField)
  .map(([minute, hour, weekday]) => `${minute} ${hour} * * ${weekday}`);

test("around changes of clocks, walking both ways finds what looking at every minute finds", ({ expect }) => {
  let seen = 0;
  fc.assert(
    fc.property(anyExpression, fc.constantFrom(...CHANGES), (expression, change) => {
      const [zone, day] = change;
      const from = at(day) - 2 * DAY;
      const to = at(day) + 3 * DAY;
      const expected = everyMinute(parseCron(expression), zone, from, to);
      const source = ticks(expression, zone);
      expect(ticksBetween(source, from, to).map(text)).toEqual(expected.map(text));
      const backward: number[] = [];
      for (let time = source.alignPrev(to); time >= from; time = source.prev(time)) {
        backward.push(time);
      }
      expect(backward.toReversed().map(text)).toEqual(expected.map(text));
      seen += expected.length;
    }),
    { numRuns: 150 },
  );
  expect(seen).toBeGreaterThan(1000);
});

test("next and prev are strict and inverse, and alignment is next to nothing, at any time and in any zone", ({
  expect,
}) => {
  const expressions = fc.oneof(
    anyExpression,
    fc.constantFrom(
      "0 0 29 2 *",
      "0 0 L * *",
      "0 3 * * 5#2",
      "30 2 * * 0#1",
      "* * * * * *",
      "10 2 1 */5 * 30",
      "0 0 13 * 5",
    ),
  );
  const time = fc.integer({ min: at("1990-01-01"), max: at("2060-01-01") });
  const zone = fc.constantFrom("UTC", ...CHANGES.map(([name]) => name));
  fc.assert(
    fc.property(expressions, zone, time, (expression, name, when) => {
      const source = ticks(expression, name);
      const next = source.next(when);
      const prev = source.prev(when);
      expect(prev).toBeLessThan(when);
      expect(next).toBeGreaterThan(when);
      expect(source.prev(source.next(next))).toBe(next);
      expect(source.next(source.prev(prev))).toBe(prev);
      expect(source.alignNext(next)).toBe(next);
      expect(source.alignPrev(next)).toBe(next);
      expect(
        [source.prev(next), source.next(prev)].every((tick) => tick === when || tick === prev || tick === next),
      ).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("a yearly time the day after a change is found from the other half of the year", ({ expect }) => {
  const source = ticks("30 2 26 10 *", "Europe/Paris");
  expect(text(source.prev(at("2027-06-01")))).toBe("2026-10-26T01:30");
  expect(text(source.next(at("2026-06-01")))).toBe("2026-10-26T01:30");
});

test("whatever the hour and the weekday, the way back over a change is the way there", ({ expect }) => {
  for (const [zone, day] of CHANGES) {
    const [from, to] = [at(day) - 9 * DAY, at(day) + 9 * DAY];
    for (let hour = 0; hour < 24; hour += 1) {
      for (const days of ["*", "0,1", "3", "5,6"]) {
        const source = ticks(`30 ${hour} * * ${days}`, zone);
        const there = ticksBetween(source, from, to);
        const back: number[] = [];
        for (let time = source.alignPrev(to); time >= from; time = source.prev(time)) {
          back.push(time);
        }
        expect(back.toReversed(), `${days} at ${hour}:30 in ${zone}`).toEqual(there);
        expect(there.length).toBeGreaterThanOrEqual(2);
      }
    }
  }
});

test("a daily time comes on every day once, all year round", ({ expect }) => {
  for (const zone of new Set(CHANGES.map(([name]) => name))) {
    for (const expression of ["0 0 * * *", "0 2 * * *", "30 2 * * *", "15 1 * * *", "0 3 * * *", "45 23 * * *"]) {
      const found = ticksBetween(ticks(expression, zone), at("2026-01-01"), at("2027-01-01") - SECOND);
      expect(found, `${expression} in ${zone}`).toHaveLength(365);
      const gaps = found.slice(1).map((time, index) => time - (found[index] ?? 0));
      expect(Math.min(...gaps)).toBeGreaterThanOrEqual(22 * HOUR);
      expect(Math.max(...gaps)).toBeLessThanOrEqual(26 * HOUR);
    }
  }
});

function ticksAfter(source: Ticks, start: number, count: number): number[] {
  const found: number[] = [];
  while (found.length < count) {
    found.push(source.next(found.at(-1) ?? start));
  }
  return found;
}

function walk(expression: string, zone: string, window: string): string[] {
  const [from = "", to = ""] = window.split("..");
  return ticksBetween(ticks(expression, zone), at(from), at(to)).map(text);
}

/** The rule itself, told without cleverness: what the clocks show at every minute, and what they skip. */
function everyMinute(fields: CronFields, zone: string, from: number, to: number): number[] {
  const shown = shownIn(zone, from, to);
  const found = new Set<number>();
  let lastShown = Math.min(...shown.keys());
  for (let wall = lastShown; wall <= to + 30 * HOUR; wall += MINUTE) {
    const times = shown.get(wall);
    if (fits(fields, wall)) {
      const skipped = (shown.get(lastShown)?.at(-1) ?? 0) + (wall - lastShown);
      const chosen = times === undefined ? [skipped] : fields.hour.isEvery ? times : times.slice(-1);
      chosen.forEach((time) => found.add(time));
    }
    lastShown = times === undefined ? lastShown : wall;
  }
  return [...found].filter((time) => time >= from && time <= to).toSorted((a, b) => a - b);
}

const shownBefore = new Map<string, Map<number, number[]>>();

/** When the clocks show each minute, as far around as the largest gap there was: a day. */
function shownIn(zone: string, from: number, to: number): Map<number, number[]> {
  const key = `${zone} ${from}`;
  const shown = shownBefore.get(key) ?? new Map<number, number[]>();
  if (!shownBefore.has(key)) {
    const format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
    for (let time = from - 30 * HOUR; time <= to + 30 * HOUR; time += MINUTE) {
      const wall = at(format.format(time).replace(" ", "T"));
      shown.set(wall, [...(shown.get(wall) ?? []), time]);
    }
    shownBefore.set(key, shown);
  }
  return shown;
}

function fits(fields: CronFields, wall: number): boolean {
  const date = new Date(wall);
  return (
    fields.minute.values.includes(date.getUTCMinutes()) &&
    fields.hour.values.includes(date.getUTCHours()) &&
    fields.weekday.values.includes(date.getUTCDay())
  );
}
