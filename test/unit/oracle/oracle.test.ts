import fc from "fast-check";
import { test } from "vitest";
import { dagSpecs } from "./dags.ts";
import { Duel } from "./duel.ts";
import { finish, play, plays } from "./plays.ts";

const RUNS = Number(process.env["ORACLE_RUNS"] ?? 10_000);

test("the machine agrees with a naive evaluation after every event of random runs", { timeout: 120_000 }, ({ expect }) => {
  let runs = 0;
  let events = 0;
  fc.assert(
    fc.property(dagSpecs, plays, (spec, moves) => {
      const duel = new Duel(spec);
      for (const move of moves) {
        play(duel, move);
      }
      finish(duel);
      runs += 1;
      events += duel.events;
    }),
    { numRuns: RUNS, ...(process.env['ORACLE_SHOW'] ? { reporter: (r: any) => { if (r.failed) { const [sp, mv] = r.counterexample; console.log(JSON.stringify({ff: sp.fail_fast, to: sp.dagrun_timeout, g: sp.task_groups, t: sp.tasks.map((t: any) => Object.fromEntries(Object.entries(t).filter(([k, v]) => !['handler','retry_delay','heartrate','max_retry_delay','execution_timeout','retry_exponential_backoff'].includes(k) && v !== false && v !== 0 && !(Array.isArray(v) && v.length === 0))))}), JSON.stringify(mv), r.errorInstance.stack.slice(0, 2500)); throw new Error('x'); } } } : {}) },
  );
  expect(runs).toBe(RUNS);
  expect(events).toBeGreaterThan(20 * RUNS);
});
