import fc from "fast-check";
import { describe, it } from "vitest";
import { LogBudget, TryLog } from "../../src/runner/try-log.ts";

const MIB = 1024 * 1024;

function logOf(events: readonly string[], budget?: LogBudget): TryLog {
  const log = new TryLog(0, budget);
  for (const event of events) {
    log.add(0, "info", event, undefined);
  }
  return log;
}

function eventsOf({ from, lines }: ReturnType<TryLog["pending"]>): [number, string[]] {
  return [from, lines.map(({ event }) => event)];
}

describe("the log of a try", () => {
  it("gives its lines with the number of the first", ({ expect }) => {
    const log = new TryLog();
    log.add(5, "info", "read", { rows: 3 });
    log.add(6, "error", new Error("broken"), undefined);
    expect(log.pending()).toEqual({
      from: 0,
      lines: [
        { timestamp: 5, level: "info", event: "read", data: { rows: 3 } },
        { timestamp: 6, level: "error", event: "Error: broken" },
      ],
    });
  });

  it("goes on where the try was rescheduled", ({ expect }) => {
    const log = new TryLog(40);
    log.add(0, "info", "again", undefined);
    expect(eventsOf(log.pending())).toEqual([40, ["again"]]);
  });

  it("gives lines again until the owner has confirmed them, and then only newer ones", ({ expect }) => {
    const log = logOf(["a", "b"]);
    expect(eventsOf(log.pending())).toEqual([0, ["a", "b"]]);
    log.add(0, "info", "c", undefined);
    expect(eventsOf(log.pending())).toEqual([0, ["a", "b", "c"]]);
    log.confirm(2);
    expect(eventsOf(log.pending())).toEqual([2, ["c"]]);
    log.confirm(2);
    log.confirm(3);
    expect(eventsOf(log.pending())).toEqual([3, []]);
  });

  it("keeps the last lines that were confirmed, for a try that is rescheduled", ({ expect }) => {
    const log = logOf(["a", "b"]);
    log.confirm(2);
    expect(eventsOf(log.kept())).toEqual([0, ["a", "b"]]);
    const large = logOf(Array.from({ length: 1000 }, () => "x".repeat(500)));
    large.confirm(1000);
    expect(large.size).toBeLessThanOrEqual(64 * 1024);
    expect(large.size).toBeGreaterThan(60 * 1024);
    expect(large.kept().from + large.kept().lines.length).toBe(1000);
  });

  it("keeps the last megabyte of what is not confirmed, and numbers stay", ({ expect }) => {
    const log = logOf(Array.from({ length: 2000 }, (_, n) => `${n} ${"x".repeat(1000)}`));
    const { from, lines } = log.pending();
    expect(log.size).toBeLessThanOrEqual(MIB);
    expect(log.size).toBeGreaterThan(MIB - 2000);
    expect(from + lines.length).toBe(2000);
    expect(lines[0]?.event).toMatch(new RegExp(`^${from} `));
  });

  it("cuts long texts and data, and takes what is no text and no JSON", ({ expect }) => {
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    const log = logOf(["y".repeat(3000)]);
    log.add(0, "info", "data", "z".repeat(9000));
    log.add(0, "info", "circular", circular);
    log.add(0, "info", "function", () => 1);
    log.add(0, "info", Object.create(null), undefined);
    log.add(0, "info", Symbol("s"), undefined);
    const [long, data, circle, fn, bare, symbol] = log.pending().lines;
    expect(long?.event).toHaveLength(2000);
    expect(data?.data).toMatch(/^"z{8191}… \(9002 characters\)$/);
    expect(circle?.data).toMatch(/^\(no JSON: /);
    expect(fn?.data).toBe("(no JSON: function)");
    expect(bare?.event).toBe("(no text: object)");
    expect(symbol?.event).toBe("Symbol(s)");
  });

  it("takes nothing more when the try is over", ({ expect }) => {
    const log = logOf(["a"]);
    log.end();
    log.add(0, "info", "b", undefined);
    expect(eventsOf(log.pending())).toEqual([0, ["a"]]);
    log.discard();
    log.add(0, "info", "c", undefined);
    expect(eventsOf(log.pending())).toEqual([1, []]);
  });

  it("keeps little when all tries of the isolate together hold too much, and gives its room back", ({ expect }) => {
    const budget = new LogBudget(MIB);
    const lines = Array.from({ length: 900 }, () => "x".repeat(1000));
    const first = logOf(lines, budget);
    const second = logOf(lines, budget);
    expect(first.size).toBeGreaterThan(900_000);
    expect(second.size).toBeLessThanOrEqual(64 * 1024 + MIB - first.size);
    expect(second.pending().from + second.pending().lines.length).toBe(900);
    expect(budget.used).toBe(first.size + second.size);
    first.discard();
    expect(budget.used).toBe(second.size);
    second.discard();
    expect(budget.used).toBe(0);
  });

  it("whatever comes in which order, loses no line but the oldest and counts what it holds", ({ expect }) => {
    const step = fc.oneof(
      fc.record({ add: fc.integer({ min: 0, max: 40_000 }) }),
      fc.record({ confirm: fc.integer({ min: 0, max: 10 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const budget = new LogBudget(Number.POSITIVE_INFINITY);
        const log = new TryLog(0, budget);
        let added = 0;
        let confirmed = 0;
        for (const one of steps) {
          if ("add" in one) {
            log.add(0, "info", String(added), "x".repeat(one.add));
            added += 1;
          } else {
            confirmed = Math.min(added, confirmed + one.confirm);
            log.confirm(confirmed);
          }
          const pending = log.pending();
          const kept = log.kept();
          expect(pending.from + pending.lines.length).toBe(added);
          expect(kept.from + kept.lines.length).toBe(added);
          expect(pending.from).toBeGreaterThanOrEqual(confirmed);
          expect(pending.lines.map(({ event }) => Number(event))).toEqual(
            pending.lines.map((_, index) => pending.from + index),
          );
          expect(log.size).toBe(budget.used);
          expect(log.size).toBeLessThanOrEqual(MIB);
        }
        log.discard();
        expect(budget.used).toBe(0);
      }),
      { numRuns: 100 },
    );
  });
});
