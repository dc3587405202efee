import { afterEach, beforeEach, describe, it, vi } from "vitest";
import { LIMITS } from "../../src/engine/spec.ts";
import type { BeatAnswer, ClaimedTask, Report } from "../../src/engine/work.ts";
import type { Owner } from "../../src/runner/owner.ts";
import { TryPayloads } from "../../src/runner/payloads.ts";
import { Session } from "../../src/runner/session.ts";
import { task, type Json, type TaskContext } from "../../src/sdk/index.ts";
import { workOf } from "./work-support.ts";

/** JSON that is too large for rows. */
const LARGE = "x".repeat(LIMITS.inlineValueBytes + 1);

/** A bucket with its keys; its puts wait while a test holds them. */
function makeBucket() {
  const keys = new Set<string>();
  let gate: Promise<void> = Promise.resolve();
  return {
    keys,
    /** Holds puts back until what it gives is called. */
    hold: (): (() => void) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
    putPayload: async (below: string, json: string): Promise<string> => {
      await gate;
      const key = `${below}${json.length}-${keys.size}`;
      keys.add(key);
      return key;
    },
    getPayload: async (): Promise<null> => null,
    deletePayloads: async (gone: string[]): Promise<void> => gone.forEach((key) => keys.delete(key)),
  };
}

type Bucket = ReturnType<typeof makeBucket>;

const place = async (): Promise<string> => "xcom/run/";

describe("the large values of a try", () => {
  it("lie below the place of its run, and are known by their keys", async ({ expect }) => {
    const bucket = makeBucket();
    const payloads = new TryPayloads(bucket, place);
    const key = await payloads.put(LARGE);
    expect(key.startsWith("xcom/run/")).toBe(true);
    expect(await payloads.keys()).toEqual([key]);
    expect([...bucket.keys]).toEqual([key]);
  });

  it("are deleted if it is told to stop, also those on their way, and no more are put", async ({ expect }) => {
    const bucket = makeBucket();
    const payloads = new TryPayloads(bucket, place);
    await payloads.put(LARGE);
    const release = bucket.hold();
    const onItsWay = payloads.put(LARGE);
    const discarded = payloads.discard();
    release();
    await Promise.all([onItsWay, discarded]);
    expect([...bucket.keys]).toEqual([]);
    await expect(payloads.put(LARGE)).rejects.toThrow("told to stop");
    expect([...bucket.keys]).toEqual([]);
  });

  it("that the bucket does not delete are left to their run: a stopped try ends all the same", async ({ expect }) => {
    const bucket = makeBucket();
    const failing = { ...bucket, deletePayloads: () => Promise.reject(new Error("down")) };
    const payloads = new TryPayloads(failing, place);
    await payloads.put(LARGE);
    await payloads.discard();
    expect(await payloads.keys()).toHaveLength(1);
  });
});

/** An owner that stops a task at its first heartbeat, or takes reports as it is told. */
class Recording implements Owner {
  readonly reports: Report[] = [];
  verdict: BeatAnswer["verdict"] = "continue";
  failing = 0;

  async report(reports: Report[]): Promise<ClaimedTask[]> {
    if (this.failing > 0) {
      this.failing -= 1;
      throw new Error("lost");
    }
    this.reports.push(...reports);
    return [];
  }

  async beat(beats: Parameters<Owner["beat"]>[0]): ReturnType<Owner["beat"]> {
    return beats.map(() => ({ verdict: this.verdict }));
  }

  async publish(): ReturnType<Owner["publish"]> {
    return { verdict: this.verdict, jobId: "job" };
  }

  async runInObject(): Promise<never> {
    throw new Error("expected no attempt that runs in an object");
  }

  async ended(): Promise<void> {
    // Nothing watches.
  }

  payloadPlace = place;

  async pullXCom(): Promise<null> {
    return null;
  }
}

/** Runs a task to its end, with a clock that goes on as soon as nothing else does. */
async function run(owner: Owner, bucket: Bucket, handler: (ctx: TaskContext) => Json): Promise<void> {
  const definition = task({ id: "large" }, handler);
  const done = new Session(owner, { ...bucket, find: () => definition, env: {}, now: () => Date.now() }).run(
    workOf([CLAIMED]),
  );
  await vi.runAllTimersAsync();
  await done;
}

const CLAIMED: ClaimedTask = {
  run: null,
  job_id: null,
  task_id: "large",
  map_index: -1,
  try_number: 1,
  max_tries: 0,
  token: 1,
  handler: "large",
  operator: "task",
  input: null,
  heartrateMs: 5000,
  executionTimeoutMs: null,
};

describe("a report", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("names what the try put, also when it says in the end that the try failed", async ({ expect }) => {
    const bucket = makeBucket();
    const owner = new Recording();
    // All tries to report the result itself.
    owner.failing = 4;
    await run(owner, bucket, () => LARGE);
    expect(owner.reports).toMatchObject([{ outcome: { state: "failed", error: { type: "ReportError" } } }]);
    expect(owner.reports[0]?.payloads).toEqual([...bucket.keys]);
    expect(bucket.keys.size).toBe(1);
  });

  it("is not made by a try that was told to stop, and nothing of it stays in the bucket", async ({ expect }) => {
    const bucket = makeBucket();
    const owner = new Recording();
    owner.verdict = "stop";
    const release = bucket.hold();
    await run(owner, bucket, (ctx) => {
      ctx.signal.addEventListener("abort", release);
      return LARGE;
    });
    expect(owner.reports).toEqual([]);
    expect([...bucket.keys]).toEqual([]);
  });
});
