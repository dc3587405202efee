import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { afterAll, beforeAll, describe, onTestFinished, test } from "vitest";
import { startTestServer, WEBHOOK_SECRET } from "../support/server.ts";
import type { TestServer } from "../support/server.ts";
import { eventually } from "../support/waiting.ts";

/** More than may wait for an answer where nothing was measured. */
const SENDERS = 450;

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ GITHUB_WEBHOOK_SECRET: WEBHOOK_SECRET });
});

afterAll(async () => {
  await server.remove();
});

/** A request that has sent its head and a part of its body, and sends no more. */
async function halfSent(path: string, ...headers: string[]): Promise<Socket> {
  const { hostname, port } = new URL(server.process.url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  socket.resume();
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  const head = ["content-type: application/json", "content-length: 100", `host: ${hostname}:${port}`, ...headers];
  socket.write(`POST ${path} HTTP/1.1\r\n${head.join("\r\n")}\r\n\r\n{"half":`);
  return socket;
}

describe("half of a body, and no more", () => {
  test("from many senders without a key holds up no submission of others", async ({ expect }) => {
    const sockets = await Promise.all(Array.from({ length: SENDERS }, () => halfSent("/webhooks/github_events")));
    const accepted = await eventually("a submission to be taken", async () => {
      const { status } = await server.client.http.call("POST", "/tasks/hello", { payload: {} });
      return status === 202 ? status : null;
    });
    expect(accepted).toBe(202);
    // Those beyond the bound were refused; the others hold their connections, and nothing else.
    expect(sockets.filter(({ closed }) => !closed).length).toBeGreaterThan(0);
  });

  test("does not keep the server from stopping in order", async ({ expect }) => {
    const socket = await halfSent("/webhooks/github_events", "expect: 100-continue");
    // It says that the server waits for the body.
    await once(socket, "data");
    const closed = once(socket, "close");
    expect(await server.process.stop()).toBe(0);
    await closed;
    await server.restart();
    expect((await server.client.http.call("GET", "/api/v2/version")).status).toBe(200);
  });
});
