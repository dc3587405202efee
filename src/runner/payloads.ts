/**
 * The large values of one try: puts them into the bucket, and knows which it put, so that none stays there that nobody keeps.
 *
 * @module
 */
import type { Json } from "../engine/spec.ts";
import type { PutPayload } from "./outcome.ts";

/** The bucket of large values, as far as a runner uses it. */
export interface Payloads {
  /** Puts JSON under a new key below a place, and gives that key. */
  putPayload: (place: string, json: string) => Promise<string>;
  getPayload: (key: string) => Promise<Json>;
  deletePayloads: (keys: string[]) => Promise<void>;
}

/** What one try puts into the bucket. */
export class TryPayloads {
  readonly #bucket: Payloads;
  readonly #place: () => Promise<string>;
  readonly #puts: Promise<string>[] = [];
  #isDiscarded = false;

  /** @param place Gives where the try may put values; asked at the first one. */
  constructor(bucket: Payloads, place: () => Promise<string>) {
    this.#bucket = bucket;
    this.#place = place;
  }

  /** Puts a value. @throws Error if the try was told to stop: nobody would delete it. */
  readonly put: PutPayload = async (json) => {
    if (this.#isDiscarded) {
      throw new Error("expected a try that goes on, it was told to stop");
    }
    const putting = this.#place().then((place) => this.#bucket.putPayload(place, json));
    this.#puts.push(putting);
    return putting;
  };

  /** The keys of what was put, once all that was begun is. */
  async keys(): Promise<string[]> {
    const puts = await Promise.allSettled(this.#puts);
    return puts.flatMap((put) => (put.status === "fulfilled" ? [put.value] : []));
  }

  /** Deletes everything it put, and puts nothing more: the try was told to stop, and reports nothing. */
  async discard(): Promise<void> {
    this.#isDiscarded = true;
    const keys = await this.keys();
    try {
      if (keys.length > 0) {
        await this.#bucket.deletePayloads(keys);
      }
    } catch (error) {
      // They lie below the place of their run, and go with it.
      console.warn({ event: "payload_deletion_failed", keys: keys.length, error: String(error) });
    }
  }
}
