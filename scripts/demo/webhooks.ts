/**
 * Runs started by GitHub's webhooks: real payloads of every kind that is published, signed as GitHub signs.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sign } from "@octokit/webhooks-methods";
import { z } from "zod";
import { PROJECT_ROOT } from "../project.ts";
import type { Stage } from "./stage.ts";

const DAG_ID = "github_events";
const EVENTS = ["push", "issues", "pull_request", "release", "star"];

const examplesSchema = z.array(z.object({ name: z.string(), examples: z.array(z.record(z.string(), z.unknown())) }));
const headlineSchema = z.object({ headline: z.string() });
const pushSchema = z.object({
  ref: z.string(),
  commits: z.array(z.unknown()),
  repository: z.object({ full_name: z.string() }),
  sender: z.object({ login: z.string() }),
});

/** A delivery as GitHub makes it. */
export interface Delivery {
  event: string;
  body: string;
  headers: Record<string, string>;
}

/** The published payload of an event, signed with `secret`. Throws if none is published. */
export async function deliveryOf(event: string, secret: string): Promise<Delivery> {
  const file = join(PROJECT_ROOT, "node_modules", "@octokit", "webhooks-examples", "api.github.com", "index.json");
  const published = examplesSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  const [payload] = (published.find(({ name }) => name === event)?.examples ?? []).toSorted(
    (a, b) => commitsOf(b) - commitsOf(a),
  );
  if (payload === undefined) {
    throw new Error(`expected a published payload of the event ${event}, found none`);
  }
  const body = JSON.stringify(payload);
  return {
    event,
    body,
    headers: {
      "content-type": "application/json",
      "x-github-event": event,
      "x-github-delivery": randomUUID(),
      "x-hub-signature-256": await sign(secret, body),
    },
  };
}

/** A push that pushes something says more than one that only moves a tag. */
function commitsOf(payload: Record<string, unknown>): number {
  return Array.isArray(payload["commits"]) ? payload["commits"].length : 0;
}

/** Delivers events, one of them twice and one with a wrong signature. */
export async function deliverWebhooks({ client, screen, checks }: Stage, secret: string): Promise<void> {
  screen.section("4. GitHub webhooks: real payloads, signed; one delivered twice, one with a wrong signature");
  const deliveries = await Promise.all(EVENTS.map(async (event) => deliveryOf(event, secret)));
  for (const { event, body, headers } of deliveries) {
    const start = performance.now();
    const { runId } = await client.sendWebhook(DAG_ID, body, headers);
    const answered = performance.now() - start;
    const run = await client.getRun(DAG_ID, runId, 30);
    const { headline } = headlineSchema.parse(await client.getXCom(DAG_ID, runId, "publish_summary"));
    screen.line(`${event.padEnd(12)} answered in ${answered.toFixed(1)} ms, run ${run.state}: ${headline}`);
    checks.equal(`the run of the ${event} event succeeded`, run.state, "success");
    if (event === "push") {
      checks.equal("the push was summarised as its payload says", headline, expectedHeadline(body));
    }
  }
  checks.equal("each delivery made one run", await client.countRuns(DAG_ID), deliveries.length);

  const [first] = deliveries;
  if (first === undefined) {
    throw new Error("expected at least one event to deliver");
  }
  const once = await client.sendWebhook(DAG_ID, first.body, first.headers);
  const again = await client.sendWebhook(DAG_ID, first.body, first.headers);
  screen.line(`${first.event} delivered again: the same run ${again.runId}`);
  checks.equal("a delivery that is repeated answers the same run", once.runId, again.runId);

  const forged = {
    ...first.headers,
    "x-github-delivery": randomUUID(),
    "x-hub-signature-256": await sign("another secret", first.body),
  };
  const refusal = await client.http.send("POST", `/webhooks/${DAG_ID}`, first.body, forged);
  screen.line(`wrong signature: ${refusal.status} ${JSON.stringify(refusal.body)}`);
  checks.equal("a wrong signature is refused", refusal.status, 401);
  checks.equal("neither made a further run", await client.countRuns(DAG_ID), deliveries.length);
}

function expectedHeadline(body: string): string {
  const push = pushSchema.parse(JSON.parse(body));
  const count = push.commits.length === 1 ? "1 commit" : `${push.commits.length} commits`;
  return `${push.sender.login} pushed ${count} to ${push.ref.split("/").slice(2).join("/")} of ${push.repository.full_name}`;
}
