/** The product, where objects are reset in the middle of calls, or have more calls than they take. */
import { describe, it } from "vitest";
import { dice } from "../../platform/dice.ts";
import { resetPoint, type Faults } from "../../platform/faults.ts";
import { currentInvocation } from "../../platform/invocation.ts";
import { FREE_WORKER_LOSSES } from "../../src/engine/liveness.ts";
import { ledgerName } from "../../src/engine/permits/names.ts";
import { task, type NamedTaskOptions, type TaskContext } from "../../src/sdk/index.ts";
import { dagOf, instancesOf, start, value } from "../workers/lab.ts";
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
  deaths = 0;
  readonly #dies: (item: number, run: number) => boolean;
  readonly runs = new Map<number, number>();
  running = 0;
  most = 0;

  /** @param dies Says whether the worker of an item dies, in its first run or a later one. */
  constructor(dies: (item: number, run: number) => boolean = () => false) {
    this.#dies = dies;
  }

  dag(count: number, options: Omit<NamedTaskOptions, "id">): string {
    const work = task({ id: fresh("work"), ...options }, async (_ctx: TaskContext, { item }: { item: number }) => {
      const run = (this.runs.get(item) ?? 0) + 1;
      this.runs.set(item, run);
      if (this.#dies(item, run)) {
        this.deaths += 1;
        currentInvocation()?.end(new Error("the platform ended the worker"));
      }
      this.running += 1;
      this.most = Math.max(this.most, this.running);
      await new Promise((resolve) => setTimeout(resolve, 100 * (item % 7)));
      this.running -= 1;
      return item;
    });
    return addDag({}, (d) => void d.expand(work, { item: Array.from({ length: count }, (_, index) => index) }));
  }
}

/** Task instances, and how many of them end the invocation that runs them the first time. */
const TASKS = 500;
const DEATHS = 20;

describe(`a run of ${TASKS} tasks, while objects are reset 50 times in the middle of a call`, () => {
  it(`and ${DEATHS} workers die: spends no try of a task that has none to spend, and records each success once`, async ({
    expect,
  }) => {
    platform.faults = resets(50, 0.4, 1);
    const workshop = new Workshop((item, run) => run === 1 && item % (TASKS / DEATHS) === 3);
    const dagId = workshop.dag(TASKS, { retries: 0 });
    const runId = await start(dagId);
    expect((await new Plant().settle(dagId, runId)).state).toBe("success");
    expect(violationsOf("object_reset").length).toBe(50);
    expect(workshop.deaths).toBe(DEATHS);
    const instances = await instancesOf(dagId, runId);
    expect(instances.map(({ map_index }) => map_index)).toEqual([...workshop.runs.keys()].toSorted((a, b) => a - b));
    expect(instances.filter(({ state }) => state !== "success")).toEqual([]);
    // Each loss gives a try back: what was spent is what there was.
    expect(instances.filter(({ try_number: tries, max_tries: most }) => tries > most + 1)).toEqual([]);
    expect(Math.max(...instances.map(({ max_tries: most }) => most))).toBeLessThanOrEqual(FREE_WORKER_LOSSES);
    const values = value(await dagOf(dagId).getXComs(runId, instances[0]?.task_id ?? "", "return_value"));
    expect(values).toEqual(instances.map(({ map_index: index }) => ({ json: String(index) })));
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
