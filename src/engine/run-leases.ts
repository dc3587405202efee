/**
 * Leases of running tries: each beat of a worker begins them anew, in memory. What is stored is when a worker last beat, so
 * that a run that is read again takes them up.
 *
 * @module
 */
import { allowedUntil, livenessDeadline, type Look } from "./liveness.ts";
import { leaseRateMs } from "./object-runs.ts";
import { endAttempt, lastWords, workerLost } from "./run-attempts.ts";
import { resetInstance } from "./run-clearing.ts";
import type { RunState } from "./run-state.ts";
import type { NodeInstance } from "./task-node.ts";
import type { AttemptBeat, Outcome } from "./work.ts";

/** A job that was just made asks after its attempt when the lease lapses, and has its progress: so much later nothing waits for the job. */
const JOB_ASKS_FIRST_MS = 250;

/** Begins the lease of a running try, or begins it anew; `at` is when its worker last beat, null if it has not yet. */
export function holdLease(state: RunState, instance: NodeInstance, at: number | null): void {
  instance.latestHeartbeat = at;
  instance.allowances = 0;
  state.renew(instance, lapsesAt(instance) + (instance.jobId === null ? 0 : JOB_ASKS_FIRST_MS));
}

/** What a beat says of the attempt it is of. */
export type BeatOfAttempt = Pick<AttemptBeat, "token" | "job_id" | "object_host" | "progress">;

/** Takes a beat. False if the try is not the current one: its worker must stop. */
export function takeBeat(
  state: RunState,
  instance: NodeInstance,
  { token, job_id: jobId, object_host: host, progress }: BeatOfAttempt,
  now: number,
): boolean {
  if (instance.state !== "running" || instance.fence !== token) {
    return false;
  }
  if (jobId !== undefined && instance.jobId !== jobId) {
    instance.jobId = jobId;
    state.touch(instance);
  }
  if (host !== undefined && instance.hostname !== host) {
    instance.hostname = host;
    state.touch(instance);
  }
  instance.progress = progress ?? instance.progress;
  holdLease(state, instance, now);
  return true;
}

/** Takes up the leases of running tries after a load. `heartbeats`: when workers last beat, by their hostname. */
export function resumeLeases(state: RunState, heartbeats: ReadonlyMap<string, number>): void {
  for (const node of state.nodes) {
    for (const instance of node.instances) {
      if (instance.state === "running") {
        const lastBeat = heartbeats.get(instance.hostname ?? "") ?? null;
        const isOfThisTry = lastBeat !== null && lastBeat >= (instance.startDate ?? 0);
        holdLease(state, instance, isOfThisTry ? lastBeat : null);
      }
    }
  }
}

/** When the lease of a try that is running or stops ends, as it stands; null if it has none. */
export function leaseEnd(instance: NodeInstance): number | null {
  if (instance.state === "restarting" || instance.allowances > 0) {
    return instance.nextAt;
  }
  return instance.state === "running" ? lapsesAt(instance) : null;
}

/** Says whether the timer of an instance is a lease, and due. */
export function isLapsed({ state, nextAt }: NodeInstance, now: number): boolean {
  return (state === "running" || state === "restarting") && nextAt !== null && nextAt <= now;
}

/** A lease lapsed: unless that may be this side's own fault, its worker is gone, and a cleared instance may run again. */
export function endLapsed(state: RunState, instance: NodeInstance, dueAt: number, now: number, look: Look): void {
  const heartrateMs = leaseRateMs(instance);
  const until =
    dueAt > look.lookedAt ? dueAt : allowedUntil({ dueAt, now, heartrateMs, allowances: instance.allowances }, look);
  if (until === dueAt) {
    // Nobody has listened for it yet: the next look will.
    state.timers.add(until, instance);
  } else if (until !== null) {
    instance.allowances += 1;
    if (instance.state === "restarting") {
      state.setTimer(instance, until);
    } else {
      state.renew(instance, until);
    }
  } else {
    endLost(state, instance, lastWords(instance, now), now);
  }
}

/** Ends what ran on workers whose processes have ended. */
export function endOfEnded(state: RunState, hasEnded: (hostname: string | null) => boolean, now: number): void {
  for (const instance of state.nodes.flatMap(({ instances }) => instances)) {
    const isHeld = instance.state === "running" || instance.state === "restarting";
    if (isHeld && hasEnded(instance.hostname)) {
      endLost(state, instance, `The process of its worker ${instance.hostname} has ended.`, now);
    }
  }
}

/** The worker of a try that runs or is to stop is lost; `found` is what was found out, in sentences. */
export function endLost(state: RunState, instance: NodeInstance, found: string, now: number): void {
  if (instance.state === "restarting") {
    resetInstance(state, instance, now);
    return;
  }
  const { message, outcome } = workerLost(instance, found);
  state.changes.losses.push({ instance, message });
  endDead(state, instance, outcome, now);
}

/** Ends a try whose worker did not report it; should that report still come, its token is no longer the newest. */
export function endDead(state: RunState, instance: NodeInstance, outcome: Outcome, now: number): void {
  if (instance.jobId !== null) {
    state.changes.lost.push({ job_id: instance.jobId, token: instance.fence });
  }
  instance.fence += 1;
  instance.stopReason = outcome.state === "failed" ? outcome.error.message : null;
  endAttempt(state, instance, outcome, now);
}

function lapsesAt(instance: NodeInstance): number {
  return livenessDeadline(instance.latestHeartbeat ?? instance.startDate ?? 0, leaseRateMs(instance));
}
