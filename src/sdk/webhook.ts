/**
 * What a DAG says about the webhooks that start it.
 *
 * @module
 */
import type { Json, WebhookSpec } from "../engine/spec.ts";
import type { Duration } from "./duration.ts";

/** A delivery whose signature has been verified. */
export interface WebhookEvent {
  provider: string;
  /** What the provider calls the event, e.g. GitHub's `X-GitHub-Event`; null if it does not say. */
  type: string | null;
  deliveryId: string | null;
  /** Names in lower case. */
  headers: Record<string, string>;
  body: Json;
}

/** Maps a delivery to the conf of a run; null ignores it. */
export type ToConf = (event: WebhookEvent) => Record<string, Json> | null;

/** How deliveries are verified, and what becomes of them. */
export interface WebhookOptions {
  provider: WebhookSpec["provider"];
  /** Name of the environment variable (a Worker secret) with the signing secret; never the secret itself. */
  secret: string;
  /** For the provider `hmac`: the headers with signature, time of sending and delivery id. */
  signatureHeader?: string;
  timestampHeader?: string;
  deliveryHeader?: string;
  /** How far a signed time may be from now; 5 minutes unless given. */
  tolerance?: Duration;
  /** Without it the run's conf is the whole body, if that is an object. */
  toConf?: ToConf;
}
