/**
 * `wrangler dev` as a child process, with a key and the settings the embedded runtime needs.
 *
 * @module
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { envFileOf, readDevVars } from "./dev-secrets.ts";
import { makeHttpClient } from "./http.ts";
import { findRuntime } from "./processes.ts";
import { PROJECT_ROOT, WRANGLER_COMMAND, WRANGLER_ENVIRONMENT } from "./project.ts";
import { developmentKey } from "./state-folder.ts";

/** How to run it. */
export interface DevServerOptions {
  configPath: string;
  /** Folder of the state and of the development key. */
  stateFolder: string;
  port: number;
  /** API key; null for the development key of the state folder. */
  apiKey: string | null;
  /** `inherit` for a person at a terminal; `ignore` where a program reads what is printed. */
  output: "inherit" | "ignore";
  /** Further arguments of `wrangler dev`. */
  more: string[];
}

/** A running `wrangler dev`. */
export interface DevServer {
  url: string;
  apiKey: string;
  child: ChildProcess;
  /** Waits until it answers. Throws if it ends first. */
  ready(): Promise<void>;
  /** Id of the runtime's process; null while it is down. */
  runtimePid(): number | null;
  /** Runs `scheduled()` once, as a cron trigger would. */
  tick(): Promise<void>;
  stop(): Promise<void>;
}

const HOST = "127.0.0.1";
const POLL_MS = 100;

/** Starts `wrangler dev`. Tasks run detached, since its queue runs one batch at a time; its cron triggers do not fire. */
export function startDevServer(options: DevServerOptions): DevServer {
  mkdirSync(options.stateFolder, { recursive: true, mode: 0o700 });
  const apiKey = options.apiKey ?? developmentKey(options.stateFolder);
  const child = spawn(
    process.execPath,
    [
      WRANGLER_COMMAND,
      "dev",
      `--config=${options.configPath}`,
      `--ip=${HOST}`,
      `--port=${options.port}`,
      "--inspector-port=0",
      `--persist-to=${join(options.stateFolder, "wrangler")}`,
      "--var=TASK_CONSUMER:detach",
      "--var=JOBBERS_MAX_WAIT_S:60",
      `--env-file=${writeSecrets(options.configPath, options.stateFolder, apiKey)}`,
      ...options.more,
    ],
    {
      cwd: PROJECT_ROOT,
      env: { ...WRANGLER_ENVIRONMENT, ...process.env },
      stdio: ["inherit", options.output, options.output],
    },
  );
  const url = `http://${HOST}:${options.port}`;
  const http = makeHttpClient(url, null);
  return {
    url,
    apiKey,
    child,
    async ready() {
      for (;;) {
        if (child.exitCode !== null) {
          throw new Error(`wrangler dev ended with ${child.exitCode} before it answered`);
        }
        try {
          await http.call("GET", "/api/v2/version");
          return;
        } catch {
          await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        }
      }
    },
    runtimePid: () => (child.pid === undefined ? null : findRuntime(child.pid)),
    async tick() {
      await http.call("GET", "/cdn-cgi/local/scheduled");
    },
    async stop() {
      http.close();
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, "exit");
        child.kill("SIGTERM");
        await exited;
      }
    },
  };
}

/** Secrets go by a file that only its owner reads, since arguments are shown to everybody on the machine. */
function writeSecrets(configPath: string, stateFolder: string, apiKey: string): string {
  const file = join(stateFolder, "dev.env");
  const secrets = { ...readDevVars(join(dirname(configPath), ".dev.vars")), JOBBERS_API_KEY: apiKey };
  rmSync(file, { force: true });
  writeFileSync(file, envFileOf(secrets), { mode: 0o600, flag: "wx" });
  return file;
}
