/** The harness itself: what one invocation may spend. */
import { describe, it } from "vitest";
import { spendCpu } from "../../platform/invocation.ts";
import { openCatalog } from "../../durable-objects/env.ts";
import {
  enforce,
  invocations,
  invoke,
  limitedEnv,
  movedClock,
  quiet,
  startLab,
  violations,
  violationsOf,
} from "./lab.ts";
import { platform } from "./worker.ts";

startLab();

const KEY = "platform-tests/value";

async function callTimes(count: number): Promise<void> {
  for (let made = 0; made < count; made += 1) {
    await openCatalog(limitedEnv).listRoles();
  }
}

describe("subrequests", () => {
  it("are counted for each invocation: the one beyond the limit throws, another invocation has its own", async ({
    expect,
  }) => {
    enforce({ subrequests: 5 });
    await invoke("queue", () => callTimes(5));
    expect(violations).toEqual([]);
    await expect(invoke("queue", () => callTimes(6))).rejects.toThrow(
      "Too many subrequests by single Worker invocation",
    );
    expect(violations).toEqual([
      { limit: "subrequests", kind: "queue", name: "test", call: "Catalog catalog.listRoles" },
    ]);
  });

  it("are calls of objects, of the bucket, of queues, and fetches", async ({ expect }) => {
    enforce({ subrequests: 4 });
    platform.upstream = async () => new Response("ok");
    await invoke("queue", async () => {
      await callTimes(1);
      await limitedEnv.PAYLOADS.put(KEY, "1");
      await fetch("https://example.com");
      await limitedEnv.TASKS.sendBatch([{ body: { job_id: "any" } }]);
    });
    const [invocation] = invocations;
    expect(invocation?.subrequests).toBe(4);
    await expect(
      invoke("queue", async () => {
        await callTimes(4);
        await fetch("https://example.com");
      }),
    ).rejects.toThrow("Too many subrequests");
  });

  it("of an object's own invocation count for that one", async ({ expect }) => {
    await invoke("queue", () => callTimes(3));
    expect(invocations.map(({ kind, subrequests }) => [kind, subrequests])).toEqual([
      ["queue", 3],
      ["rpc", 0],
      ["rpc", 0],
      ["rpc", 0],
    ]);
  });
});

describe("connections", () => {
  it("that wait for a head are six: the seventh begins when one has its head", async ({ expect }) => {
    enforce({ connections: 6 });
    const answers: (() => void)[] = [];
    platform.upstream = async () => new Promise((resolve) => answers.push(() => resolve(new Response("ok"))));
    const all = invoke("http", async () =>
      Promise.all(Array.from({ length: 8 }, async () => fetch("https://example.com"))),
    );
    await scheduler.wait(0);
    expect(answers.length).toBe(6);
    answers[0]?.();
    await scheduler.wait(0);
    expect(answers.length).toBe(7);
    answers.slice(1).forEach((answer) => answer());
    await scheduler.wait(0);
    expect(answers.length).toBe(8);
    answers[7]?.();
    expect((await all).length).toBe(8);
    expect(invocations[0]?.mostConnections).toBe(6);
  });

  it("are shared by fetches, the bucket and queues, not by calls of objects", async ({ expect }) => {
    enforce({ connections: 1 });
    const answers: (() => void)[] = [];
    platform.upstream = async () => new Promise((resolve) => answers.push(() => resolve(new Response("ok"))));
    const order: string[] = [];
    const all = invoke("http", async () => {
      const fetched = fetch("https://example.com").then(() => order.push("fetch"));
      const stored = limitedEnv.PAYLOADS.put(KEY, "1").then(() => order.push("bucket"));
      const sent = limitedEnv.TASKS.sendBatch([{ body: { job_id: "any" } }]).then(() => order.push("queue"));
      await callTimes(1);
      order.push("object");
      answers[0]?.();
      await Promise.all([fetched, stored, sent]);
    });
    await all;
    expect(order).toEqual(["object", "fetch", "bucket", "queue"]);
  });

  it("of one invocation do not keep another waiting", async ({ expect }) => {
    enforce({ connections: 1 });
    let fetches = 0;
    platform.upstream = async () => {
      fetches += 1;
      return new Promise(() => undefined);
    };
    void invoke("http", async () => fetch("https://example.com"));
    void invoke("http", async () => fetch("https://example.com"));
    await scheduler.wait(0);
    expect(fetches).toBe(2);
  });
});

describe("time", () => {
  it("of a batch ends after 15 minutes, with whatever runs in it", async ({ expect }) => {
    enforce({ wall_ms: 900_000 });
    let calls = 0;
    const batch = invoke("queue", async () => {
      for (;;) {
        await new Promise((resolve) => setTimeout(resolve, 60_000));
        await callTimes(1);
        calls += 1;
      }
    });
    const ended = expect(batch).rejects.toThrow("Worker exceeded wall time limit.");
    await movedClock.advance(899_999);
    expect(violations).toEqual([]);
    expect(calls).toBe(14);
    await movedClock.advance(1);
    await ended;
    expect(violationsOf("wall_ms")).toEqual([{ limit: "wall_ms", kind: "queue", name: "test" }]);
    await movedClock.advance(900_000);
    // The call of the last minute was made before the end, and its answer reached no code.
    expect(calls).toBeLessThanOrEqual(15);
  });

  it("of a request is not bounded", async ({ expect }) => {
    enforce({ wall_ms: 900_000 });
    const request = invoke("http", async () => {
      await new Promise((resolve) => setTimeout(resolve, 1_000_000));
      return "answer";
    });
    await movedClock.advance(1_000_000);
    expect(await request).toBe("answer");
  });

  it("of a batch that has ended is over: nothing is reported later", async ({ expect }) => {
    enforce({ wall_ms: 900_000 });
    await invoke("queue", () => callTimes(1));
    await movedClock.advance(1_000_000);
    expect(violations).toEqual([]);
  });

  it("for what is left in waitUntil is 30 seconds", async ({ expect }) => {
    enforce({ wait_until_ms: 30_000 });
    const done: string[] = [];
    const work = async (name: string, ms: number): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      done.push(name);
    };
    await invoke("http", (ctx) => {
      ctx.waitUntil(work("short", 29_000));
      ctx.waitUntil(work("long", 31_000));
    });
    await movedClock.advance(60_000);
    expect(done).toEqual(["short"]);
    expect(violationsOf("wait_until_ms")).toEqual([{ limit: "wait_until_ms", kind: "http", name: "test", left: 1 }]);
  });

  it("of computing ends an invocation", async ({ expect }) => {
    enforce({ cpu_ms: 30_000 });
    let calls = 0;
    const compute = async (): Promise<void> => {
      for (let turn = 0; turn < 4; turn += 1) {
        spendCpu(10_000);
        await callTimes(1);
        calls += 1;
      }
    };
    await expect(invoke("queue", compute)).rejects.toThrow("Worker exceeded CPU time limit.");
    await quiet();
    expect(calls).toBe(3);
    expect(violationsOf("cpu_ms")).toEqual([{ limit: "cpu_ms", kind: "queue", name: "test", ms: 40_000 }]);
  });

  it("is not bounded while its limits are off", async ({ expect }) => {
    await invoke("queue", async () => {
      spendCpu(1_000_000);
      const waited = new Promise((resolve) => setTimeout(resolve, 2_000_000));
      void movedClock.advance(2_000_000);
      await waited;
    });
    expect(violations).toEqual([]);
  });
});
