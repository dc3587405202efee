import { describe, test } from "vitest";
import { NonRetryableError, RescheduleError, RetryableError, SkipError, classifyThrown } from "../../src/sdk/index.ts";

/** An error as another copy of the module would make it. */
function foreign(name: string, fields: object): object {
  return Object.assign(new Error("x"), { name }, fields);
}

const RETRYABLE = { kind: "retryable", retryAfterMs: null };

describe("what a handler throws", () => {
  test("asks for what its class says", ({ expect }) => {
    expect(classifyThrown(new NonRetryableError("no"))).toEqual({ kind: "non_retryable" });
    expect(classifyThrown(new SkipError("nothing to do"))).toEqual({ kind: "skip" });
    expect(classifyThrown(new RetryableError("busy"))).toEqual(RETRYABLE);
    expect(classifyThrown(new RetryableError("busy", { retryAfter: "90s" }))).toEqual({
      kind: "retryable",
      retryAfterMs: 90_000,
    });
    expect(classifyThrown(new RescheduleError(new Date(5000)))).toEqual({ kind: "reschedule", at: 5000 });
    expect(classifyThrown(new RescheduleError({ epochMs: 6000 }))).toEqual({ kind: "reschedule", at: 6000 });
  });

  test("is an ordinary failure otherwise", ({ expect }) => {
    for (const thrown of [new Error("x"), new TypeError("x"), "text", 3, null, undefined, {}]) {
      expect(classifyThrown(thrown)).toEqual(RETRYABLE);
    }
  });

  test("is known by its name, so that another copy of the class means the same", ({ expect }) => {
    expect(classifyThrown(foreign("NonRetryableError", {}))).toEqual({ kind: "non_retryable" });
    expect(classifyThrown(foreign("SkipError", {}))).toEqual({ kind: "skip" });
    expect(classifyThrown(foreign("RescheduleError", { atMs: 7 }))).toEqual({ kind: "reschedule", at: 7 });
    expect(classifyThrown(foreign("RetryableError", { retryAfterSeconds: 2 }))).toEqual({
      kind: "retryable",
      retryAfterMs: 2000,
    });
  });

  test("is an ordinary failure if what it asks for cannot be read", ({ expect }) => {
    expect(classifyThrown({ name: "RescheduleError", atMs: "soon" })).toEqual(RETRYABLE);
    expect(classifyThrown({ name: "RetryableError", retryAfterSeconds: -1 })).toEqual(RETRYABLE);
  });

  test("keeps message and cause", ({ expect }) => {
    const cause = new Error("root");
    const error = new RetryableError("busy", { cause });
    expect([error.message, error.cause, error.name]).toEqual(["busy", cause, "RetryableError"]);
    expect(new NonRetryableError("no", { cause }).cause).toBe(cause);
  });
});

describe("RescheduleError", () => {
  test("counts from now if it is told to", ({ expect }) => {
    const before = Date.now();
    const { atMs } = new RescheduleError({ fromNow: "10m" });
    expect(atMs).toBeGreaterThanOrEqual(before + 600_000);
    expect(atMs).toBeLessThanOrEqual(Date.now() + 600_000);
  });

  test("refuses a time that is none", ({ expect }) => {
    expect(() => new RescheduleError(new Date("never"))).toThrow("expected a time to be rescheduled at, got NaN");
    expect(() => new RescheduleError({ fromNow: "soon" as "1s" })).toThrow("expected a duration");
  });
});
