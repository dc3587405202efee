/**
 * Whether a queue moves: what has waited in a line that moves is not lost, and sending it again would only make the line longer.
 *
 * @module
 */

/** What the owner of queued work sees of one queue, in epoch milliseconds. */
interface Progress {
  /** When a worker last claimed something. */
  claimedAt: number;
  /** The latest time at which something claimed had been sent. */
  sentAt: number;
}

/** What workers took from queues, by the queues' names. Lost with the object's memory, which only makes it send again earlier. */
export class QueueProgress {
  readonly #queues = new Map<string, Progress>();

  /** A worker claimed something that was sent at a time. */
  note(queue: string, sentAt: number, now: number): void {
    const known = this.#queues.get(queue);
    this.#queues.set(queue, { claimedAt: now, sentAt: Math.max(sentAt, known?.sentAt ?? 0) });
  }

  /**
   * Says whether a message sent at `sentAt` probably still stands in line: a worker claimed something within `patienceMs`, and
   * nothing that was sent more than `patienceMs` after it. Queues keep no strict order, hence the allowance.
   */
  isMoving(queue: string, sentAt: number, patienceMs: number, now: number): boolean {
    const known = this.#queues.get(queue);
    return known !== undefined && now - known.claimedAt < patienceMs && known.sentAt < sentAt + patienceMs;
  }
}
