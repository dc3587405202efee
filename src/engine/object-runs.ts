/**
 * Attempts whose handler runs in their `Job` object (`run_in: "object"`): who finds out that one is gone, and when.
 *
 * The object's own record is the proof of life: one that says "running", and has no handler in memory, tells that the handler died with
 * the memory. So nothing needs to beat every heartrate: the object looks at itself, and beats to the owner of the work once a minute,
 * which is what counts if even the object does not come back.
 *
 * @module
 */
import { describeProgress } from "./liveness.ts";
import type { NodeInstance } from "./task-node.ts";
import type { Outcome, Progress } from "./work.ts";

/** Milliseconds between two beats of an object to the owner of its attempt, at least. */
const BEAT_MS = 60_000;
/** Heartrates between two looks of an object at itself: with the call that follows it is within the grace of 2.1. */
const LOOK_MULTIPLIER = 2;
/** Milliseconds between two looks, at least: the bound on noticing a death has a second beside the grace. */
const LEAST_LOOK_MS = 1000;

/** Milliseconds between two beats to the owner of an attempt that its object runs: a minute, or a heartrate that is longer. */
export function objectBeatMs(heartrateMs: number): number {
  return Math.max(BEAT_MS, heartrateMs);
}

/** Milliseconds between two looks of an object at whether its handler is still there. */
export function objectLookMs(heartrateMs: number): number {
  return Math.max(LEAST_LOOK_MS, heartrateMs * LOOK_MULTIPLIER);
}

/** Says whether the present try of a task instance is run by its object: it has one from the object's first beat. */
export function isInObject({ jobId, node }: NodeInstance): boolean {
  return jobId !== null && node.task.spec.run_in === "object";
}

/** Milliseconds between two beats that the lease of a task instance counts on. */
export function leaseRateMs(instance: NodeInstance): number {
  const heartrateMs = instance.node.task.spec.heartrate * 1000;
  return isInObject(instance) ? objectBeatMs(heartrateMs) : heartrateMs;
}

/** What an object knows of an attempt whose handler died with its memory. */
export interface LostRun {
  hostname: string | null;
  /** Epoch milliseconds. */
  start_date: number | null;
  progress: Progress | null;
}

/** The outcome of an attempt whose handler died with the memory of its object: its worker is lost. */
export function lostInObject({ hostname, start_date: begun, progress }: LostRun): Outcome {
  const since = begun === null ? "" : ` since ${new Date(begun).toISOString()}`;
  const said = progress === null ? "" : describeProgress(progress);
  const message = `The object that ran it on ${hostname ?? "its worker"}${since} was reset or evicted, and its handler is gone.${
    said === "" ? "" : ` Last progress: ${said}.`
  }`;
  return { state: "failed", error: { type: "Zombie", message }, retryable: true, isWorkerLost: true };
}
