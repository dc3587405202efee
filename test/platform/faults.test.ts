/** The product, where objects are reset in the middle of calls, or have more calls than they take. */
import { describe, it } from "vitest";
import { dice } from "../../platform/dice.ts";
import { resetPoint, type Faults } from "../../platform/faults.ts";
import { ledgerName } from "../../src/engine/permits/names.ts";
import { task, type NamedTaskOptions, type TaskContext } from "../../src/sdk/index.ts";
import { instancesOf, start, value } from "../workers/lab.ts";
import { addDag, fresh } from "../workers/registry.ts";
import { poolOf, poolStub } from "../workers/pool-support.ts";
import { enforce, Plant, startLab, violationsOf } from "./lab.ts";
import { platform } from "./worker.ts";

startLab();

/** Calls that the product makes, and no test. */
const PRODUCT_CALLS: ReadonlySet<string> = new Set([
  "claim",
  "report",
  "beat",
  "adopt",
  "complete",
  "exchange",
  "permitsGranted",
  "permitsUnwanted",
]);

/** Resets objects in the middle of so many calls of the product, drawn from a seed. */
function resets(most: number, rate: number, seed: number): Faults {
  const roll = dice(seed);
  let made = 0;
  return {
    ofCall({ method }) {
      if (made >= most || !PRODUCT_CALLS.has(method) || roll() >= rate) {
        return null;
      }
      made += 1;
      return resetPoint(roll);
    },
    ofAlarm: () => null,
  };
}

/** Handlers that count themselves, and take a time that depends on their item. */
class Workshop {
  readonly runs = new Map<number, number>();
  running = 0;
  most = 0;

  dag(count: number, options: Omit<NamedTaskOptions, "id">): string {
    const work = task({ id: fresh("work"), ...options }, async (_ctx: TaskContext, { item }: { item: number }) => {
      this.runs.set(item, (this.runs.get(item) ?? 0) + 1);
      this.running += 1;
      this.most = Math.max(this.most, this.running);
      await new Promise((resolve) => setTimeout(resolve, 100 * (item % 7)));
      this.running -= 1;
      return item;
    });
    return addDag({}, (d) => void d.expand(work, { item: Array.from({ length: count }, (_, index) => index) }));
  }
}

function numbers(some: readonly number[]): number[] {
  return some.toSorted((one, other) => one - other);
}

describe("a run of 500 tasks, while objects are reset 50 times in the middle of a call", () => {
  it("without retries: whatever ran is recorded as a success, once, and what failed never began", async ({
    expect,
  }) => {
    platform.faults = resets(50, 0.4, 1);
    const workshop = new Workshop();
    const dagId = workshop.dag(500, { retries: 0 });
    const runId = await start(dagId);
    await new Plant().settle(dagId, runId);
    expect(violationsOf("object_reset").length).toBe(50);
    const instances = await instancesOf(dagId, runId);
    const failed = instances.filter(({ state }) => state === "failed");
    const succeeded = instances.filter(({ state }) => state === "success").map(({ map_index }) => map_index);
    expect(numbers([...workshop.runs.keys()])).toEqual(numbers(succeeded));
    expect(Math.max(...workshop.runs.values())).toBe(1);
    expect(succeeded.length + failed.length).toBe(500);
  });

  it("with retries: ends as a success", async ({ expect }) => {
    platform.faults = resets(50, 0.4, 2);
    const workshop = new Workshop();
    const dagId = workshop.dag(500, { retries: 3, retryDelay: "1s" });
    const runId = await start(dagId);
    expect((await new Plant().settle(dagId, runId)).state).toBe("success");
    expect(violationsOf("object_reset").length).toBe(50);
    expect(workshop.runs.size).toBe(500);
    expect(Math.max(...workshop.runs.values())).toBe(1);
  });
});

describe("objects that have more calls than they take", () => {
  it("end their run all the same: no result is lost, and none is made twice", async ({ expect }) => {
    enforce({ object_calls_per_second: 10 });
    const workshop = new Workshop();
    const dagId = workshop.dag(100, { retries: 0 });
    const runId = await start(dagId);
    expect((await new Plant().settle(dagId, runId)).state).toBe("success");
    expect(violationsOf("object_calls_per_second").length).toBeGreaterThan(10);
    expect(workshop.runs.size).toBe(100);
    expect(Math.max(...workshop.runs.values())).toBe(1);
  });
});

describe("a pool of 10 slots", () => {
  for (const seed of [1, 2]) {
    it(`never has 11 of them held while the objects on both sides are reset (${seed})`, async ({ expect }) => {
      const pool = fresh("pool");
      const ledger = ledgerName("pool", pool);
      value(await poolOf(ledger).configure({ slots: 10 }));
      const workshop = new Workshop();
      const dagId = workshop.dag(100, { retries: 5, retryDelay: "1s", pool });
      const runId = await start(dagId);
      platform.faults = resets(40, 0.2, seed);
      // With as many lanes as tasks, so that the pool alone bounds how many run.
      const plant = new Plant({ maxBatchSize: 100, lanes: 100 });
      const run = await plant.settle(dagId, runId, [() => poolStub(ledger)]);
      const hit = violationsOf("object_reset").map(({ object }) => String(object));
      expect(hit.length).toBeGreaterThan(10);
      expect(hit.filter((object) => object.startsWith("Pool ")).length).toBeGreaterThan(0);
      expect(hit.filter((object) => object.startsWith("Dag ")).length).toBeGreaterThan(0);
      expect(run.state).toBe("success");
      expect(workshop.runs.size).toBe(100);
      expect(workshop.most).toBeGreaterThan(5);
      expect(workshop.most).toBeLessThanOrEqual(10);
    });
  }
});
