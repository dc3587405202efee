import { afterEach, beforeEach, describe, it, vi } from "vitest";
import type { BeatAnswer, ClaimedTask, Report } from "../../src/engine/work.ts";
import { Budget } from "../../src/runner/budget.ts";
import { Lanes } from "../../src/runner/lanes.ts";
import type { Beat, Owner } from "../../src/runner/owner.ts";
import { Session, type Shared } from "../../src/runner/session.ts";
import { task, type TaskContext } from "../../src/sdk/index.ts";
import { workOf } from "./work-support.ts";

const HEARTRATE_MS = 5000;

function claimed(id: string): ClaimedTask {
  return {
    run: null,
    job_id: null,
    task_id: id,
    map_index: -1,
    try_number: 1,
    max_tries: 0,
    token: 1,
    handler: "any",
    operator: "task",
    input: null,
    heartrateMs: HEARTRATE_MS,
    executionTimeoutMs: null,
  };
}

function many(count: number, prefix = "t"): ClaimedTask[] {
  return Array.from({ length: count }, (_, index) => claimed(`${prefix}${index}`));
}

/** An owner with a chain behind each task: as many follow-ups come back as are asked for, until there are none. */
class Chained implements Owner {
  readonly limits: number[] = [];
  readonly reports: string[] = [];
  readonly beats: number[] = [];
  followUps: ClaimedTask[] = [];

  async report(reports: Report[], limit: number): Promise<ClaimedTask[]> {
    this.limits.push(limit);
    this.reports.push(...reports.map(({ task_id: id }) => id));
    return this.followUps.splice(0, limit);
  }

  async beat(beats: readonly Beat[]): Promise<BeatAnswer[]> {
    this.beats.push(beats.length);
    return beats.map(() => ({ verdict: "continue" }));
  }

  async publish(): Promise<BeatAnswer & { jobId: string }> {
    return { verdict: "continue", jobId: "job" };
  }

  async runInObject(): Promise<never> {
    throw new Error("expected no attempt that runs in an object");
  }

  async ended(): Promise<void> {
    // Nothing watches.
  }

  async payloadPlace(): Promise<string> {
    return "place/";
  }

  async pullXCom(): Promise<null> {
    return null;
  }
}

/** Counts how many handlers run at a time. */
class Counting {
  running = 0;
  most = 0;
  readonly order: string[] = [];

  async during(ctx: TaskContext, ms: number): Promise<void> {
    this.running += 1;
    this.most = Math.max(this.most, this.running);
    this.order.push(ctx.ti.taskId);
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.running -= 1;
  }
}

function session(owner: Owner, shared: Shared, handler: (ctx: TaskContext) => unknown, breathe?: () => Promise<void>) {
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
    ...(breathe === undefined ? {} : { breathe }),
  };
  return new Session(owner, around, shared);
}

beforeEach(() => void vi.useFakeTimers({ now: 1_700_000_000_000 }));
afterEach(() => void vi.useRealTimers());

describe("the sessions of one invocation", () => {
  it("run no more handlers at a time than there are lanes, whoever owns them", async ({ expect }) => {
    const lanes = new Lanes(4);
    const counting = new Counting();
    const work = (ctx: TaskContext) => counting.during(ctx, 100);
    const [one, other] = [new Chained(), new Chained()];
    const done = Promise.all([
      session(one, { lanes }, work).run(workOf(many(10, "a"))),
      session(other, { lanes }, work).run(workOf(many(10, "b"))),
    ]);
    await vi.runAllTimersAsync();
    await done;
    expect(counting.most).toBe(4);
    expect([...one.reports, ...other.reports].toSorted()).toEqual(
      [...many(10, "a"), ...many(10, "b")].map(({ task_id: id }) => id),
    );
  });

  it("claim no more than lanes are free, so that a lease begins when a handler does", async ({ expect }) => {
    const lanes = new Lanes(3);
    const source = workOf(many(7));
    const done = session(new Chained(), { lanes }, (ctx) => new Counting().during(ctx, 100)).run(source);
    await vi.advanceTimersByTimeAsync(50);
    expect(source.asked).toEqual([3]);
    expect(source.left).toBe(4);
    await vi.runAllTimersAsync();
    await done;
    expect(source.asked.every((most) => most <= 3)).toBe(true);
    expect(source.left).toBe(0);
  });

  it("take no follow-up work while messages wait, and then as much as lanes are free", async ({ expect }) => {
    const owner = new Chained();
    owner.followUps = many(5, "next");
    const counting = new Counting();
    const done = session(owner, { lanes: new Lanes(2) }, (ctx) => counting.during(ctx, 100)).run(workOf(many(4)));
    await vi.runAllTimersAsync();
    await done;
    expect(counting.order.slice(0, 4)).toEqual(["t0", "t1", "t2", "t3"]);
    expect(counting.order.slice(4).toSorted()).toEqual(many(5, "next").map(({ task_id: id }) => id));
    expect(counting.most).toBe(2);
    expect(owner.limits.every((limit) => limit <= 2)).toBe(true);
  });

  it("let beats and reports pass between handlers, each of which may keep the thread to itself", async ({ expect }) => {
    const events: string[] = [];
    const breathe = (): Promise<void> => {
      events.push("breath");
      return new Promise((resolve) => setTimeout(resolve, 0));
    };
    const compute = (ctx: TaskContext): void => void events.push(ctx.ti.taskId);
    const done = session(new Chained(), { lanes: new Lanes(3) }, compute, breathe).run(workOf(many(3)));
    await vi.runAllTimersAsync();
    await done;
    expect(events).toEqual(["t0", "breath", "t1", "breath", "t2"]);
  });
});

describe("an invocation that has spent its budget", () => {
  it("takes no follow-up work after its time, so that it ends however long the chain is", async ({ expect }) => {
    const owner = new Chained();
    owner.followUps = many(1000, "next");
    const begun = Date.now();
    const budget = new Budget(() => Date.now(), { wallMs: 120_000, handlers: 1000, calls: 10_000 });
    const shared = { lanes: new Lanes(1), budget };
    const done = session(owner, shared, (ctx) => new Counting().during(ctx, 10_000)).run(workOf(many(1)));
    await vi.runAllTimersAsync();
    await done;
    expect(owner.limits.at(-1)).toBe(0);
    expect(owner.limits.slice(0, -1).every((limit) => limit === 1)).toBe(true);
    expect(Date.now() - begun).toBe(120_000);
    expect(owner.followUps.length).toBe(1000 - 11);
  });

  it("begins no more handlers than the budget has", async ({ expect }) => {
    const owner = new Chained();
    owner.followUps = many(100, "next");
    const budget = new Budget(() => Date.now(), { wallMs: 1e9, handlers: 25, calls: 1e9 });
    const done = session(owner, { lanes: new Lanes(10), budget }, (ctx) => new Counting().during(ctx, 10)).run(
      workOf(many(1)),
    );
    await vi.runAllTimersAsync();
    await done;
    expect(owner.reports.length).toBe(25);
  });

  it("gives back the messages that it has not claimed", async ({ expect }) => {
    const source = workOf(many(10));
    const budget = new Budget(() => Date.now(), { wallMs: 1e9, handlers: 4, calls: 1e9 });
    const done = session(new Chained(), { lanes: new Lanes(2), budget }, (ctx) => new Counting().during(ctx, 10)).run(
      source,
    );
    await vi.runAllTimersAsync();
    await done;
    expect(source.givenBack).toEqual(["t4", "t5", "t6", "t7", "t8", "t9"]);
  });

  it("counts its calls, and takes nothing more beyond them, while what runs goes on to its end", async ({ expect }) => {
    const owner = new Chained();
    owner.followUps = many(50, "next");
    const budget = new Budget(() => Date.now(), { wallMs: 1e9, handlers: 1e9, calls: 10 });
    // A beat in each heartrate: nine of them and the claim.
    const done = session(owner, { lanes: new Lanes(1), budget }, (ctx) =>
      new Counting().during(ctx, 20.5 * HEARTRATE_MS),
    ).run(workOf(many(1)));
    await vi.runAllTimersAsync();
    await done;
    expect(owner.limits).toEqual([0]);
    expect(owner.reports).toEqual(["t0"]);
    expect(owner.beats.length).toBeGreaterThanOrEqual(20);
  });
});
