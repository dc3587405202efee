/** One backfill through everything that can happen to it, over a leap year. */
import { evictDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import { ago, backfill, countsOf, lastDays, runsOf, seen, workOff, workOnce } from "./backfill-lab.ts";
import { dagOf, failure, stopClock, stubOf, success, value } from "./lab.ts";
import { addDag, step } from "./registry.ts";

stopClock();

const DAYS = 366;
const CANARY = 3;
const FAILS = 200;
const LEFT_AT_CANCEL = 30;

it("goes through 366 dates that wait for the one before: canary, pause, a failure, evictions, a second request, cancel", async () => {
  const dagId = addDag({ schedule: "0 0 * * *", isPausedUponCreation: true }, (d) => {
    d.run(step("a", { dependsOnPast: true }));
  });
  const request = lastDays(DAYS, { reprocess_behavior: "failed", canary: CANARY, max_active_runs: 5 });
  const made = await backfill(dagId, request);
  const order: (number | null)[] = [];
  const work = async (until: () => Promise<boolean> = async () => false, fails = 0): Promise<void> => {
    for (let round = 0; round <= DAYS && !(await until()); round += 1) {
      const worked = await workOnce(dagId, (_task, day) => (day === fails ? failure("no data", false) : success()));
      order.push(...worked.map(({ logical_date }) => logical_date));
      if (worked.length === 0) {
        return;
      }
      if (round % 20 === 0) {
        await evictDurableObject(stubOf("DAG", dagId));
      }
    }
  };

  // Three go first. Nothing more starts until somebody says so.
  await work();
  expect(await countsOf(dagId)).toEqual({ success: CANARY, queued: DAYS - CANARY });
  expect(await seen(dagId, made)).toMatchObject({ is_paused: true, is_waiting_for_canary: true });
  expect(await dagOf(dagId).createBackfill(9_000_003, request)).toMatchObject({ refusal: { code: "conflict" } });
  value(await dagOf(dagId).setBackfillPaused(made.id, false));

  // Paused in the middle: what runs goes on, and nothing else.
  await work(async () => order.length >= 50);
  value(await dagOf(dagId).setBackfillPaused(made.id, true));
  await work();
  const done = order.length;
  expect(await countsOf(dagId)).toEqual({ success: done, queued: DAYS - done });
  value(await dagOf(dagId).setBackfillPaused(made.id, false));

  // A failure holds all that come after it, until it is cleared.
  await work(undefined, FAILS);
  expect(order.at(-1)).toBe(ago(FAILS));
  expect(await countsOf(dagId)).toMatchObject({ failed: 1, running: 5 });
  const failed = (await runsOf(dagId)).find(({ state }) => state === "failed");
  value(await dagOf(dagId).clear({ run_id: failed?.run_id ?? "", task_ids: null, dry_run: false }));
  await work(async () => order.length >= DAYS + 1 - LEFT_AT_CANCEL);

  // Cancelled near its end: what runs goes on, what is queued has failed.
  const { queued = 0 } = await countsOf(dagId);
  expect(queued).toBeGreaterThan(0);
  value(await dagOf(dagId).cancelBackfill(made.id));
  await workOff(dagId);
  expect(await countsOf(dagId)).toEqual({ success: DAYS - queued, failed: queued });
  expect(await seen(dagId, made)).toMatchObject({ end_reason: "cancelled" });
  // Each date had its turn after the one before it; the one that failed had two.
  const dates = Array.from({ length: DAYS }, (_, index) => ago(DAYS - index));
  dates.splice(dates.indexOf(ago(FAILS)), 0, ago(FAILS));
  expect(order).toEqual(dates.slice(0, order.length));
});
