import fc from "fast-check";
import { describe, test } from "vitest";
import {
  allowedUntil,
  FREE_WORKER_LOSSES,
  livenessDeadline,
  MOST_ALLOWANCES,
  type Look,
} from "../../src/engine/liveness.ts";
import { FAILED, Run, SECOND, START, task } from "./run-machine-support.ts";

const LONG_AGO = Number.NEGATIVE_INFINITY;

function look(lookedAt: number, fields: Partial<Look> = {}): Look {
  return { lookedAt, openedAt: LONG_AGO, lagMs: 0, ...fields };
}

const times = fc.record({
  dueAt: fc.integer({ min: 1_000_000, max: 4_000_000 }),
  heartrateMs: fc.integer({ min: 50, max: 60_000 }),
  latenessMs: fc.integer({ min: 0, max: 200_000 }),
  lagMs: fc.integer({ min: -250, max: 20_000 }),
  openedBeforeMs: fc.integer({ min: -200_000, max: 200_000 }),
  allowances: fc.integer({ min: 0, max: MOST_ALLOWANCES }),
});

describe("a lease that lapsed", () => {
  test("is over for an owner that looks in time, listens undisturbed and was there all along", ({ expect }) => {
    fc.assert(
      fc.property(times, fc.integer({ min: 0, max: 50 }), ({ dueAt, heartrateMs, allowances }, lateMs) => {
        const lease = { dueAt, now: dueAt + lateMs + 250, heartrateMs, allowances };
        expect(allowedUntil(lease, look(dueAt + lateMs))).toBe(null);
      }),
    );
  });

  test("holds for a while that is at most 1.1 heart rates and lies ahead, if it holds", ({ expect }) => {
    fc.assert(
      fc.property(times, ({ dueAt, heartrateMs, latenessMs, lagMs, openedBeforeMs, allowances }) => {
        const lookedAt = dueAt + latenessMs;
        const now = lookedAt + 250 + Math.max(0, lagMs);
        const openedAt = Math.min(now, dueAt - openedBeforeMs);
        const until = allowedUntil({ dueAt, now, heartrateMs, allowances }, look(lookedAt, { lagMs, openedAt }));
        if (until !== null) {
          expect(until).toBeGreaterThan(now);
          expect(until).toBeLessThanOrEqual(Math.round(now + heartrateMs * 1.1));
        }
      }),
    );
  });

  test("holds if the owner was late, or its thread busy while it listened", ({ expect }) => {
    const lease = { dueAt: 1000, now: 9000, heartrateMs: 5000, allowances: 0 };
    expect(allowedUntil(lease, look(1100))).toBe(9300);
    expect(allowedUntil(lease, look(8000))).toBe(14_000);
    expect(allowedUntil(lease, look(1000, { lagMs: 400 }))).toBe(10_200);
  });

  test("holds until a beat had time to come again, if the owner was away when it was due", ({ expect }) => {
    const lease = { dueAt: 100_000, now: 100_250, heartrateMs: 5000, allowances: 0 };
    expect(allowedUntil(lease, look(100_000, { openedAt: 99_000 }))).toBe(104_500);
    expect(allowedUntil({ ...lease, now: 130_250 }, look(130_000, { openedAt: 130_000 }))).toBe(135_500);
    // It slept, and the look itself woke it: a beat would have done so before.
    expect(allowedUntil(lease, look(100_010, { openedAt: 100_010 }))).toBe(null);
    expect(allowedUntil(lease, look(100_000, { openedAt: 94_500 }))).toBe(null);
  });

  test("does not hold for ever: an owner that is late each time has heard nothing six times", ({ expect }) => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 51, max: 100_000 }), { minLength: 20, maxLength: 20 }),
        fc.integer({ min: 50, max: 60_000 }),
        (delays, heartrateMs) => {
          const openedAt = 0;
          let dueAt = 10 * heartrateMs;
          let excused = 0;
          let allowances = 0;
          for (const delay of delays) {
            const lookedAt = dueAt + delay;
            const until = allowedUntil(
              { dueAt, now: lookedAt + 250, heartrateMs, allowances },
              look(lookedAt, { openedAt }),
            );
            if (until === null) {
              break;
            }
            excused += until - (lookedAt + 250);
            allowances += 1;
            dueAt = until;
          }
          expect(allowances).toBe(MOST_ALLOWANCES);
          expect(excused).toBeLessThanOrEqual(MOST_ALLOWANCES * heartrateMs);
        },
      ),
    );
  });
});

describe("a machine of a run", () => {
  const HEARTRATE = 10;
  const DEADLINE = livenessDeadline(START, HEARTRATE * SECOND);

  function running(): { run: Run; token: number } {
    const run = new Run([task("a", [], { heartrate: HEARTRATE, retries: 1 })]);
    run.find("a").workerLosses = FREE_WORKER_LOSSES - 1;
    const token = run.claim("a");
    return { run, token };
  }

  test("gives an instance whose worker is lost one try more, at once; lost once too often in a row it has failed", ({
    expect,
  }) => {
    const run = new Run([task("a", [], { heartrate: HEARTRATE })]);
    for (const losses of [1, 2]) {
      const token = run.claim("a");
      run.after(21 * SECOND);
      const again = { state: "queued", tryNumber: losses + 1, maxTries: losses, workerLosses: losses };
      expect(run.find("a")).toMatchObject({ ...again, error: { type: "Zombie" } });
      expect(run.report("a", { state: "success" }, token)).toBe("late");
    }
    run.claim("a");
    run.after(21 * SECOND);
    expect(run.outcome).toBe("failed: task_failure");
    expect(run.find("a")).toMatchObject({ state: "failed", tryNumber: 3, error: { type: "Zombie" } });
  });

  test("counts lost workers again from the first after a report and a clear", ({ expect }) => {
    const lose = (run: Run): void => {
      run.claim("a");
      run.after(21 * SECOND);
    };
    const rescheduled = new Run([task("a", [], { heartrate: HEARTRATE })]);
    lose(rescheduled);
    rescheduled.claim("a");
    rescheduled.report("a", { state: "up_for_reschedule", at: rescheduled.now });
    expect(rescheduled.find("a")).toMatchObject({ maxTries: 1, workerLosses: 0 });
    const cleared = new Run([task("a", [], { heartrate: HEARTRATE })]);
    lose(cleared);
    cleared.clear("a");
    cleared.begin();
    expect(cleared.find("a")).toMatchObject({ state: "queued", workerLosses: 0 });
    const retried = new Run([task("a", [], { heartrate: HEARTRATE, retries: 1, retry_delay: 1 })]);
    lose(retried);
    retried.claim("a");
    retried.report("a", FAILED);
    retried.after(2 * SECOND);
    expect(retried.find("a")).toMatchObject({ state: "queued", tryNumber: 3, maxTries: 2, workerLosses: 0 });
  });

  test("whose process is known to have ended is lost at once, and what was to stop may run again", ({ expect }) => {
    const tasks = [task("a"), task("b"), task("c", [], { retries: 1 })];
    const run = new Run(tasks);
    run.claim("a", "b", "c");
    run.clear("b");
    run.machine.workersEnded((hostname) => hostname === "another", run.now);
    expect(run.states).toEqual({ a: "running", b: "restarting", c: "running" });
    run.find("c").workerLosses = FREE_WORKER_LOSSES;
    run.machine.workersEnded((hostname) => hostname === "w1", run.now);
    run.machine.advance(run.now);
    expect(run.states).toEqual({ a: "queued", b: "queued", c: "up_for_retry" });
    expect(run.find("a")).toMatchObject({ tryNumber: 2, workerLosses: 1 });
    expect(run.find("a").stopReason).toBe("The process of its worker w1 has ended. Next: try 2 of 2 follows at once.");
    expect(run.find("c").error?.message).toBe("The process of its worker w1 has ended. Next: try 2 of 2 follows.");
  });

  test("keeps count of lost workers when it is stored and read again", ({ expect }) => {
    const { run } = running();
    run.after(21 * SECOND);
    run.evict();
    expect(run.find("a").workerLosses).toBe(FREE_WORKER_LOSSES);
  });

  test("that looks late gives a beat that waits the time to come", ({ expect }) => {
    const { run, token } = running();
    run.now = DEADLINE + 60 * SECOND;
    run.machine.tick(run.now);
    expect(run.state("a")).toBe("running");
    expect(run.machine.beat(run.find("a"), { token }, run.now + 1)).toBe(true);
    expect(run.machine.nextDue()).toBe(livenessDeadline(run.now + 1, HEARTRATE * SECOND));
    run.now = run.machine.nextDue() ?? 0;
    run.machine.tick(run.now);
    expect(run.find("a")).toMatchObject({ state: "queued", workerLosses: FREE_WORKER_LOSSES });
  });

  test("ends no try whose lease lapsed after it began to listen", ({ expect }) => {
    const { run } = running();
    run.now = DEADLINE + 200;
    run.machine.tick(run.now, look(DEADLINE - 50));
    expect(run.state("a")).toBe("running");
    expect(run.machine.nextDue()).toBe(DEADLINE);
    run.machine.tick(run.now, look(DEADLINE));
    expect(run.state("a")).toBe("queued");
  });

  test("stores nothing for a beat but the job that it names first", ({ expect }) => {
    const { run, token } = running();
    run.machine.drain();
    for (const job_id of [undefined, "job-1", "job-1"]) {
      run.now += 5 * SECOND;
      run.machine.beat(run.find("a"), { token, ...(job_id === undefined ? {} : { job_id }) }, run.now);
      expect(run.machine.drain().instances).toHaveLength(run.now === START + 10 * SECOND ? 1 : 0);
    }
  });

  test("that is read again takes up the leases, by the last beat of the worker", ({ expect }) => {
    const { run, token } = running();
    run.now += 15 * SECOND;
    run.machine.beat(run.find("a"), { token }, run.now);
    run.evict();
    run.machine.resumeLeases(new Map([["w1", run.now]]));
    expect(run.machine.nextDue()).toBe(livenessDeadline(run.now, HEARTRATE * SECOND));
    run.now = run.machine.nextDue() ?? 0;
    run.machine.tick(run.now);
    expect(run.find("a").stopReason).toContain(`last at ${new Date(START + 15 * SECOND).toISOString()}`);
  });

  test("tells in the post-mortem how far the attempt was, and what follows", ({ expect }) => {
    const { run, token } = running();
    run.now += 15 * SECOND;
    run.machine.beat(run.find("a"), { token, progress: { step: "third", fraction: 0.75 } }, run.now);
    run.now = run.machine.nextDue() ?? 0;
    run.machine.tick(run.now);
    const found =
      "No heartbeat for 21 s (last at 2026-01-01T00:00:15.000Z; expected every 10 s, allowed 21 s). Last progress: at step 'third', 75 %. Next: ";
    expect(run.find("a").stopReason).toBe(`${found}try 2 of 3 follows at once.`);
    const next = run.claim("a");
    run.now = Date.parse("2026-01-01T00:00:15.000Z");
    run.machine.beat(run.find("a"), { token: next, progress: { step: "third", fraction: 0.75 } }, run.now);
    run.now = run.machine.nextDue() ?? 0;
    run.machine.tick(run.now);
    expect(run.find("a").error?.message).toBe(`${found}try 3 of 3 follows.`);
  });
});
