/**
 * The end of a `Dag` object: everything it stores is deleted, and its values in the bucket. Those that the bucket cannot
 * delete now outlive the rest, as the rows of one table, until an alarm could delete them.
 *
 * @module
 */
import type { PayloadDeletions } from "../payload-deletions.ts";
import type { PayloadStorage } from "../payload-storage.ts";

/** Deletes one object. */
export class Wipe {
  readonly #ctx: DurableObjectState;
  readonly #storage: PayloadStorage;
  readonly #deletions: PayloadDeletions;

  constructor(ctx: DurableObjectState, storage: PayloadStorage, deletions: PayloadDeletions) {
    this.#ctx = ctx;
    this.#storage = storage;
    this.#deletions = deletions;
  }

  /** The object has the tables of a DAG. */
  get isDag(): boolean {
    return this.#ctx.storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'dag'").toArray().length > 0;
  }

  /** Deletes what is stored, but for deletions in the bucket that are left to do; call where nothing can come between. */
  async begin(now: number): Promise<void> {
    if (this.#isAnythingLeft(now)) {
      await this.#ctx.storage.setAlarm(now + 1);
    } else {
      await this.#deleteAll();
    }
    this.#deletions.discard();
  }

  /** Does what is left to do of a DAG that was deleted, if anything is, and forgets it when it is done. */
  async finish(now: number): Promise<void> {
    if (this.isDag || !this.#storage.exists) {
      return;
    }
    await this.#deletions.run(now);
    await this.#ctx.blockConcurrencyWhile(async () => {
      // A DAG that was made again meanwhile has it done by its own alarm.
      if (this.isDag || !this.#storage.exists) {
        return;
      }
      const next = this.#deletions.nextDue();
      await (next === null ? this.#deleteAll() : this.#ctx.storage.setAlarm(Math.max(next, now + 1)));
    });
  }

  /** Deletes values in the bucket that a worker put there for a DAG which is not there. */
  deleteStray(keys: readonly string[], now: number): void {
    if (keys.length > 0) {
      this.#storage.make();
      this.#deletions.add(keys, now);
      this.#deletions.discard();
      const armed = this.#ctx.storage.setAlarm(now + 1);
      this.#ctx.waitUntil(armed.then(() => this.finish(now)));
    }
  }

  /** Keeps the deletions in the bucket that are left to do, and nothing else. False if there are none, or none can be found out. */
  #isAnythingLeft(now: number): boolean {
    try {
      return this.#ctx.storage.transactionSync(() => this.#storage.keepAlone(now));
    } catch (error) {
      // Tables that cannot be read must not keep the object from being deleted; its values in the bucket stay.
      console.error({ event: "payloads_not_found", object: this.#ctx.id.name, error });
      return false;
    }
  }

  async #deleteAll(): Promise<void> {
    await this.#ctx.storage.deleteAlarm();
    await this.#ctx.storage.deleteAll();
  }
}
