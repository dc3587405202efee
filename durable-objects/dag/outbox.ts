/**
 * What leaves a `Dag` object after a commit: messages of queued task instances, each through its queue, and orders to stop a
 * worker. Both can be lost on the way; the state they come from is stored, so the alarm sends them again.
 *
 * @module
 */
import type { Path } from "../../src/engine/path.ts";
import { goesByInput, placeOf, queueOf } from "../../src/engine/queue-spread.ts";
import { resolveQueue, type Queues } from "../../src/engine/queues.ts";
import type { RunChanges } from "../../src/engine/run-state.ts";
import type { Json } from "../../src/engine/spec.ts";
import type { NodeInstance } from "../../src/engine/task-node.ts";
import type { TaskInstanceMessage } from "../../src/engine/work.ts";
import { openJob, type ObjectEnv } from "../env.ts";
import { openQueue, queueNamed, queuesOf, rolesKnown, rolesOf } from "../queues.ts";
import { sendAll } from "../send-all.ts";
import { tellWatch } from "../tell-watch.ts";
import { InputResolver } from "./inputs.ts";
import type { LoadedRun } from "./run-book.ts";
import type { DagStorage } from "./storage.ts";

const STOP_RETRY_MS = 2000;

interface Parcel {
  body: TaskInstanceMessage;
}

/** Collects during a transaction, sends after it. */
export class Outbox {
  readonly #storage: DagStorage;
  readonly #env: ObjectEnv;
  readonly #ctx: DurableObjectState;
  readonly #dagId: string;
  readonly #queues: Queues;
  /** By the name of the queue or role they go to. */
  #messages = new Map<string, Parcel[]>();
  /** Jobs that must be notified that their tries ended. Not stored: one whose notification is lost asks by itself. */
  #lost: { job_id: string; token: number }[] = [];
  /** Whether stop orders are stored; null until it was looked up. */
  #hasStops: boolean | null = null;
  /** Goes up when everything stored is deleted, so that who waits for an answer meanwhile leaves the tables alone. */
  #generation = 0;

  /** @throws Error if the configuration of queues cannot be used. */
  constructor(storage: DagStorage, env: ObjectEnv, ctx: DurableObjectState, dagId: string) {
    this.#queues = queuesOf(env);
    this.#storage = storage;
    this.#env = env;
    this.#ctx = ctx;
    this.#dagId = dagId;
  }

  /** Takes what a stored change wants sent. */
  collect(run: LoadedRun, changes: RunChanges): void {
    let resolver: InputResolver | undefined;
    for (const instance of changes.send) {
      const name = this.nameFor(run, instance, () => (resolver ??= new InputResolver(this.#storage, run)));
      const body = {
        dag_id: this.#dagId,
        run_id: run.row.run_id,
        task_id: instance.node.task.id,
        map_index: instance.mapIndex,
        try_number: instance.tryNumber,
      };
      const parcels = this.#messages.get(name);
      if (parcels === undefined) {
        this.#messages.set(name, [{ body }]);
      } else {
        parcels.push({ body });
      }
    }
    this.#lost.push(...changes.lost);
    if (changes.stops.length > 0) {
      this.#hasStops = true;
    }
  }

  /** Forgets what was collected: its transaction did not happen. */
  discard(): void {
    this.#messages = new Map();
    this.#lost = [];
    this.#hasStops = null;
  }

  /** Forgets also what was stored: it is deleted. */
  forget(): void {
    this.discard();
    this.#generation += 1;
  }

  /** Sends what was collected. Does not wait: the platform holds messages back until the commit is durable. */
  send(now: number): void {
    if (this.#messages.size > 0) {
      const messages = this.#messages;
      this.#messages = new Map();
      this.#sendMessages(messages, now);
    }
    for (const { job_id: jobId, token } of this.#lost.splice(0)) {
      this.#ctx.waitUntil(tellWatch(this.#env, jobId, token));
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
    const [first] = this.#storage.stops.all();
    this.#hasStops = first !== undefined;
    return first?.due_at ?? null;
  }

  /** Tells jobs to stop their workers, those that are due by a time; an order that does not arrive is kept and told again. */
  async deliverStops(now: number, dueBy = now): Promise<void> {
    const generation = this.#generation;
    for (const order of this.#storage.stops.all().filter((stop) => stop.due_at <= dueBy)) {
      if (this.#generation !== generation) {
        return;
      }
      this.#storage.stops.postpone(order.id, now + STOP_RETRY_MS * (order.attempts + 1));
      try {
        await openJob(this.#env, order.job_id).stop(order.reason);
        if (this.#generation === generation) {
          this.#storage.stops.delete(order.id);
        }
      } catch (error) {
        console.warn({ event: "stop_order_failed", dag_id: this.#dagId, job_id: order.job_id, error: String(error) });
      }
    }
    this.#hasStops = null;
  }

  /** The name of the queue or role that the message of an instance goes to; `resolver` is asked for if that needs its input. */
  nameFor(
    run: LoadedRun,
    instance: NodeInstance,
    resolver: () => InputResolver = () => new InputResolver(this.#storage, run),
  ): string {
    const { queue } = instance.node.task.spec;
    const input = goesByInput(queue) ? inputOf(instance, queue.key ?? [], resolver()) : undefined;
    return queueOf(queue, placeOf(run.row.run_id, instance), input);
  }

  /** The queue that a name stands for now; null if there is neither a queue nor a role of that name. */
  async resolve(name: string, now: number): Promise<string | null> {
    return queueNamed(this.#env, name, now);
  }

  /** The roles as far as they are known without asking. */
  rolesKnown(now: number): ReadonlyMap<string, string> {
    return rolesKnown(this.#env, now);
  }

  #sendMessages(messages: ReadonlyMap<string, Parcel[]>, now: number): void {
    const byRole = new Map<string, Parcel[]>();
    for (const [name, parcels] of messages) {
      if (this.#queues.has(name)) {
        this.#ctx.waitUntil(this.#sendThrough(name, parcels));
      } else {
        byRole.set(name, parcels);
      }
    }
    if (byRole.size > 0) {
      this.#ctx.waitUntil(this.#sendByRole(byRole, now));
    }
  }

  async #sendByRole(messages: ReadonlyMap<string, Parcel[]>, now: number): Promise<void> {
    let roles: ReadonlyMap<string, string>;
    try {
      roles = await rolesOf(this.#env, now);
    } catch (error) {
      this.#warnNotSent([...messages.values()].flat().length, error);
      return;
    }
    const byQueue = new Map<string, Parcel[]>();
    for (const [name, parcels] of messages) {
      const queue = resolveQueue(this.#queues, roles, name);
      if (queue === null) {
        // They stay queued and are sent when there is such a role, or fail as stuck.
        console.warn({ event: "queue_unknown", dag_id: this.#dagId, queue: name, messages: parcels.length });
      } else {
        byQueue.set(queue, [...(byQueue.get(queue) ?? []), ...parcels]);
      }
    }
    await Promise.all([...byQueue].map(([queue, parcels]) => this.#sendThrough(queue, parcels)));
  }

  async #sendThrough(name: string, parcels: readonly Parcel[]): Promise<void> {
    try {
      const queue = openQueue(this.#env, name);
      if (queue !== null) {
        await sendAll(queue, parcels);
      }
    } catch (error) {
      this.#warnNotSent(parcels.length, error);
    }
  }

  /** They are queued in storage and will be sent again when nobody claims them. */
  #warnNotSent(messages: number, error: unknown): void {
    console.warn({ event: "send_failed", dag_id: this.#dagId, messages, error: String(error) });
  }
}

/** The input of an instance; undefined if it cannot be told, or lies in the bucket at that place. */
function inputOf(instance: NodeInstance, key: Path, resolver: InputResolver): Json | undefined {
  try {
    const { input, remote = [] } = resolver.claimed(instance);
    return remote.some(({ at }) => isOnTheWay(at, key)) ? undefined : input;
  } catch {
    // Whoever claims it is told what is wrong with its input.
    return undefined;
  }
}

/** Says whether a hole lies at a path, above it or below it. */
function isOnTheWay(hole: Path, path: Path): boolean {
  const shared = Math.min(hole.length, path.length);
  return hole.slice(0, shared).every((step, index) => String(step) === String(path[index]));
}
