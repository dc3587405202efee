import { evictDurableObject } from "cloudflare:test";
import { beforeEach, describe, it, vi } from "vitest";
import { ledgerName } from "../../src/engine/permits/names.ts";
import type { ClaimedTask } from "../../src/engine/work.ts";
import { ago, backfill, countsOf, lastDays, runsOf, seen } from "./backfill-lab.ts";
import {
  claimOne,
  claimQueued,
  clock,
  dagOf,
  fireAlarm,
  report,
  start,
  statesOf,
  stopClock,
  stubOf,
  success,
  value,
} from "./lab.ts";
import { permitCalls } from "./permit-calls.ts";
import { LEASE_MS, poolOf, poolStub } from "./pool-support.ts";
import { addDag, fresh, step } from "./registry.ts";

stopClock();
beforeEach(() => void vi.spyOn(console, "warn").mockReturnValue());

/** A DAG of one task, which runs in a run of a paused backfill that a user has queued again. */
async function queuedAgain(limits: { pool?: string; maxActiveTisPerDag?: number }) {
  const schedule = { schedule: "0 0 * * *", startDate: new Date(ago(-10)) };
  const dagId = addDag(schedule, (d) => void d.run(step("a", limits)));
  const made = await backfill(dagId, lastDays(2, { max_active_runs: 1 }));
  await permitCalls.quiet();
  const [first] = await runsOf(dagId);
  const runId = first?.run_id ?? "";
  const running: ClaimedTask = await claimOne(dagId, runId, "a");
  value(await dagOf(dagId).setBackfillPaused(made.id, true));
  value(await dagOf(dagId).patchRun(runId, { state: "queued" }));
  return { dagId, made, runId, running };
}

for (const isEvicted of [false, true]) {
  const evict = async (dagId: string): Promise<void> => {
    if (isEvicted) {
      await evictDurableObject(stubOf("DAG", dagId));
    }
  };

  describe(`a task that runs in a queued run of a paused backfill${isEvicted ? ", after an eviction" : ""}`, () => {
    it("counts against the limits over all runs", async ({ expect }) => {
      const { dagId, running } = await queuedAgain({ maxActiveTisPerDag: 1 });
      await evict(dagId);
      const live = await start(dagId);
      expect(await claimQueued(dagId, live)).toEqual([]);
      await report(dagId, running, success());
      expect(await claimQueued(dagId, live)).toHaveLength(1);
    });

    it("keeps the slot of its pool", async ({ expect }) => {
      const pool = fresh("pool");
      const ledger = ledgerName("pool", pool);
      value(await poolOf(ledger).configure({ slots: 1 }));
      const { dagId, runId } = await queuedAgain({ pool });
      await permitCalls.quiet();
      await evict(dagId);
      const until = clock.now() + LEASE_MS;
      while (clock.now() < until) {
        await fireAlarm(poolStub(ledger));
        await permitCalls.quiet();
      }
      expect(value(await poolOf(ledger).describe())).toMatchObject({ occupied_slots: 1 });
      expect(await statesOf(dagId, runId)).toEqual({ a: "running" });
    });

    it("is stopped when the backfill is cancelled, and gives its slot back", async ({ expect }) => {
      const pool = fresh("pool");
      value(await poolOf(ledgerName("pool", pool)).configure({ slots: 1 }));
      const { dagId, made, runId, running } = await queuedAgain({ pool });
      await evict(dagId);
      value(await dagOf(dagId).cancelBackfill(made.id));
      await permitCalls.quiet();
      expect(await statesOf(dagId, runId)).toEqual({ a: "failed" });
      expect(value(await poolOf(ledgerName("pool", pool)).describe())).toMatchObject({ occupied_slots: 0 });
      expect(await seen(dagId, made)).toMatchObject({ end_reason: "cancelled", completed_at: clock.now() });
      expect(await countsOf(dagId)).toEqual({ failed: 2 });
      expect(await report(dagId, running, success())).toBe("late");
    });
  });
}
