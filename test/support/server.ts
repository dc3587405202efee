/**
 * A server of the built bundle for a test file: its own state folder, gone when the file is done.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeClient } from "../../scripts/client.ts";
import type { Client } from "../../scripts/client.ts";
import { startServerProcess } from "../../scripts/server-process.ts";
import type { ServerProcess } from "../../scripts/server-process.ts";

/** Secret that test deliveries are signed with. */
export const WEBHOOK_SECRET = "a secret of the tests";

/** A server that may be stopped, crashed and started again on the same state. */
export interface TestServer {
  /** The server that runs now. */
  readonly process: ServerProcess;
  /** Client of the server that runs now, with its key. */
  readonly client: Client;
  /** Stops in order and starts again on the same state. */
  restart(): Promise<void>;
  /** `kill -9` of everything, then a start on the same state. */
  crashAndRestart(): Promise<void>;
  /** Stops it and removes its state. */
  remove(): Promise<void>;
}

/** Starts a server with an empty state. */
export async function startTestServer(secrets: Record<string, string> = {}): Promise<TestServer> {
  const stateFolder = mkdtempSync(join(tmpdir(), "jobbers-test-"));
  // What still runs when a test is over is handed over at once.
  const options = { stateFolder, secrets, drainSeconds: 0 };
  let running = await startServerProcess(options);
  let client = makeClient(running.url, running.apiKey);

  async function startAgain(): Promise<void> {
    client.close();
    running = await startServerProcess(options);
    client = makeClient(running.url, running.apiKey);
  }

  return {
    get process() {
      return running;
    },
    get client() {
      return client;
    },
    async restart() {
      await running.stop();
      await startAgain();
    },
    async crashAndRestart() {
      await running.crash();
      await startAgain();
    },
    async remove() {
      client.close();
      await running.stop();
      rmSync(stateFolder, { recursive: true, force: true });
    },
  };
}
