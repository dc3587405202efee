/**
 * The beats of a session. The first of an attempt comes a heartrate after it was asked for; one that ends and is reported
 * before needs no job at all. Beats go on until the owner has the attempt's report. Nothing but the owner's word stops an
 * attempt: a call that is slow or fails is made again, also while another is under way.
 *
 * @module
 */
import type { BeatAnswer } from "../engine/work.ts";
import type { Attempt } from "./attempt.ts";
import { backoffMs } from "../engine/backoff.ts";
import { BeatClock } from "./beat-clock.ts";
import type { Owner } from "./owner.ts";
import type { Pace } from "./pace.ts";
import { Publisher } from "./publisher.ts";

/** Part of a heartrate after which a job that was just made is named to the owner: several are named together. */
const NAMED_AFTER = 0.25;

/** Beats for the attempts of one session, and publishes those that live long enough. */
export class Heartbeats {
  readonly publisher: Publisher;
  readonly #owner: Owner;
  readonly #now: () => number;
  readonly #clock: BeatClock;
  readonly #attempts = new Set<Attempt>();
  #failures = 0;

  constructor(owner: Owner, pace: Pace, now: () => number) {
    this.#owner = owner;
    this.#now = now;
    this.#clock = new BeatClock(now, (due) => void this.#send(due));
    this.publisher = new Publisher(owner, pace, (attempt) =>
      this.#notLater(attempt, now() + attempt.task.heartrateMs * NAMED_AFTER),
    );
  }

  /** Begins to beat for an attempt. */
  add(attempt: Attempt): void {
    this.#attempts.add(attempt);
    this.#clock.set(attempt, attempt.since + attempt.task.heartrateMs);
  }

  /** Beats no more for an attempt. */
  remove(attempt: Attempt): void {
    this.#attempts.delete(attempt);
    this.#clock.set(attempt, null);
  }

  /** Stops the timer: the session is over. */
  end(): void {
    this.#clock.end();
  }

  async #send(due: readonly Attempt[]): Promise<void> {
    const sentAt = this.#now();
    for (const attempt of due) {
      // Whether or not this call is answered by then.
      this.#clock.set(attempt, sentAt + attempt.task.heartrateMs);
    }
    try {
      const answers = await this.#owner.beat(due.map(({ task, jobId, progress }) => ({ task, jobId, progress })));
      this.#failures = 0;
      for (const [index, attempt] of due.entries()) {
        this.#take(attempt, answers[index], sentAt);
      }
    } catch (error) {
      this.#failures += 1;
      console.warn({ event: "beat_failed", tasks: due.length, failures: this.#failures, error: String(error) });
      const waitMs = backoffMs(this.#failures, error);
      for (const attempt of due) {
        if (attempt.lastBeat < sentAt) {
          this.#notLater(attempt, this.#now() + Math.min(waitMs, attempt.task.heartrateMs / 2));
        }
      }
    }
  }

  #take(attempt: Attempt, answer: BeatAnswer | undefined, sentAt: number): void {
    if (!this.#attempts.has(attempt)) {
      return;
    }
    attempt.lastBeat = Math.max(attempt.lastBeat, sentAt);
    if (answer?.verdict === "stop") {
      this.remove(attempt);
      attempt.cut(null, new Error(answer.reason ?? "the attempt is no longer the current one"));
    } else if (attempt.hasNews && !attempt.isOver) {
      this.publisher.add(attempt);
    }
  }

  /** Beats at a time, unless it does so before. */
  #notLater(attempt: Attempt, at: number): void {
    if (this.#attempts.has(attempt) && attempt.beatAt !== null && at < attempt.beatAt) {
      this.#clock.set(attempt, at);
    }
  }
}
