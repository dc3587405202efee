/**
 * Stands between the objects and the queues.
 *
 * @module
 */
import type { ObjectEnv } from "../../durable-objects/env.ts";
import type { JobMessage, TaskInstanceMessage, WorkMessage } from "../../src/engine/work.ts";

/** A message, with the queue it was sent through. */
export interface Sent<M extends WorkMessage = WorkMessage> {
  queue: QueueName;
  body: M;
}

/** Queues of the tests, as wrangler.toml has them. */
export type QueueName = "default" | "heavy";

class Mailbox {
  /** Passes messages on to the queue instead of keeping them. */
  live = false;
  #messages: Sent[] = [];
  #waiting: (() => void)[] = [];

  /** Bindings with queues that keep what is sent to them, unless the mailbox is live. */
  before(env: ObjectEnv): ObjectEnv & { TASKS_HEAVY: Queue<WorkMessage> } {
    const heavy: unknown = Reflect.get(env, "TASKS_HEAVY");
    return {
      ...env,
      TASKS: this.#over("default", env.TASKS),
      TASKS_HEAVY: this.#over("heavy", heavy as Queue<WorkMessage>),
    };
  }

  #over(name: QueueName, queue: Queue<WorkMessage>): Queue<WorkMessage> {
    const send: Queue<WorkMessage>["send"] = async (message, options) => {
      if (this.live) {
        return queue.send(message, options);
      }
      this.#keep([{ queue: name, body: message }]);
      return NOTHING;
    };
    const sendBatch: Queue<WorkMessage>["sendBatch"] = async (batch, options) => {
      const messages = [...batch];
      if (this.live) {
        return queue.sendBatch(messages, options);
      }
      this.#keep(messages.map(({ body }) => ({ queue: name, body })));
      return NOTHING;
    };
    return { send, sendBatch, metrics: () => queue.metrics() };
  }

  /** Takes the messages of a DAG's task instances, oldest first. */
  takeOf(dagId: string): TaskInstanceMessage[] {
    return this.takeSentOf(dagId).map(({ body }) => body);
  }

  /** The same, each with its queue. */
  takeSentOf(dagId: string): Sent<TaskInstanceMessage>[] {
    return this.#take((sent): sent is Sent<TaskInstanceMessage> => "dag_id" in sent.body && sent.body.dag_id === dagId);
  }

  /** Takes the messages of a job, oldest first. */
  takeOfJob(jobId: string): JobMessage[] {
    return this.takeSentOfJob(jobId).map(({ body }) => body);
  }

  /** The same, each with its queue. */
  takeSentOfJob(jobId: string): Sent<JobMessage>[] {
    return this.#take((sent): sent is Sent<JobMessage> => "job_id" in sent.body && sent.body.job_id === jobId);
  }

  /** Waits until so many messages of a DAG or a job are there: those that go by a role leave after the answer. */
  async arrived(owner: string, count: number): Promise<void> {
    const isOfOwner = ({ body }: Sent): boolean => ("dag_id" in body ? body.dag_id : body.job_id) === owner;
    while (this.#messages.filter(isOfOwner).length < count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #keep(sent: readonly Sent[]): void {
    this.#messages.push(...sent);
    for (const wake of this.#waiting.splice(0)) {
      wake();
    }
  }

  #take<S extends Sent>(isWanted: (sent: Sent) => sent is S): S[] {
    const taken = this.#messages.filter(isWanted);
    this.#messages = this.#messages.filter((sent) => !isWanted(sent));
    return taken;
  }
}

const NOTHING = { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };

/** The one mailbox of this isolate. */
export const mailbox = new Mailbox();
