import { describe, test } from "vitest";
import * as jobs from "../../src/engine/job-machine.ts";
import type { JobRecord } from "../../src/engine/job-machine.ts";
import { taskSpecSchema } from "../../src/engine/spec.ts";
import type { Outcome } from "../../src/engine/work.ts";

const NOW = Date.UTC(2026, 0, 1);
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const WORKER = { hostname: "w1", unixname: "tester" };
const FAILED: Outcome = { state: "failed", error: { type: "Error", message: "no" }, retryable: true };
const SUCCESS: Outcome = { state: "success", value: { json: "42" } };

/** A standalone job of a task with a heart rate of 10 s and one retry after 30 s. */
function submitted(runAt: number | null = null): JobRecord {
  const spec = taskSpecSchema.parse({ task_id: "send", handler: "send", heartrate: 10, retries: 1 });
  const policy = { retryDelayS: 30, backoff: 0, maxRetryDelayS: null };
  const job = jobs.submitJob({ job_id: "01J", name: "send", payload: null, runAt }, spec, policy, NOW);
  if (runAt === null) {
    jobs.markSent(job, NOW);
  }
  return job;
}

function running(): JobRecord {
  const job = submitted();
  jobs.claimJob(job, WORKER, NOW);
  return job;
}

function adopted(): JobRecord {
  const request = {
    dag_id: "d",
    run_id: "r",
    task_id: "t",
    map_index: -1,
    try_number: 1,
    max_tries: 3,
    token: 7,
    handler: "t",
    heartrateMs: 10 * SECOND,
    startDate: NOW - 10 * SECOND,
    worker: WORKER,
    progress: null,
  };
  return jobs.adoptJob("01J", request, NOW);
}

const needsNothing = (): null => null;

describe("a standalone job", () => {
  test("is queued, claimed once and keeps its result", ({ expect }) => {
    const job = submitted();
    expect(jobs.claimJob(job, WORKER, NOW)).toBe(true);
    expect(jobs.claimJob(job, WORKER, NOW)).toBe(false);
    expect(jobs.reportJob(job, job.fence, SUCCESS, NOW + 5)).toBe("accepted");
    expect(job).toMatchObject({
      state: "success",
      result: { json: "42" },
      error: null,
      end_date: NOW + 5,
      next_at: null,
    });
    expect(jobs.reportJob(job, job.fence, FAILED, NOW + 6)).toBe("duplicate");
    expect(job.state).toBe("success");
  });

  test("does not start before its time, and is sent when it has come", ({ expect }) => {
    const job = submitted(NOW + MINUTE);
    expect(jobs.claimJob(job, WORKER, NOW)).toBe(false);
    expect(jobs.tickJob(job, NOW + MINUTE - 1, needsNothing)).toBe(null);
    expect(jobs.tickJob(job, NOW + MINUTE, needsNothing)).toBe("send");
    expect(jobs.claimJob(job, WORKER, NOW + MINUTE)).toBe(true);
  });

  test("that nobody claims is sent again after 10, 20, 40, 80, 120 and 120 seconds, and fails after half an hour", ({
    expect,
  }) => {
    const job = submitted();
    const waits: number[] = [];
    let now = NOW;
    while (job.state === "queued") {
      const due = job.next_at ?? 0;
      waits.push((due - now) / SECOND);
      expect(jobs.tickJob(job, due - 1, needsNothing)).toBe(null);
      now = due;
      expect(jobs.tickJob(job, now, needsNothing)).toBe(now - NOW < 30 * MINUTE ? "send" : null);
    }
    expect(waits.slice(0, 6)).toEqual([10, 20, 40, 80, 120, 120]);
    expect(job).toMatchObject({ state: "failed", error: { type: "StuckInQueued" } });
    expect(now - NOW).toBeLessThan(33 * MINUTE);
    expect(jobs.claimJob(job, WORKER, now)).toBe(false);
  });

  test("counts the time in the queue anew for a delayed start and for a retry", ({ expect }) => {
    const delayed = submitted(NOW + 60 * MINUTE);
    expect(jobs.tickJob(delayed, NOW + 60 * MINUTE, needsNothing)).toBe("send");
    const job = running();
    jobs.reportJob(job, job.fence, FAILED, NOW + 60 * MINUTE);
    expect(jobs.tickJob(job, NOW + 61 * MINUTE, needsNothing)).toBe("send");
    expect(jobs.tickJob(job, job.next_at ?? 0, needsNothing)).toBe("send");
  });

  test("retries strictly after its delay, and fails when no try is left", ({ expect }) => {
    const job = running();
    expect(jobs.reportJob(job, job.fence, FAILED, NOW)).toBe("accepted");
    expect(job).toMatchObject({ state: "up_for_retry", error: { message: "no" }, try_number: 1 });
    expect(jobs.tickJob(job, NOW + 30 * SECOND, needsNothing)).toBe(null);
    expect(jobs.tickJob(job, NOW + 30 * SECOND + 1, needsNothing)).toBe("send");
    expect(job).toMatchObject({ state: "queued", try_number: 2 });
    const later = NOW + MINUTE;
    jobs.claimJob(job, WORKER, later);
    jobs.reportJob(job, job.fence, FAILED, later);
    expect(job).toMatchObject({ state: "failed", end_date: later });
  });

  test("asked to wait is sent again at the time it gave, in the same try", ({ expect }) => {
    const job = running();
    jobs.reportJob(job, job.fence, { state: "up_for_reschedule", at: NOW + MINUTE }, NOW);
    expect(jobs.tickJob(job, NOW + MINUTE - 1, needsNothing)).toBe(null);
    expect(jobs.tickJob(job, NOW + MINUTE, needsNothing)).toBe("send");
    expect(job).toMatchObject({ state: "queued", try_number: 1 });
  });

  test("that goes silent is a zombie at its deadline, measured from its last beat; its late answer is refused", ({
    expect,
  }) => {
    const job = running();
    const token = job.fence;
    expect(jobs.beatJob(job, token, { step: "half", fraction: 0.5 }, NOW + 9 * SECOND)).toMatchObject({
      verdict: "continue",
    });
    expect(jobs.tickJob(job, NOW + 21 * SECOND, needsNothing)).toBe(null);
    expect(job).toMatchObject({ state: "running", next_at: NOW + 30 * SECOND, progress: { step: "half" } });
    expect(jobs.tickJob(job, NOW + 30 * SECOND, needsNothing)).toBe(null);
    expect(job).toMatchObject({ state: "up_for_retry", error: { type: "Zombie" } });
    expect(job.error?.message).toContain("at step 'half', 50 %");
    expect(jobs.reportJob(job, token, SUCCESS, NOW + 31 * SECOND)).toBe("late");
    expect(job).toMatchObject({ state: "up_for_retry", late_results: 1, result: null });
    expect(jobs.beatJob(job, token, null, NOW + 31 * SECOND).verdict).toBe("stop");
  });
});

describe("killing", () => {
  test("a queued job ends it; its message finds nothing to run", ({ expect }) => {
    const job = submitted();
    expect(jobs.killJob(job, "not needed", NOW)).toBe(null);
    expect(job).toMatchObject({ state: "failed", error: { type: "Killed", message: "not needed" }, next_at: null });
    expect(jobs.claimJob(job, WORKER, NOW)).toBe(false);
    expect(jobs.tickJob(job, NOW + MINUTE, needsNothing)).toBe(null);
  });

  test("a running job stops its worker at the next beat, and no retry follows", ({ expect }) => {
    const job = running();
    const token = job.fence;
    jobs.killJob(job, "not needed", NOW + 1);
    expect(jobs.beatJob(job, token, null, NOW + 2)).toEqual({ verdict: "stop", reason: "not needed", effect: null });
    expect(jobs.reportJob(job, token, SUCCESS, NOW + 3)).toBe("late");
    expect(job).toMatchObject({ state: "failed", late_results: 1 });
  });

  test("a finished job changes nothing", ({ expect }) => {
    const job = running();
    jobs.reportJob(job, job.fence, SUCCESS, NOW);
    const before = structuredClone(job);
    expect(jobs.killJob(job, "too late", NOW + 1)).toBe(null);
    expect(job).toEqual(before);
  });
});

describe("a job that watches an adopted task instance", () => {
  test("runs from the start, under the token and the tries of the task instance", ({ expect }) => {
    expect(adopted()).toMatchObject({
      state: "running",
      fence: 7,
      try_number: 1,
      max_tries: 3,
      next_at: NOW + 21 * SECOND,
    });
  });

  test("asks the owner after a silent worker until the owner answers, and decides nothing itself", ({ expect }) => {
    const job = adopted();
    for (const at of [NOW + 21 * SECOND, NOW + 23 * SECOND]) {
      expect(jobs.tickJob(job, at, needsNothing)).toBe("ask_owner");
      expect(job).toMatchObject({ state: "running", next_at: at + 2 * SECOND });
    }
    const error = { type: "Zombie", message: "silent" };
    expect(jobs.learnStanding(job, { state: "failed", error }, NOW + 24 * SECOND)).toBe(true);
    expect(job).toMatchObject({ state: "failed", error, end_date: NOW + 24 * SECOND, owed: null, next_at: null });
    expect(jobs.tickJob(job, NOW + MINUTE, needsNothing)).toBe(null);
  });

  test("shows the heartbeat that its owner knows, and asks again when the next one is overdue", ({ expect }) => {
    const job = adopted();
    const now = NOW + 21 * SECOND;
    expect(jobs.isStale(job, NOW + 10 * SECOND - 1)).toBe(false);
    expect(jobs.isStale(job, NOW + 10 * SECOND)).toBe(true);
    jobs.tickJob(job, now, needsNothing);
    expect(jobs.learnStanding(job, { state: "running", latest_heartbeat: NOW + 18 * SECOND }, now)).toBe(false);
    expect(job).toMatchObject({ state: "running", latest_heartbeat: NOW + 18 * SECOND, next_at: NOW + 39 * SECOND });
    // An answer that comes late takes nothing back, and an owner that waits for a worker is asked again soon.
    jobs.learnStanding(job, { state: "running", latest_heartbeat: NOW + 9 * SECOND }, NOW + 40 * SECOND);
    expect(job).toMatchObject({ latest_heartbeat: NOW + 18 * SECOND, next_at: NOW + 40 * SECOND + 250 });
  });

  test("gives its owner's stop order with the answer to the next beat, then tells the owner", ({ expect }) => {
    const job = adopted();
    job.stop_reason = "the task instance was cleared";
    expect(jobs.beatJob(job, 7, null, NOW + SECOND)).toEqual({
      verdict: "stop",
      reason: "the task instance was cleared",
      effect: "tell_owner",
    });
    expect(job).toMatchObject({ state: "failed", owed: { retryable: false } });
    expect(jobs.beatJob(job, 7, null, NOW + 2 * SECOND)).toMatchObject({ verdict: "stop", effect: null });
  });

  test("killed by a user tells the owner that no retry shall follow", ({ expect }) => {
    const job = adopted();
    expect(jobs.killJob(job, "not needed", NOW)).toBe("tell_owner");
    expect(job).toMatchObject({ state: "failed", fence: 7, owed: { error: { type: "Killed" }, retryable: false } });
  });

  test("obeys only beats of its own token", ({ expect }) => {
    const job = adopted();
    expect(jobs.beatJob(job, 6, { step: "old" }, NOW + SECOND)).toMatchObject({ verdict: "stop", effect: null });
    expect(job).toMatchObject({ state: "running", latest_heartbeat: NOW, progress: null });
  });

  test.for(["success", "failed", "skipped"] as const)("ends as its task instance ended: %s", (state, { expect }) => {
    const job = adopted();
    jobs.completeJob(job, 6, state, null, NOW + 1);
    expect(job.state).toBe("running");
    jobs.completeJob(job, 7, state, state === "failed" ? { type: "TaskFailed", message: "no" } : null, NOW + 1);
    expect(job).toMatchObject({ state, end_date: NOW + 1, error: state === "failed" ? { message: "no" } : null });
    expect(jobs.tickJob(job, NOW + MINUTE, needsNothing)).toBe(null);
  });

  test("is no work of its own: nobody completes a standalone job for it", ({ expect }) => {
    const job = running();
    jobs.completeJob(job, job.fence, "success", null, NOW);
    expect(job.state).toBe("running");
  });
});
