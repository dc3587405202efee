/**
 * Plain HMAC-SHA256 of the body, or of `<timestamp>.<body>` where a header for the time is configured. The signature is
 * hexadecimal or base 64, with or without `sha256=`.
 *
 * @module
 */
import { unverified, type WebhookProvider } from "./delivery.ts";
import { fromBase64, fromHex, isSigned } from "./hmac-signature.ts";
import { readSignedTime } from "./signed-time.ts";
import { textField } from "./text-field.ts";

/** Where the signature stands if the spec names no header. */
const DEFAULT_SIGNATURE_HEADER = "X-Signature";

export const hmac: WebhookProvider = {
  async verify({ spec, secret, headers, body, now }) {
    const name = spec.signature_header ?? DEFAULT_SIGNATURE_HEADER;
    const header = headerOf(headers, name);
    if (header === null) {
      return unverified(`expected the header ${name}, got none`);
    }
    const text = header.replace(/^sha256=/i, "");
    const signature = fromHex(text) ?? fromBase64(text);
    if (signature === null) {
      return unverified(`expected ${name} to be an HMAC-SHA256 in hexadecimal or base 64`);
    }
    let prefix = "";
    if (spec.timestamp_header !== undefined) {
      const timestamp = headerOf(headers, spec.timestamp_header);
      if (timestamp === null) {
        return unverified(`expected the header ${spec.timestamp_header}, got none`);
      }
      const time = readSignedTime(timestamp, spec.timestamp_header, spec.tolerance, now);
      if (!time.ok) {
        return time;
      }
      prefix = `${timestamp}.`;
    }
    return (await isSigned(secret, prefix, body, [signature]))
      ? { ok: true }
      : unverified("the signature does not fit the body");
  },

  facts({ spec, headers }, body) {
    const deliveryId = spec.delivery_header === undefined ? null : headerOf(headers, spec.delivery_header);
    return { type: textField(body, "type"), deliveryId, isPing: false };
  },
};

/** A header, or null: also under a name that no header can have, as specs once could say. */
function headerOf(headers: Headers, name: string): string | null {
  try {
    return headers.get(name);
  } catch {
    return null;
  }
}
