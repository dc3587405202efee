/**
 * A server under measurement.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client } from "../scripts/client.ts";
import { makeClient } from "../scripts/client.ts";
import { startDevServer } from "../scripts/dev-server.ts";
import { freePort } from "../scripts/ports.ts";
import { residentBytes } from "../scripts/processes.ts";
import { PROJECT_ROOT } from "../scripts/project.ts";
import { startServerProcess } from "../scripts/server-process.ts";
import type { ServedBy } from "./figures.ts";

const JOBBERS = {
  configPath: join(PROJECT_ROOT, "bench", "wrangler.toml"),
  bundleFolder: join(PROJECT_ROOT, "dist", "bench"),
};
const WORKFLOWS = {
  configPath: join(PROJECT_ROOT, "bench", "workflows.toml"),
  bundleFolder: join(PROJECT_ROOT, "dist", "bench-workflows"),
};

/** Two thousand workflows at once take a while. */
const TIMEOUT_MS = 180_000;
/** Calls under way at a time: as many as the largest burst has. */
const MAX_SOCKETS = 12_000;

/** A server with fresh state, and its client. */
export interface Target {
  servedBy: ServedBy;
  client: Client;
  /** Resident memory of the runtime's process in megabytes (10^6 bytes). */
  runtimeMegabytes(): number;
  /** What the server wrote, as far as that is known. */
  output(): string;
  stop(): Promise<void>;
}

/** Starts the benchmark's bundle with an empty state folder, which goes away with it. */
async function openTarget(servedBy: ServedBy): Promise<Target> {
  const stateFolder = mkdtempSync(join(tmpdir(), "jobbers-bench-"));
  const server = servedBy === "wrangler dev" ? await openDev(stateFolder) : await openEmbedded(stateFolder, servedBy);
  const client = makeClient(server.url, server.apiKey, TIMEOUT_MS, MAX_SOCKETS);
  return {
    servedBy,
    client,
    runtimeMegabytes() {
      const pid = server.runtimePid();
      const bytes = pid === null ? null : residentBytes(pid);
      if (bytes === null) {
        throw new Error("expected the runtime to be up, its process is gone");
      }
      return bytes / 1e6;
    },
    output: () => server.output?.() ?? "",
    async stop() {
      client.close();
      await server.stop();
      rmSync(stateFolder, { recursive: true, force: true });
    },
  };
}

/** Does `work` with a server of its own. If that fails, the error says what the server wrote too. */
export async function withTarget(servedBy: ServedBy, work: (target: Target) => Promise<void>): Promise<void> {
  const target = await openTarget(servedBy);
  try {
    await work(target);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error([message, target.output()].join("\n").trimEnd(), { cause: error });
  } finally {
    await target.stop();
  }
}

interface Server {
  url: string;
  apiKey: string;
  runtimePid(): number | null;
  /** What it wrote; nothing of `wrangler dev`. */
  output?(): string;
  stop(): Promise<unknown>;
}

async function openEmbedded(stateFolder: string, servedBy: ServedBy): Promise<Server> {
  return startServerProcess({ stateFolder, ...(servedBy === "workflows" ? WORKFLOWS : JOBBERS) });
}

async function openDev(stateFolder: string): Promise<Server> {
  const server = startDevServer({
    configPath: JOBBERS.configPath,
    stateFolder,
    port: await freePort("127.0.0.1"),
    apiKey: null,
    output: "ignore",
    more: [],
  });
  await server.ready();
  return server;
}
