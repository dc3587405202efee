import { describe, it } from "vitest";
import { LIMITS, type Json } from "../../src/engine/spec.ts";
import {
  NonRetryableError,
  RescheduleError,
  RetryableError,
  shortCircuit,
  SkipError,
  task,
} from "../../src/sdk/index.ts";
import {
  clock,
  dagOf,
  deliver,
  fireAlarm,
  instanceOf,
  jobOf,
  newJobId,
  objectEnv,
  settle,
  settleJob,
  start,
  statesOf,
  stopClock,
  stubOf,
  value,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, addTask, dropTask, fresh, step } from "./registry.ts";

stopClock();

/** Text whose JSON is just over what is kept in rows. */
const LARGE = "x".repeat(LIMITS.inlineValueBytes + 1);

/** The stored `return_value`, wherever it lies. */
async function stored(
  dagId: string,
  runId: string,
  taskId: string,
  mapIndex = -1,
): Promise<{ json: string } | { r2: string; bytes: number }> {
  return value(await dagOf(dagId).getXCom({ run_id: runId, task_id: taskId, map_index: mapIndex }, "return_value"));
}

describe("values", () => {
  it("over 128 KB go to R2 and arrive in the next task, as a whole and by a path into them", async ({ expect }) => {
    const make = task({ id: fresh("make") }, () => ({ text: LARGE, n: 7 }));
    const read = task(
      { id: fresh("read") },
      (_ctx, { whole, n }: { whole: { text: string; n: number }; n: number }) => [whole.text.length, whole.n, n],
    );
    const dagId = addDag({}, (d) => {
      const made = d.run(make);
      d.run(read, { whole: made, n: made.get("n") });
    });
    const runId = await start(dagId);
    expect(await settle(dagId, runId)).toMatchObject({ state: "success" });

    const large = await stored(dagId, runId, make.id);
    expect(large).toEqual({
      r2: expect.stringMatching(/^xcom\//),
      bytes: JSON.stringify({ text: LARGE, n: 7 }).length,
    });
    expect(await objectEnv.PAYLOADS.head("r2" in large ? large.r2 : "")).not.toBeNull();
    expect(await stored(dagId, runId, read.id)).toEqual({ json: JSON.stringify([LARGE.length, 7, 7]) });
  });

  it("of exactly 128 KB stay in rows", async ({ expect }) => {
    const edge = "y".repeat(LIMITS.inlineValueBytes - 2);
    const make = task({ id: fresh("make") }, () => edge);
    const dagId = addDag({}, (d) => void d.run(make));
    const runId = await start(dagId);
    await settle(dagId, runId);
    expect(await stored(dagId, runId, make.id)).toEqual({ json: `"${edge}"` });
  });

  it("over 128 KB arrive as elements of a mapped list, and of a list that is collected", async ({ expect }) => {
    const make = task({ id: fresh("make") }, () => [LARGE, "small", `${LARGE}!`]);
    const each = task({ id: fresh("each") }, (_ctx, { text }: { text: string }) => ({ text, length: text.length }));
    const join = task({ id: fresh("join") }, (_ctx, { all }: { all: { text: string; length: number }[] }) =>
      all.map((one) => [one.length, one.text.length]),
    );
    const dagId = addDag({}, (d) => void d.run(join, { all: d.expand(each, { text: d.run(make) }) }));
    const runId = await start(dagId);
    expect(await settle(dagId, runId)).toMatchObject({ state: "success" });

    expect(await stored(dagId, runId, each.id, 0)).toHaveProperty("r2");
    expect(await stored(dagId, runId, each.id, 1)).toEqual({ json: '{"text":"small","length":5}' });
    const lengths = [LARGE.length, 5, LARGE.length + 1].map((length) => [length, length]);
    expect(await stored(dagId, runId, join.id)).toEqual({ json: JSON.stringify(lengths) });
  });

  it("that are null are left by no task, and are not in the list of a mapped one", async ({ expect }) => {
    const odd = task({ id: fresh("odd") }, (_ctx, { n }: { n: number }) => (n % 2 === 1 ? n : null));
    const twice = task({ id: fresh("twice") }, (_ctx, { n }: { n: number }) => 2 * n);
    const collect = task({ id: fresh("collect") }, (_ctx, { all }: { all: number[] }) => all);
    const nothing = task({ id: fresh("nothing") }, () => null);
    const read = task({ id: fresh("read") }, (_ctx, { one }: { one: null }) => [one]);
    const dagId = addDag({}, (d) => {
      const odds = d.expand(odd, { n: [5, 6, 7] });
      d.run(collect, { all: odds });
      d.expand(twice, { n: odds });
      d.run(read, { one: d.run(nothing) });
    });
    const runId = await start(dagId);
    expect(await settle(dagId, runId)).toMatchObject({ state: "success" });
    expect(await stored(dagId, runId, collect.id)).toEqual({ json: "[5,7]" });
    expect([await stored(dagId, runId, twice.id, 0), await stored(dagId, runId, twice.id, 1)]).toEqual([
      { json: "10" },
      { json: "14" },
    ]);
    expect(Object.keys(await statesOf(dagId, runId)).filter((name) => name.startsWith(twice.id))).toHaveLength(2);
    const key = { run_id: runId, task_id: nothing.id, map_index: -1 };
    expect(await dagOf(dagId).getXCom(key, "return_value")).toMatchObject({ refusal: { code: "not_found" } });
    expect(await stored(dagId, runId, read.id)).toEqual({ json: "[null]" });
  });

  it("of a mapped task that had no elements are an empty list", async ({ expect }) => {
    const none = task({ id: fresh("none") }, (): number[] => []);
    const each = task({ id: fresh("each") }, (_ctx, { n }: { n: number }) => n);
    const collect = task(
      { id: fresh("collect"), triggerRule: "all_done" },
      (_ctx, input: { all: number[]; out: number[] }) => [input.all, input.out],
    );
    const dagId = addDag({}, (d) => {
      const empty = d.run(none);
      const group = d.expandGroup("g", { n: empty }, (g, { n }) => g.run(each, { n }, { id: "inside" }));
      d.run(collect, { all: d.expand(each, { n: empty }), out: group.result });
    });
    const runId = await start(dagId);
    expect(await settle(dagId, runId)).toMatchObject({ state: "success" });
    expect(await statesOf(dagId, runId)).toMatchObject({ [each.id]: "skipped", [collect.id]: "success" });
    expect(await stored(dagId, runId, collect.id)).toEqual({ json: "[[],[]]" });
  });

  it("over 10 MB fail their task for good, returned or pushed", async ({ expect }) => {
    const huge = "z".repeat(LIMITS.valueBytes + 1);
    const returning = task({ id: fresh("returning"), retries: 2 }, () => huge);
    const pushing = task({ id: fresh("pushing"), retries: 2 }, (ctx) => ctx.xcomPush("huge", huge));
    const dagId = addDag({}, (d) => {
      d.run(returning);
      d.run(pushing);
    });
    const runId = await start(dagId);
    expect(await settle(dagId, runId)).toMatchObject({ state: "failed" });

    for (const { id } of [returning, pushing]) {
      expect(await instanceOf(dagId, runId, id)).toMatchObject({
        state: "failed",
        try_number: 1,
        error: { type: "ValueError", message: expect.stringContaining(`at most ${LIMITS.valueBytes} bytes`) },
      });
    }
  });

  it("that are no JSON fail their task for good", async ({ expect }) => {
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    const bad = task({ id: fresh("bad"), retries: 2 }, () => circular);
    const dagId = addDag({}, (d) => void d.run(bad));
    const runId = await start(dagId);
    await settle(dagId, runId);
    expect(await instanceOf(dagId, runId, bad.id)).toMatchObject({
      state: "failed",
      try_number: 1,
      error: { type: "ValueError" },
    });
  });

  it("pushed under a key are pulled by it: one, one element's, and all of a mapped task; null if there is none", async ({
    expect,
  }) => {
    const push = task({ id: fresh("push") }, (ctx, { n }: { n: number }) => {
      ctx.xcomPush("double", n * 2);
      ctx.xcomPush("large", LARGE);
      return n;
    });
    const pull = task({ id: fresh("pull") }, async (ctx) => {
      const large = await ctx.xcomPull({ taskId: push.id, key: "large", mapIndex: 0 });
      return {
        one: await ctx.xcomPull({ taskId: push.id, key: "double", mapIndex: 1 }),
        all: await ctx.xcomPull({ taskId: push.id, key: "double" }),
        returned: await ctx.xcomPull({ taskId: push.id }),
        large: typeof large === "string" ? large.length : 0,
        none: await ctx.xcomPull({ taskId: push.id, key: "nothing" }),
        missing: await ctx.xcomPull({ taskId: push.id, key: "double", mapIndex: 9 }),
      };
    });
    const dagId = addDag({}, (d) => d.after(d.expand(push, { n: [1, 2, 3] }), d.run(pull)));
    const runId = await start(dagId);
    expect(await settle(dagId, runId)).toMatchObject({ state: "success" });
    const pulled: Json = {
      one: 4,
      all: [2, 4, 6],
      returned: [1, 2, 3],
      large: LARGE.length,
      none: null,
      missing: null,
    };
    expect(await stored(dagId, runId, pull.id)).toEqual({ json: JSON.stringify(pulled) });
  });

  it("of a try that failed are gone when the next one begins", async ({ expect }) => {
    const push = task({ id: fresh("push"), retries: 1, retryDelay: "1s" }, (ctx) => {
      if (ctx.ti.tryNumber === 1) {
        ctx.xcomPush("first", 1);
        throw new Error("first try");
      }
      return "second";
    });
    const dagId = addDag({}, (d) => void d.run(push));
    const runId = await start(dagId);
    await settle(dagId, runId);
    const key = { run_id: runId, task_id: push.id, map_index: -1 };
    expect(await dagOf(dagId).getXCom(key, "first")).toMatchObject({ ok: false, refusal: { code: "not_found" } });
  });
});

describe("what a handler's end means", () => {
  it("a retryable error waits for what it asks if that is longer than the task's own delay", async ({ expect }) => {
    const flaky = task({ id: fresh("flaky"), retries: 1, retryDelay: "1s" }, (ctx) => {
      if (ctx.ti.tryNumber === 1) {
        throw new RetryableError("busy", { retryAfter: "40s" });
      }
      return ctx.ti.tryNumber;
    });
    const dagId = addDag({}, (d) => void d.run(flaky));
    const runId = await start(dagId);
    const begun = clock.now();
    await deliver(mailbox.takeOf(dagId));
    expect(await instanceOf(dagId, runId, flaky.id)).toMatchObject({
      state: "up_for_retry",
      next_at: begun + 40_000,
      error: { type: "RetryableError", message: "busy" },
    });
    expect(await settle(dagId, runId)).toMatchObject({ state: "success" });
    expect(clock.now()).toBeGreaterThan(begun + 40_000);
    expect(await stored(dagId, runId, flaky.id)).toEqual({ json: "2" });
  });

  it("an error that is not retryable fails at once, whatever tries are left", async ({ expect }) => {
    const bad = task({ id: fresh("bad"), retries: 5 }, () => {
      throw new NonRetryableError("no such customer");
    });
    const dagId = addDag({}, (d) => void d.run(bad));
    const runId = await start(dagId);
    await settle(dagId, runId);
    expect(await instanceOf(dagId, runId, bad.id)).toMatchObject({
      state: "failed",
      try_number: 1,
      error: { type: "NonRetryableError", message: "no such customer" },
    });
  });

  it("a skip skips", async ({ expect }) => {
    const skip = task({ id: fresh("skip"), retries: 5 }, () => {
      throw new SkipError("nothing new");
    });
    const dagId = addDag({}, (d) => d.after(d.run(skip), d.run(step("next"))));
    const runId = await start(dagId);
    expect(await settle(dagId, runId)).toMatchObject({ state: "success" });
    expect(await statesOf(dagId, runId)).toEqual({ [skip.id]: "skipped", next: "skipped" });
  });

  it("a reschedule frees the worker and goes on at its time, in the same try", async ({ expect }) => {
    const tries: number[] = [];
    const begun = clock.now();
    const wait = task({ id: fresh("wait") }, (ctx) => {
      tries.push(ctx.ti.tryNumber);
      if (tries.length < 3) {
        throw new RescheduleError({ epochMs: begun + tries.length * 600_000 });
      }
    });
    const dagId = addDag({}, (d) => void d.run(wait));
    const runId = await start(dagId);
    expect(await settle(dagId, runId)).toMatchObject({ state: "success" });
    expect(tries).toEqual([1, 1, 1]);
    expect(clock.now()).toBe(begun + 1_200_000);
  });

  it("a short circuit that answers false skips everything after it", async ({ expect }) => {
    const gate = shortCircuit({ id: fresh("gate") }, () => false);
    const dagId = addDag({}, (d) => {
      const last = d.run(step("last", { triggerRule: "all_done" }));
      const next = d.run(step("next"));
      d.after(d.run(gate), next);
      d.after(next, last);
    });
    const runId = await start(dagId);
    expect(await settle(dagId, runId)).toMatchObject({ state: "success" });
    expect(await statesOf(dagId, runId)).toMatchObject({ [gate.id]: "success", next: "skipped", last: "skipped" });
  });

  it("an execution_timeout fires the signal, fails the try and leaves the retries", async ({ expect }) => {
    const reasons: string[] = [];
    const slow = task({ id: fresh("slow"), executionTimeout: "0.02s", retries: 1, retryDelay: "1s" }, async (ctx) => {
      if (ctx.ti.tryNumber === 2) {
        return "in time";
      }
      await new Promise((resolve) => {
        ctx.signal.addEventListener("abort", resolve);
      });
      reasons.push(ctx.signal.reason instanceof Error ? ctx.signal.reason.name : "none");
      return "too late";
    });
    const dagId = addDag({}, (d) => void d.run(slow));
    const runId = await start(dagId);
    await deliver(mailbox.takeOf(dagId));
    expect(await instanceOf(dagId, runId, slow.id)).toMatchObject({
      state: "up_for_retry",
      error: { type: "TaskTimeout" },
    });
    expect(reasons).toEqual(["TaskTimeout"]);
    await settle(dagId, runId);
    expect(await stored(dagId, runId, slow.id)).toEqual({ json: '"in time"' });
  });

  it("is the same for a standalone job: retry, reschedule, skip, failure, timeout", async ({ expect }) => {
    const ends: Record<string, unknown> = {};
    const outcomes: Record<string, (tryNumber: number) => unknown> = {
      value: () => ({ ok: true }),
      retry: (tryNumber) => (tryNumber === 1 ? raise(new RetryableError("busy", { retryAfter: "40s" })) : tryNumber),
      give_up: () => raise(new NonRetryableError("no")),
      skip: () => raise(new SkipError()),
      exhausted: (tryNumber) => raise(new Error(`try ${tryNumber}`)),
    };
    for (const [name, end] of Object.entries(outcomes)) {
      const { id } = addTask(task({ id: fresh(name), retries: 2, retryDelay: "1s" }, (ctx) => end(ctx.ti.tryNumber)));
      const jobId = newJobId();
      value(await jobOf(jobId).submit({ job_id: jobId, name: id, payload: null, runAt: null }));
      const { state, try_number, result, error } = await settleJob(jobId);
      ends[name] = [state, try_number, result, error?.type ?? null];
    }
    expect(ends).toEqual({
      value: ["success", 1, { ok: true }, null],
      retry: ["success", 2, 2, null],
      give_up: ["failed", 1, null, "NonRetryableError"],
      skip: ["skipped", 1, null, null],
      exhausted: ["failed", 3, null, "Error"],
    });
  });
});

describe("a handler that this Worker does not have", () => {
  it("fails the try, which is retried in case a newer Worker has it", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("vanishing", { retries: 1, retryDelay: "1s" })));
    const runId = await start(dagId);
    dropTask("vanishing");
    await deliver(mailbox.takeOf(dagId));
    expect(await instanceOf(dagId, runId, "vanishing")).toMatchObject({
      state: "up_for_retry",
      error: { type: "UnknownHandler" },
    });
    await fireAlarm(stubOf("DAG", dagId));
    addTask(step("vanishing"));
    expect(await settle(dagId, runId)).toMatchObject({ state: "success" });
  });
});

function raise(error: Error): never {
  throw error;
}
