/**
 * When a `Dag` object has something to do.
 *
 * @module
 */
import type { DagCore } from "./core.ts";

/** Something is on its way. What only waits for its paused DAG is not. */
export function isBusy(core: Pick<DagCore, "unfinished">): boolean {
  return core.unfinished().some(({ machine: { isMoving, state } }) => state[isMoving ? "active" : "executing"] > 0);
}

/** The earliest time (epoch ms) at which something is due; null for nothing. */
export function nextDue(core: DagCore, now: number): number | null {
  let next = [core.outbox, core.permits, core.payloads].map((part) => part.nextDue()).reduce(earlier);
  next = earlier(next, core.scheduler.wakeAt());
  for (const run of core.runs.loaded()) {
    // One whose time has come and that still waits is started by the end of another.
    const waits = run.row.state === "queued" && !core.isPaused && run.row.run_after > now;
    next = earlier(next, waits ? run.row.run_after : run.machine.nextDue());
  }
  return next;
}

function earlier(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.min(a, b);
}
