import { createHash, createHmac } from "node:crypto";
import { sign as octokitSign } from "@octokit/webhooks-methods";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { describe, it } from "vitest";
import type { Delivery } from "../../src/api/webhooks/delivery.ts";
import { WEBHOOK_PROVIDERS } from "../../src/api/webhooks/providers.ts";
import { webhookRunId } from "../../src/api/webhooks/run-id.ts";
import { webhookSpecSchema, type WebhookSpec } from "../../src/engine/spec.ts";
import { containing, matching } from "./api-matchers.ts";
import { NOW } from "./api-support.ts";

const SECRET = "It's a Secret to Everybody";
const STANDARD_SECRET = `whsec_${Buffer.from("0123456789abcdef01234567").toString("base64")}`;
const SECONDS = NOW / 1000;
const BODY = '{"id":"evt_1","type":"invoice.paid","name":"Zoë ✓"}';

interface Case {
  spec: Partial<WebhookSpec> & Pick<WebhookSpec, "provider">;
  secret?: string;
  headers: Record<string, string>;
  body?: string | Uint8Array;
}

function delivery({ spec, secret = SECRET, headers, body = BODY }: Case): Delivery {
  return {
    spec: webhookSpecSchema.parse({ secret: "UNUSED", ...spec }),
    secret,
    headers: new Headers(headers),
    body: new Uint8Array(typeof body === "string" ? new TextEncoder().encode(body) : body),
    now: NOW,
  };
}

async function verify(given: Case) {
  return WEBHOOK_PROVIDERS[given.spec.provider].verify(delivery(given));
}

function hmac(
  text: string | Uint8Array,
  encoding: "hex" | "base64" | "base64url",
  secret: string | Buffer = SECRET,
): string {
  return createHmac("sha256", secret).update(text).digest(encoding);
}

/** Good deliveries, signed by node:crypto, each at a time that the sender signs. */
const GOOD: Record<string, (seconds: number, body: string) => Case> = {
  github: (_seconds, body) => ({
    spec: { provider: "github" },
    headers: { "x-hub-signature-256": `sha256=${hmac(body, "hex")}` },
    body,
  }),
  stripe: (seconds, body) => ({
    spec: { provider: "stripe" },
    headers: { "stripe-signature": `t=${seconds},v1=${hmac(`${seconds}.${body}`, "hex")},v0=ignored` },
    body,
  }),
  "stripe while its key is rotated": (seconds, body) => ({
    spec: { provider: "stripe" },
    headers: { "stripe-signature": `t=${seconds}, v1=${"0".repeat(64)}, v1=${hmac(`${seconds}.${body}`, "hex")}` },
    body,
  }),
  standard: (seconds, body) => ({
    spec: { provider: "standard" },
    secret: STANDARD_SECRET,
    headers: {
      "webhook-id": "msg_1",
      "webhook-timestamp": String(seconds),
      "webhook-signature": `v1a,ignored v1,${hmac("else", "base64")} v1,${hmac(`msg_1.${seconds}.${body}`, "base64", Buffer.from(STANDARD_SECRET.slice(6), "base64"))}`,
    },
    body,
  }),
  "hmac in hexadecimal": (_seconds, body) => ({
    spec: { provider: "hmac" },
    headers: { "x-signature": hmac(body, "hex") },
    body,
  }),
  "hmac in upper case with a prefix": (_seconds, body) => ({
    spec: { provider: "hmac", signature_header: "X-Shop-Hmac" },
    headers: { "x-shop-hmac": `SHA256=${hmac(body, "hex").toUpperCase()}` },
    body,
  }),
  "hmac in base 64": (_seconds, body) => ({
    spec: { provider: "hmac" },
    headers: { "x-signature": hmac(body, "base64") },
    body,
  }),
  "hmac in base 64 for URLs": (_seconds, body) => ({
    spec: { provider: "hmac" },
    headers: { "x-signature": hmac(body, "base64url") },
    body,
  }),
  "hmac with a time": (seconds, body) => ({
    spec: { provider: "hmac", timestamp_header: "X-Time" },
    headers: { "x-time": String(seconds), "x-signature": `sha256=${hmac(`${seconds}.${body}`, "hex")}` },
    body,
  }),
};
const TIMED = ["stripe", "standard", "hmac with a time"];
const cases = Object.entries(GOOD);

describe("verifying a delivery", () => {
  it.for(cases)("%s: a delivery signed with the secret is good", async ([, make], { expect }) => {
    expect(await verify(make(SECONDS, BODY))).toEqual({ ok: true });
  });

  it.for(cases)("%s: any text signed is good, and no byte of it can be changed", async ([, make], { expect }) => {
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 1, unit: "grapheme" }), fc.nat(), async (text, at) => {
        const good = make(SECONDS, text);
        expect(await verify(good)).toEqual({ ok: true });
        const body = new TextEncoder().encode(text);
        body[at % body.length] = (body[at % body.length] ?? 0) ^ 1;
        expect(await verify({ ...good, body })).toMatchObject({ ok: false });
      }),
      { numRuns: 50 },
    );
  });

  it.for(cases)("%s: another secret is refused", async ([, make], { expect }) => {
    const secret = `whsec_${Buffer.from("another").toString("base64")}`;
    expect(await verify({ ...make(SECONDS, BODY), secret })).toMatchObject({
      ok: false,
      reason: matching(/ fits? the body$/),
    });
  });

  it.for(cases)(
    "%s: a delivery without headers is refused with the header that is missing",
    async ([, make], { expect }) => {
      expect(await verify({ ...make(SECONDS, BODY), headers: {} })).toMatchObject({
        ok: false,
        reason: matching(/^expected the headers? /),
      });
    },
  );

  it.for(cases)("%s: nonsense in every header is refused", async ([, make], { expect }) => {
    const good = make(SECONDS, BODY);
    for (const nonsense of [
      "",
      "x",
      "sha256=",
      "sha256=zz",
      "v1,",
      "v1",
      "t=,v1=",
      "=".repeat(64),
      "é".repeat(20),
      "0".repeat(10_000),
    ]) {
      const headers = Object.fromEntries(Object.keys(good.headers).map((name) => [name, nonsense]));
      expect(await verify({ ...good, headers })).toMatchObject({ ok: false });
    }
  });

  it.for(TIMED)("%s: a signed time at the edge of the window is good", async (name, { expect }) => {
    for (const seconds of [SECONDS - 300, SECONDS + 300]) {
      expect(await verify(GOOD[name]?.(seconds, BODY) ?? { spec: { provider: "hmac" }, headers: {} })).toEqual({
        ok: true,
      });
    }
  });

  it.for(TIMED)(
    "%s: a signed time outside the window is refused, though the signature is good",
    async (name, { expect }) => {
      const late = await verify(GOOD[name]?.(SECONDS - 301, BODY) ?? { spec: { provider: "hmac" }, headers: {} });
      expect(late).toMatchObject({
        ok: false,
        reason: containing("within 300 s of now, got one that is 301 s old"),
      });
      const early = await verify(GOOD[name]?.(SECONDS + 301, BODY) ?? { spec: { provider: "hmac" }, headers: {} });
      expect(early).toMatchObject({ ok: false, reason: containing("301 s in the future") });
    },
  );

  it.for(TIMED)("%s: the window is the spec's", async (name, { expect }) => {
    const given = GOOD[name]?.(SECONDS - 3000, BODY) ?? { spec: { provider: "hmac" }, headers: {} };
    expect(await verify({ ...given, spec: { ...given.spec, tolerance: 3600 } })).toEqual({ ok: true });
    const recent = GOOD[name]?.(SECONDS - 3, BODY) ?? { spec: { provider: "hmac" }, headers: {} };
    expect(await verify({ ...recent, spec: { ...recent.spec, tolerance: 2 } })).toMatchObject({ ok: false });
  });

  it.for(["github", "standard"])("%s: a body that is not UTF-8 is refused", async (name, { expect }) => {
    const given = GOOD[name]?.(SECONDS, "�") ?? { spec: { provider: "hmac" }, headers: {} };
    expect(await verify({ ...given, body: new Uint8Array([0xff]) })).toMatchObject({ ok: false });
  });

  it("hmac: the bytes are what is signed, whatever they are", async ({ expect }) => {
    const body = new Uint8Array([0xef, 0xbb, 0xbf, 0xff, 0x00]);
    expect(await verify({ spec: { provider: "hmac" }, headers: { "x-signature": hmac(body, "hex") }, body })).toEqual({
      ok: true,
    });
  });

  it("github: agrees with the example of GitHub's documentation", async ({ expect }) => {
    const signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    const given = {
      spec: { provider: "github" },
      headers: { "x-hub-signature-256": signature },
      body: "Hello, World!",
    } as const;
    expect(await verify(given)).toEqual({ ok: true });
  });

  it("agrees with what the senders' own libraries sign", async ({ expect }) => {
    const github = {
      spec: { provider: "github" },
      headers: { "x-hub-signature-256": await octokitSign(SECRET, BODY) },
    } as const;
    expect(await verify(github)).toEqual({ ok: true });
    const headers = {
      "webhook-id": "msg_2",
      "webhook-timestamp": String(SECONDS),
      "webhook-signature": new Webhook(STANDARD_SECRET).sign("msg_2", new Date(NOW), BODY),
    };
    expect(await verify({ spec: { provider: "standard" }, secret: STANDARD_SECRET, headers })).toEqual({ ok: true });
  });

  it("standard: a secret that is no base 64 lets nothing through", async ({ expect }) => {
    const given = GOOD["standard"]?.(SECONDS, BODY) ?? { spec: { provider: "hmac" }, headers: {} };
    expect(await verify({ ...given, secret: "not base 64!" })).toMatchObject({ ok: false });
  });
});

function facts(given: Case, body: Parameters<(typeof WEBHOOK_PROVIDERS)["github"]["facts"]>[1]) {
  return WEBHOOK_PROVIDERS[given.spec.provider].facts(delivery(given), body);
}

describe("what a delivery says of itself", () => {
  it("is read where each provider puts it", ({ expect }) => {
    const body = { id: "evt_1", type: "invoice.paid" };
    const github = { "x-github-event": "push", "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958" };
    expect(facts({ spec: { provider: "github" }, headers: github }, body)).toEqual({
      type: "push",
      deliveryId: "72d3162e-cc78-11e3-81ab-4c9367dc0958",
      isPing: false,
    });
    expect(facts({ spec: { provider: "stripe" }, headers: {} }, body)).toMatchObject({
      type: "invoice.paid",
      deliveryId: "evt_1",
    });
    expect(facts({ spec: { provider: "standard" }, headers: { "webhook-id": "msg_1" } }, body)).toMatchObject({
      type: "invoice.paid",
      deliveryId: "msg_1",
    });
    const hmacSpec = { provider: "hmac", delivery_header: "X-Delivery" } as const;
    expect(facts({ spec: hmacSpec, headers: { "x-delivery": "d1" } }, body)).toMatchObject({
      type: "invoice.paid",
      deliveryId: "d1",
    });
  });

  it("may be nothing at all", ({ expect }) => {
    for (const provider of ["github", "stripe", "standard", "hmac"] as const) {
      for (const body of [null, [], "text", { id: 5, type: null }]) {
        expect(facts({ spec: { provider }, headers: {} }, body)).toEqual({
          type: null,
          deliveryId: null,
          isPing: false,
        });
      }
    }
  });
});

describe("the run id of a delivery", () => {
  const body = new TextEncoder().encode(BODY);

  it("is made of its id", ({ expect }) => {
    expect(webhookRunId("github", "72d3162e-cc78", body)).toBe("webhook__github__72d3162e-cc78");
  });

  it("is made of the hash of an id that no run may have", ({ expect }) => {
    for (const id of ["", "a/b", "ü", "x".repeat(201)]) {
      expect(webhookRunId("hmac", id, body)).toBe(`webhook__hmac__${createHash("sha256").update(id).digest("hex")}`);
    }
  });

  it("is made of the body where there is no id", ({ expect }) => {
    expect(webhookRunId("hmac", null, body)).toBe(`webhook__hmac__${createHash("sha256").update(BODY).digest("hex")}`);
  });
});
