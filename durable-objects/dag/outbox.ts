/**
 * What leaves a `Dag` object after a commit: messages of queued task instances, and orders to stop a worker. Both can be
 * lost on the way; the state they come from is stored, so the alarm sends them again.
 *
 * @module
 */
import type { RunChanges } from "../../src/engine/run-state.ts";
import type { TaskInstanceMessage } from "../../src/engine/work.ts";
import { openJob, type ObjectEnv } from "../env.ts";
import type { LoadedRun } from "./run-book.ts";
import type { DagStorage } from "./storage.ts";

/** Messages one `sendBatch` takes. */
const MESSAGES_PER_BATCH = 100;
const STOP_RETRY_MS = 2000;

/** Collects during a transaction, sends after it. */
export class Outbox {
  readonly #storage: DagStorage;
  readonly #env: ObjectEnv;
  readonly #ctx: DurableObjectState;
  readonly #dagId: string;
  #messages: { body: TaskInstanceMessage }[] = [];
  /** Whether stop orders are stored; null until it was looked up. */
  #hasStops: boolean | null = null;
  /** Goes up when everything stored is deleted, so that who waits for an answer meanwhile leaves the tables alone. */
  #generation = 0;

  constructor(storage: DagStorage, env: ObjectEnv, ctx: DurableObjectState, dagId: string) {
    this.#storage = storage;
    this.#env = env;
    this.#ctx = ctx;
    this.#dagId = dagId;
  }

  /** Takes what a stored change wants sent. */
  collect(run: LoadedRun, changes: RunChanges): void {
    for (const instance of changes.send) {
      const body = {
        dag_id: this.#dagId,
        run_id: run.row.run_id,
        task_id: instance.node.task.id,
        map_index: instance.mapIndex,
        try_number: instance.tryNumber,
      };
      this.#messages.push({ body });
    }
    if (changes.stops.length > 0) {
      this.#hasStops = true;
    }
  }

  /** Forgets what was collected: its transaction did not happen. */
  discard(): void {
    this.#messages = [];
    this.#hasStops = null;
  }

  /** Forgets also what was stored: it is deleted. */
  forget(): void {
    this.discard();
    this.#generation += 1;
  }

  /** Sends what was collected. Does not wait: the platform holds messages back until the commit is durable. */
  send(now: number): void {
    const messages = this.#messages;
    this.#messages = [];
    for (let first = 0; first < messages.length; first += MESSAGES_PER_BATCH) {
      this.#ctx.waitUntil(this.#sendBatch(messages.slice(first, first + MESSAGES_PER_BATCH)));
    }
    if (this.#hasStops === true) {
      this.#ctx.waitUntil(this.deliverStops(now));
    }
  }

  /** When the earliest stop order is due, or null. */
  nextDue(): number | null {
    if (this.#hasStops === false) {
      return null;
    }
    const [first] = this.#storage.stopOrders();
    this.#hasStops = first !== undefined;
    return first?.due_at ?? null;
  }

  /** Tells jobs to stop their workers, those that are due by a time; an order that does not arrive is kept and told again. */
  async deliverStops(now: number, dueBy = now): Promise<void> {
    const generation = this.#generation;
    for (const order of this.#storage.stopOrders().filter((stop) => stop.due_at <= dueBy)) {
      if (this.#generation !== generation) {
        return;
      }
      this.#storage.postponeStopOrder(order.id, now + STOP_RETRY_MS * (order.attempts + 1));
      try {
        await openJob(this.#env, order.job_id).stop(order.reason);
        if (this.#generation === generation) {
          this.#storage.deleteStopOrder(order.id);
        }
      } catch (error) {
        console.warn({ event: "stop_order_failed", dag_id: this.#dagId, job_id: order.job_id, error: String(error) });
      }
    }
    this.#hasStops = null;
  }

  async #sendBatch(messages: { body: TaskInstanceMessage }[]): Promise<void> {
    try {
      await this.#env.TASKS.sendBatch(messages);
    } catch (error) {
      // They are queued in storage and will be sent again when nobody claims them.
      console.warn({ event: "send_failed", dag_id: this.#dagId, messages: messages.length, error: String(error) });
    }
  }
}
