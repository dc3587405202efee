/**
 * Publishes attempts, one after the other: what users see of them must not take from their owners the time for beats.
 *
 * @module
 */
import type { Attempt } from "./attempt.ts";
import type { Owner } from "./owner.ts";
import type { Pace } from "./pace.ts";

/** Publishes what changed of the attempts of one session. */
export class Publisher {
  readonly #owner: Owner;
  readonly #pace: Pace;
  readonly #onFirst: (attempt: Attempt) => void;
  readonly #waiting = new Set<Attempt>();
  readonly #calls = new Map<Attempt, Promise<void>>();
  #isWorking = false;

  /** @param onFirst Is given an attempt that has been published for the first time. */
  constructor(owner: Owner, pace: Pace, onFirst: (attempt: Attempt) => void) {
    this.#owner = owner;
    this.#pace = pace;
    this.#onFirst = onFirst;
  }

  /** Publishes an attempt when its turn comes, as it is then. */
  add(attempt: Attempt): void {
    this.#waiting.add(attempt);
    if (!this.#isWorking) {
      this.#isWorking = true;
      void this.#work();
    }
  }

  /** Says whether an attempt waits for its turn, or a call for it is on its way. */
  has(attempt: Attempt): boolean {
    return this.#waiting.has(attempt) || this.#calls.has(attempt);
  }

  /** Forgets an attempt that waits for its turn; resolves when no call for it is on its way any more. */
  async drop(attempt: Attempt): Promise<void> {
    this.#waiting.delete(attempt);
    await this.#calls.get(attempt);
  }

  /** Publishes an attempt now. Never rejects: what was not published is, with the next call. */
  async publish(attempt: Attempt): Promise<void> {
    const call = this.#call(attempt);
    this.#calls.set(attempt, call);
    await call;
    this.#calls.delete(attempt);
  }

  async #work(): Promise<void> {
    for (let next = await this.#next(); next !== null; next = await this.#next()) {
      await this.publish(next);
    }
    this.#isWorking = false;
  }

  /** The next attempt whose turn it is; new ones wait for their moment, and may be over by then. */
  async #next(): Promise<Attempt | null> {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined) {
        return null;
      }
      const delayMs = first.isPublished ? 0 : this.#pace.take();
      if (delayMs > 0) {
        await new Promise((resolve) => setTimeout(resolve, delayMs));
      }
      if (this.#waiting.delete(first)) {
        return first;
      }
    }
  }

  async #call(attempt: Attempt): Promise<void> {
    const { task, jobId, progress, since, isPublished } = attempt;
    const logs = attempt.log.pending();
    const begun = performance.now();
    try {
      const answer = await this.#owner.publish({ task, jobId, progress, startDate: since, logs });
      // Only now: if the answer is lost, all of it goes again.
      attempt.log.confirm(logs.from + logs.lines.length);
      attempt.published = progress;
      attempt.jobId = answer.jobId;
      attempt.isPublished = true;
      if (answer.verdict === "stop") {
        attempt.cut(null, new Error(answer.reason ?? "the attempt is no longer the current one"));
      } else if (!isPublished) {
        this.#onFirst(attempt);
      }
    } catch (error) {
      console.warn({ event: "not_published", task_id: task.task_id, map_index: task.map_index, error: String(error) });
    }
    if (!isPublished) {
      this.#pace.lasted(performance.now() - begun);
    }
  }
}
