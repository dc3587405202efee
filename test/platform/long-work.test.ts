/** The product, where an invocation has a bounded time, six connections and a bounded number of calls. */
import { describe, it } from "vitest";
import { LIMITS } from "../../platform/limits.ts";
import { task } from "../../src/sdk/index.ts";
import type { NamedTaskOptions, TaskContext } from "../../src/sdk/index.ts";
import { instancesOf, request, start, value, dagOf, clock } from "../workers/lab.ts";
import { addDag, fresh } from "../workers/registry.ts";
import { enforce, invocations, movedClock, Plant, startLab, violations } from "./lab.ts";
import { platform } from "./worker.ts";

startLab();

/** Those of one invocation that the code itself cannot have more of: with the defaults of the platform, not those of wrangler.toml. */
const BOUNDS = {
  subrequests: LIMITS.subrequests.value,
  connections: LIMITS.connections.value,
  wall_ms: LIMITS.wall_ms.value,
  wait_until_ms: LIMITS.wait_until_ms.value,
  consumers: LIMITS.consumers.value,
  queue_messages_per_second: LIMITS.queue_messages_per_second.value,
  object_calls_per_second: LIMITS.object_calls_per_second.value,
};

/** A DAG of so many mapped instances of one handler. */
function mappedDag(
  count: number,
  options: Omit<NamedTaskOptions, "id">,
  handler: (ctx: TaskContext) => Promise<null>,
): string {
  const work = task({ id: fresh("work"), ...options }, async (ctx: TaskContext, _input: { item: number }) =>
    handler(ctx),
  );
  return addDag({}, (d) => void d.expand(work, { item: Array.from({ length: count }, (_, index) => index) }));
}

function batches(): number {
  return invocations.filter(({ kind }) => kind === "queue").length;
}

describe("100 handlers that wait for something else", () => {
  it("end with six connections to an invocation, none by its timeout", async ({ expect }) => {
    enforce(BOUNDS);
    let open = 0;
    let most = 0;
    platform.upstream = async () => {
      open += 1;
      most = Math.max(most, open);
      await movedClock.wait(2000);
      open -= 1;
      return new Response("ok");
    };
    const dagId = mappedDag(100, { executionTimeout: "10s" }, async () => {
      await (await fetch("https://example.com")).text();
      return null;
    });
    const runId = await start(dagId);
    const plant = new Plant();
    expect((await plant.settle(dagId, runId)).state).toBe("success");
    const tries = (await instancesOf(dagId, runId)).map(({ try_number }) => try_number);
    expect(tries).toEqual(Array.from({ length: 100 }, () => 1));
    const queueInvocations = invocations.filter(({ kind }) => kind === "queue");
    expect(Math.max(...queueInvocations.map(({ mostConnections }) => mostConnections))).toBe(6);
    expect(most).toBeLessThanOrEqual(6 * plant.queue.mostRunning);
    expect(violations).toEqual([]);
  });
});

describe("100 tasks of ten minutes", () => {
  it("live on their beats in one invocation and end, with the platform's default of calls", async ({ expect }) => {
    enforce(BOUNDS);
    let ran = 0;
    const dagId = mappedDag(100, {}, async () => {
      ran += 1;
      await new Promise((resolve) => setTimeout(resolve, 600_000));
      return null;
    });
    const runId = await start(dagId);
    const plant = new Plant({ maxBatchSize: 100, lanes: 100 });
    expect((await plant.settle(dagId, runId)).state).toBe("success");
    expect([ran, batches()]).toEqual([100, 1]);
    expect(violations).toEqual([]);
  });
});

describe("a chain of 100 tasks of ten seconds", () => {
  it("goes on over several invocations, since one would take longer than the platform allows", async ({ expect }) => {
    enforce(BOUNDS);
    const link = task({ id: fresh("link"), heartrate: "1m" }, async () => {
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      return null;
    });
    const dagId = addDag({}, (d) => {
      const nodes = Array.from({ length: 100 }, (_, index) => d.run(link, {}, { id: `link_${index}` }));
      nodes.slice(1).forEach((node, index) => d.after(nodes[index] ?? [], node));
    });
    const before = clock.now();
    const { run_id: runId } = value(await dagOf(dagId).trigger(request()));
    expect((await new Plant().settle(dagId, runId)).state).toBe("success");
    expect(clock.now() - before).toBeGreaterThan(LIMITS.wall_ms.value);
    expect(batches()).toBeGreaterThan(1);
    expect(violations).toEqual([]);
    const tries = (await instancesOf(dagId, runId)).map(({ try_number }) => try_number);
    expect(tries).toEqual(Array.from({ length: 100 }, () => 1));
  });
});
