import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, onTestFinished, test } from "vitest";
import { curlLines } from "../../scripts/greeting.ts";
import { freePort } from "../../scripts/ports.ts";
import { isAlive } from "../../scripts/processes.ts";
import { PROJECT_ROOT } from "../../scripts/project.ts";
import { runtimePath } from "../../scripts/runtime-command.ts";
import { startServerProcess } from "../../scripts/server-process.ts";
import { startTestServer } from "../support/server.ts";
import type { TestServer } from "../support/server.ts";
import { eventually } from "../support/waiting.ts";

const run = promisify(execFile);
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(async () => {
  await server.remove();
});

async function shell(command: string): Promise<unknown> {
  const { stdout } = await run("bash", ["-c", `${command} --silent --show-error --fail-with-body`], {
    env: { ...process.env, KEY: server.process.apiKey },
  });
  const answer: unknown = JSON.parse(stdout);
  return answer;
}

/** The curl commands of the README, each with its continued lines, against the server of this test. */
function readmeCurls(): string[] {
  const readme = readFileSync(join(PROJECT_ROOT, "README.md"), "utf8");
  const blocks = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
  return blocks
    .flatMap((block) => block.replaceAll(/\\\n\s*/g, "").split("\n"))
    .filter((line) => line.startsWith("curl "))
    .map((line) => line.replaceAll("http://127.0.0.1:8787", server.process.url));
}

describe("the curl lines", () => {
  test("of the README work as they stand", async ({ expect }) => {
    const curls = readmeCurls();
    expect(curls.length).toBeGreaterThanOrEqual(3);
    for (const curl of curls) {
      expect(await shell(curl)).toBeTypeOf("object");
    }
  });

  test("that npm start prints work as they stand", async ({ expect }) => {
    const answers: unknown[] = [];
    for (const curl of curlLines({ url: server.process.url, developmentKey: server.process.apiKey })) {
      answers.push(await shell(curl));
    }
    expect(answers).toMatchObject([
      { metadatabase: { status: "healthy" } },
      { name: "hello" },
      { dag_id: "flights_etl" },
    ]);
  });
});

describe("npm start", () => {
  test("says so if its port is taken", async ({ expect }) => {
    const stateFolder = mkdtempSync(join(tmpdir(), "jobbers-test-"));
    onTestFinished(() => rmSync(stateFolder, { recursive: true, force: true }));
    const port = Number(new URL(server.process.url).port);
    await expect(startServerProcess({ stateFolder, port })).rejects.toThrow(`port ${port} of 127.0.0.1 is taken`);
  });

  test("says what is wrong with the configuration of queues", async ({ expect }) => {
    const stateFolder = mkdtempSync(join(tmpdir(), "jobbers-test-"));
    onTestFinished(() => rmSync(stateFolder, { recursive: true, force: true }));
    const secrets = { QUEUES: '{"heavy": {"binding": "TASKS", "queue": "jobbers-tasks"}}' };
    await expect(startServerProcess({ stateFolder, secrets })).rejects.toThrow(
      'QUEUES: expected a queue of the name "default"',
    );
  });

  test("ends the runtime that a killed server left behind, and serves on the same port", async ({ expect }) => {
    const stateFolder = mkdtempSync(join(tmpdir(), "jobbers-test-"));
    const port = await freePort("127.0.0.1");
    // Started without what ties the runtime to its server, as on systems that have no such thing.
    const first = await startServerProcess({
      stateFolder,
      port,
      environment: { MINIFLARE_WORKERD_PATH: runtimePath() },
    });
    const orphan = first.runtimePid();
    process.kill(first.pid, "SIGKILL");
    const second = await startServerProcess({ stateFolder, port });
    onTestFinished(async () => {
      await second.stop();
      rmSync(stateFolder, { recursive: true, force: true });
    });
    expect(orphan).not.toBeNull();
    expect(second.runtimePid()).not.toBe(orphan);
    expect(isAlive(orphan ?? 0)).toBe(false);
    expect(second.url).toBe(`http://127.0.0.1:${port}`);
  });

  test.runIf(process.platform === "linux")("takes its runtime with it, however it ends", async ({ expect }) => {
    const stateFolder = mkdtempSync(join(tmpdir(), "jobbers-test-"));
    onTestFinished(() => rmSync(stateFolder, { recursive: true, force: true }));
    const killed = await startServerProcess({ stateFolder });
    const runtime = killed.runtimePid() ?? 0;
    expect(isAlive(runtime)).toBe(true);
    process.kill(killed.pid, "SIGKILL");
    await eventually("the runtime to end", async () => (isAlive(runtime) ? null : true));
  });
});

describe("the bundle", () => {
  test("makes no code from text, which the runtime refuses", ({ expect }) => {
    const bundle = readFileSync(join(PROJECT_ROOT, "dist", "index.js"), "utf8");
    expect(bundle.length).toBeGreaterThan(10_000);
    expect(bundle.match(/\beval\(|\bajv\b/g)).toBeNull();
  });
});
