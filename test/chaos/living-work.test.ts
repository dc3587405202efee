import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, test } from "vitest";
import { runAlive } from "../../bench/alive.ts";
import { startBusyDisk } from "../../bench/busy-disk.ts";
import { ALIVE } from "../../bench/dags.ts";
import { makeClient } from "../../scripts/client.ts";
import { PROJECT_ROOT } from "../../scripts/project.ts";
import { startServerProcess } from "../../scripts/server-process.ts";

const TASKS = 300;

/** What a test started, to be ended in turn. */
const started: (() => Promise<unknown> | void)[] = [];

afterEach(async () => {
  for (const end of started.splice(0).toReversed()) {
    await end();
  }
});

describe("work that lives on a disk that another process keeps busy", () => {
  test(`${TASKS} tasks outlive three heartbeats: each begins once, and only what a silent worker claimed is tried again`, async ({
    expect,
  }) => {
    const stateFolder = mkdtempSync(join(tmpdir(), "jobbers-test-"));
    started.push(() => rmSync(stateFolder, { recursive: true, force: true }));
    const server = await startServerProcess({
      stateFolder,
      configPath: join(PROJECT_ROOT, "bench", "wrangler.toml"),
      bundleFolder: join(PROJECT_ROOT, "dist", "bench"),
    });
    started.push(async () => server.stop());
    const client = makeClient(server.url, server.apiKey);
    started.push(() => client.close());
    const disk = startBusyDisk();
    started.push(() => disk.stop());
    const { dagId, heartrate } = ALIVE["heartrate 1 s"];

    const { foundAfter } = await runAlive(client, dagId, heartrate, TASKS);

    expect(foundAfter).toBeGreaterThanOrEqual(heartrate * 2.1);
  });
});
