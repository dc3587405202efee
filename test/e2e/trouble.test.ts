import { randomBytes } from "node:crypto";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, onTestFinished, test } from "vitest";
import { makeClient } from "../../scripts/client.ts";
import { PROJECT_ROOT } from "../../scripts/project.ts";
import { startServerProcess } from "../../scripts/server-process.ts";
import type { ServerProcess, ServerProcessOptions } from "../../scripts/server-process.ts";
import { eventually } from "../support/waiting.ts";

/** A folder of a test, gone with it. */
function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "jobbers-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A server that is stopped when its test is over. */
async function start(options: ServerProcessOptions): Promise<ServerProcess> {
  const server = await startServerProcess(options);
  onTestFinished(async () => server.crash());
  return server;
}

/** A state folder that a server has used. */
async function usedFolder(): Promise<string> {
  const stateFolder = temporaryFolder();
  const server = await startServerProcess({ stateFolder });
  await server.stop();
  return stateFolder;
}

describe("a garbled file", () => {
  test("of alarms is named by the start that meets it, with what to do", async ({ expect }) => {
    const stateFolder = await usedFolder();
    const file = join(stateFolder, "resources", "do", "jobbers-Job", "metadata.sqlite");
    for (const name of readdirSync(join(file, "..")).filter((each) => each.startsWith("metadata."))) {
      rmSync(join(file, "..", name));
    }
    writeFileSync(file, randomBytes(4096));
    const failure = await startServerProcess({ stateFolder }).catch(String);
    expect(failure).toContain("the server ended with 1 before it was ready");
    expect(failure).toContain(`\n${file} is garbled`);
    rmSync(file);
    const again = await start({ stateFolder });
    expect(again.url).toMatch(/^http/);
  });

  test("of an object is named in the log of the server that meets it", async ({ expect }) => {
    const stateFolder = temporaryFolder();
    const first = await startServerProcess({ stateFolder });
    const client = makeClient(first.url, first.apiKey);
    const { id } = await client.submitTask("hello", {});
    await client.getJob(id, 30);
    client.close();
    await first.stop();
    const jobs = join(stateFolder, "resources", "do", "jobbers-Intake");
    const [name = ""] = readdirSync(jobs).filter((each) => /^[0-9a-f]{64}\.sqlite$/.test(each));
    rmSync(join(jobs, `${name}-wal`), { force: true });
    writeFileSync(join(jobs, name), randomBytes(8192));
    const second = await start({ stateFolder });
    const again = makeClient(second.url, second.apiKey);
    expect((await again.http.call("GET", `/jobs/${id}`)).status).toBe(500);
    again.close();
    await eventually("the log to name the file", async () =>
      second.output().includes(`${join(jobs, name)} is garbled`) ? true : null,
    );
  });
});

describe("a sweep that fails every minute", () => {
  test("is logged, and makes the scheduler unhealthy", async ({ expect }) => {
    const stateFolder = temporaryFolder();
    const first = await startServerProcess({ stateFolder });
    const client = makeClient(first.url, first.apiKey);
    // What is under way is noted in the catalog, which the sweep reads.
    const { id } = await client.submitTask("hello", {});
    await client.getJob(id, 30);
    client.close();
    await first.stop();
    const folder = join(stateFolder, "resources", "do", "jobbers-Catalog");
    const [name = ""] = readdirSync(folder).filter((each) => /^[0-9a-f]{64}\.sqlite$/.test(each));
    rmSync(join(folder, `${name}-wal`), { force: true });
    writeFileSync(join(folder, name), randomBytes(8192));

    const second = await start({ stateFolder });
    const again = makeClient(second.url, second.apiKey);
    onTestFinished(() => again.close());
    // It sweeps when it has started.
    const scheduler = await eventually("health to say so", async () => {
      const { body } = await again.http.call("GET", "/api/v2/monitor/health");
      const found: unknown = Reflect.get(body as object, "scheduler");
      return JSON.stringify(found).includes('"unhealthy"') ? found : null;
    });
    expect(scheduler).toEqual({ status: "unhealthy", latest_scheduler_heartbeat: null });
    await eventually("the log to say so, and why", async () =>
      ["the minute sweep failed", "sweep_failed"].every((text) => second.output().includes(text)) ? true : null,
    );
  });
});

/** Whether this machine lets a test have a file system of its own. */
const HAS_NAMESPACES = spawnSync("unshare", ["-rm", "true"]).status === 0;

/** A launcher that mounts a small disk, which only the server sees. */
function withDisk(folder: string, size: string): readonly string[] {
  const script = `mount -t tmpfs -o size=${size} tmpfs "$0" && exec "$@"`;
  return ["unshare", "-rm", "sh", "-c", script, folder];
}

describe.runIf(HAS_NAMESPACES)("a full disk", () => {
  test("is what a start on it says", async ({ expect }) => {
    const stateFolder = temporaryFolder();
    await expect(startServerProcess({ stateFolder, launcher: withDisk(stateFolder, "512k") })).rejects.toThrow(
      `ended with 1 before it was ready:\nthe disk of ${stateFolder} is full`,
    );
  });

  test("refuses writes for a while, and health says so", async ({ expect }) => {
    const disk = temporaryFolder();
    const server = await start({ stateFolder: join(disk, "state"), launcher: withDisk(disk, "6m") });
    const client = makeClient(server.url, server.apiKey);
    onTestFinished(() => client.close());
    const health = async (): Promise<string> =>
      JSON.stringify((await client.http.call("GET", "/api/v2/monitor/health")).body);
    expect(await health()).toContain('"metadatabase":{"status":"healthy"}');

    // The disk as the server sees it.
    const filler = join(`/proc/${server.pid}/root`, disk, "filler");
    expect(() => writeFileSync(filler, Buffer.alloc(8_000_000))).toThrow(/ENOSPC/);
    await eventually("health to say so", async () =>
      (await health()).includes('"metadatabase":{"status":"unhealthy"}') ? true : null,
    );
    const refused = await client.http.call("POST", "/tasks/hello", { payload: {} });
    expect([refused.status, refused.headers["retry-after"]]).toEqual([503, "10"]);
    expect(refused.body).toEqual({ detail: expect.stringMatching(/disk .* is full/) });
    expect(server.output()).toContain(`the disk of ${join(disk, "state")} is full`);

    rmSync(filler);
    await eventually("health to be well again", async () =>
      (await health()).includes('"metadatabase":{"status":"healthy"}') ? true : null,
    );
    const { id } = await client.submitTask("hello", {});
    expect((await client.getJob(id, 30)).state).toBe("success");
  });
});

describe("a handler that exhausts the memory", () => {
  test("is why the runtime ended, says the log of the server, which serves on", async ({ expect }) => {
    const stateFolder = temporaryFolder();
    const server = await start({
      stateFolder,
      configPath: join(PROJECT_ROOT, "test", "e2e", "server", "wrangler.toml"),
      bundleFolder: join(PROJECT_ROOT, "dist", "test-server"),
      environment: { MINIFLARE_WORKERD_V8_FLAGS: "--max-semi-space-size=1 --max-old-space-size=64" },
    });
    const client = makeClient(server.url, server.apiKey);
    onTestFinished(() => client.close());
    await client.submitTask("exhaust", {});
    await eventually("the log to say why the runtime ended", async () =>
      server.output().includes("ended because it was out of memory") ? true : null,
    );
    await eventually("the server to answer again", async () => {
      const answer = await client.http.call("GET", "/api/v2/version").catch(() => null);
      return answer?.status === 200 ? true : null;
    });
    expect(server.output()).toContain("it is started again");
  });
});
