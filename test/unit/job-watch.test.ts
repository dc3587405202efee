import { describe, test } from "vitest";
import * as watches from "../../src/engine/job-watch.ts";
import type { WatchRecord } from "../../src/engine/job-watch.ts";

const NOW = Date.UTC(2026, 0, 1);
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const WORKER = { hostname: "w1", unixname: "tester" };

/** The watch over a try with a heart rate of 10 s: of a task instance, or of a standalone job if `dagId` is null. */
function watched(dagId: string | null = "d"): WatchRecord {
  const request = {
    dag_id: dagId,
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
  return watches.watchTry("01J", request, NOW);
}

describe("a job that watches a try", () => {
  test("runs from the start, under the token and the tries of its owner", ({ expect }) => {
    expect(watched()).toMatchObject({
      state: "running",
      fence: 7,
      try_number: 1,
      max_tries: 3,
      next_at: NOW + 21 * SECOND,
    });
  });

  test("asks the owner after a silent worker until the owner answers, and decides nothing itself", ({ expect }) => {
    const job = watched();
    expect(watches.tickWatch(job, NOW + 21 * SECOND - 1)).toBe(null);
    for (const at of [NOW + 21 * SECOND, NOW + 23 * SECOND]) {
      expect(watches.tickWatch(job, at)).toBe("ask_owner");
      expect(job).toMatchObject({ state: "running", next_at: at + 2 * SECOND });
    }
    const error = { type: "Zombie", message: "silent" };
    expect(watches.learnStanding(job, { state: "failed", error }, NOW + 24 * SECOND)).toBe(true);
    expect(job).toMatchObject({ state: "failed", error, end_date: NOW + 24 * SECOND, owed: null, next_at: null });
    expect(watches.tickWatch(job, NOW + MINUTE)).toBe(null);
  });

  test("shows the heartbeat that its owner knows, and asks seldom while its worker lives, soon while it is silent", ({
    expect,
  }) => {
    const job = watched();
    const now = NOW + 21 * SECOND;
    expect(watches.isStale(job, NOW + 10 * SECOND - 1)).toBe(false);
    expect(watches.isStale(job, NOW + 10 * SECOND)).toBe(true);
    watches.tickWatch(job, now);
    expect(watches.learnStanding(job, { state: "running", latest_heartbeat: NOW + 18 * SECOND }, now)).toBe(true);
    expect(job).toMatchObject({ state: "running", latest_heartbeat: NOW + 18 * SECOND, next_at: now + 10 * MINUTE });
    // A reader's question changes nothing that is stored.
    expect(
      watches.learnStanding(job, { state: "running", latest_heartbeat: NOW + 28 * SECOND }, now + MINUTE / 6),
    ).toBe(false);
    expect(job.next_at).toBe(now + 10 * MINUTE);
    // An answer that comes late takes nothing back, and an owner that waits for a worker is asked again soon.
    watches.learnStanding(job, { state: "running", latest_heartbeat: NOW + 9 * SECOND }, NOW + 50 * SECOND);
    expect(job).toMatchObject({ latest_heartbeat: NOW + 28 * SECOND, next_at: NOW + 50 * SECOND + 250 });
  });

  test("asks its owner by the grace after a stop order, should its worker not obey", ({ expect }) => {
    const job = { ...watched(), next_at: NOW + 10 * MINUTE, latest_heartbeat: NOW + 30 * SECOND };
    watches.noteStop(job, "enough", NOW + 31 * SECOND);
    expect(job).toMatchObject({ stop_reason: "enough", next_at: NOW + 52 * SECOND });
    expect(watches.tickWatch({ ...job, latest_heartbeat: NOW + 50 * SECOND }, NOW + 52 * SECOND)).toBe("ask_owner");
  });

  test("keeps its progress where a beat brings none", ({ expect }) => {
    const job = watched();
    expect(watches.beatWatch(job, 7, { step: "half" }, NOW + SECOND)).toEqual({ verdict: "continue", effect: null });
    watches.beatWatch(job, 7, null, NOW + 2 * SECOND);
    expect(job).toMatchObject({ progress: { step: "half" }, latest_heartbeat: NOW + 2 * SECOND });
  });

  test("gives its owner's stop order with the answer to the next beat, then notifies the DAG", ({ expect }) => {
    const job = watched();
    job.stop_reason = "the task instance was cleared";
    expect(watches.beatWatch(job, 7, null, NOW + SECOND)).toEqual({
      verdict: "stop",
      reason: "the task instance was cleared",
      effect: "tell_owner",
    });
    expect(job).toMatchObject({ state: "failed", owed: { retryable: false } });
    expect(watches.beatWatch(job, 7, null, NOW + 2 * SECOND)).toMatchObject({ verdict: "stop", effect: null });
  });

  test("shows the reason of a stop order, whatever error its owner ends it with", ({ expect }) => {
    const job = watched();
    job.stop_reason = "the task instance was cleared";
    watches.learnStanding(job, { state: "failed", error: { type: "Zombie", message: "silent" } }, NOW + SECOND);
    expect(job.error).toEqual({ type: "Stopped", message: "the task instance was cleared" });
  });

  test("killed by a user notifies the DAG, again until it answers, that no retry follows", ({ expect }) => {
    const job = watched();
    expect(watches.killWatch(job, "not needed", NOW)).toBe("tell_owner");
    expect(job).toMatchObject({ state: "failed", fence: 7, owed: { error: { type: "Killed" }, retryable: false } });
    expect(watches.killWatch(job, "once more", NOW + 1)).toBe(null);
    expect(watches.tickWatch(job, NOW + 2 * SECOND)).toBe("tell_owner");
    expect(job).toMatchObject({ next_at: NOW + 4 * SECOND, error: { message: "not needed" } });
  });

  test("owes an intake object no word of an end: that one decides all ends itself", ({ expect }) => {
    const job = watched(null);
    job.stop_reason = "the job was killed";
    expect(watches.beatWatch(job, 7, null, NOW + SECOND)).toMatchObject({ verdict: "stop", effect: null });
    expect(job).toMatchObject({ state: "failed", owed: null, next_at: null });
  });

  test("obeys only beats of its own token", ({ expect }) => {
    const job = watched();
    expect(watches.beatWatch(job, 6, { step: "old" }, NOW + SECOND)).toMatchObject({ verdict: "stop", effect: null });
    expect(job).toMatchObject({ state: "running", latest_heartbeat: NOW, progress: null });
  });

  test("takes lines of its own token, also after its end", ({ expect }) => {
    const job = watched();
    watches.completeWatch(job, 7, "success", null, NOW + 1);
    expect(watches.mayLog(job, 7)).toBe(true);
    expect(watches.mayLog(job, 6)).toBe(false);
    expect(watches.beatWatch(job, 7, null, NOW + 2)).toEqual({
      verdict: "stop",
      reason: "the job is success",
      effect: null,
    });
  });

  test.for(["success", "failed", "skipped"] as const)("ends as its try ended: %s", (state, { expect }) => {
    const job = watched();
    watches.completeWatch(job, 6, state, null, NOW + 1);
    expect(job.state).toBe("running");
    watches.completeWatch(job, 7, state, state === "failed" ? { type: "TaskFailed", message: "no" } : null, NOW + 1);
    expect(job).toMatchObject({ state, end_date: NOW + 1, error: state === "failed" ? { message: "no" } : null });
    expect(watches.tickWatch(job, NOW + MINUTE)).toBe(null);
    expect(watches.learnStanding(job, { state: "running", latest_heartbeat: NOW + MINUTE }, NOW + MINUTE)).toBe(false);
    expect(job.state).toBe(state);
  });
});
