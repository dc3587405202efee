import { describe, test } from "vitest";
import { decideAttempt, MAX_WAIT_MS, retryPolicy, type AttemptFacts } from "../../src/engine/attempt.ts";
import { retryDelayMs } from "../../src/engine/retry.ts";
import { taskSpecSchema } from "../../src/engine/spec.ts";
import type { Outcome } from "../../src/engine/work.ts";

const NOW = Date.UTC(2026, 0, 1);
const ERROR = { type: "Error", message: "no" };
const FACTS: AttemptFacts = {
  dagId: "d",
  taskId: "t",
  logicalDate: null,
  tryNumber: 1,
  maxTries: 2,
  policy: { retryDelayS: 30, backoff: 0, maxRetryDelayS: null },
};

function failed(rest: Partial<Outcome & { state: "failed" }> = {}): Outcome {
  return { state: "failed", error: ERROR, retryable: true, ...rest };
}

test("success and skip are final", ({ expect }) => {
  expect(decideAttempt(FACTS, { state: "success" }, NOW)).toEqual({ state: "success" });
  expect(decideAttempt(FACTS, { state: "skipped", reason: "no news" }, NOW)).toEqual({ state: "skipped" });
});

test("a reschedule waits for its time, and never for one that is past", ({ expect }) => {
  const at = (time: number): unknown => decideAttempt(FACTS, { state: "up_for_reschedule", at: time }, NOW);
  expect(at(NOW + 5)).toEqual({ state: "up_for_reschedule", nextAt: NOW + 5 });
  expect(at(NOW - 5)).toEqual({ state: "up_for_reschedule", nextAt: NOW });
});

test("a wait that a handler asks for is whole milliseconds, and at most a year", ({ expect }) => {
  const wait = (ms: number): number[] =>
    [
      decideAttempt(FACTS, { state: "up_for_reschedule", at: NOW + ms }, NOW),
      decideAttempt(
        { ...FACTS, policy: { ...FACTS.policy, retryDelayS: 0 } },
        { state: "failed", error: ERROR, retryable: true, retryAfterMs: ms },
        NOW,
      ),
    ].map((result) => ("nextAt" in result ? result.nextAt - NOW : Number.NaN));
  expect(wait(1.5)).toEqual([2, 2]);
  expect(wait(300.00000000000006)).toEqual([300, 301]);
  expect(wait(1e300)).toEqual([MAX_WAIT_MS, MAX_WAIT_MS]);
  expect(wait(-1e300)).toEqual([0, 0]);
  expect(wait(Number.NaN)).toEqual([0, 0]);
});

describe("a failure", () => {
  test.for([
    { tryNumber: 1, maxTries: 0, retryable: true, state: "failed" },
    { tryNumber: 1, maxTries: 1, retryable: true, state: "up_for_retry" },
    { tryNumber: 2, maxTries: 1, retryable: true, state: "failed" },
    { tryNumber: 2, maxTries: 2, retryable: true, state: "up_for_retry" },
    { tryNumber: 1, maxTries: 5, retryable: false, state: "failed" },
  ])(
    "of try $tryNumber with max_tries $maxTries, retryable $retryable, is $state",
    ({ state, retryable, ...tries }, { expect }) => {
      expect(decideAttempt({ ...FACTS, ...tries }, failed({ retryable }), NOW)).toMatchObject({ state, error: ERROR });
    },
  );

  test("waits for the policy's delay, or longer if the handler asked for it", ({ expect }) => {
    const nextAt = (retryAfterMs?: number): unknown =>
      decideAttempt(FACTS, failed(retryAfterMs === undefined ? {} : { retryAfterMs }), NOW);
    expect(nextAt()).toMatchObject({ nextAt: NOW + 30_000 });
    expect(nextAt(1000)).toMatchObject({ nextAt: NOW + 30_000 });
    expect(nextAt(45_000)).toMatchObject({ nextAt: NOW + 45_000 });
  });

  test("backs off by the task's own spec, the same for the same try", ({ expect }) => {
    const spec = taskSpecSchema.parse({
      task_id: "t",
      handler: "h",
      retry_delay: 10,
      retry_exponential_backoff: 2,
      max_retry_delay: 35,
    });
    const policy = retryPolicy(spec);
    expect(policy).toEqual({ retryDelayS: 10, backoff: 2, maxRetryDelayS: 35 });
    const facts = { ...FACTS, tryNumber: 2, policy };
    const result = decideAttempt(facts, failed(), NOW);
    expect(result).toMatchObject({ nextAt: NOW + retryDelayMs(policy, facts) });
    expect(decideAttempt(facts, failed(), NOW)).toEqual(result);
  });
});
