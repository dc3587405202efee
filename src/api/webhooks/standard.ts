/**
 * Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`. The package signs; the replay window is
 * ours, because it is a setting here and a constant there.
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { bodyText } from "./body-text.ts";
import { unverified, type WebhookProvider } from "./delivery.ts";
import { fromBase64 } from "./hmac-signature.ts";
import { readSignedTime } from "./signed-time.ts";
import { textField } from "./text-field.ts";

/** Signatures one delivery may carry, while keys are rotated. */
const MAX_SIGNATURES = 10;

export const standard: WebhookProvider = {
  async verify({ spec, secret, headers, body, now }) {
    const id = headers.get("webhook-id");
    const timestamp = headers.get("webhook-timestamp");
    const signatures = headers.get("webhook-signature");
    if (id === null || timestamp === null || signatures === null) {
      return unverified("expected the headers webhook-id, webhook-timestamp and webhook-signature");
    }
    const time = readSignedTime(timestamp, "webhook-timestamp", spec.tolerance, now);
    if (!time.ok) {
      return time;
    }
    const expected = sign(secret, id, time.seconds, body);
    const isGenuine = expected !== null && readSignatures(signatures).some((given) => timingSafeEqual(given, expected));
    return isGenuine ? { ok: true } : unverified("no signature fits the body");
  },

  facts({ headers }, body) {
    return { type: textField(body, "type"), deliveryId: headers.get("webhook-id"), isPing: false };
  },
};

/** The signature that the delivery should carry, or null if the body is no text or the secret no base 64. */
function sign(secret: string, id: string, seconds: number, body: Uint8Array): Uint8Array | null {
  const text = bodyText(body);
  if (text === null) {
    return null;
  }
  try {
    return fromBase64(new Webhook(secret).sign(id, new Date(seconds * 1000), text).slice("v1,".length));
  } catch {
    return null;
  }
}

function readSignatures(header: string): Uint8Array[] {
  return header
    .split(" ", MAX_SIGNATURES)
    .filter((entry) => entry.startsWith("v1,"))
    .map((entry) => fromBase64(entry.slice("v1,".length)))
    .filter((signature) => signature !== null);
}
