import { afterEach, beforeEach, describe, it } from "vitest";
import { task } from "../../src/sdk/index.ts";
import { nextCall } from "./faults.ts";
import { dagOf, instancesOf, start, UNTIL_ENDED_MS, value } from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, fresh } from "./registry.ts";

// The clock, the alarms and the queue are the real ones: what is tried is a thread that really stands still.
beforeEach(() => void (mailbox.live = true));
afterEach(() => void (mailbox.live = false));

const NEIGHBOURS = 50;
/**
 * The thread is kept twice: until the first beats are late, and right behind them for longer than a neighbour may be silent, which is
 * 2.1 s. Then the owner's alarm comes in before the beats that are due.
 */
const BLOCKED_MS = [1200, 3000];
/** Calls with beats after which every lease that lapsed meanwhile was looked at. */
const BEATS_AFTERWARDS = 4;

describe("a handler that keeps the thread to itself for longer than others may be silent", () => {
  it("costs none of 50 attempts beside it its try: none is a zombie, none begins twice", async ({ expect }) => {
    const begun: string[] = [];
    const allBegan = Promise.withResolvers<void>();
    const lookedAt = Promise.withResolvers<void>();
    const options = { heartrate: "1s", retries: 1, retryDelay: 0 } as const;
    const neighbour = task({ id: fresh("neighbour"), ...options }, async ({ ti }) => {
      begun.push(`${ti.mapIndex} ${ti.tryNumber}`);
      if (begun.length === NEIGHBOURS) {
        allBegan.resolve();
      }
      await lookedAt.promise;
    });
    const dagIds: string[] = [];
    const blocking = task({ id: fresh("blocking"), ...options }, async () => {
      await allBegan.promise;
      for (const ms of BLOCKED_MS) {
        for (const end = Date.now() + ms; Date.now() < end;) {
          // Nothing else runs: no beat, no alarm, no message.
        }
        // oxlint-disable-next-line no-await-in-loop
        await scheduler.wait(0);
      }
      for (let beats = 0; beats < BEATS_AFTERWARDS; beats += 1) {
        // One after the other: each is an event of its own.
        // oxlint-disable-next-line no-await-in-loop
        await nextCall(dagIds[0] ?? "", "beat");
      }
      lookedAt.resolve();
    });
    const dagId = addDag({}, (d) => {
      d.run(blocking);
      d.expand(neighbour, { n: Array.from({ length: NEIGHBOURS }, (_, n) => n) });
    });
    dagIds.push(dagId);
    const runId = await start(dagId);
    expect(value(await dagOf(dagId).getRun(runId, UNTIL_ENDED_MS))).toMatchObject({ state: "success" });
    expect(begun.toSorted()).toEqual(Array.from({ length: NEIGHBOURS }, (_, n) => `${n} 1`).toSorted());
    const instances = await instancesOf(dagId, runId);
    expect(instances).toHaveLength(NEIGHBOURS + 1);
    for (const instance of instances) {
      expect(instance).toMatchObject({ state: "success", try_number: 1, late_results: 0, error: null });
    }
  });
});
