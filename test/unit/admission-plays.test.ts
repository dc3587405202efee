/** Random plays of runs under every kind of limit, against a count that knows nothing of the machines' own. */
import fc from "fast-check";
import { test } from "vitest";
import type { PermitNeeds } from "../../src/engine/permits/wish.ts";
import type { Outcome } from "../../src/engine/work.ts";
import { nameOf, World, type Setting } from "./admission-support.ts";
import { task } from "./run-machine-support.ts";

const RUNS = 400;
/** More rounds than any of these plays needs to end. */
const MAX_ROUNDS = 400;
const TASKS = ["a", "b", "c", "d"];

const limit = (max: number): fc.Arbitrary<number | null> =>
  fc.option(fc.integer({ min: 1, max }), { nil: null, freq: 3 });

interface Needs {
  pool: string | null;
  slots: number;
  keys: number | null;
  rate: number | null;
}

const needs: fc.Arbitrary<Needs> = fc.record({
  pool: fc.constantFrom(null, "pool:x", "pool:y"),
  slots: fc.constantFrom(1, 1, 1, 2),
  keys: fc.constantFrom(null, null, 1, 2),
  rate: fc.constantFrom(null, null, 1, 5),
});

/** Everything wants the same few things. */
const scarce: fc.Arbitrary<Setting> = fc
  .record({
    perDag: limit(2),
    maxActiveTasks: limit(3),
    slots: fc.integer({ min: 1, max: 2 }),
    needsPool: fc.tuple(fc.boolean(), fc.boolean()),
    runs: fc.integer({ min: 2, max: 3 }),
    backfill: fc.boolean(),
  })
  .map(({ perDag, maxActiveTasks, slots, needsPool, runs, backfill }) => ({
    tasks: ["a", "b"].map((id) =>
      task(id, [], { max_active_tis_per_dag: perDag, retries: 5, retry_delay: 0, priority_weight: 1 }),
    ),
    sizes: { a: 3, b: 2 },
    dag: { max_active_tasks: maxActiveTasks },
    runs,
    backfill,
    pools: { "pool:x": slots },
    needs: (id: string) => ({
      ledgers: needsPool[id === "a" ? 0 : 1] ? [{ ledger: "pool:x", slots: 1 }] : [],
      rates: [],
    }),
  }));

const various: fc.Arbitrary<Setting> = fc
  .record({
    tasks: fc.tuple(
      ...TASKS.map(() =>
        fc.record({
          max_active_tis_per_dag: limit(3),
          max_active_tis_per_dagrun: limit(3),
          priority_weight: fc.integer({ min: 1, max: 3 }),
          retries: fc.constantFrom(0, 1, 2, 5),
          retry_delay: fc.constantFrom(0, 0, 3),
        }),
      ),
    ),
    needs: fc.tuple(...TASKS.map(() => needs)),
    maxActiveTasks: limit(5),
    failFast: fc.boolean(),
    timeout: fc.constantFrom(null, null, 100),
    sizes: fc.tuple(...TASKS.map(() => fc.integer({ min: 1, max: 4 }))),
    runs: fc.integer({ min: 1, max: 3 }),
    backfill: fc.boolean(),
    pools: fc.record({ "pool:x": fc.integer({ min: 2, max: 4 }), "pool:y": fc.integer({ min: 2, max: 4 }) }),
  })
  .map((drawn) => ({
    tasks: TASKS.map((id, index) =>
      // The last one follows the first: what frees room also makes ready.
      task(id, id === "d" ? ["a"] : [], {
        trigger_rule: drawn.failFast ? "all_success" : "all_done",
        ...drawn.tasks[index],
      }),
    ),
    sizes: Object.fromEntries(TASKS.map((id, index) => [id, drawn.sizes[index] ?? 1])),
    dag: { max_active_tasks: drawn.maxActiveTasks, fail_fast: drawn.failFast, dagrun_timeout: drawn.timeout },
    runs: drawn.runs,
    backfill: drawn.backfill,
    pools: drawn.pools,
    needs: (id: string, mapIndex: number) => needsOf(drawn.needs[TASKS.indexOf(id)], mapIndex),
  }));

const settings = fc.oneof(various, scarce);

function needsOf(drawn: Needs | undefined, mapIndex: number): PermitNeeds {
  const { pool = null, slots = 1, keys = null, rate = null } = drawn ?? {};
  return {
    ledgers: [
      ...(pool === null ? [] : [{ ledger: pool, slots }]),
      ...(keys === null ? [] : [{ ledger: `key:k${mapIndex % 2}`, slots: 1, limit: 2 }]),
    ],
    rates: rate === null ? [] : [{ limiter: "key:rate", rule: { limit: 5, perMs: 1000 } }],
  };
}

const outcomes: fc.Arbitrary<Outcome> = fc.constantFrom<Outcome>(
  { state: "success" },
  { state: "success" },
  { state: "skipped" },
  { state: "failed", error: { type: "Error", message: "no" }, retryable: true },
  { state: "failed", error: { type: "Error", message: "no" }, retryable: true, retryAfterMs: 2500 },
  { state: "failed", error: { type: "Error", message: "no" }, retryable: false },
);

type Move =
  | { kind: "claim" | "clear" | "stopped"; pick: number }
  | { kind: "end"; pick: number; outcome: Outcome }
  | { kind: "reschedule"; pick: number }
  | { kind: "mark"; pick: number; to: "success" | "failed" | "skipped" }
  | { kind: "deliver"; pick: number; times: number }
  | { kind: "lose"; pick: number; when: "before" | "after" }
  | { kind: "advance"; ms: number }
  | { kind: "pause"; isPaused: boolean }
  | { kind: "queueAgain"; pick: number; thenStart: boolean }
  | { kind: "evict" | "addRun" | "deliverAll" };

const pick = fc.nat(1000);
const weighed: [number, fc.Arbitrary<Move>][] = [
  [8, fc.record({ kind: fc.constant("claim" as const), pick })],
  [8, fc.record({ kind: fc.constant("end" as const), pick, outcome: outcomes })],
  [1, fc.record({ kind: fc.constant("reschedule" as const), pick })],
  [1, fc.record({ kind: fc.constantFrom("clear" as const, "stopped" as const), pick })],
  [
    1,
    fc.record({
      kind: fc.constant("mark" as const),
      pick,
      to: fc.constantFrom("success" as const, "failed" as const, "skipped" as const),
    }),
  ],
  [8, fc.record({ kind: fc.constant("deliver" as const), pick, times: fc.constantFrom(1, 1, 2) })],
  [
    2,
    fc.record({ kind: fc.constant("lose" as const), pick, when: fc.constantFrom("before" as const, "after" as const) }),
  ],
  [3, fc.record({ kind: fc.constant("advance" as const), ms: fc.constantFrom(1, 50, 400, 4000, 40_000) })],
  [1, fc.record({ kind: fc.constant("pause" as const), isPaused: fc.boolean() })],
  [1, fc.record({ kind: fc.constant("queueAgain" as const), pick, thenStart: fc.boolean() })],
  [1, fc.record({ kind: fc.constantFrom("evict" as const, "addRun" as const) })],
  [4, fc.record({ kind: fc.constant("deliverAll" as const) })],
];
const moves = fc.array(fc.oneof(...weighed.map(([weight, arbitrary]) => ({ weight, arbitrary }))), {
  minLength: 10,
  maxLength: 60,
});

function play(world: World, move: Move): void {
  world.now += 1;
  const choose = (at: number, ...states: string[]): string | undefined => {
    const names = world.in(...states);
    return names[at % Math.max(1, names.length)];
  };
  const on = (name: string | undefined, act: (name: string) => void): void => {
    if (name !== undefined) {
      act(name);
    }
  };
  switch (move.kind) {
    case "claim":
      return on(choose(move.pick, "queued"), (name) => world.claim(name));
    case "end":
      return on(choose(move.pick, "running"), (name) => world.end(name, move.outcome));
    case "reschedule":
      return on(choose(move.pick, "running"), (name) => {
        world.end(name, { state: "up_for_reschedule", at: world.now + 700 });
      });
    case "clear":
      return on(choose(move.pick, "scheduled", "queued", "running", "success", "failed", "up_for_retry"), (name) => {
        world.clear(name);
      });
    case "stopped":
      return on(choose(move.pick, "restarting"), (name) => world.stopped(name));
    case "mark":
      return on(choose(move.pick, "none", "scheduled", "queued", "running", "up_for_retry", "restarting"), (name) => {
        world.mark(name, move.to);
      });
    case "deliver":
      return world.deliver(move.pick, move.times);
    case "lose":
      return world.lose(move.pick, move.when);
    case "advance":
      return world.advance(move.ms);
    case "pause":
      return world.pause(move.isPaused);
    case "queueAgain":
      return world.queueAgain(move.pick, move.thenStart);
    case "evict":
      return world.evict();
    case "addRun":
      return world.machines.length < 4 ? world.addRun() : undefined;
    case "deliverAll":
      return world.deliverAll();
  }
}

function check(world: World): void {
  const problem = world.problem();
  if (problem !== null) {
    throw new Error(problem);
  }
  if (world.isQuiet && world.idle !== null) {
    throw new Error(`expected ${world.idle} to be queued, since it holds all it needs and there is room`);
  }
}

/** Works everything off with patience. */
function finish(world: World): void {
  world.pause(false);
  world.machines.forEach((_machine, index) => world.queueAgain(index, true));
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    world.deliverAll();
    check(world);
    if (world.machines.every(({ info }) => info.state === "success" || info.state === "failed")) {
      return;
    }
    for (const name of world.in("queued")) {
      world.claim(name);
    }
    check(world);
    const [running] = world.in("running");
    if (running === undefined) {
      world.advance(1000);
    } else {
      world.end(running);
    }
  }
  const left = world.machines.map((machine) => [
    machine.info.run_id,
    machine.info.state,
    machine.state.nodes.flatMap((node) =>
      node.instances
        .filter(({ state }) => state !== "success" && state !== "skipped")
        .map((instance) => `${nameOf(machine, instance)} ${instance.state} ${JSON.stringify(instance.wish)}`),
    ),
  ]);
  throw new Error(`expected every run to end, got ${JSON.stringify(left)}; held: ${JSON.stringify(world.held)}`);
}

test("never more run than any limit allows, nothing is held by what is not on its way, and all come to an end", ({
  expect,
}) => {
  let queued = 0;
  fc.assert(
    fc.property(settings, moves, (setting, plays) => {
      const world = new World(setting);
      check(world);
      for (const move of plays) {
        play(world, move);
        check(world);
      }
      finish(world);
      // What a lost word left behind is found by its ledger.
      world.advance(200_000);
      world.deliverAll();
      if (Object.keys(world.held).length > 0) {
        throw new Error(`expected ledgers to be empty, got ${JSON.stringify(world.held)}`);
      }
      queued += world.queued.length;
    }),
    { numRuns: RUNS, seed: 7 },
  );
  expect(queued).toBeGreaterThan(RUNS);
});

test("reserved times of one key keep its rule, whoever asks", ({ expect }) => {
  let starts = 0;
  fc.assert(
    fc.property(settings, moves, (setting, plays) => {
      const world = new World(setting);
      for (const move of plays) {
        play(world, move);
      }
      finish(world);
      const times = (world.starts.get("key:rate") ?? []).toSorted((a, b) => a - b);
      starts += times.length;
      for (const [index, at] of times.entries()) {
        const window = times.filter((other) => other >= at && other < at + 1000).length;
        if (window > 5) {
          throw new Error(`expected at most 5 starts in a second, got ${window} from ${index} on: ${times.join()}`);
        }
      }
    }),
    { numRuns: RUNS, seed: 8 },
  );
  expect(starts).toBeGreaterThan(RUNS);
});

test("reading a run from its rows after every event changes nothing of its future", ({ expect }) => {
  let queued = 0;
  fc.assert(
    fc.property(settings, moves, (setting, plays) => {
      const [calm, stormy] = [new World(setting), new World(setting)];
      for (const move of plays) {
        // What an eviction asks again is answered at once, in both.
        const isAboutCalls = move.kind === "deliver" || move.kind === "lose" || move.kind === "evict";
        for (const world of [calm, stormy]) {
          play(world, isAboutCalls ? { kind: "deliverAll" } : move);
          world.deliverAll();
          if (world === stormy) {
            world.evict();
            world.deliverAll();
          }
        }
        const [expected, got] = [calm, stormy].map(({ instances }) =>
          instances.map(({ machine, instance }) => `${nameOf(machine, instance)} ${instance.state}`).join("\n"),
        );
        if (expected !== got) {
          throw new Error(`after ${JSON.stringify(move)} expected:\n${expected}\ngot:\n${got}`);
        }
      }
      queued += stormy.queued.length;
    }),
    { numRuns: RUNS, seed: 9 },
  );
  expect(queued).toBeGreaterThan(RUNS);
});
