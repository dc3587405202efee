import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, onTestFinished, test } from "vitest";
import { makeClient } from "../../scripts/client.ts";
import type { Client } from "../../scripts/client.ts";
import { PROJECT_ROOT } from "../../scripts/project.ts";
import { startServerProcess } from "../../scripts/server-process.ts";
import type { ServerProcess } from "../../scripts/server-process.ts";
import { openGate } from "../support/gate.ts";
import type { Gate } from "../support/gate.ts";
import { eventually } from "../support/waiting.ts";

interface Stage {
  gate: Gate;
  server: ServerProcess;
  client: Client;
  /** Starts a server on the same state again. */
  startAgain: () => Promise<Client>;
}

/** A server with the gated tasks, and the gate; gone with the test. */
async function openStage(drainSeconds?: number): Promise<Stage> {
  const stateFolder = mkdtempSync(join(tmpdir(), "jobbers-test-"));
  const gate = await openGate();
  const servers: ServerProcess[] = [];
  const clients: Client[] = [];
  async function start(): Promise<{ server: ServerProcess; client: Client }> {
    const server = await startServerProcess({
      stateFolder,
      configPath: join(PROJECT_ROOT, "test", "e2e", "server", "wrangler.toml"),
      bundleFolder: join(PROJECT_ROOT, "dist", "test-server"),
      ...(drainSeconds === undefined ? {} : { drainSeconds }),
    });
    const client = makeClient(server.url, server.apiKey);
    servers.push(server);
    clients.push(client);
    return { server, client };
  }
  onTestFinished(async () => {
    gate.close();
    for (const client of clients) {
      client.close();
    }
    for (const server of servers) {
      await server.crash();
    }
    rmSync(stateFolder, { recursive: true, force: true });
  });
  const first = await start();
  return { gate, ...first, startAgain: async () => (await start()).client };
}

describe("a server that is stopped", () => {
  test("hands over a task that obeys its signal: it starts again as the same try, without a retry left", async ({
    expect,
  }) => {
    const { gate, server, client, startAgain } = await openStage();
    const { id } = await client.submitTask("obey", { gate: gate.url });
    await gate.arrived("/obey/1");
    expect(await server.stop()).toBe(0);

    const again = await startAgain();
    await gate.arrived("/obey/1", 2);
    gate.open("/obey/1");
    const job = await again.getJob(id, 30);
    expect(job).toMatchObject({ state: "success", try_number: 1, max_tries: 0, result: { passed: "open" } });
  });

  test("hands over a task that ignores its signal when the time is up", async ({ expect }) => {
    const { gate, server, client, startAgain } = await openStage(0);
    const { id } = await client.submitTask("ignore", { gate: gate.url });
    await gate.arrived("/ignore/1");
    expect(await server.stop()).toBe(0);

    const again = await startAgain();
    await gate.arrived("/ignore/1", 2);
    gate.open("/ignore/1");
    expect(await again.getJob(id, 30)).toMatchObject({ state: "success", try_number: 1, late_results: 0 });
  });

  test("waits for a task that ends in time, and keeps its result", async ({ expect }) => {
    const { gate, server, client, startAgain } = await openStage();
    const { id } = await client.submitTask("finish", { gate: gate.url });
    await gate.arrived("/finish/1");
    const stopped = server.stop();
    await gate.arrived("/cleanup/1");
    gate.open("/cleanup/1");
    expect(await stopped).toBe(0);

    const again = await startAgain();
    expect(await again.getJob(id, 30)).toMatchObject({ state: "success", result: { finished: "in time" } });
    expect(gate.count("/finish/1")).toBe(1);
  });

  test("hands over a task instance of a DAG, and what follows it runs after the next start", async ({ expect }) => {
    const { gate, server, client, startAgain } = await openStage();
    const { dag_run_id: runId } = await client.triggerRun("gated", { conf: { gate: gate.url } });
    await gate.arrived("/obey/1");
    expect(await server.stop()).toBe(0);

    const again = await startAgain();
    await gate.arrived("/obey/1", 2);
    gate.open("/obey/1");
    gate.open("/finish/1");
    const run = await again.getRun("gated", runId, 30);
    const instances = await again.listTaskInstances("gated", runId);
    expect(run.state).toBe("success");
    expect(instances.map(({ task_id: taskId, state, try_number: tryNumber }) => [taskId, state, tryNumber])).toEqual([
      ["obey", "success", 1],
      ["finish", "success", 1],
    ]);
    expect(gate.count("/finish/1")).toBe(1);
  });

  test("answers the requests in flight: who waits gets the present state at once", async ({ expect }) => {
    const { gate, server, client } = await openStage();
    const { id } = await client.submitTask("finish", { gate: gate.url });
    await gate.arrived("/finish/1");
    await eventually("the job to run", async () => ((await client.getJob(id)).state === "running" ? true : null));
    const waits = Array.from({ length: 20 }, async () => client.getJob(id, 60));
    const stopped = server.stop();
    // The task is over only when the waits are: none of them can have waited for its end.
    const answers = await Promise.all(waits);
    expect(new Set(answers.map(({ state }) => state))).toEqual(new Set(["running"]));
    gate.open("/cleanup/1");
    expect(await stopped).toBe(0);
  });

  test("says so, and takes nothing new; a second signal ends it at once", async ({ expect }) => {
    const { gate, server, client } = await openStage(3600);
    const { id } = await client.submitTask("ignore", { gate: gate.url });
    await gate.arrived("/ignore/1");
    const stopped = server.stop();
    await eventually("health to say so", async () => {
      const { body } = await client.http.call("GET", "/api/v2/monitor/health");
      return JSON.stringify(body).includes('"scheduler":{"status":"unhealthy"') ? true : null;
    });
    const refused = await client.http.call("POST", "/tasks/obey", { payload: { gate: gate.url } });
    expect([refused.status, refused.headers["retry-after"]]).toEqual([503, "5"]);
    expect(refused.body).toEqual({ detail: expect.stringContaining("the server is stopping") });
    expect((await client.getJob(id)).state).toBe("running");
    expect(server.output()).toContain("running tasks have 3600 s to end");
    process.kill(server.pid, "SIGTERM");
    expect(await stopped).toBe(1);
  });

  test("closes its port", async ({ expect }) => {
    const { server } = await openStage();
    expect(await server.stop()).toBe(0);
    const { hostname, port } = new URL(server.url);
    const [error] = (await once(createConnection({ host: hostname, port: Number(port) }), "error")) as [Error];
    expect(error.message).toContain("ECONNREFUSED");
  });
});

describe("a server that is killed", () => {
  test("loses what it ran, which is known at once after the next start and costs no try", async ({ expect }) => {
    const { gate, server, client, startAgain } = await openStage();
    const { id } = await client.submitTask("patient", { gate: gate.url });
    const { dag_run_id: runId } = await client.triggerRun("waiting", { conf: { gate: gate.url } });
    await Promise.all([gate.arrived("/patient/alone/1"), gate.arrived("/patient/waiting/1")]);
    await server.crash();

    const again = await startAgain();
    await Promise.all([again.getJob(id), again.getRun("waiting", runId)]);
    await Promise.all([gate.arrived("/patient/alone/2"), gate.arrived("/patient/waiting/2")]);
    gate.open("/patient/alone/2");
    gate.open("/patient/waiting/2");
    expect(await again.getJob(id, 30)).toMatchObject({ state: "success", try_number: 2, max_tries: 1 });
    expect(await again.getRun("waiting", runId, 30)).toMatchObject({ state: "success" });
    const [instance] = await again.listTaskInstances("waiting", runId);
    expect(instance).toMatchObject({ state: "success", try_number: 2, max_tries: 1 });
  });
});

describe("a task that runs in its object", () => {
  test("goes on after a stop as the same try", async ({ expect }) => {
    const { gate, server, client, startAgain } = await openStage();
    const { id } = await client.submitTask("long", { gate: gate.url });
    await gate.arrived("/long/1");
    expect(await server.stop()).toBe(0);

    const again = await startAgain();
    await gate.arrived("/long/1", 2);
    gate.open("/long/1");
    expect(await again.getJob(id, 30)).toMatchObject({ state: "success", try_number: 1, result: { passed: "open" } });
  });

  test("is found and tried again when its server crashed", async ({ expect }) => {
    const { gate, server, client, startAgain } = await openStage();
    const { id } = await client.submitTask("long", { gate: gate.url });
    await gate.arrived("/long/1");
    await server.crash();

    const again = await startAgain();
    await gate.arrived("/long/2");
    gate.open("/long/2");
    const job = await again.getJob(id, 30);
    expect(job).toMatchObject({ state: "success", try_number: 2, late_results: 0, result: { passed: "open" } });
    expect(gate.count("/long/1")).toBe(1);
  });
});
