/**
 * Stands between the objects and the queue.
 *
 * @module
 */
import type { JobMessage, TaskInstanceMessage, WorkMessage } from "../../src/engine/work.ts";

class Mailbox {
  /** Passes messages on to the queue instead of keeping them. */
  live = false;
  #messages: WorkMessage[] = [];

  /** A queue that keeps what is sent to it, unless the mailbox is live. */
  over(queue: Queue<WorkMessage>): Queue<WorkMessage> {
    const send: Queue<WorkMessage>["send"] = async (message, options) => {
      if (this.live) {
        return queue.send(message, options);
      }
      this.#messages.push(message);
      return NOTHING;
    };
    const sendBatch: Queue<WorkMessage>["sendBatch"] = async (batch, options) => {
      const messages = [...batch];
      if (this.live) {
        return queue.sendBatch(messages, options);
      }
      this.#messages.push(...messages.map(({ body }) => body));
      return NOTHING;
    };
    return { send, sendBatch, metrics: () => queue.metrics() };
  }

  /** Takes the messages of a DAG's task instances, oldest first. */
  takeOf(dagId: string): TaskInstanceMessage[] {
    return this.#take((message): message is TaskInstanceMessage => "dag_id" in message && message.dag_id === dagId);
  }

  /** Takes the messages of a job, oldest first. */
  takeOfJob(jobId: string): JobMessage[] {
    return this.#take((message): message is JobMessage => "job_id" in message && message.job_id === jobId);
  }

  #take<M extends WorkMessage>(isWanted: (message: WorkMessage) => message is M): M[] {
    const taken = this.#messages.filter(isWanted);
    this.#messages = this.#messages.filter((message) => !isWanted(message));
    return taken;
  }
}

const NOTHING = { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };

/** The one mailbox of this isolate. */
export const mailbox = new Mailbox();
