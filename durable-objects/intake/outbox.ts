/**
 * Messages of jobs on their way to the queues. What comes while a call is under way leaves together in the next one, so that a
 * burst costs a few calls and a single job waits for none.
 *
 * @module
 */
import type { WorkMessage } from "../../src/engine/work.ts";
import type { ObjectEnv } from "../env.ts";
import { openQueue, queueNamed } from "../queues.ts";
import { sendAll } from "../send-all.ts";

/** Sends messages by the names of queues or roles. Nothing is kept: a job that no worker claims is sent again. */
export class MessageOutbox {
  readonly #env: ObjectEnv;
  readonly #waitUntil: (work: Promise<void>) => void;
  #messages = new Map<string, string[]>();
  #isSending = false;

  constructor(env: ObjectEnv, waitUntil: (work: Promise<void>) => void) {
    this.#env = env;
    this.#waitUntil = waitUntil;
  }

  /** Sends the message of a job through a queue. */
  send(jobId: string, queue: string): void {
    const waiting = this.#messages.get(queue);
    if (waiting === undefined) {
      this.#messages.set(queue, [jobId]);
    } else {
      waiting.push(jobId);
    }
    if (!this.#isSending) {
      this.#isSending = true;
      this.#waitUntil(this.#flush());
    }
  }

  async #flush(): Promise<void> {
    while (this.#messages.size > 0) {
      const messages = this.#messages;
      this.#messages = new Map();
      // One round after the other: what is submitted meanwhile shares the next.
      // oxlint-disable-next-line no-await-in-loop
      await Promise.all([...messages].map(([queue, jobIds]) => this.#sendThrough(queue, jobIds)));
    }
    this.#isSending = false;
  }

  async #sendThrough(name: string, jobIds: readonly string[]): Promise<void> {
    try {
      const queue = await queueNamed(this.#env, name, Date.now());
      const binding = queue === null ? null : openQueue(this.#env, queue);
      if (binding === null) {
        // They stay queued, and are sent when there is such a role, or fail as stuck.
        console.warn({ event: "queue_unknown", queue: name, jobs: jobIds.length, job_id: jobIds[0] });
        return;
      }
      const bodies: { body: WorkMessage }[] = jobIds.map((jobId) => ({ body: { job_id: jobId } }));
      await sendAll(binding, bodies);
    } catch (error) {
      console.warn({ event: "send_failed", queue: name, jobs: jobIds.length, job_id: jobIds[0], error: String(error) });
    }
  }
}
