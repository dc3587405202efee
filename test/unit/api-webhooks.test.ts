import { createHmac } from "node:crypto";
import { describe, it, vi } from "vitest";
import { dagSpecSchema, type Json, type WebhookSpec } from "../../src/engine/spec.ts";
import type { DagObject } from "../../src/engine/objects.ts";
import { containing } from "./api-matchers.ts";
import { ok, runView, testApi, testRegistry, type SendOptions } from "./api-support.ts";

const SECRET = "sesame";
const env = { GITHUB_SECRET: SECRET };
const triggering: Partial<DagObject> = {
  trigger: async ({ run_id: runId }) => ok(runView({ dag_id: "on_push", run_id: runId ?? "", state: "queued" })),
};

function signed(raw: string, headers: Record<string, string> = {}): SendOptions {
  const signature = createHmac("sha256", SECRET).update(raw).digest("hex");
  return {
    raw,
    key: null,
    headers: {
      "content-type": "application/json",
      "x-github-event": "push",
      "x-github-delivery": "d-1",
      "x-hub-signature-256": `sha256=${signature}`,
      ...headers,
    },
  };
}

/** The registry with a DAG `mapped` whose function makes the conf. */
function mapping(
  toConf: (event: {
    type: string | null;
    deliveryId: string | null;
    headers: Record<string, string>;
    body: Json;
  }) => Record<string, Json> | null,
) {
  const spec = dagSpecSchema.parse({
    dag_id: "mapped",
    tasks: [],
    webhook: { provider: "github", secret: "GITHUB_SECRET" },
  });
  return testRegistry([["mapped", { spec, toConf }]]);
}

describe("POST /webhooks/{dag_id}", () => {
  it("makes conf of at most 128 KiB, of the body or by the DAG's function", async ({ expect }) => {
    const large = JSON.stringify({ ref: "x".repeat(200_000) });
    const refusal = { status: 413, body: { detail: "expected a conf of at most 131072 bytes of JSON, got more" } };
    const api = testApi({ dag: triggering, env });
    expect(await api.send("POST", "/webhooks/on_push", signed(large))).toMatchObject(refusal);
    const grows = testApi({ dag: triggering, env, registry: mapping(() => ({ a: "x".repeat(200_000) })) });
    expect(await grows.send("POST", "/webhooks/mapped", signed("{}"))).toMatchObject(refusal);
    expect([...api.calls, ...grows.calls]).toEqual([]);
    const cuts = testApi({ dag: triggering, env, registry: mapping(() => ({ ref: "x" })) });
    expect((await cuts.send("POST", "/webhooks/mapped", signed(large))).status).toBe(202);
  });

  it("triggers a run of the DAG by a signature alone, and answers its id", async ({ expect }) => {
    const api = testApi({ dag: triggering, env });
    const { status, headers, body } = await api.send("POST", "/webhooks/on_push", signed('{"ref":"refs/heads/main"}'));
    expect(status).toBe(202);
    expect(body).toEqual({ dag_id: "on_push", dag_run_id: "webhook__github__d-1", state: "queued" });
    expect(headers.get("location")).toBe("/api/v2/dags/on_push/dagRuns/webhook__github__d-1");
    expect(api.calls).toEqual([
      {
        object: "DAG on_push",
        method: "trigger",
        args: [
          {
            run_id: "webhook__github__d-1",
            logical_date: null,
            data_interval_start: null,
            data_interval_end: null,
            run_after: null,
            conf: { ref: "refs/heads/main" },
            note: null,
            triggered_by: "webhook",
            dedupe: true,
          },
        ],
      },
    ]);
  });

  it("asks for the same run when the same delivery comes again", async ({ expect }) => {
    const api = testApi({ dag: triggering, env });
    const first = await api.send("POST", "/webhooks/on_push", signed("{}"));
    const again = await api.send("POST", "/webhooks/on_push", signed("{}"));
    expect(again.body).toEqual(first.body);
    expect(api.calls[0]).toEqual(api.calls[1]);
  });

  it("gives the DAG's function the event, without the caller's credentials", async ({ expect }) => {
    const seen: unknown[] = [];
    const registry = mapping((event) => {
      seen.push(event);
      return { branch: "main" };
    });
    const api = testApi({ dag: triggering, env, registry });
    await api.send("POST", "/webhooks/mapped", signed('{"a":1}', { authorization: "Bearer x", cookie: "c=1" }));
    expect(api.calls[0]?.args).toMatchObject([{ conf: { branch: "main" } }]);
    expect(seen).toMatchObject([{ provider: "github", type: "push", deliveryId: "d-1", body: { a: 1 } }]);
    expect(JSON.stringify(seen)).not.toMatch(/authorization|cookie/i);
  });

  it.for([
    ["an event that the DAG's function has no use for", "mapped", {}],
    ["GitHub's ping", "on_push", { "x-github-event": "ping" }],
  ] as const)("ignores %s", async ([, dagId, headers], { expect }) => {
    const api = testApi({ dag: triggering, env, registry: mapping(() => null) });
    const { status, body } = await api.send("POST", `/webhooks/${dagId}`, signed("{}", headers));
    expect(status).toBe(200);
    expect(body).toEqual({ ignored: true });
    expect(api.calls).toEqual([]);
  });

  it.for([
    ["no signature", { ...signed("{}"), headers: {} }, "expected the header X-Hub-Signature-256, got none"],
    [
      "a malformed signature",
      signed("{}", { "x-hub-signature-256": "sha256=xyz" }),
      "expected X-Hub-Signature-256 to be sha256= and 64 hexadecimal digits",
    ],
    [
      "a wrong signature",
      signed("{}", { "x-hub-signature-256": `sha256=${"0".repeat(64)}` }),
      "the signature does not fit the body",
    ],
    ["another body", { ...signed("{}"), raw: '{"ref":"x"}' }, "the signature does not fit the body"],
    ["no body", signed(""), "the signature does not fit the body"],
  ] as const)("refuses %s with 401, and asks no object", async ([, options, detail], { expect }) => {
    const api = testApi({ dag: triggering, env });
    expect(await api.send("POST", "/webhooks/on_push", options)).toMatchObject({ status: 401, body: { detail } });
    expect(api.calls).toEqual([]);
  });

  it.for([
    ["not there", {}],
    ["empty", { GITHUB_SECRET: "" }],
    ["no text", { GITHUB_SECRET: { getByName: 1 } }],
  ] as const)(
    "refuses every delivery while the secret is %s as if it were signed wrongly, and logs its name",
    async ([, bindings], { expect }) => {
      const logged = vi.spyOn(console, "error").mockImplementation(() => undefined);
      const api = testApi({ dag: triggering, env: bindings });
      const { status, body } = await api.send("POST", "/webhooks/on_push", signed("{}"));
      expect([status, body]).toEqual([401, { detail: "the signature does not fit the body" }]);
      expect(await api.send("POST", "/webhooks/on_push", { ...signed("{}"), headers: {} })).toMatchObject({
        status: 401,
        body: { detail: "expected the header X-Hub-Signature-256, got none" },
      });
      expect(logged).toHaveBeenCalledWith({
        event: "webhook_secret_missing",
        dag_id: "on_push",
        secret: "GITHUB_SECRET",
      });
      expect(api.calls).toEqual([]);
      logged.mockRestore();
    },
  );

  describe("of a spec that was stored before its names were checked", () => {
    const send = (
      webhook: Partial<WebhookSpec>,
      bindings: Record<string, unknown>,
      headers: Record<string, string>,
    ) => {
      const parsed = dagSpecSchema.parse({ dag_id: "old", tasks: [], webhook: { provider: "hmac", secret: "S" } });
      const spec = { ...parsed, webhook: { provider: "hmac" as const, secret: "S", tolerance: 300, ...webhook } };
      const api = testApi({ dag: triggering, env: bindings, registry: testRegistry([["old", { spec }]]) });
      return api.send("POST", "/webhooks/old", {
        raw: "{}",
        key: null,
        headers: { "content-type": "application/json", ...headers },
      });
    };
    const signatureOf = (secret: string) => createHmac("sha256", secret).update("{}").digest("hex");

    it("takes a header that cannot be for one that is not there", async ({ expect }) => {
      const webhook = { signature_header: "a b" };
      expect(await send(webhook, { S: "s" }, {})).toMatchObject({
        status: 401,
        body: { detail: "expected the header a b, got none" },
      });
      const signature = { "x-signature": signatureOf("s") };
      const headers = { signature_header: "X-Signature", timestamp_header: "a b" };
      expect(await send(headers, { S: "s" }, signature)).toMatchObject({ status: 401 });
      const delivery = { signature_header: "X-Signature", delivery_header: "a b" };
      expect(await send(delivery, { S: "s" }, signature)).toMatchObject({ status: 202 });
    });

    it("takes no variable of the service itself for a secret", async ({ expect }) => {
      for (const secret of ["TASK_CONSUMER", "QUEUES", "JOBBERS_API_KEY"]) {
        const headers = { "x-signature": signatureOf("detach") };
        const answer = await send({ secret, signature_header: "X-Signature" }, { [secret]: "detach" }, headers);
        expect(answer, secret).toMatchObject({ status: 401, body: { detail: "the signature does not fit the body" } });
      }
    });
  });

  it("answers alike for a DAG without a webhook and for none at all", async ({ expect }) => {
    const api = testApi({ dag: triggering, env });
    expect(await api.send("POST", "/webhooks/etl", signed("{}"))).toMatchObject({
      status: 404,
      body: { detail: 'there is no webhook at "etl"' },
    });
    expect(await api.send("POST", "/webhooks/nothing", signed("{}"))).toMatchObject({
      status: 404,
      body: { detail: 'there is no webhook at "nothing"' },
    });
  });

  it.for([
    [
      "is no JSON",
      '{"ref":',
      400,
      "malformed JSON: expected a value, got the end of the text at position 7 (line 1, column 8)",
    ],
    ["nests too deep", "[".repeat(200) + "]".repeat(200), 422, "expected at most 100 levels of nesting"],
    ["is a list", "[1]", 422, "expected an event that makes an object as the run's conf, got [1]"],
  ] as const)("refuses a good signature over a body that %s", async ([, raw, status, text], { expect }) => {
    const api = testApi({ dag: triggering, env });
    const answer = await api.send("POST", "/webhooks/on_push", signed(raw));
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ detail: [{ msg: containing(text) }] });
    expect(api.calls).toEqual([]);
  });

  it("refuses an event that the DAG's function cannot read", async ({ expect }) => {
    const registry = mapping(() => {
      throw new TypeError("no commits");
    });
    const { status, body } = await testApi({ env, registry }).send("POST", "/webhooks/mapped", signed("{}"));
    expect(status).toBe(422);
    expect(body).toMatchObject({ detail: [{ loc: ["body"], msg: "the DAG cannot read this event: no commits" }] });
  });

  it("answers 422 for conf that violates the DAG's params", async ({ expect }) => {
    const refusal = { code: "invalid", message: "expected a branch", loc: ["body", "conf", "ref"] } as const;
    const api = testApi({
      dag: { trigger: async () => ({ ok: false, refusal: { ...refusal, loc: [...refusal.loc] } }) },
      env,
    });
    expect(await api.send("POST", "/webhooks/on_push", signed("{}"))).toMatchObject({
      status: 422,
      body: { detail: [{ msg: "expected a branch" }] },
    });
  });

  it("refuses a body over 1 MiB with 413", async ({ expect }) => {
    const { status } = await testApi({ env }).send(
      "POST",
      "/webhooks/on_push",
      signed(JSON.stringify("x".repeat(1_100_000))),
    );
    expect(status).toBe(413);
  });
});
