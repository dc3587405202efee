import fc from "fast-check";
import { describe, test } from "vitest";
import {
  beatDelayMs,
  GRACE_MULTIPLIER,
  isAlive,
  livenessDeadline,
  mostRecentJob,
  postMortem,
  shouldBeat,
} from "../../src/engine/liveness.ts";
import type { JobCandidate } from "../../src/engine/liveness.ts";
import { JOB_STATES } from "../../src/engine/states.ts";
import type { JobState } from "../../src/engine/states.ts";

function job(id: number, state: JobState, latest: number | null, type = "TaskJob"): JobCandidate & { id: number } {
  return { id, state, latest_heartbeat: latest, job_type: type };
}

/** Greater for the more recent one. */
function rank(candidate: JobCandidate): number {
  return (candidate.state === "running" ? 1e6 : 0) + (candidate.latest_heartbeat ?? -1);
}

const running = { state: "running", latestHeartbeat: 100_000 } as const;

describe("a job", () => {
  test("is alive until 2.1 heart rates after its last beat", ({ expect }) => {
    expect(GRACE_MULTIPLIER).toBe(2.1);
    expect(isAlive(running, 5000, 100_000)).toBe(true);
    expect(isAlive(running, 5000, 110_499)).toBe(true);
    expect(isAlive(running, 5000, 110_500)).toBe(false);
    expect(livenessDeadline(100_000, 5000)).toBe(110_500);
  });

  test("is alive longer or shorter under another grace multiplier", ({ expect }) => {
    expect(isAlive(running, 5000, 119_999, 4)).toBe(true);
    expect(isAlive(running, 5000, 105_000, 1)).toBe(false);
  });

  test("is not alive if it never beat, or is in any state but running", ({ expect }) => {
    expect(isAlive({ state: "running", latestHeartbeat: null }, 5000, 0)).toBe(false);
    for (const state of JOB_STATES) {
      expect(isAlive({ state, latestHeartbeat: 100_000 }, 5000, 100_001), state).toBe(state === "running");
    }
  });

  test("is lost from its deadline on and not before, whatever its heart rate", ({ expect }) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4e12 }),
        fc.integer({ min: 50, max: 3_600_000 }),
        (latestHeartbeat, heartrateMs) => {
          const deadline = livenessDeadline(latestHeartbeat, heartrateMs);
          expect(deadline).toBe(latestHeartbeat + Math.round((heartrateMs * 21) / 10));
          expect(isAlive({ state: "running", latestHeartbeat }, heartrateMs, deadline - 1)).toBe(true);
          expect(isAlive({ state: "running", latestHeartbeat }, heartrateMs, deadline)).toBe(false);
        },
      ),
    );
  });
});

describe("a heartbeat", () => {
  const question = { latestHeartbeat: 100_000, heartrateMs: 5000, now: 103_000 };

  test("waits for what is left of the heart rate", ({ expect }) => {
    expect(beatDelayMs(question)).toBe(2000);
    expect(beatDelayMs({ ...question, now: 105_000 })).toBe(0);
    expect(beatDelayMs({ ...question, now: 900_000 })).toBe(0);
    expect(beatDelayMs({ ...question, latestHeartbeat: null })).toBe(0);
  });

  test("always comes, but if it is asked for only if necessary: then when the last is a heart rate old, or there is none", ({
    expect,
  }) => {
    expect(shouldBeat({ ...question, onlyIfNecessary: false })).toBe(true);
    expect(shouldBeat({ ...question, onlyIfNecessary: true })).toBe(false);
    expect(shouldBeat({ ...question, onlyIfNecessary: true, now: 104_999 })).toBe(false);
    expect(shouldBeat({ ...question, onlyIfNecessary: true, now: 105_000 })).toBe(true);
    expect(shouldBeat({ ...question, onlyIfNecessary: true, latestHeartbeat: null })).toBe(true);
  });
});

describe("the most recent job", () => {
  test("is a running one before any other, then the one with the latest beat, one without coming last", ({
    expect,
  }) => {
    expect(mostRecentJob([job(1, "success", 900), job(2, "running", 100), job(3, "running", 200)], "TaskJob")?.id).toBe(
      3,
    );
    expect(mostRecentJob([job(1, "success", 100), job(2, "failed", 300), job(3, "failed", null)], "TaskJob")?.id).toBe(
      2,
    );
    expect(mostRecentJob([job(1, "success", 900), job(2, "running", null)], "TaskJob")?.id).toBe(2);
    expect(mostRecentJob([job(1, "failed", null), job(2, "failed", 0)], "TaskJob")?.id).toBe(2);
  });

  test("is of the type that was asked for, or there is none", ({ expect }) => {
    const jobs = [job(1, "running", 900, "Other"), job(2, "failed", 1)];
    expect(mostRecentJob(jobs, "TaskJob")?.id).toBe(2);
    expect(mostRecentJob(jobs, "Scheduler")).toBe(undefined);
  });

  test("is the first by those rules, in whatever order they come", ({ expect }) => {
    const jobs = fc.array(
      fc.record({
        job_type: fc.constantFrom("A", "B"),
        state: fc.constantFrom(...JOB_STATES),
        latest_heartbeat: fc.option(fc.integer({ min: 0, max: 5 })),
      }),
    );
    fc.assert(
      fc.property(jobs, (candidates) => {
        const [first] = candidates
          .filter((candidate) => candidate.job_type === "A")
          .toSorted((a, b) => rank(b) - rank(a));
        expect(mostRecentJob(candidates, "A")).toBe(first);
      }),
    );
  });
});

describe("a post-mortem", () => {
  const lost = { lastBeat: 60_000, heartrateMs: 5000, now: 70_500, progress: null };

  test("says when the last beat was and what was promised", ({ expect }) => {
    expect(postMortem(lost)).toBe(
      "No heartbeat for 10.5 s (last at 1970-01-01T00:01:00.000Z; expected every 5 s, allowed 10.5 s).",
    );
  });

  test("tells the longest gap before, if it was longer than the heart rate", ({ expect }) => {
    expect(postMortem({ ...lost, beats: [0, 5000, 13_000, 18_000] })).toContain("; the longest gap before was 8 s.");
    expect(postMortem({ ...lost, beats: [0, 5000, 10_000] })).not.toContain("gap");
    expect(postMortem({ ...lost, beats: [7] })).not.toContain("gap");
  });

  test("tells the last progress, as far as there was any", ({ expect }) => {
    expect(postMortem({ ...lost, progress: { step: "load", fraction: 0.337 } })).toContain(
      " Last progress: at step 'load', 34 %.",
    );
    expect(postMortem({ ...lost, progress: { fraction: 1 } })).toContain(" Last progress: 100 %.");
    expect(postMortem({ ...lost, progress: { data: {} } })).not.toContain("progress");
    expect(postMortem({ ...lost, progress: { step: "x".repeat(5000) } }).length).toBeLessThan(500);
  });

  test("rounds to tenths of a second", ({ expect }) => {
    expect(postMortem({ ...lost, now: 70_460 })).toContain("No heartbeat for 10.5 s");
  });

  test("says so if no beat ever came", ({ expect }) => {
    expect(postMortem({ ...lost, lastBeat: null })).toMatch(
      /^No heartbeat ever came \(expected every 5 s, allowed 10\.5 s\)\./,
    );
  });
});
