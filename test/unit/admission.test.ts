import { describe, test } from "vitest";
import { FREE_WORKER_LOSSES } from "../../src/engine/liveness.ts";
import type { LedgerNeed } from "../../src/engine/permits/wish.ts";
import { failFast } from "../../src/engine/run-end.ts";
import { World, type Setting } from "./admission-support.ts";
import { FAILED, SECOND, task } from "./run-machine-support.ts";

const POOL = "pool:db";
const RATE = { limiter: "key:call", rule: { limit: 1, perMs: 1000 } };

/** A mapped task "work" that needs slots of one pool. */
function pooled(size: number, slots: number, rest: Partial<Setting> = {}): Setting {
  return {
    tasks: [task("work", [], { retries: 2, retry_delay: 1 })],
    sizes: { work: size },
    pools: { [POOL]: slots },
    needs: () => ({ ledgers: [{ ledger: POOL, slots: 1 }], rates: [] }),
    ...rest,
  };
}

function holdersOf(world: World): number {
  return Object.values(world.held).flat().length;
}

describe("order", () => {
  test("goes by weight, then by age", ({ expect }) => {
    const tasks = [
      task("low", [], { priority_weight: 1, weight_rule: "absolute" }),
      task("high", [], { priority_weight: 5, weight_rule: "absolute" }),
    ];
    const world = new World({ tasks, sizes: { low: 2, high: 2 }, dag: { max_active_tasks: 1 } });
    for (let turn = 0; turn < 4; turn += 1) {
      world.in("queued").forEach((name) => world.run(name));
    }
    expect(world.queued).toEqual(["r1.high[0]", "r1.high[1]", "r1.low[0]", "r1.low[1]"]);
  });

  test("puts one that is tried again behind those that have waited longer", ({ expect }) => {
    const tasks = [task("work", [], { retries: 1, retry_delay: 0 })];
    const world = new World({ tasks, sizes: { work: 3 }, dag: { max_active_tasks: 1 } });
    world.run("r1.work[0]", FAILED);
    world.advance(5);
    world.evict();
    world.run("r1.work[1]");
    world.run("r1.work[2]");
    expect(world.queued).toEqual(["r1.work[0]", "r1.work[1]", "r1.work[2]", "r1.work[0]"]);
  });

  test("over runs goes by their dates, whichever was made first; a backfill comes last", ({ expect }) => {
    const tasks = [task("work", [], { max_active_tis_per_dag: 1 })];
    const world = new World({ tasks, sizes: { work: 2 }, runs: 3, backfill: true });
    for (let turn = 0; turn < 6; turn += 1) {
      world.in("queued").forEach((name) => world.run(name));
    }
    // The first of r1 went before the others were made. Their dates are those of 3 (r1), 1 (r2, of a backfill) and 4 (r3).
    expect(world.queued).toEqual([1, 3, 2].flatMap((run) => [`r${run}.work[0]`, `r${run}.work[1]`]));
  });

  test("of one run is that of its task's weight among those that hold all they need", ({ expect }) => {
    const world = new World({
      tasks: [
        task("low", [], { priority_weight: 1, weight_rule: "absolute" }),
        task("high", [], { priority_weight: 5, weight_rule: "absolute" }),
        task("free", [], { priority_weight: 9, weight_rule: "absolute" }),
      ],
      dag: { max_active_tasks: 2 },
      sizes: { free: 2 },
      pools: { [POOL]: 10 },
      needs: (id) => ({ ledgers: id === "free" ? [] : [{ ledger: POOL, slots: 1 }], rates: [] }),
    });
    expect(world.in("queued")).toEqual(["r1.free[0]", "r1.free[1]"]);
    world.run("r1.free[0]");
    world.deliverAll();
    world.run("r1.free[1]");
    world.deliverAll();
    expect(world.queued.slice(2)).toEqual(["r1.high", "r1.low"]);
  });
});

describe("wishes", () => {
  test("go out for no more than the DAG's limits have room for", ({ expect }) => {
    const world = new World(pooled(10, 10, { dag: { max_active_tasks: 3 } }));
    expect(world.calls).toHaveLength(3);
    world.deliverAll();
    expect([world.in("queued").length, holdersOf(world)]).toEqual([3, 3]);
  });

  test("that are out let pass what needs nothing from outside", ({ expect }) => {
    const world = new World({
      tasks: [task("work"), task("free")],
      dag: { max_active_tasks: 1 },
      pools: { [POOL]: 0 },
      needs: (id) => ({ ledgers: id === "work" ? [{ ledger: POOL, slots: 1 }] : [], rates: [] }),
    });
    world.deliverAll();
    expect([world.in("queued"), world.in("scheduled")]).toEqual([["r1.free"], ["r1.work"]]);
  });

  test("that were granted without room wait, and go before those in line", ({ expect }) => {
    const world = new World({
      tasks: [task("work"), task("free")],
      sizes: { free: 2 },
      dag: { max_active_tasks: 1 },
      pools: { [POOL]: 1 },
      needs: (id) => ({ ledgers: id === "work" ? [{ ledger: POOL, slots: 1 }] : [], rates: [] }),
    });
    world.deliverAll();
    expect(world.in("queued")).toEqual(["r1.free[0]"]);
    world.evict();
    expect(holdersOf(world)).toBe(1);
    world.run("r1.free[0]");
    expect(world.in("queued")).toEqual(["r1.work"]);
    world.run("r1.work");
    world.run("r1.free[1]");
    world.deliverAll();
    expect([world.machines[0]?.info.state, world.held]).toEqual(["success", {}]);
  });

  test("take ledgers in the order of their names, one after the other, and the time last", ({ expect }) => {
    const ledgers: LedgerNeed[] = [
      { ledger: POOL, slots: 2 },
      { ledger: "key:tenant", slots: 1, limit: 1 },
    ];
    const world = new World(pooled(1, 2, { needs: () => ({ ledgers, rates: [RATE] }) }));
    const asked: string[] = [];
    while (world.calls.length > 0) {
      const [call] = world.calls;
      if (call?.to === "ledger" && call.change.ask !== undefined) {
        asked.push(call.ledger);
      } else if (call?.to === "limiter") {
        asked.push(call.limiter);
      }
      world.deliver(0);
    }
    expect(asked).toEqual(["key:tenant", POOL, "key:call"]);
    expect(world.in("queued")).toEqual(["r1.work[0]"]);
  });

  test("whose needs cannot be told fail, with the reason", ({ expect }) => {
    const world = new World(
      pooled(2, 1, {
        needs: (_id, mapIndex) => {
          if (mapIndex === 1) {
            throw new Error("no key");
          }
          return { ledgers: [{ ledger: POOL, slots: 1 }], rates: [] };
        },
      }),
    );
    world.deliverAll();
    expect(world.find("r1.work[1]").instance).toMatchObject({
      state: "failed",
      error: { type: "LimitError", message: "no key" },
      tryNumber: 1,
    });
    world.run("r1.work[0]");
    expect(world.machines[0]?.info).toMatchObject({ state: "failed", reason: "task_failure" });
  });

  test("word about an earlier asking, an unknown ledger or an unknown instance is not wanted", ({ expect }) => {
    const world = new World(pooled(1, 1));
    const { machine, instance } = world.find("r1.work[0]");
    const token = instance.wish?.token ?? Number.NaN;
    expect(machine.grant(instance, "pool:other", token, world.now)).toBe(false);
    expect(machine.grant(instance, POOL, token - 1, world.now)).toBe(false);
    expect(machine.grant(instance, POOL, token + 1, world.now)).toBe(false);
    expect(instance.wish?.held).toBe(0);
    expect(machine.grant(instance, POOL, token, world.now)).toBe(true);
    expect(machine.grant(instance, POOL, token, world.now)).toBe(true);
    expect(instance.wish?.held).toBe(1);
  });
});

describe("a paused DAG", () => {
  test("takes back what waits, and asks anew under a new name when it goes on", ({ expect }) => {
    const world = new World(pooled(3, 2));
    world.deliverAll();
    const waiting = world.find("r1.work[2]").instance;
    const before = waiting.wish?.token ?? Number.NaN;
    world.pause(true);
    world.deliverAll();
    // What is queued keeps its slots.
    expect([world.in("queued").length, holdersOf(world), waiting.wish]).toEqual([2, 2, null]);
    world.run("r1.work[0]");
    world.deliverAll();
    expect(holdersOf(world)).toBe(1);
    world.evict();
    world.pause(false);
    world.deliverAll();
    expect(world.find("r1.work[2]").instance).toMatchObject({ state: "queued", wish: { token: before + 1 } });
  });

  test("takes back what is granted while the call was under way", ({ expect }) => {
    const world = new World(pooled(1, 1));
    world.pause(true);
    world.deliverAll();
    expect([world.in("scheduled"), world.held]).toEqual([["r1.work[0]"], {}]);
    world.pause(false);
    world.deliverAll();
    expect(world.in("queued")).toEqual(["r1.work[0]"]);
  });

  test("keeps the order of those that wait", ({ expect }) => {
    const world = new World(pooled(6, 1, { dag: { max_active_tasks: 2 } }));
    world.deliverAll();
    world.pause(true);
    world.pause(false);
    world.deliverAll();
    for (let turn = 0; turn < 6; turn += 1) {
      world.in("queued").forEach((name) => world.run(name));
      world.deliverAll();
    }
    expect(world.queued).toEqual([0, 1, 2, 3, 4, 5].map((index) => `r1.work[${index}]`));
  });
});

describe("whatever ends a wait or a try gives back what it held, once", () => {
  /** Brings one instance of two into a stage; the other holds nothing that matters. */
  const stages: Record<string, (world: World) => void> = {
    "in line": () => undefined,
    "asked, its call under way": () => undefined,
    "asked and told to wait": (world) => world.deliverAll(),
    "granted without room": (world) => world.deliverAll(),
    "waiting for its time": (world) => world.deliverAll(),
    queued: (world) => world.deliverAll(),
    running: (world) => {
      world.deliverAll();
      world.claim("r1.work[0]");
    },
  };
  const settingOf = (stage: string): Setting => {
    switch (stage) {
      case "in line":
        return pooled(1, 1, {
          dag: { max_active_tasks: 1 },
          tasks: [task("free", [], { priority_weight: 9 }), task("work")],
        });
      case "asked and told to wait":
        return pooled(1, 0);
      case "granted without room":
        return pooled(1, 1, {
          tasks: [task("work", [], { priority_weight: 9 }), task("free")],
          dag: { max_active_tasks: 1 },
        });
      case "waiting for its time":
        return pooled(2, 2, { needs: () => ({ ledgers: [{ ledger: POOL, slots: 1 }], rates: [RATE] }) });
      default:
        return pooled(1, 1);
    }
  };
  const ends: Record<string, (world: World, name: string) => void> = {
    "is marked failed": (world, name) => world.mark(name, "failed"),
    "is marked skipped": (world, name) => world.mark(name, "skipped"),
    "is deleted": (world, name) => {
      const { machine, instance } = world.find(name);
      world.turn(() => machine.forget(instance, world.now));
    },
    "falls with its run, marked failed": (world, name) => {
      const { machine } = world.find(name);
      world.turn(() => machine.markRun("failed", world.now));
    },
    "falls with its run, marked success": (world, name) => {
      const { machine } = world.find(name);
      world.turn(() => machine.markRun("success", world.now));
    },
    "falls with its run, timed out": (world) => world.advance(60 * SECOND),
    "falls with a fail_fast DAG": (world, name) => {
      const { machine } = world.find(name);
      const { state } = machine;
      const other = machine.find("other", -1);
      if (other !== undefined) {
        // As if it had run and failed: a mark does not fail a DAG fast.
        world.turn(() => {
          machine.mark(other, "failed", null, world.now);
          failFast(state, other, world.now);
          machine.advance(world.now);
        });
      }
    },
  };

  for (const stage of Object.keys(stages)) {
    for (const [end, act] of Object.entries(ends)) {
      test(`one that is ${stage} and ${end}`, ({ expect }) => {
        const setting = settingOf(stage);
        const name = stage === "waiting for its time" ? "r1.work[1]" : "r1.work[0]";
        const dag = {
          ...setting.dag,
          fail_fast: end.includes("fail_fast"),
          dagrun_timeout: end.includes("timed") ? 50 : null,
        };
        const world = new World({
          ...setting,
          tasks: [...setting.tasks, task("other", [], { priority_weight: -9, weight_rule: "absolute" })],
          dag,
          needs: (id, mapIndex) =>
            id === "work" ? (setting.needs?.(id, mapIndex) ?? { ledgers: [], rates: [] }) : { ledgers: [], rates: [] },
        });
        stages[stage]?.(world);
        expect(world.problem()).toBeNull();
        act(world, name);
        const { instance } = world.find(name);
        expect(["failed", "skipped", "success", "removed"]).toContain(instance.state);
        expect([instance.wish, world.problem()]).toEqual([null, null]);
        world.deliverAll();
        const left = Object.values(world.held)
          .flat()
          .filter((holder) => holder.includes(`"work",${name.at(-2)},`));
        expect(left).toEqual([]);
        // Nobody is left waiting, whatever happens next.
        for (let turn = 0; turn < 8; turn += 1) {
          world.in("queued").forEach((one) => world.claim(one));
          world.in("running").forEach((one) => world.end(one));
          world.advance(1500);
          world.deliverAll();
        }
        expect([world.in("scheduled", "queued", "running"), world.held]).toEqual([[], {}]);
      });
    }
  }

  for (const stage of ["in line", "asked and told to wait", "granted without room", "queued", "running"]) {
    test(`one that is ${stage} and is cleared asks anew under a new name`, ({ expect }) => {
      const world = new World(settingOf(stage));
      stages[stage]?.(world);
      const { instance } = world.find("r1.work[0]");
      const token = instance.wish?.token ?? -1;
      world.clear("r1.work[0]");
      if (instance.state === "restarting") {
        expect(instance.wish?.token).toBe(token);
        world.stopped("r1.work[0]");
      }
      world.deliverAll();
      expect(world.problem()).toBeNull();
      for (const name of world.in("queued").filter((one) => one.includes("free"))) {
        world.run(name);
        world.deliverAll();
      }
      expect(instance.wish?.token).toBeGreaterThan(token);
      expect(holdersOf(world)).toBe(1);
    });
  }

  test("one that is tried again or rescheduled gives back and asks again", ({ expect }) => {
    const world = new World(pooled(2, 1));
    world.deliverAll();
    world.run("r1.work[0]", FAILED);
    world.deliverAll();
    expect([world.in("queued"), world.in("up_for_retry")]).toEqual([["r1.work[1]"], ["r1.work[0]"]]);
    world.run("r1.work[1]", { state: "up_for_reschedule", at: world.now + 5000 });
    world.deliverAll();
    expect(world.held).toEqual({});
    world.advance(1500);
    expect(world.in("queued")).toEqual(["r1.work[0]"]);
    world.run("r1.work[0]");
    world.advance(5000);
    world.run("r1.work[1]");
    world.deliverAll();
    expect([world.machines[0]?.info.state, world.held]).toEqual(["success", {}]);
  });

  test("one whose worker is gone gives back and asks again", ({ expect }) => {
    const world = new World(pooled(1, 1));
    world.deliverAll();
    world.claim("r1.work[0]");
    // The lease of its start.
    world.advance(11 * SECOND);
    expect(world.find("r1.work[0]").instance).toMatchObject({ state: "queued", tryNumber: 2, workerLosses: 1 });
    world.find("r1.work[0]").instance.workerLosses = FREE_WORKER_LOSSES;
    world.claim("r1.work[0]");
    // The lease, then the delay of its retry.
    world.advance(11 * SECOND);
    expect(world.in("up_for_retry", "queued")).toEqual(["r1.work[0]"]);
    world.advance(2 * SECOND);
    expect(world.find("r1.work[0]").instance).toMatchObject({ state: "queued", tryNumber: 3 });
    expect(holdersOf(world)).toBe(1);
  });

  test("one that nobody claims fails as stuck and holds nothing", ({ expect }) => {
    const world = new World(pooled(1, 1));
    world.deliverAll();
    world.advance(3 * 600 * SECOND + 200 * SECOND);
    world.deliverAll();
    expect(world.find("r1.work[0]").instance).toMatchObject({ state: "failed", error: { type: "StuckInQueued" } });
    expect(world.held).toEqual({});
  });
});

describe("rates", () => {
  test("let one start at its time, and ask again then: a key that was slowed down gives a later one", ({ expect }) => {
    const world = new World(
      pooled(3, 9, { needs: () => ({ ledgers: [], rates: [RATE] }), tasks: [task("work", [], { retries: 0 })] }),
    );
    const begin = world.now;
    world.deliverAll();
    expect(world.in("queued")).toEqual(["r1.work[0]"]);
    world.claim("r1.work[0]");
    world.end("r1.work[0]", {
      state: "failed",
      error: { type: "Error", message: "429" },
      retryable: false,
      retryAfterMs: 10_000,
    });
    world.deliverAll();
    world.advance(9 * SECOND);
    expect(world.in("queued")).toEqual([]);
    world.evict();
    world.advance(3 * SECOND);
    expect(world.in("queued")).toEqual(["r1.work[1]", "r1.work[2]"]);
    expect(world.starts.get("key:call")?.map((at) => at - begin)).toEqual([0, 10_000, 11_000]);
  });

  test("give back a time that is not taken", ({ expect }) => {
    const world = new World(pooled(2, 9, { needs: () => ({ ledgers: [], rates: [RATE] }) }));
    world.deliverAll();
    expect(world.limiters.get("key:call")?.view(world.now)).toMatchObject({ reserved: 1 });
    world.mark("r1.work[1]", "failed");
    world.deliverAll();
    expect(world.limiters.get("key:call")?.view(world.now)).toMatchObject({ reserved: 0, next_at: world.now + 1000 });
  });
});
