/**
 * Gives attempts to their `Job` objects, which run them: what a consumer does with tasks that are not to hold it.
 *
 * @module
 */
import { backoffMs } from "../engine/backoff.ts";
import type { Attempt } from "./attempt.ts";
import type { Heartbeats } from "./heartbeats.ts";
import type { Owner } from "./owner.ts";
import type { Pace } from "./pace.ts";

/** How long an object that cannot be reached is tried for. What no object took is left to its lease, and run again. */
const TRY_MS = 60_000;

/** Gives the attempts of one session away. */
export class Entrusting {
  readonly #owner: Owner;
  readonly #beats: Heartbeats;
  readonly #pace: Pace;
  readonly #now: () => number;

  /** @param pace Of the objects that are made: each is a database of its own. */
  constructor(owner: Owner, beats: Heartbeats, pace: Pace, now: () => number) {
    this.#owner = owner;
    this.#beats = beats;
    this.#pace = pace;
    this.#now = now;
  }

  /**
   * Has the object of an attempt run it. Until the object has it, the consumer beats for it. Never throws.
   *
   * @param isStopping Says whether the isolate stops, which ends it.
   * @returns Whether the object has it.
   */
  async give(attempt: Attempt, isStopping: () => boolean): Promise<boolean> {
    // The object shows it: nothing else must be made to.
    attempt.isPublished = true;
    this.#beats.add(attempt);
    await waitMs(this.#pace.take());
    const until = this.#now() + TRY_MS;
    let isGiven = false;
    const isWanted = (): boolean => attempt.abort.reason === undefined && !isStopping() && this.#now() < until;
    for (let failures = 1; isWanted(); failures += 1) {
      // One after the other: the next is made because this one failed.
      // oxlint-disable-next-line no-await-in-loop
      const error = await this.#call(attempt);
      isGiven = error === null;
      if (isGiven) {
        break;
      }
      console.warn({ event: "not_run_in_object", task_id: attempt.task.task_id, failures, error: String(error) });
      // oxlint-disable-next-line no-await-in-loop
      await Promise.race([attempt.cutShort, waitMs(backoffMs(failures, error))]);
    }
    this.#beats.remove(attempt);
    return isGiven;
  }

  /** Makes one call; gives what it failed with, or null. */
  async #call({ task, since }: Attempt): Promise<unknown> {
    const begun = performance.now();
    try {
      await this.#owner.runInObject(task, since);
      return null;
    } catch (error) {
      return error ?? new Error("the call failed");
    } finally {
      this.#pace.lasted(performance.now() - begun);
    }
  }
}

async function waitMs(ms: number): Promise<void> {
  if (ms > 0) {
    await new Promise((resolve) => setTimeout(resolve, ms));
  }
}
