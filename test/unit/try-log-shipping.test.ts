import { describe, it, vi } from "vitest";
import type { BeatAnswer, ClaimedTask, LogChunk, Report } from "../../src/engine/work.ts";
import type { Beat, Owner, Publication } from "../../src/runner/owner.ts";
import { Session } from "../../src/runner/session.ts";
import { RescheduleError, task, type TaskContext } from "../../src/sdk/index.ts";
import { workOf } from "./work-support.ts";

const HEARTRATE_MS = 1000;

function claimed(taskId: string, fields: Partial<ClaimedTask> = {}): ClaimedTask {
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
    heartrateMs: HEARTRATE_MS,
    executionTimeoutMs: null,
    ...fields,
  };
}

/** An owner that keeps what it is told; `fails` says which calls fail. */
class Told implements Owner {
  readonly reports: Report[][] = [];
  readonly published: LogChunk[] = [];
  fails: (what: "report" | "publish") => boolean = () => false;

  async report(reports: Report[]): Promise<ClaimedTask[]> {
    if (this.fails("report")) {
      throw new Error("lost");
    }
    this.reports.push(structuredClone(reports));
    return [];
  }

  async beat(beats: readonly Beat[]): Promise<BeatAnswer[]> {
    return beats.map(() => ({ verdict: "continue" }));
  }

  async publish({ logs }: Publication): Promise<BeatAnswer & { jobId: string }> {
    this.published.push(structuredClone(logs));
    if (this.fails("publish")) {
      throw new Error("lost");
    }
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

/** Runs tasks by one handler to their end, with a clock that is moved by the handler's waiting. */
async function run(owner: Owner, tasks: readonly ClaimedTask[], handler: (ctx: TaskContext) => unknown): Promise<void> {
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
  vi.useFakeTimers();
  try {
    const done = new Session(owner, around).run(workOf(tasks));
    await vi.runAllTimersAsync();
    await done;
  } finally {
    vi.useRealTimers();
  }
}

function waitMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function shown(chunk: LogChunk | undefined): string {
  return chunk === undefined ? "none" : `${chunk.from}: ${chunk.lines.map(({ event }) => event).join(" ")}`;
}

describe("lines of a log", () => {
  it("of a short try go with its report, and none are sent if there are none", async ({ expect }) => {
    const owner = new Told();
    await run(owner, [claimed("a"), claimed("b")], (ctx) => {
      if (ctx.task.taskId === "a") {
        ctx.log.info("one");
        ctx.log.info("two");
      }
    });
    const logs = owner.reports.flat().map((report) => [report.task_id, shown(report.logs)]);
    expect(logs).toEqual([
      ["a", "0: one two"],
      ["b", "none"],
    ]);
    expect(owner.published).toEqual([]);
  });

  it("of a long one go with its heartbeats, each once, and the rest with its report", async ({ expect }) => {
    const owner = new Told();
    await run(owner, [claimed("a", { log_from: 10 })], async (ctx) => {
      ctx.log.info("one");
      await waitMs(HEARTRATE_MS * 1.5);
      ctx.log.info("two");
      ctx.log.info("three");
      await waitMs(HEARTRATE_MS * 2);
      ctx.log.info("four");
    });
    expect(owner.published.map(shown)).toEqual(["10: one", "11: two three"]);
    expect(owner.reports.flat().map(({ logs }) => shown(logs))).toEqual(["13: four"]);
  });

  it("are sent again when the answer to a heartbeat was lost", async ({ expect }) => {
    const owner = new Told();
    owner.fails = (what) => what === "publish" && owner.published.length < 3;
    await run(owner, [claimed("a")], async (ctx) => {
      ctx.log.info("one");
      await waitMs(HEARTRATE_MS * 1.5);
      ctx.log.info("two");
      await waitMs(HEARTRATE_MS * 2);
    });
    expect(owner.published.map(shown)).toEqual(["0: one", "0: one two", "0: one two"]);
    expect(owner.reports.flat().map(({ logs }) => shown(logs))).toEqual(["none"]);
  });

  it("go with the report again that is sent again, and with one that says that a result could not be taken", async ({
    expect,
  }) => {
    const owner = new Told();
    let calls = 0;
    owner.fails = (what) => what === "report" && (calls += 1) < 6;
    await run(owner, [claimed("a")], (ctx) => ctx.log.info("one"));
    expect(owner.reports).toMatchObject([
      [{ outcome: { state: "failed", error: { type: "ReportError" } }, logs: { from: 0, lines: [{ event: "one" }] } }],
    ]);
  });

  it("go all together with the report of a try that is rescheduled, whatever heartbeats brought", async ({
    expect,
  }) => {
    const owner = new Told();
    await run(owner, [claimed("a")], async (ctx) => {
      ctx.log.info("one");
      await waitMs(HEARTRATE_MS * 1.5);
      ctx.log.info("two");
      throw new RescheduleError({ fromNow: "5s" });
    });
    expect(owner.published.map(shown)).toEqual(["0: one"]);
    expect(owner.reports.flat().map(({ logs }) => shown(logs))).toEqual(["0: one two"]);
  });

  it("of many tries that end together are reported in calls of bounded size", async ({ expect }) => {
    const owner = new Told();
    const tasks = Array.from({ length: 12 }, (_, n) => claimed(`t${n}`));
    await run(owner, tasks, (ctx) => {
      for (let n = 0; n < 600; n += 1) {
        ctx.log.info("x".repeat(2000));
      }
    });
    expect(owner.reports.flat().map(({ task_id }) => task_id)).toEqual(tasks.map(({ task_id }) => task_id));
    expect(owner.reports.length).toBeGreaterThan(1);
    for (const reports of owner.reports) {
      expect(JSON.stringify(reports).length).toBeLessThan(5 * 1024 * 1024);
    }
  });

  it("of a handler that outlives its timeout are not added to what was reported", async ({ expect }) => {
    const owner = new Told();
    await run(owner, [claimed("a", { executionTimeoutMs: 500 })], async (ctx) => {
      ctx.log.info("one");
      await waitMs(700);
      ctx.log.info("too late");
    });
    expect(owner.reports).toMatchObject([[{ outcome: { state: "failed" }, logs: { lines: [{ event: "one" }] } }]]);
  });
});
