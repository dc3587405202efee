/**
 * Signed deliveries of others that start runs.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { isSecretName, type Json } from "../../engine/spec.ts";
import { DAG_RUN_STATES } from "../../engine/states.ts";
import type { WebhookEvent } from "../../sdk/index.ts";
import { readSecret, type ApiDeps, type ApiEnv, type ApiRegistry, type AppEnv } from "../env.ts";
import { ApiError, invalid, malformedJson, notFound, unwrap } from "../errors.ts";
import { isRegistered } from "../known-dag.ts";
import { refuseTooDeep } from "../limits.ts";
import { dagObject } from "../objects.ts";
import { json, PUBLIC, refusals } from "../responses.ts";
import { boundedConf } from "../trigger.ts";
import { bodyText } from "../webhooks/body-text.ts";
import { WEBHOOK_PROVIDERS } from "../webhooks/providers.ts";
import { webhookRunId } from "../webhooks/run-id.ts";

const startedSchema = z
  .object({ dag_id: z.string(), dag_run_id: z.string(), state: z.enum(DAG_RUN_STATES) })
  .openapi("WebhookRun");

const ignoredSchema = z.object({ ignored: z.literal(true) }).openapi("WebhookIgnored");

const deliverRoute = createRoute({
  method: "post",
  path: "/webhooks/{dag_id}",
  tags: ["Webhook"],
  summary: "Deliver an event to a DAG",
  description:
    "Needs no API key but a signature, as the DAG's `webhook` says. The same delivery again answers the same run.",
  security: PUBLIC,
  request: { params: z.object({ dag_id: z.string() }) },
  responses: {
    202: json(startedSchema, "The run, new or of an earlier delivery of the same event"),
    200: json(ignoredSchema, "The DAG has no use for this event"),
    ...refusals(400, 401, 404, 413, 422),
  },
});

/** The route of webhooks. */
export function webhookRoutes({ registry, now }: ApiDeps) {
  return new OpenAPIHono<AppEnv>().openapi(deliverRoute, async (c) => {
    const { dag_id: dagId } = c.req.valid("param");
    const { spec, toConf } = await receiver(registry, c.env, dagId);
    const secret = secretOf(c.env, dagId, spec.secret);
    const body = new Uint8Array(await c.req.arrayBuffer());
    const provider = WEBHOOK_PROVIDERS[spec.provider];
    const delivery = { spec, secret, headers: c.req.raw.headers, body, now: now() };
    const verification = await provider.verify(delivery);
    if (!verification.ok) {
      throw new ApiError(401, verification.reason);
    }
    const event = readJson(body);
    const { type, deliveryId, isPing } = provider.facts(delivery, event);
    const headers = publicHeaders(c.req.header());
    const conf = isPing ? null : confOf({ provider: spec.provider, type, deliveryId, headers, body: event }, toConf);
    if (conf === null) {
      return c.json({ ignored: true as const }, 200);
    }
    const run = unwrap(
      await dagObject(c.env, dagId).trigger({
        run_id: webhookRunId(spec.provider, deliveryId, body),
        logical_date: null,
        data_interval_start: null,
        data_interval_end: null,
        run_after: null,
        conf: boundedConf(conf),
        note: null,
        triggered_by: "webhook",
        dedupe: true,
      }),
    );
    c.header("Location", `/api/v2/dags/${encodeURIComponent(dagId)}/dagRuns/${encodeURIComponent(run.run_id)}`);
    return c.json({ dag_id: dagId, dag_run_id: run.run_id, state: run.state }, 202);
  });
}

type Definition = NonNullable<ReturnType<ApiRegistry["dags"]["get"]>>;

/** One answer whether the DAG is unknown or has no webhook: who has no key learns nothing of what is there. */
async function receiver(registry: ApiRegistry, env: ApiEnv, dagId: string) {
  const definition = registry.dags.get(dagId) ?? (await registeredDag(env, dagId));
  if (definition?.spec.webhook === undefined) {
    throw notFound(`there is no webhook at ${JSON.stringify(dagId.slice(0, 250))}`);
  }
  return { spec: definition.spec.webhook, toConf: definition.toConf };
}

async function registeredDag(env: ApiEnv, dagId: string): Promise<Definition | undefined> {
  const answer = (await isRegistered(env, dagId)) ? await dagObject(env, dagId).describe() : null;
  return answer?.ok === true ? { spec: answer.value.spec } : undefined;
}

function readJson(body: Uint8Array): Json {
  const text = bodyText(body);
  if (text === null) {
    throw new ApiError(400, [{ loc: ["body"], msg: "expected the body to be UTF-8", type: "json_invalid" }]);
  }
  refuseTooDeep(text);
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw malformedJson(text);
  }
}

/**
 * The secret. In the place of one that is not configured stands one that is made up, so that a stranger cannot tell it from
 * a wrong signature; the log says it.
 */
function secretOf(env: ApiEnv, dagId: string, name: string): string {
  const secret = isSecretName(name) ? readSecret(env, name) : null;
  if (secret === null) {
    console.error({ event: "webhook_secret_missing", dag_id: dagId, secret: name });
  }
  return secret ?? crypto.randomUUID() + crypto.randomUUID();
}

/** The conf of the run, by the DAG's own function or, without one, the event's body; null if the event is ignored. */
function confOf(event: WebhookEvent, toConf: Definition["toConf"]): Record<string, Json> | null {
  const conf = toConf === undefined ? event.body : callToConf(toConf, event);
  if (conf !== null && (typeof conf !== "object" || Array.isArray(conf))) {
    throw invalid(["body"], "expected an event that makes an object as the run's conf", conf);
  }
  return conf;
}

/** A function that throws does not know what to make of this event: that is the event's fault first. */
function callToConf(toConf: NonNullable<Definition["toConf"]>, event: WebhookEvent): Record<string, Json> | null {
  try {
    return toConf(event);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ApiError(422, [{ loc: ["body"], msg: `the DAG cannot read this event: ${reason}`, type: "value_error" }]);
  }
}

const PRIVATE_HEADERS: ReadonlySet<string> = new Set(["authorization", "cookie"]);

function publicHeaders(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !PRIVATE_HEADERS.has(name)));
}
