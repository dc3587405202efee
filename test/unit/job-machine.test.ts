import { describe, test } from "vitest";
import { FREE_WORKER_LOSSES } from "../../src/engine/liveness.ts";
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

  test("whose worker is lost has one try more, which follows at once, twice in a row", ({ expect }) => {
    const job = running();
    const { max_tries: tries } = job;
    for (const losses of [1, 2]) {
      const token = job.fence;
      jobs.endLost(job, { lastBeat: NOW, progress: null }, NOW + 21 * SECOND);
      expect(job.error?.message).toContain(`Next: try ${losses + 1} follows at once.`);
      expect(job).toMatchObject({ state: "up_for_retry", max_tries: tries + losses, worker_losses: losses });
      expect(jobs.reportJob(job, token, SUCCESS, NOW + 21 * SECOND)).toBe("late");
      expect(jobs.tickJob(job, NOW + 21 * SECOND, needsNothing)).toBe("send");
      expect(jobs.claimJob(job, WORKER, NOW)).toBe(true);
      expect(job.try_number).toBe(losses + 1);
    }
    jobs.endLost(job, { lastBeat: NOW, progress: null }, NOW + 21 * SECOND);
    expect(job).toMatchObject({ state: "up_for_retry", max_tries: tries + 2, error: { type: "Zombie" } });
    expect(job.next_at).toBeGreaterThan(NOW + 21 * SECOND);
  });

  test("that reported between two losses of its worker counts them again from the first", ({ expect }) => {
    const job = running();
    jobs.endLost(job, { lastBeat: NOW, progress: null }, NOW);
    jobs.tickJob(job, NOW, needsNothing);
    jobs.claimJob(job, WORKER, NOW);
    jobs.reportJob(job, job.fence, { state: "up_for_reschedule", at: NOW }, NOW);
    expect(job.worker_losses).toBe(undefined);
  });

  test("whose worker is lost once too often is a zombie, with its last words; its late answer is refused", ({
    expect,
  }) => {
    const job = running();
    job.worker_losses = FREE_WORKER_LOSSES;
    const token = job.fence;
    const known = { lastBeat: NOW + 9 * SECOND, progress: { step: "half", fraction: 0.5 } };
    jobs.endLost(job, known, NOW + 30 * SECOND);
    expect(job).toMatchObject({
      state: "up_for_retry",
      error: { type: "Zombie" },
      next_at: NOW + 60 * SECOND,
    });
    expect(job.error?.message).toContain("No heartbeat for 21 s");
    expect(job.error?.message).toContain("at step 'half', 50 %");
    expect(jobs.reportJob(job, token, SUCCESS, NOW + 31 * SECOND)).toBe("late");
    expect(job).toMatchObject({ state: "up_for_retry", late_results: 1, result: null });
  });

  test("that runs is left alone by its timer: whether its worker lives is known to its lease alone", ({ expect }) => {
    const job = running();
    const before = structuredClone(job);
    expect(job.next_at).toBe(NOW + 21 * SECOND);
    expect(jobs.tickJob(job, NOW + MINUTE, needsNothing)).toBe(null);
    expect(job).toEqual(before);
  });

  test("is sent once more when what held its message is gone, and from then on as after the first time", ({
    expect,
  }) => {
    const job = submitted();
    jobs.tickJob(job, NOW + 10 * SECOND, needsNothing);
    jobs.tickJob(job, NOW + 30 * SECOND, needsNothing);
    expect(jobs.resendJob(job, NOW + 31 * SECOND)).toBe("send");
    expect(job).toMatchObject({ sends: 1, next_at: NOW + 41 * SECOND });
  });

  test("takes lines of the try whose token they come with, also when it has just ended, and of no other", ({
    expect,
  }) => {
    const job = running();
    expect(jobs.tryOf(job, job.fence)).toBe(1);
    expect(jobs.tryOf(job, job.fence - 1)).toBe(null);
    jobs.endLost(job, { lastBeat: NOW, progress: null }, NOW + 21 * SECOND);
    expect(jobs.tryOf(job, job.fence - 1)).toBe(1);
    jobs.tickJob(job, NOW + MINUTE, needsNothing);
    expect(job).toMatchObject({ state: "queued", try_number: 2 });
    expect(jobs.tryOf(job, job.fence - 1)).toBe(null);
    expect(jobs.tryOf(job, job.fence)).toBe(null);
  });
});

describe("killing", () => {
  test("a queued job ends it; its message finds nothing to run", ({ expect }) => {
    const job = submitted();
    jobs.killJob(job, "not needed", NOW);
    expect(job).toMatchObject({ state: "failed", error: { type: "Killed", message: "not needed" }, next_at: null });
    expect(jobs.claimJob(job, WORKER, NOW)).toBe(false);
    expect(jobs.tickJob(job, NOW + MINUTE, needsNothing)).toBe(null);
  });

  test("a running job takes its worker's token away, and no retry follows", ({ expect }) => {
    const job = running();
    const token = job.fence;
    jobs.killJob(job, "not needed", NOW + 1);
    expect(job.fence).toBeGreaterThan(token);
    expect(jobs.reportJob(job, token, SUCCESS, NOW + 3)).toBe("late");
    expect(job).toMatchObject({ state: "failed", late_results: 1 });
  });

  test("a finished job changes nothing", ({ expect }) => {
    const job = running();
    jobs.reportJob(job, job.fence, SUCCESS, NOW);
    const before = structuredClone(job);
    jobs.killJob(job, "too late", NOW + 1);
    expect(job).toEqual(before);
  });
});
