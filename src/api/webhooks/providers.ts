/**
 * The ways of signing, by the name that a DAG's spec gives.
 *
 * @module
 */
import type { WebhookSpec } from "../../engine/spec.ts";
import type { WebhookProvider } from "./delivery.ts";
import { github } from "./github.ts";
import { hmac } from "./hmac.ts";
import { standard } from "./standard.ts";
import { stripe } from "./stripe.ts";

export const WEBHOOK_PROVIDERS: Readonly<Record<WebhookSpec["provider"], WebhookProvider>> = {
  github,
  stripe,
  standard,
  hmac,
};
