/**
 * One delivery to a webhook, and what verifying it can come to.
 *
 * @module
 */
import type { Json, WebhookSpec } from "../../engine/spec.ts";

/** A delivery as it arrived. Nothing in it is to be believed before a provider has verified it. */
export interface Delivery {
  spec: WebhookSpec;
  /** The signing secret. */
  secret: string;
  headers: Headers;
  /** The body byte by byte, for that is what is signed. */
  body: Uint8Array<ArrayBuffer>;
  /** Epoch milliseconds. */
  now: number;
}

/** Why a delivery is refused, in words for whoever sends it. */
export interface Unverified {
  ok: false;
  reason: string;
}

/** The sender knows the secret, and the time it signed, if any, is near enough. */
export type Verification = { ok: true } | Unverified;

/** What a verified delivery says of itself. */
export interface DeliveryFacts {
  /** The event's name, e.g. GitHub's `push`, or null. */
  type: string | null;
  /** The id under which the sender would send it again, or null if it gives none. */
  deliveryId: string | null;
  /** The sender only tries whether the address works. */
  isPing: boolean;
}

/** A way of signing. */
export interface WebhookProvider {
  verify(delivery: Delivery): Promise<Verification>;
  /** Reads a delivery that was verified. */
  facts(delivery: Delivery, body: Json): DeliveryFacts;
}

/** A refusal. */
export function unverified(reason: string): Unverified {
  return { ok: false, reason };
}
