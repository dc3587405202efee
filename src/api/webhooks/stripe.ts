/**
 * Stripe's signatures: `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>]` over `<t>.<body>`.
 *
 * @module
 */
import { unverified, type WebhookProvider } from "./delivery.ts";
import { fromHex, isSigned } from "./hmac-signature.ts";
import { readSignedTime } from "./signed-time.ts";
import { textField } from "./text-field.ts";

/** Elements of the header that are looked at: a time and some signatures, while keys are rotated. */
const MAX_ELEMENTS = 20;

export const stripe: WebhookProvider = {
  async verify({ spec, secret, headers, body, now }) {
    const header = headers.get("stripe-signature");
    if (header === null) {
      return unverified("expected the header Stripe-Signature, got none");
    }
    const elements = header.split(",", MAX_ELEMENTS).map((element) => element.trim());
    const timestamp = elements.find((element) => element.startsWith("t="))?.slice(2);
    const signatures = elements
      .filter((element) => element.startsWith("v1="))
      .map((element) => fromHex(element.slice(3)))
      .filter((signature) => signature !== null);
    if (timestamp === undefined || signatures.length === 0) {
      return unverified("expected Stripe-Signature to be t=<seconds>,v1=<64 hexadecimal digits>");
    }
    const time = readSignedTime(timestamp, "t in Stripe-Signature", spec.tolerance, now);
    if (!time.ok) {
      return time;
    }
    const isGenuine = await isSigned(secret, `${timestamp}.`, body, signatures);
    return isGenuine ? { ok: true } : unverified("no signature fits the body");
  },

  facts(_delivery, body) {
    return { type: textField(body, "type"), deliveryId: textField(body, "id"), isPing: false };
  },
};
