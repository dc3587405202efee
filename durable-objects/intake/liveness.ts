/**
 * The last beats of the tries that run, in memory alone: a beat writes nothing. What an object does not remember after it was
 * evicted counts from its waking, unless the worker is known to be gone.
 *
 * @module
 */
import type { JobRecord } from "../../src/engine/job-machine.ts";

interface Pulse {
  token: number;
  /** Epoch ms. */
  at: number;
}

/** Who beat when. */
export class Liveness {
  readonly #pulses = new Map<string, Pulse>();

  /** Takes a beat of a try that is known to run. False if it is not known: its row must say. */
  beat(jobId: string, token: number, now: number): boolean {
    const pulse = this.#pulses.get(jobId);
    if (pulse?.token !== token) {
      return false;
    }
    pulse.at = now;
    return true;
  }

  /** A try runs. */
  start(jobId: string, token: number, now: number): void {
    this.#pulses.set(jobId, { token, at: now });
  }

  /** The try is over. */
  end(jobId: string): void {
    this.#pulses.delete(jobId);
  }

  /** When the try that runs last gave a sign, as far as is known; null if none runs or ran. */
  lastBeat({ id, fence, latest_heartbeat: stored }: JobRecord): number | null {
    const pulse = this.#pulses.get(id);
    return pulse?.token === fence ? Math.max(pulse.at, stored ?? 0) : stored;
  }
}
