import { describe, test, vi } from "vitest";
import type { BeatAnswer, ClaimedTask, Report } from "../../src/engine/work.ts";
import { obey, orderText } from "../../src/orders.ts";
import type { Order } from "../../src/orders.ts";
import { ServerStopping, threwToStop } from "../../src/runner/hand-over.ts";
import type { Owner } from "../../src/runner/owner.ts";
import { Service } from "../../src/isolate/service.ts";
import { Session } from "../../src/runner/session.ts";
import { NonRetryableError, task } from "../../src/sdk/index.ts";
import type { TaskContext } from "../../src/sdk/index.ts";
import { workOf } from "./work-support.ts";

const START = Date.UTC(2026, 10, 21);
const DRAIN_MS = 30_000;

function claimed(taskId: string): ClaimedTask {
  return {
    run: null,
    job_id: null,
    task_id: taskId,
    map_index: -1,
    try_number: 1,
    max_tries: 0,
    token: 1,
    handler: taskId,
    operator: "task",
    input: null,
    heartrateMs: 5000,
    executionTimeoutMs: null,
  };
}

/** An owner that keeps what is reported, and has follow-ups to give. */
class Reported implements Owner {
  readonly reports: Report[] = [];
  followUps: ClaimedTask[] = [];

  async report(reports: Report[]): Promise<ClaimedTask[]> {
    this.reports.push(...structuredClone(reports));
    return this.followUps.splice(0);
  }

  async beat(beats: readonly unknown[]): Promise<BeatAnswer[]> {
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

type Handlers = Record<string, (ctx: TaskContext) => unknown>;

/** Runs tasks by their handlers in one session, stops after a second, and lets time pass until the session is over. */
async function runAndStop(owner: Reported, handlers: Handlers, taskIds = Object.keys(handlers)): Promise<void> {
  vi.useFakeTimers({ now: START });
  try {
    const around = {
      find: (name: string) => task({ id: name }, async (ctx) => (await handlers[name]?.(ctx)) ?? null),
      env: {},
      now: () => Date.now(),
      putPayload: async () => "key",
      getPayload: async () => null,
      deletePayloads: async () => undefined,
    };
    const service = new Service();
    setTimeout(() => service.stop(Date.now() + DRAIN_MS), 1000);
    const done = new Session(owner, around, { service }).run(workOf(taskIds.map(claimed)));
    await vi.runAllTimersAsync();
    await done;
  } finally {
    vi.useRealTimers();
  }
}

function outcomes(owner: Reported): [string, string][] {
  const found = owner.reports.map(({ task_id: taskId, outcome }): [string, string] => [taskId, outcome.state]);
  return found.toSorted(([one], [other]) => (one < other ? -1 : 1));
}

/** Rejects with the reason of a signal when it fires. */
async function untilFired(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => {
      // Whatever the reason is: a handler does so.
      // oxlint-disable-next-line prefer-promise-reject-errors
      reject(signal.reason);
    });
  });
}

describe("a session whose isolate stops", () => {
  test("hands over at once what obeys its signal, and starts it no earlier than a second later", async ({ expect }) => {
    const owner = new Reported();
    await runAndStop(owner, { obeys: ({ signal }) => untilFired(signal) });
    expect(owner.reports.map(({ outcome }) => outcome)).toEqual([
      { state: "up_for_reschedule", at: START + 1000 + 1000 },
    ]);
  });

  test("hands over what still runs when the time is up", async ({ expect }) => {
    const owner = new Reported();
    await runAndStop(owner, { ignores: () => new Promise(() => undefined) });
    expect(owner.reports.map(({ outcome }) => outcome)).toEqual([
      { state: "up_for_reschedule", at: START + 1000 + DRAIN_MS + 1000 },
    ]);
  });

  test("reports as ever what ends in the time: well, skipped or failed", async ({ expect }) => {
    const owner = new Reported();
    await runAndStop(owner, {
      returns: async ({ signal }) => untilFired(signal).catch(() => "cleaned up"),
      fails: async ({ signal }) =>
        untilFired(signal).catch(() => {
          throw new NonRetryableError("the disk is on fire");
        }),
      later: () => new Promise((resolve) => setTimeout(resolve, DRAIN_MS - 1)),
    });
    expect(outcomes(owner)).toEqual([
      ["fails", "failed"],
      ["later", "success"],
      ["returns", "success"],
    ]);
  });

  test("runs no follow-up that came with a report: it is handed over without a start", async ({ expect }) => {
    const owner = new Reported();
    owner.followUps = [claimed("next")];
    const started: string[] = [];
    await runAndStop(
      owner,
      {
        first: async ({ signal }) => untilFired(signal).catch(() => "done"),
        next: () => started.push("next"),
      },
      ["first"],
    );
    expect(outcomes(owner)).toEqual([
      ["first", "success"],
      ["next", "up_for_reschedule"],
    ]);
    expect(started).toEqual([]);
  });
});

describe("what a handler throws when its server stops", () => {
  const reason = new ServerStopping();

  test("is a hand-over if it is the signal's reason, caused by it, or an aborted call", ({ expect }) => {
    const aborted = new DOMException("The operation was aborted", "AbortError");
    // As an aborted call of the platform rejects: a copy.
    const copy = Object.assign(new Error(reason.message), { name: reason.name });
    for (const thrown of [reason, new Error("upload failed", { cause: reason }), aborted, copy]) {
      expect(threwToStop(thrown, reason)).toBe(true);
    }
  });

  test("is what it is if it has another cause, or the signal fired for another reason", ({ expect }) => {
    const circle = new Error("round");
    circle.cause = circle;
    expect(threwToStop(new Error("disk full"), reason)).toBe(false);
    expect(threwToStop(circle, reason)).toBe(false);
    expect(threwToStop("text", reason)).toBe(false);
    expect(threwToStop(new DOMException("aborted", "AbortError"), new Error("killed"))).toBe(false);
  });
});

describe("an order", () => {
  const token = "a token of the server";

  test("is obeyed with the token of the server, and refused without", async ({ expect }) => {
    const service = new Service();
    const order: Order = { order: "disk", full: "the disk is full" };
    await expect(obey(orderText("t", order), "another", service)).rejects.toThrow(/token/);
    await expect(obey(orderText("", order), undefined, service)).rejects.toThrow(/token/);
    await expect(obey(orderText("", order), "", service)).rejects.toThrow(/token/);
    expect(service.unavailable).toBeNull();
    expect(await obey(orderText("t", order), "t", service)).toBe(true);
    expect(service.unavailable).toEqual({ state: "disk_full", message: "the disk is full" });
    expect(await obey(orderText("t", { order: "disk", full: null }), "t", service)).toBe(true);
    expect(service.unavailable).toBeNull();
  });

  test("is no cron expression, and the other way round", async ({ expect }) => {
    const service = new Service();
    expect(await obey("* * * * *", token, service)).toBe(false);
    await expect(obey("jobbers-order t {}", "t", service)).rejects.toThrow();
    expect(service.isStopping).toBe(false);
  });

  test("to drain is obeyed when all that was begun is over", async ({ expect }) => {
    const service = new Service();
    const over = service.begin();
    const told = Promise.withResolvers<void>();
    service.onStop(told.resolve);
    let isObeyed = false;
    const obeyed = obey(orderText("t", { order: "drain", drain_ms: DRAIN_MS }), "t", service).finally(() => {
      isObeyed = true;
    });
    await told.promise;
    expect([service.isStopping, service.isIdle, isObeyed]).toEqual([true, false, false]);
    over();
    over();
    await obeyed;
    expect(service.isIdle).toBe(true);
  });
});
