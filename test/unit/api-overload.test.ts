import { scheduler, setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, describe, it, vi } from "vitest";
import { submissionsWaiting } from "../../src/api/overload.ts";
import { batchView, jobView, NOW, ok, runView, testApi, type Answer, type JobMethods } from "./api-support.ts";

/** What is admitted at once where nothing was measured. */
const ADMITTED = 400;

/** An API whose objects answer submissions only when they are let go. */
function slowApi() {
  const { promise: gate, resolve: letGo } = Promise.withResolvers<void>();
  const api = testApi({
    job: {
      submit: async ({ job_id: id, name }) => {
        await gate;
        return ok({ job: jobView({ id, name, state: "queued" }), created: true });
      },
      get: async () => ok(jobView()),
    },
    dag: {
      trigger: async () => {
        await gate;
        return ok(runView());
      },
    },
  });
  return { api, letGo };
}

/** A job's object that answers at once. */
const submitting: JobMethods = {
  submit: async ({ job_id: id, name }) => ok({ job: jobView({ id, name, state: "queued" }), created: true }),
};

/** Sends submissions until as many wait as are admitted. */
async function fill(api: ReturnType<typeof testApi>): Promise<Promise<Answer>[]> {
  const answers = Array.from({ length: ADMITTED }, () => api.send("POST", "/tasks/hello", { json: {} }));
  while (submissionsWaiting() < ADMITTED) {
    await nextTurn();
  }
  return answers;
}

// The runtime's own, which Node has as a module.
beforeEach(() => void vi.stubGlobal("scheduler", scheduler));
// Nothing is measured while the clock stands: what is admitted must not depend on the machine.
beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: NOW }));
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("more submissions than are answered in time", () => {
  it.for([
    ["POST", "/tasks/hello", {}],
    ["POST", "/tasks", { tasks: [{ name: "hello" }] }],
    ["POST", "/api/v2/dags/etl/dagRuns", { logical_date: null }],
  ] as const)("are refused at once with 503 and Retry-After: %s %s", async ([method, path, json], { expect }) => {
    const { api, letGo } = slowApi();
    const waiting = await fill(api);
    const refused = await api.send(method, path, { json });
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(refused.body).toEqual({ detail: "more is submitted than can be taken in time; try again" });
    expect(submissionsWaiting()).toBe(ADMITTED);
    letGo();
    expect(new Set((await Promise.all(waiting)).map(({ status }) => status))).toEqual(new Set([202]));
    expect(submissionsWaiting()).toBe(0);
    expect((await api.send("POST", "/tasks/hello", { json: {} })).status).toBe(202);
  });

  it("keep nothing waiting that reads, nor a caller who is not known", async ({ expect }) => {
    const { api, letGo } = slowApi();
    const waiting = await fill(api);
    expect((await api.send("GET", "/jobs/01JC6V9XH3ZQ5W8M2T4R7K0NPD")).status).toBe(200);
    expect((await api.send("POST", "/tasks/hello", { json: {}, key: "x".repeat(40) })).status).toBe(401);
    letGo();
    await Promise.all(waiting);
  });

  it("leave their place also when they are refused for another reason or fail", async ({ expect }) => {
    const api = testApi({ job: { submit: async () => Promise.reject(new Error("away")) } });
    const error = vi.spyOn(console, "error").mockReturnValue(undefined);
    expect((await api.send("POST", "/tasks/hello", { json: {} })).status).toBe(500);
    expect((await api.send("POST", "/tasks/helo", { json: {} })).status).toBe(404);
    expect((await api.send("POST", "/tasks/hello", { json: { run_at: NOW } })).status).toBe(422);
    expect(submissionsWaiting()).toBe(0);
    error.mockRestore();
  });
});

describe("a submission whose body is slow to come", () => {
  /** Bodies of which half has come, and what ends them. */
  function halfSent() {
    const { promise: rest, resolve: sendRest } = Promise.withResolvers<void>();
    const body = (): ReadableStream<Uint8Array> =>
      new ReadableStream({
        async start(controller) {
          controller.enqueue(new TextEncoder().encode('{"payload"'));
          await rest;
          controller.enqueue(new TextEncoder().encode(":1}"));
          controller.close();
        },
      });
    return { body, sendRest };
  }

  const declared = { "content-type": "application/json", "content-length": "13" };

  it.for([
    ["a task", "/tasks/hello", {}],
    ["a webhook, which needs no key", "/webhooks/on_push", { key: null }],
  ] as const)("takes no place of others after a second: %s", async ([, path, options], { expect }) => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now: NOW });
    const { body, sendRest } = halfSent();
    const api = testApi({ env: { GITHUB_SECRET: "s".repeat(32) }, job: submitting });
    const slow = Array.from({ length: ADMITTED }, () =>
      api.send("POST", path, { ...options, raw: body(), headers: declared }),
    );
    while (submissionsWaiting() < ADMITTED || vi.getTimerCount() < ADMITTED) {
      await nextTurn();
    }
    expect((await api.send("POST", "/tasks/hello", { json: {} })).status).toBe(503);
    await vi.advanceTimersByTimeAsync(999);
    expect(submissionsWaiting()).toBe(ADMITTED);
    await vi.advanceTimersByTimeAsync(1);
    expect(submissionsWaiting()).toBe(0);
    expect((await api.send("POST", "/tasks/hello", { json: {} })).status).toBe(202);
    sendRest();
    const statuses = new Set((await Promise.all(slow)).map(({ status }) => status));
    expect(statuses).toEqual(new Set([path === "/tasks/hello" ? 202 : 401]));
    expect(submissionsWaiting()).toBe(0);
  });

  it("is refused when it has come, if others have taken its place", async ({ expect }) => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now: NOW });
    const { body, sendRest } = halfSent();
    const { api, letGo } = slowApi();
    const slow = api.send("POST", "/tasks/hello", { raw: body(), headers: declared });
    while (vi.getTimerCount() === 0) {
      await nextTurn();
    }
    await vi.advanceTimersByTimeAsync(1000);
    const waiting = await fill(api);
    sendRest();
    const refused = await slow;
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(submissionsWaiting()).toBe(ADMITTED);
    letGo();
    expect(new Set((await Promise.all(waiting)).map(({ status }) => status))).toEqual(new Set([202]));
  });

  it("leaves no timer behind when its body is there", async ({ expect }) => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now: NOW });
    const api = testApi({ job: submitting });
    expect((await api.send("POST", "/tasks/hello", { json: { payload: 1 } })).status).toBe(202);
    expect((await api.send("POST", "/tasks/hello")).status).toBe(202);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("leaves no place behind if its sender goes away", async ({ expect }) => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now: NOW });
    const error = vi.spyOn(console, "error").mockReturnValue(undefined);
    const gone = Promise.withResolvers<void>();
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode("{"));
        await gone.promise;
        controller.error(new Error("the connection was lost"));
      },
    });
    const api = testApi({ job: submitting });
    const lost = api.send("POST", "/tasks/hello", { raw: body, headers: declared });
    while (vi.getTimerCount() === 0) {
      await nextTurn();
    }
    await vi.advanceTimersByTimeAsync(1000);
    gone.resolve();
    expect((await lost).status).toBeGreaterThanOrEqual(400);
    expect(submissionsWaiting()).toBe(0);
    error.mockRestore();
  });
});

describe("bulk submissions", () => {
  const tasks = [{ name: "hello" }];

  /** Answers of the objects that are made when the test says so. */
  function heldApi() {
    const held: (() => void)[] = [];
    const api = testApi({
      dag: {
        submitBatch: async (batch_id, entries) => {
          await new Promise<void>((resolve) => void held.push(resolve));
          return ok(batchView(batch_id, entries));
        },
      },
    });
    return { api, held };
  }

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await scheduler.wait(1);
    }
  }

  it("are read and stored two at a time; single ones do not wait for them", async ({ expect }) => {
    const { api, held } = heldApi();
    const answers = Array.from({ length: 5 }, () => api.send("POST", "/tasks", { json: { tasks } }));
    await until(() => held.length === 2 && submissionsWaiting() === 5);
    // Longer than one that waits takes to look again.
    await scheduler.wait(20);
    expect(held.length).toBe(2);
    expect((await api.send("POST", "/tasks/nothing", { json: {} })).status).toBe(404);
    for (let ended = 0; ended < 5; ended += 1) {
      held[ended]?.();
      await until(() => held.length >= Math.min(5, ended + 3));
      expect(held.length).toBe(Math.min(5, ended + 3));
    }
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([202, 202, 202, 202, 202]);
  });

  it("wait for one that was cut off for 10 s, and are refused when their turn has not come in 30 s", async ({
    expect,
  }) => {
    const { api, held } = heldApi();
    const answers = Array.from({ length: 8 }, () => api.send("POST", "/tasks", { json: { tasks } }));
    for (const [elapsed, begun] of [
      [0, 2],
      [10_000, 4],
      [20_000, 6],
    ] as const) {
      vi.setSystemTime(NOW + elapsed);
      await until(() => held.length === begun && submissionsWaiting() === 8);
    }
    vi.setSystemTime(NOW + 60_000);
    await until(() => submissionsWaiting() === 6);
    held.forEach((letGo) => letGo());
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 202)).toHaveLength(6);
    expect(statuses.filter((status) => status === 503)).toHaveLength(2);
  });
});

describe("submissions while many wait", () => {
  it("begin and are answered in the order of the runtime's timers, whatever the network hands over first", async ({
    expect,
  }) => {
    const turns: (() => void)[] = [];
    vi.stubGlobal("scheduler", { wait: () => new Promise<void>((resolve) => void turns.push(resolve)) });
    const begun: string[] = [];
    const answered: string[] = [];
    const api = testApi({
      dag: {
        trigger: async ({ note }) => {
          begun.push(note ?? "");
          return ok(runView());
        },
      },
    });
    const names = Array.from({ length: 20 }, (_, index) => String(index));
    const answers = names.map(async (note) => {
      const answer = await api.send("POST", "/api/v2/dags/etl/dagRuns", { json: { logical_date: null, note } });
      answered.push(note);
      return answer.status;
    });
    // The first seven find fewer than eight that wait, and need no turn to begin.
    while (turns.length < 13 || begun.length < 7) {
      await nextTurn();
    }
    expect(begun.toSorted()).toEqual(names.slice(0, 7).toSorted());
    // One of those that wait goes on with each turn that the runtime gives, and with no other.
    const order: string[] = [];
    while (begun.length < 20) {
      const before = begun.length;
      turns.shift()?.();
      for (let step = 0; step < 50; step += 1) {
        await nextTurn();
      }
      expect(begun.length - before).toBeLessThanOrEqual(1);
      order.push(...begun.slice(before));
    }
    expect(order).toEqual(names.slice(7));
    while (answered.length < 20) {
      turns.shift()?.();
      await nextTurn();
    }
    expect(new Set(await Promise.all(answers))).toEqual(new Set([200]));
  });
});
