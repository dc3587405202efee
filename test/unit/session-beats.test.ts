import { afterEach, beforeEach, describe, test, vi } from "vitest";
import type { BeatAnswer, ClaimedTask, Outcome, Report } from "../../src/engine/work.ts";
import type { Beat, Owner, Publication } from "../../src/runner/owner.ts";
import { Session } from "../../src/runner/session.ts";
import { task, type TaskContext } from "../../src/sdk/index.ts";
import { workOf } from "./work-support.ts";

const HEARTRATE_MS = 1000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function claimed(taskId: string, fields: Partial<ClaimedTask> = {}): ClaimedTask {
  return {
    run: null,
    job_id: null,
    task_id: taskId,
    map_index: -1,
    try_number: 1,
    max_tries: 0,
    token: 1,
    handler: "any",
    operator: "task",
    input: null,
    heartrateMs: HEARTRATE_MS,
    executionTimeoutMs: null,
    ...fields,
  };
}

function many(count: number): ClaimedTask[] {
  return Array.from({ length: count }, (_, index) => claimed(`t${index}`));
}

/** An owner that notes what it is asked, and when. What it does can be replaced. */
class Noting implements Owner {
  readonly beats: { at: number; ids: string[] }[] = [];
  readonly reports: Report[][] = [];
  readonly published: Publication[] = [];
  readonly ends: [id: string, jobId: string, outcome: Outcome][] = [];
  onBeat: (beats: readonly Beat[]) => Promise<BeatAnswer[]> = async (beats) =>
    beats.map(() => ({ verdict: "continue" }));
  onReport: (reports: readonly Report[]) => Promise<ClaimedTask[]> = async () => [];
  onPublish: () => Promise<void> = async () => undefined;

  async report(reports: Report[]): Promise<ClaimedTask[]> {
    this.reports.push(reports);
    return this.onReport(reports);
  }

  async beat(beats: readonly Beat[]): Promise<BeatAnswer[]> {
    this.beats.push({ at: Date.now(), ids: beats.map(({ task: { task_id: id } }) => id) });
    return this.onBeat(beats);
  }

  async publish(publication: Publication): Promise<BeatAnswer & { jobId: string }> {
    this.published.push(publication);
    await this.onPublish();
    return { verdict: "continue", jobId: `job of ${publication.task.task_id}` };
  }

  async runInObject(): Promise<never> {
    throw new Error("expected no attempt that runs in an object");
  }

  async ended({ task_id: id }: ClaimedTask, jobId: string, outcome: Outcome): Promise<void> {
    this.ends.push([id, jobId, outcome]);
  }

  async payloadPlace(): Promise<string> {
    return "place/";
  }

  async pullXCom(): Promise<null> {
    return null;
  }

  get states(): string[] {
    return this.reports.flat().map(({ outcome }) => outcome.state);
  }
}

/** Begins a session over a handler. `over` is set when it has ended. */
function begin(
  owner: Owner,
  tasks: readonly ClaimedTask[],
  handler: (ctx: TaskContext) => Promise<unknown>,
  since?: number,
): { session: Session; done: Promise<void>; isOver: () => boolean } {
  const definition = task({ id: "any" }, async (ctx) => {
    await handler(ctx);
    return null;
  });
  const around = {
    find: () => definition,
    env: {},
    now: () => Date.now(),
    putPayload: async () => "key",
    getPayload: async () => null,
    deletePayloads: async () => undefined,
  };
  const session = new Session(owner, around);
  let over = false;
  const work = async (): Promise<void> => {
    await session.run(workOf(tasks, since));
    over = true;
  };
  return { session, done: work(), isOver: () => over };
}

function waitMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}

function platformError(flag: "retryable" | "overloaded" | "durableObjectReset"): Error {
  return Object.assign(new Error(flag), { [flag]: true });
}

describe("the beats of a session", () => {
  test("are one call for all its attempts, a heartrate after they were claimed and every heartrate from then", async ({
    expect,
  }) => {
    const owner = new Noting();
    const start = Date.now();
    begin(owner, many(100), () => waitMs(3.5 * HEARTRATE_MS));
    // A call for each whose job was made names that job: here every one waits for ever.
    owner.onPublish = () => never();
    await vi.advanceTimersByTimeAsync(3.4 * HEARTRATE_MS);
    expect(owner.beats.map(({ at, ids }) => [at - start, ids.length])).toEqual([
      [HEARTRATE_MS, 100],
      [2 * HEARTRATE_MS, 100],
      [3 * HEARTRATE_MS, 100],
    ]);
  });

  test("of attempts that are due a little later travel along", async ({ expect }) => {
    const owner = new Noting();
    owner.onPublish = () => never();
    owner.onReport = async () => (owner.reports.length === 1 ? [claimed("later")] : []);
    const run = begin(owner, [claimed("brief"), claimed("long")], (ctx) =>
      waitMs(ctx.task.taskId === "brief" ? 200 : 10 * HEARTRATE_MS),
    );
    await vi.advanceTimersByTimeAsync(1.5 * HEARTRATE_MS);
    expect(owner.beats.map(({ ids }) => ids)).toEqual([["long", "later"]]);
    expect(run.isOver()).toBe(false);
  });

  test("begin a heartrate after the claim was sent, however long its answer took", async ({ expect }) => {
    const owner = new Noting();
    begin(owner, [claimed("a")], () => waitMs(5000), Date.now() - 900);
    await vi.advanceTimersByTimeAsync(100);
    expect(owner.beats).toHaveLength(1);
  });

  test("go on while earlier ones are not answered, and while a job is being made", async ({ expect }) => {
    const owner = new Noting();
    owner.onPublish = () => never();
    owner.onBeat = async (beats) => (owner.beats.length > 1 ? never() : beats.map(() => ({ verdict: "continue" })));
    begin(owner, many(3), () => waitMs(60_000));
    await vi.advanceTimersByTimeAsync(10 * HEARTRATE_MS);
    expect(owner.beats).toHaveLength(10);
    expect(owner.published).toHaveLength(1);
  });

  test("that fail stop nobody, however many do: they are made again before the next is due", async ({ expect }) => {
    const owner = new Noting();
    const aborted: unknown[] = [];
    owner.onBeat = async () => {
      throw owner.beats.length % 2 === 0 ? new Error("broken") : platformError("overloaded");
    };
    const { done } = begin(owner, many(3), async (ctx) => {
      ctx.signal.addEventListener("abort", () => aborted.push(ctx.signal.reason));
      await waitMs(20 * HEARTRATE_MS);
    });
    await vi.advanceTimersByTimeAsync(20 * HEARTRATE_MS);
    await done;
    expect(owner.beats.length).toBeGreaterThan(25);
    expect(aborted).toEqual([]);
    expect(owner.states).toEqual(["success", "success", "success"]);
  });

  test("go on until the report has arrived, which is made again as long as the platform loses it", async ({
    expect,
  }) => {
    const owner = new Noting();
    owner.onReport = async () => {
      if (owner.reports.length < 12) {
        throw platformError(
          (["retryable", "overloaded", "durableObjectReset"] as const)[owner.reports.length % 3] ?? "retryable",
        );
      }
      return [];
    };
    const { done } = begin(owner, many(3), () => waitMs(10));
    await vi.runAllTimersAsync();
    await done;
    expect(owner.reports).toHaveLength(12);
    expect(owner.reports.every((reports) => reports.length === 3)).toBe(true);
    expect(owner.reports.at(-1)?.map(({ outcome }) => outcome.state)).toEqual(["success", "success", "success"]);
    const beatsOfOne = owner.beats.filter(({ ids }) => ids.includes("t0"));
    expect(beatsOfOne.length).toBeGreaterThan(5);
    // What is over needs no job any more.
    expect(owner.published).toEqual([]);
  });
});

describe("a report that its owner refuses", () => {
  test("is made one by one, so that one result does not take the others with it", async ({ expect }) => {
    const owner = new Noting();
    const taken: string[] = [];
    owner.onReport = async (reports) => {
      if (reports.some((report) => report.task_id === "t1" && report.outcome.state === "success")) {
        throw new Error("cannot take this one");
      }
      taken.push(...reports.map(({ task_id: id, outcome }) => `${id} ${outcome.state}`));
      return [];
    };
    const { done } = begin(owner, many(3), () => waitMs(10));
    await vi.runAllTimersAsync();
    await done;
    expect(taken).toEqual(["t0 success", "t1 failed", "t2 success"]);
  });
});

describe("jobs of attempts", () => {
  test("are made one after the other, and not for those that are over by then", async ({ expect }) => {
    const owner = new Noting();
    let open = 0;
    let most = 0;
    owner.onPublish = async () => {
      open += 1;
      most = Math.max(most, open);
      await waitMs(300);
      open -= 1;
    };
    const { done } = begin(owner, many(50), () => waitMs(3 * HEARTRATE_MS));
    await vi.runAllTimersAsync();
    await done;
    expect(most).toBe(1);
    expect(owner.published.length).toBeGreaterThan(3);
    expect(owner.published.length).toBeLessThan(10);
    expect(owner.ends.map(([id, jobId]) => `${id} ${jobId}`).toSorted()).toEqual(
      owner.published.map(({ task: { task_id: id } }) => `${id} job of ${id}`).toSorted(),
    );
  });

  test("are named to the owner with a beat that comes soon after they are made, or with the report", async ({
    expect,
  }) => {
    const owner = new Noting();
    const named: (string | null)[] = [];
    owner.onBeat = async (beats) => {
      named.push(...beats.map(({ jobId }) => jobId));
      return beats.map(() => ({ verdict: "continue" }));
    };
    const { done } = begin(owner, [claimed("a")], () => waitMs(1.1 * HEARTRATE_MS));
    await vi.runAllTimersAsync();
    await done;
    expect(named).toEqual([null]);
    expect(owner.reports.flat()).toMatchObject([{ job_id: "job of a" }]);

    const longer = begin(owner, [claimed("b")], () => waitMs(1.5 * HEARTRATE_MS));
    await vi.runAllTimersAsync();
    await longer.done;
    expect(named).toEqual([null, null, "job of b"]);
  });
});

describe("a handler that is stopped", () => {
  /** A handler that takes `ms` to clean up, and says when it has. */
  function cleaning(ms: number): { handler: (ctx: TaskContext) => Promise<void>; cleaned: () => boolean } {
    let hasCleaned = false;
    return {
      cleaned: () => hasCleaned,
      handler: async (ctx) => {
        try {
          await new Promise((_, reject) => {
            ctx.signal.addEventListener("abort", () => reject(new Error("aborted")));
          });
        } finally {
          await waitMs(ms);
          ctx.log.info("cleaned up");
          hasCleaned = true;
        }
      },
    };
  }

  test("by its owner has some seconds to clean up, alone in its session; nothing of it is reported", async ({
    expect,
  }) => {
    const owner = new Noting();
    owner.onBeat = async (beats) =>
      beats.map(() => (owner.beats.length > 2 ? { verdict: "stop", reason: "killed" } : { verdict: "continue" }));
    const { handler, cleaned } = cleaning(4000);
    const { done, isOver } = begin(owner, [claimed("a")], handler);
    await vi.advanceTimersByTimeAsync(5 * HEARTRATE_MS);
    expect([cleaned(), isOver()]).toEqual([false, false]);
    expect(owner.ends).toEqual([
      ["a", "job of a", { state: "failed", error: { type: "Stopped", message: "killed" }, retryable: false }],
    ]);
    await vi.runAllTimersAsync();
    await done;
    expect(cleaned()).toBe(true);
    expect(owner.reports).toEqual([]);
    expect(owner.published.at(-1)?.logs.lines).toMatchObject([{ event: "cleaned up" }]);
  });

  test("by its execution_timeout has them too, while its failure is reported at once", async ({ expect }) => {
    const owner = new Noting();
    const { handler, cleaned } = cleaning(4000);
    const { done, isOver } = begin(owner, [claimed("a", { executionTimeoutMs: 500 })], handler);
    await vi.advanceTimersByTimeAsync(600);
    expect(owner.reports.flat()).toMatchObject([{ outcome: { state: "failed", error: { type: "TaskTimeout" } } }]);
    expect([cleaned(), isOver()]).toEqual([false, false]);
    await vi.runAllTimersAsync();
    await done;
    expect(cleaned()).toBe(true);
    expect(owner.reports).toHaveLength(1);
  });

  test("and does not end is not waited for beyond them", async ({ expect }) => {
    const owner = new Noting();
    const { done, isOver } = begin(owner, [claimed("a", { executionTimeoutMs: 500 })], () => never());
    await vi.advanceTimersByTimeAsync(5400);
    expect(isOver()).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    await done;
    expect(owner.states).toEqual(["failed"]);
  });

  test("from outside is reported with the outcome it was given", async ({ expect }) => {
    const owner = new Noting();
    const { session, done } = begin(owner, many(2), (ctx) => cleaning(10).handler(ctx));
    await vi.advanceTimersByTimeAsync(100);
    for (const attempt of session.running) {
      attempt.cut({ state: "up_for_reschedule", at: Date.now() }, new Error("the server stops"));
    }
    await vi.runAllTimersAsync();
    await done;
    expect(owner.states).toEqual(["up_for_reschedule", "up_for_reschedule"]);
  });
});
