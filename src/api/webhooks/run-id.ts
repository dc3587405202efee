/**
 * Run ids of webhook deliveries: the same delivery, the same run.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** What starts every run id made here; other callers may not use it. */
export const WEBHOOK_RUN_PREFIX = "webhook__";

/** Delivery ids that can stand in a run id as they are. */
const PLAIN = /^[A-Za-z0-9_.~:+-]{1,200}$/;

/** The run id of a delivery: by its id, hashed if it has characters that no run id may have, else by its body. */
export function webhookRunId(provider: string, deliveryId: string | null, body: Uint8Array): string {
  const suffix = deliveryId !== null && PLAIN.test(deliveryId) ? deliveryId : sha256(deliveryId ?? body);
  return `${WEBHOOK_RUN_PREFIX}${provider}__${suffix}`;
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
