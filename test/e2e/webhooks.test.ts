import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, test } from "vitest";
import { deliveryOf } from "../../scripts/demo/webhooks.ts";
import { startTestServer, WEBHOOK_SECRET } from "../support/server.ts";
import type { TestServer } from "../support/server.ts";
import { endOfRun } from "../support/waiting.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ GITHUB_WEBHOOK_SECRET: WEBHOOK_SECRET });
});

afterAll(async () => {
  await server.remove();
});

const PATH = "/webhooks/github_events";

describe("a delivery of GitHub's", () => {
  test("starts a run that summarises it", async ({ expect }) => {
    const { body, headers } = await deliveryOf("issues", WEBHOOK_SECRET);
    const { runId, status } = await server.client.sendWebhook("github_events", body, headers);
    const run = await endOfRun(server.client, "github_events", runId);
    expect(status).toBe(202);
    expect(run.state).toBe("success");
    expect(run.conf).toMatchObject({ event: "issues", repository: "Codertocat/Hello-World" });
  });

  test("that comes again answers the same run, and makes no other", async ({ expect }) => {
    const { body, headers } = await deliveryOf("push", WEBHOOK_SECRET);
    const first = await server.client.sendWebhook("github_events", body, headers);
    const runs = await server.client.countRuns("github_events");
    const again = await Promise.all(
      Array.from({ length: 5 }, async () => server.client.sendWebhook("github_events", body, headers)),
    );
    expect(new Set([first, ...again].map(({ runId }) => runId)).size).toBe(1);
    expect(await server.client.countRuns("github_events")).toBe(runs);
  });

  test("that is not signed with the secret is refused, and leaves nothing", async ({ expect }) => {
    const { body } = await deliveryOf("push", WEBHOOK_SECRET);
    const forged = await deliveryOf("push", "another secret");
    const { "x-hub-signature-256": _, ...unsigned } = forged.headers;
    const tampered = await deliveryOf("push", WEBHOOK_SECRET);
    const runs = await server.client.countRuns("github_events");
    const answers = await Promise.all([
      server.client.http.send("POST", PATH, body, { ...forged.headers, "x-github-delivery": randomUUID() }),
      server.client.http.send("POST", PATH, body, unsigned),
      server.client.http.send("POST", PATH, `${tampered.body} `, tampered.headers),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401]);
    expect(await server.client.countRuns("github_events")).toBe(runs);
  });

  test("for a DAG that takes none is not found", async ({ expect }) => {
    const { body, headers } = await deliveryOf("push", WEBHOOK_SECRET);
    const answers = await Promise.all(
      ["flights_etl", "no_such_dag"].map(async (dagId) =>
        server.client.http.send("POST", `/webhooks/${dagId}`, body, headers),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([404, 404]);
  });

  test("that is a ping is taken and starts nothing", async ({ expect }) => {
    const { body, headers } = await deliveryOf("ping", WEBHOOK_SECRET);
    const runs = await server.client.countRuns("github_events");
    const answer = await server.client.http.send("POST", PATH, body, headers);
    expect(answer.status).toBe(200);
    expect(await server.client.countRuns("github_events")).toBe(runs);
  });
});
