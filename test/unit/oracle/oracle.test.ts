import fc from "fast-check";
import { test } from "vitest";
import { dagSpecs } from "./dags.ts";
import { Duel } from "./duel.ts";
import { finish, play, plays } from "./plays.ts";

const RUNS = 10_000;
const runTypes = fc.constantFrom("manual", "scheduled", "backfill");

test("the machine agrees with a naive evaluation after every event of random runs", ({ expect }) => {
  let runs = 0;
  let events = 0;
  fc.assert(
    fc.property(dagSpecs, runTypes, plays, (spec, runType, moves) => {
      const duel = new Duel(spec, runType);
      for (const move of moves) {
        play(duel, move);
      }
      finish(duel);
      runs += 1;
      events += duel.events;
    }),
    { numRuns: RUNS },
  );
  expect(runs).toBe(RUNS);
  expect(events).toBeGreaterThan(25 * RUNS);
});
