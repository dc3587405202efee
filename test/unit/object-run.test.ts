import { describe, test, vi } from "vitest";
import { isInObject, leaseRateMs, lostInObject, objectBeatMs, objectLookMs } from "../../src/engine/object-runs.ts";
import { livenessDeadline } from "../../src/engine/liveness.ts";
import type { BeatAnswer, ClaimedTask, LogChunk, Outcome, Progress, Report } from "../../src/engine/work.ts";
import { Service } from "../../src/isolate/service.ts";
import { ObjectRun } from "../../src/runner/object-run.ts";
import type { Beat, Owner } from "../../src/runner/owner.ts";
import { Session } from "../../src/runner/session.ts";
import { task } from "../../src/sdk/index.ts";
import type { TaskContext } from "../../src/sdk/index.ts";
import { Run, task as specOf } from "./run-machine-support.ts";
import { workOf } from "./work-support.ts";

const START = Date.UTC(2026, 10, 21);
const HEARTRATE_MS = 5000;
const CLAIMED: ClaimedTask = {
  run: null,
  job_id: null,
  task_id: "long",
  map_index: -1,
  try_number: 1,
  max_tries: 0,
  token: 7,
  handler: "long",
  operator: "task",
  input: null,
  heartrateMs: HEARTRATE_MS,
  executionTimeoutMs: null,
  run_in: "object",
};

/** An owner that keeps what it is asked, and when. */
class Noting implements Owner {
  readonly beats: { at: number; jobIds: (string | null)[] }[] = [];
  readonly reports: Report[] = [];
  readonly given: { at: number; startDate: number }[] = [];
  onBeat: () => Promise<BeatAnswer[]> = async () => [{ verdict: "continue" }];
  onReport: () => Promise<ClaimedTask[]> = async () => [];
  onGiven: () => Promise<BeatAnswer> = async () => ({ verdict: "continue" });

  async report(reports: Report[]): Promise<ClaimedTask[]> {
    this.reports.push(...reports);
    return this.onReport();
  }

  async beat(beats: readonly Beat[]): Promise<BeatAnswer[]> {
    this.beats.push({ at: Date.now() - START, jobIds: beats.map(({ jobId }) => jobId) });
    return this.onBeat();
  }

  async publish(): Promise<never> {
    throw new Error("expected the object's own record to be written");
  }

  async runInObject(_task: ClaimedTask, startDate: number): Promise<BeatAnswer> {
    this.given.push({ at: Date.now() - START, startDate });
    return this.onGiven();
  }

  async ended(): Promise<never> {
    throw new Error("expected the object's own record to be ended");
  }

  async payloadPlace(): Promise<string> {
    return "place/";
  }

  async pullXCom(): Promise<null> {
    return null;
  }
}

interface Played {
  kept: { progress: Progress | null; logs: LogChunk }[];
  ends: Outcome[];
  owner: Noting;
  service: Service;
  run: ObjectRun;
}

function around(handler: (ctx: TaskContext) => unknown) {
  return {
    find: () => task({ id: "long" }, async (ctx) => (await handler(ctx)) ?? null),
    env: {},
    now: () => Date.now(),
    putPayload: async () => "key",
    getPayload: async () => null,
    deletePayloads: async () => undefined,
  };
}

/** Runs an attempt in an object until it is over. `during` is called when it has begun. */
async function play(
  handler: (ctx: TaskContext) => unknown,
  during: (played: Played) => unknown = () => undefined,
): Promise<Played> {
  vi.useFakeTimers({ now: START });
  try {
    const owner = new Noting();
    const service = new Service();
    const kept: Played["kept"] = [];
    const ends: Outcome[] = [];
    const record = {
      keep: (progress: Progress | null, logs: LogChunk) => void kept.push({ progress, logs }),
      end: (outcome: Outcome) => void ends.push(outcome),
    };
    const run = new ObjectRun({ task: CLAIMED, jobId: "job" }, owner, around(handler), service, record);
    const played = { kept, ends, owner, service, run };
    during(played);
    const done = run.run();
    await vi.runAllTimersAsync();
    await done;
    return played;
  } finally {
    vi.useRealTimers();
  }
}

function waitMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe("an attempt in its object", () => {
  test("names its object to the owner before its handler begins, and beats once a minute from then", async ({
    expect,
  }) => {
    let beatsBefore = -1;
    let noting: Noting | undefined;
    const jobIds: (string | null)[] = [];
    const { owner, ends } = await play(
      async (ctx) => {
        beatsBefore = noting?.beats.length ?? -1;
        jobIds.push(ctx.jobId);
        await waitMs(150_000);
      },
      (played) => (noting = played.owner),
    );
    expect(beatsBefore).toBe(1);
    expect(jobIds).toEqual(["job"]);
    expect(owner.beats).toEqual([0, 60_000, 120_000].map((at) => ({ at, jobIds: ["job"] })));
    expect(owner.reports).toMatchObject([{ token: 7, job_id: "job", outcome: { state: "success" } }]);
    expect(ends).toMatchObject([{ state: "success" }]);
  });

  test("writes what it says into the record once a heartrate, and nothing when it says nothing", async ({ expect }) => {
    const { kept } = await play(async (ctx) => {
      await waitMs(12_000);
      ctx.log.info("one");
      ctx.log.info("two");
      ctx.heartbeat({ step: "second" });
      await waitMs(30_000);
    });
    expect(kept).toMatchObject([
      { progress: { step: "second" }, logs: { from: 0, lines: [{ event: "one" }, { event: "two" }] } },
    ]);
  });

  test("does not begin when the owner says that it is not the current one", async ({ expect }) => {
    const handler = vi.fn<() => void>();
    const { ends, owner } = await play(handler, (played) => {
      played.owner.onBeat = async () => [{ verdict: "stop", reason: "cleared" }];
    });
    expect(handler).not.toHaveBeenCalled();
    expect(owner.reports).toEqual([]);
    expect(ends).toMatchObject([{ state: "failed", error: { type: "Stopped", message: "cleared" } }]);
  });

  test("that is stopped while it waits for the owner never begins", async ({ expect }) => {
    const handler = vi.fn<() => void>();
    const { owner } = await play(handler, ({ owner: one, run }) => {
      one.onBeat = async () => {
        run.stop("killed");
        throw new Error("away");
      };
    });
    expect(handler).not.toHaveBeenCalled();
    expect(owner.reports).toEqual([]);
  });

  test("leaves its record as it is when the owner refuses the result: the attempt is then found to be gone", async ({
    expect,
  }) => {
    const { ends, owner } = await play(
      () => "value",
      (played) => {
        played.owner.onReport = () => Promise.reject(new Error("refused"));
      },
    );
    expect(owner.reports.at(-1)).toMatchObject({ outcome: { state: "failed", error: { type: "ReportError" } } });
    expect(ends).toEqual([]);
  });

  test("is handed over when its isolate stops, whether it has begun or not", async ({ expect }) => {
    const begun = await play(
      ({ signal }) =>
        new Promise((_resolve, reject) => {
          // oxlint-disable-next-line prefer-promise-reject-errors
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
      ({ service }) => void setTimeout(() => service.stop(Date.now() + 30_000), 1000),
    );
    expect(begun.owner.reports.map(({ outcome }) => outcome.state)).toEqual(["up_for_reschedule"]);
    expect(begun.ends.map(({ state }) => state)).toEqual(["up_for_reschedule"]);

    const handler = vi.fn<() => void>();
    const waiting = await play(handler, ({ service }) => service.stop(Date.now() + 30_000));
    expect(handler).not.toHaveBeenCalled();
    expect(waiting.owner.reports.map(({ outcome }) => outcome.state)).toEqual(["up_for_reschedule"]);
    expect(waiting.ends.map(({ state }) => state)).toEqual(["up_for_reschedule"]);
  });
});

describe("a consumer's session", () => {
  test("gives such an attempt away, and is over while the attempt goes on", async ({ expect }) => {
    const owner = new Noting();
    const handler = vi.fn<() => void>();
    await new Session(owner, around(handler)).run(workOf([CLAIMED]));
    expect(owner.given).toHaveLength(1);
    expect(handler).not.toHaveBeenCalled();
    expect([owner.beats, owner.reports]).toEqual([[], []]);
  });

  test("beats for it until its object has it, and asks again while the object is away", async ({ expect }) => {
    vi.useFakeTimers({ now: START });
    try {
      const owner = new Noting();
      owner.onGiven = async () => {
        await waitMs(4000);
        if (owner.given.length < 4) {
          throw new Error("away");
        }
        return { verdict: "continue" };
      };
      const done = new Session(owner, around(vi.fn<() => void>())).run(workOf([CLAIMED], START));
      await vi.runAllTimersAsync();
      await done;
      expect(owner.given.map(({ startDate }) => startDate)).toEqual([START, START, START, START]);
      expect(owner.beats.map(({ at }) => at)).toEqual([5000, 10_000, 15_000]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("hands over what no object has when the isolate stops", async ({ expect }) => {
    vi.useFakeTimers({ now: START });
    try {
      const owner = new Noting();
      const service = new Service();
      owner.onGiven = () => Promise.reject(new Error("away"));
      setTimeout(() => service.stop(Date.now() + 30_000), 1000);
      const done = new Session(owner, around(vi.fn<() => void>()), { service }).run(workOf([CLAIMED], START));
      await vi.runAllTimersAsync();
      await done;
      expect(owner.reports.map(({ outcome }) => outcome.state)).toEqual(["up_for_reschedule"]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("gives up on an object that stays away, and on an attempt that its owner stops", async ({ expect }) => {
    vi.useFakeTimers({ now: START });
    try {
      const away = new Noting();
      away.onGiven = () => Promise.reject(new Error("away"));
      const done = new Session(away, around(vi.fn<() => void>())).run(workOf([CLAIMED], START));
      await vi.runAllTimersAsync();
      await done;
      expect(away.given.at(-1)?.at).toBeLessThan(60_000);
      expect(away.beats.length).toBeGreaterThan(5);

      const stopping = new Noting();
      stopping.onGiven = away.onGiven;
      stopping.onBeat = async () => [{ verdict: "stop" }];
      const begun = Date.now();
      const stopped = new Session(stopping, around(vi.fn<() => void>())).run(workOf([CLAIMED], begun));
      await vi.advanceTimersByTimeAsync(HEARTRATE_MS + 1);
      await stopped;
      expect(stopping.beats).toHaveLength(1);
      expect([stopping.reports, away.reports]).toEqual([[], []]);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("what an owner expects of an object", () => {
  test("is a beat a minute, or every heartrate that is longer; it looks at itself within the grace", ({ expect }) => {
    expect([50, 5000, 60_000, 3_600_000].map(objectBeatMs)).toEqual([60_000, 60_000, 60_000, 3_600_000]);
    for (const heartrateMs of [50, 300, 5000, 3_600_000]) {
      expect(objectLookMs(heartrateMs)).toBeLessThan(livenessDeadline(0, heartrateMs) + 1000);
      expect(objectLookMs(heartrateMs)).toBeGreaterThanOrEqual(heartrateMs);
    }
  });

  test("counts from the object's first beat: until then the lease is a claim's", ({ expect }) => {
    const run = new Run([specOf("a", [], { heartrate: 5, run_in: "object" })]);
    const token = run.claim("a");
    expect(isInObject(run.find("a"))).toBe(false);
    expect(leaseRateMs(run.find("a"))).toBe(5000);
    expect(run.machine.beat(run.find("a"), { token, job_id: "j", object_host: "o" }, run.now)).toBe(true);
    expect(leaseRateMs(run.find("a"))).toBe(60_000);
    expect(run.find("a")).toMatchObject({ jobId: "j", hostname: "o" });
    expect(run.machine.isRunElsewhere(run.find("a"), { token, job_id: "j", object_host: "o" })).toBe(false);
    expect(run.machine.isRunElsewhere(run.find("a"), { token, job_id: "k", object_host: "p" })).toBe(true);
  });

  test("after its death says where it ran and how far it was: its worker is lost", ({ expect }) => {
    const lost = { hostname: "w", start_date: START, progress: { fraction: 0.5 } };
    expect(lostInObject(lost)).toMatchObject({ state: "failed", isWorkerLost: true, error: { type: "Zombie" } });
    const { error } = lostInObject(lost) as Outcome & { state: "failed" };
    expect(error.message).toBe(
      "The object that ran it on w since 2026-11-21T00:00:00.000Z was reset or evicted, and its handler is gone. " +
        "Last progress: 50 %.",
    );
  });
});
