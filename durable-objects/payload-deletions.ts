/**
 * Deletes values in the bucket `PAYLOADS` that no row refers to any more. What is to be deleted is stored with the change
 * that makes it so, and stays stored until the bucket has confirmed: see `payload-storage.ts`.
 *
 * @module
 */
import type { PayloadStorage } from "./payload-storage.ts";

/** How long a value stays that was replaced in a run that goes on: a task may have just been given its key as input. */
const GRACE_MS = 60_000;
/** After a deletion that failed. */
const RETRY_MS = 30_000;
/** Keys that the bucket deletes in one call, and lists in one. */
const KEYS_PER_CALL = 1000;
/** Calls of the bucket in one round; the next one follows by the alarm. */
const CALLS_PER_ROUND = 100;

/** The deletions of one object. */
export class PayloadDeletions {
  readonly #storage: PayloadStorage;
  readonly #bucket: Pick<R2Bucket, "delete" | "list">;
  readonly #owner: string;
  /** Undefined until it was looked up. */
  #next: number | null | undefined;
  #running: Promise<void> | null = null;
  #lookAt = 0;

  constructor(storage: PayloadStorage, bucket: Pick<R2Bucket, "delete" | "list">, owner: string) {
    this.#storage = storage;
    this.#bucket = bucket;
    this.#owner = owner;
  }

  /** Notes keys that are to be deleted at once; call inside the transaction that makes them unneeded. */
  add(keys: readonly string[], now: number): void {
    if (keys.length > 0) {
      this.#storage.add(keys, now);
    }
  }

  /** What this transaction has made unneeded by now is to be deleted at once: nothing can be about to read it. */
  withoutGrace(now: number): void {
    this.#storage.setDue(now);
  }

  /** Ends a transaction: what it made unneeded gets its time. */
  endTurn(now: number): void {
    this.#next = this.#storage.nextDue();
    if (this.#next !== null && this.#next < 0) {
      this.#storage.setDue(now + GRACE_MS);
      this.#next = this.#storage.nextDue();
    }
  }

  /** Forgets what memory knows: a transaction did not happen, or everything is deleted. */
  discard(): void {
    this.#next = undefined;
  }

  /** When the earliest deletion is due (epoch ms), or null. While a round goes on: when to look whether it came to its end. */
  nextDue(): number | null {
    if (this.#running !== null) {
      return this.#lookAt;
    }
    if (this.#next === undefined) {
      this.#next = this.#storage.nextDue();
    }
    return this.#next;
  }

  /** Deletes what is due; what cannot be deleted now stays for a later round. Joins a round that goes on. */
  run(now: number): Promise<void> {
    if (this.#running === null) {
      const next = this.nextDue();
      if (next === null || next > now) {
        return Promise.resolve();
      }
      this.#lookAt = now + RETRY_MS;
      this.#running = this.#round(now).finally(() => {
        this.#running = null;
        this.discard();
      });
    }
    return this.#running;
  }

  async #round(now: number): Promise<void> {
    let calls = 0;
    while (calls < CALLS_PER_ROUND) {
      const due = this.#storage.due(now, KEYS_PER_CALL);
      // A place is a call or more of its own.
      const place = due.find((key) => key.endsWith("/"));
      const some = place === undefined ? due : [place];
      if (some.length === 0) {
        return;
      }
      try {
        // One call after the other: none of them is urgent, and an object has few connections.
        // oxlint-disable-next-line no-await-in-loop
        calls += place === undefined ? await this.#delete(some) : await this.#deleteBelow(place);
        this.#storage.remove(some);
      } catch (error) {
        console.warn({ event: "payload_deletion_failed", owner: this.#owner, keys: some.length, error: String(error) });
        this.#storage.postpone(some, now + RETRY_MS);
      }
    }
  }

  async #delete(keys: string[]): Promise<number> {
    await this.#bucket.delete(keys);
    return 1;
  }

  async #deleteBelow(prefix: string): Promise<number> {
    for (let calls = 1; ; calls += 2) {
      // What was listed is deleted before the rest is listed, so the list always begins anew.
      // oxlint-disable-next-line no-await-in-loop
      const { objects } = await this.#bucket.list({ prefix, limit: KEYS_PER_CALL });
      if (objects.length === 0) {
        return calls;
      }
      // oxlint-disable-next-line no-await-in-loop
      await this.#bucket.delete(objects.map(({ key }) => key));
    }
  }
}
