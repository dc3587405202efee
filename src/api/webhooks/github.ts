/**
 * GitHub's signatures: `X-Hub-Signature-256`. GitHub signs no time, so only its delivery id tells a replay.
 *
 * @module
 */
import { verify } from "@octokit/webhooks-methods";
import { bodyText } from "./body-text.ts";
import { unverified, type WebhookProvider } from "./delivery.ts";
import { fromHex } from "./hmac-signature.ts";

export const github: WebhookProvider = {
  async verify({ secret, headers, body }) {
    const signature = headers.get("x-hub-signature-256");
    if (signature === null) {
      return unverified("expected the header X-Hub-Signature-256, got none");
    }
    if (!signature.startsWith("sha256=") || fromHex(signature.slice(7)) === null) {
      return unverified("expected X-Hub-Signature-256 to be sha256= and 64 hexadecimal digits");
    }
    const text = bodyText(body);
    const isGenuine = text !== null && text !== "" && (await verify(secret, text, signature));
    return isGenuine ? { ok: true } : unverified("the signature does not fit the body");
  },

  facts({ headers }) {
    const type = headers.get("x-github-event");
    return { type, deliveryId: headers.get("x-github-delivery"), isPing: type === "ping" };
  },
};
