/**
 * What the object hears of workers: when each last beat, and which queues they take messages from.
 *
 * @module
 */
import { LISTEN_MS, type Look } from "../../src/engine/liveness.ts";
import { DEFAULT_QUEUE_TIMING } from "../../src/engine/queue-timing.ts";
import { isForWorker } from "../../src/engine/queue-spread.ts";
import { DEFAULT_QUEUE } from "../../src/engine/queues.ts";
import type { RunMachine } from "../../src/engine/run-machine.ts";
import type { RunChanges } from "../../src/engine/run-state.ts";
import type { NodeInstance } from "../../src/engine/task-node.ts";
import type { WorkerIdentity } from "../../src/engine/work.ts";
import { isWorkerGone } from "../../src/isolate/identity.ts";
import type { DagStorage } from "./storage.ts";

/**
 * When a worker of a queue last claimed or reported, by the queue's name, as far as objects of this isolate heard it: the
 * messages of one stand in line behind those of others.
 */
export const queuesHeard = new Map<string, number>();

/** The workers of one `Dag` object. */
export class WorkerBook {
  /** When a worker last beat, by its hostname: from the stored rows, and since. */
  readonly heartbeats = new Map<string, number>();
  /** When a worker of a queue last claimed or reported, by the queue's name, since the object woke. */
  readonly heard = new Map<string, number>();
  readonly #storage: DagStorage;
  /** When the object woke, epoch milliseconds: since then workers can be heard. */
  #openedAt: number | null = null;

  constructor(storage: DagStorage) {
    this.#storage = storage;
  }

  /** Reads what is stored; call when the object wakes. */
  open(now: number): void {
    this.#openedAt ??= now;
    for (const [hostname, at] of this.#storage.heartbeats.load(now)) {
      this.heartbeats.set(hostname, Math.max(at, this.heartbeats.get(hostname) ?? 0));
    }
  }

  /** Forgets the heartbeats: everything stored was deleted. */
  forget(): void {
    this.heartbeats.clear();
  }

  /** A worker proved that it lives; only inside a turn. */
  beat(hostname: string, now: number): void {
    this.heartbeats.set(hostname, now);
    this.#storage.heartbeats.save(hostname, now);
  }

  /**
   * A run was read when the object woke. Where all is one process, messages live in memory and may have died with it, and so may workers.
   *
   * @param consumer `TASK_CONSUMER`.
   */
  resume(machine: RunMachine, consumer: string, now: number): void {
    if (consumer === "detach") {
      machine.resendQueued(now);
      machine.workersEnded((hostname) => isWorkerGone(hostname, consumer), now);
      machine.advance(now);
    }
  }

  /** Logs what workers that were lost ran. */
  logLosses(dagId: string, runId: string, losses: RunChanges["losses"]): void {
    for (const { instance, message } of losses) {
      const { node, mapIndex, hostname } = instance;
      console.warn({
        event: "worker_lost",
        dag_id: dagId,
        run_id: runId,
        task_id: node.task.id,
        map_index: mapIndex,
        worker: hostname,
        error: message,
      });
    }
  }

  /** A worker claimed or reported: its queue moves. */
  hear({ queue = DEFAULT_QUEUE, isObject }: WorkerIdentity, now: number): void {
    if (isObject === true) {
      return;
    }
    this.heard.set(queue, now);
    queuesHeard.set(queue, now);
  }

  /** Says whether a worker of the queue of an instance was heard so lately that its message need not be sent again. */
  isMoving(runId: string, instance: NodeInstance, roles: ReadonlyMap<string, string>, now: number): boolean {
    return [...queuesHeard].some(
      ([queue, at]) =>
        at <= now &&
        now - at < DEFAULT_QUEUE_TIMING.resendAfterMs &&
        isForWorker(instance, runId, { hostname: "", unixname: "", queue }, roles),
    );
  }

  /** A look at leases, of which none has lapsed. */
  look(): Look {
    return { lookedAt: Date.now(), openedAt: this.#openedAt ?? Number.NEGATIVE_INFINITY, lagMs: 0 };
  }

  /** Listens for a moment before a worker is taken for lost: its beat may stand behind what this object is asked meanwhile. */
  async listen(): Promise<Look> {
    const look = this.look();
    await new Promise((resolve) => setTimeout(resolve, LISTEN_MS));
    return { ...look, lagMs: Date.now() - look.lookedAt - LISTEN_MS };
  }
}
