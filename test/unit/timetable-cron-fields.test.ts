import { describe, test } from "vitest";
import { CronError, parseCron } from "../../src/engine/timetable/cron-fields.ts";
import { describeCron } from "../../src/engine/timetable/describe-cron.ts";
import { wallCron } from "../../src/engine/timetable/wall-cron.ts";

describe("a cron expression is read as Airflow reads it", () => {
  const minutes: [string, number[]][] = [
    ["5", [5]],
    ["5,3,5", [3, 5]],
    ["58-1", [0, 1, 58, 59]],
    ["10-50/20", [10, 30, 50]],
    ["5/15", [5, 20, 35, 50]],
    ["50-10/5", [0, 5, 10, 50, 55]],
    ["*/60", [0]],
    ["*/25", [0, 25, 50]],
  ];
  for (const [field, values] of minutes) {
    test(`minute ${field}`, ({ expect }) => {
      expect(parseCron(`${field} * * * *`).minute).toEqual({ values, special: [], isEvery: false });
    });
  }

  const weekdays: [string, number[], string[]][] = [
    ["7", [0], []],
    ["SUN", [0], []],
    ["sat-mon", [0, 1, 6], []],
    ["5-7", [0, 5, 6], []],
    ["mon-fri/2", [1, 3, 5], []],
    ["2/2", [2, 4, 6], []],
    ["5#2", [], ["5#2"]],
    ["fri#5", [], ["5#5"]],
    ["L5", [], ["5L"]],
    ["5L", [], ["5L"]],
    ["7L", [], ["0L"]],
    ["1,5#2,5#4", [1], ["5#2", "5#4"]],
  ];
  for (const [field, values, special] of weekdays) {
    test(`day of the week ${field}`, ({ expect }) => {
      expect(parseCron(`0 0 * * ${field}`).weekday).toEqual({ values, special, isEvery: false });
    });
  }

  test("the sixth field is the second", ({ expect }) => {
    expect(parseCron("1 2 3 4 5 30").second.values).toEqual([30]);
    expect(parseCron("1 2 3 4 5").second.values).toEqual([0]);
  });

  test("months have names, and may go around the end of the year", ({ expect }) => {
    expect(parseCron("0 0 1 nov-FEB *").month.values).toEqual([1, 2, 11, 12]);
  });

  for (const every of ["*", "*/1", "0-23", "0-11,12-23", "5-4"]) {
    test(`hour ${every} is every hour`, ({ expect }) => {
      expect(parseCron(`0 ${every} * * *`).hour.isEvery).toBe(true);
    });
  }

  test("a preset is the expression it stands for, and white space does not count", ({ expect }) => {
    expect(parseCron("@quarterly")).toEqual(parseCron(" 0  0 1\t*/3 * "));
  });

  // Whether both days are restricted decides whether one of them is enough.
  const days: [string, boolean, boolean][] = [
    ["* *", true, true],
    ["? ?", true, true],
    ["* 1", true, false],
    ["? 1", true, false],
    ["15 *", false, true],
    ["15 ?", false, true],
    ["15 1", false, false],
    ["1-31 1", false, false],
    ["*/1 1", false, false],
    ["1-31 *", true, true],
    ["*/1 */2", true, false],
    ["15 0-7", false, false],
    ["*,3 1", true, false],
    ["L 0-6", false, false],
  ];
  for (const [pair, anyDay, anyWeekday] of days) {
    const [day, weekday] = pair.split(" ");
    test(`day of the month ${day} with day of the week ${weekday}`, ({ expect }) => {
      const fields = parseCron(`0 0 ${day} * ${weekday}`);
      expect([fields.day.isEvery, fields.weekday.isEvery]).toEqual([anyDay, anyWeekday]);
    });
  }
});

describe("what is no cron expression is refused with what was expected", () => {
  const FIELDS = "5 or 6 fields";
  const refused: [string, string][] = [
    ["", FIELDS],
    ["* * * *", FIELDS],
    ["* * * * * * *", FIELDS],
    ["60 * * * *", "minute is made of 0-59"],
    ["* 24 * * *", "hour is made of 0-23"],
    ["* * 0 * *", "day of the month is made of 1-31"],
    ["* * 32 * *", "day of the month is made of 1-31"],
    ["* * * 13 *", "month is made of 1-12 or JAN-DEC"],
    ["* * * * 8", "day of the week is made of 0-7 or SUN-SAT"],
    ["* * * * 5#6", "day of the week"],
    ["* * * * 5#0", "day of the week"],
    ["* * * * L", "day of the week"],
    ["* * * * L8", "day of the week"],
    ["* * 15W * *", "day of the month"],
    ["L * * * *", "minute"],
    ["* * L-3 * *", "day of the month"],
    ["* * * * * 60", "second is made of 0-59"],
    ["*/0 * * * *", "minute"],
    ["/5 * * * *", "minute"],
    ["1- * * * *", "minute"],
    ["1-2-3 * * * *", "minute"],
    ["*-5 * * * *", "minute"],
    ["1,,2 * * * *", "minute"],
    ["-1 * * * *", "minute"],
    ["1.5 * * * *", "minute"],
    ["1e1 * * * *", "minute"],
    ["0x1 * * * *", "minute"],
    ["? * * * *", "minute"],
    ["H * * * *", "minute"],
    ["٣ * * * *", "minute"],
    ["__proto__ * * * *", "minute"],
    ["* * * constructor *", "month"],
    ["@reboot", "@hourly, @daily, @weekly, @monthly, @quarterly, @yearly"],
    ["@__proto__", "@hourly"],
    [`${"0,".repeat(200)}0 * * * *`, "at most 256 characters"],
  ];
  for (const [expression, expected] of refused) {
    test(JSON.stringify(expression.slice(0, 30)), ({ expect }) => {
      expect(() => parseCron(expression)).toThrow(CronError);
      expect(() => parseCron(expression)).toThrow(expected);
    });
  }

  for (const expression of ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 30-31 FEB *"]) {
    test(`${expression} never comes true`, ({ expect }) => {
      expect(() => wallCron(parseCron(expression))).toThrow("expected a cron expression that comes true some day");
    });
  }

  for (const expression of ["0 0 29 2 *", "0 0 30 2 1", "0 0 * 2 5#5", "0 0 L 2 *", "0 0 31 2,3 *"]) {
    test(`${expression} comes true, if seldom`, ({ expect }) => {
      expect(() => wallCron(parseCron(expression))).not.toThrow();
    });
  }
});

describe("a cron expression in words", () => {
  const words: [string, string][] = [
    ["* * * * *", "Every minute"],
    ["*/5 * * * *", "Every 5 minutes"],
    ["@hourly", "Every hour"],
    ["30 * * * *", "At 30 minutes past the hour"],
    ["@daily", "At 00:00"],
    ["30 21 * * 5", "At 21:30, only on Friday"],
    ["@weekly", "At 00:00, only on Sunday"],
    ["@monthly", "At 00:00, on day 1 of the month"],
    ["@quarterly", "At 00:00, on day 1 of the month, only in January, April, July and October"],
    ["@yearly", "At 00:00, on day 1 of the month, only in January"],
    ["0 8,20 * * *", "At 08:00 and 20:00"],
    ["0 9-17 * * 1-5", "At 0 minutes past the hour, between 09:00 and 17:59, Monday through Friday"],
    ["0 */2 * * 1,2", "At 0 minutes past the hour, every 2 hours, only on Monday and Tuesday"],
    ["*/20 0,6,12 * * *", "Every 20 minutes, in the hours 00, 06 and 12"],
    ["*/20 6 * * *", "At 06:00, 06:20 and 06:40"],
    ["* 6 * * *", "Every minute, between 06:00 and 06:59"],
    ["0 0 13 * 5", "At 00:00, on day 13 of the month (or) At 00:00, only on Friday"],
    ["0 0 1,L * *", "At 00:00, on day 1 and the last day of the month"],
    ["0 0 * * 5#2,1L", "At 00:00, only on the second Friday of the month and the last Monday of the month"],
    ["0 0 * * * 15,45", "At 00:00, at 15 and 45 seconds past the minute"],
    ["* * * * * *", "Every minute, every second"],
  ];
  for (const [expression, description] of words) {
    test(expression, ({ expect }) => {
      expect(describeCron(expression)).toBe(description);
    });
  }
});
