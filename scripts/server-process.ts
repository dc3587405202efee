/**
 * A server in a process of its own, so that it can be stopped, or killed as a crash would.
 *
 * @module
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { z } from "zod";
import { findRuntime, killAndWait } from "./processes.ts";
import { PROJECT_ROOT } from "./project.ts";

const readySchema = z.object({
  ready: z.literal(true),
  url: z.string(),
  apiKey: z.string(),
  runtimePid: z.number().nullable(),
});

/** What to start; what is left out is as `npm start` has it. */
export interface ServerProcessOptions {
  stateFolder: string;
  /** 0, any free one, if left out. */
  port?: number;
  configPath?: string;
  bundleFolder?: string;
  apiKey?: string;
  /** Secrets by name. */
  secrets?: Record<string, string>;
  /** Time that running tasks have to end when it is stopped, as `--drain-seconds`. */
  drainSeconds?: number;
  /** Cloudflare's limits hold, as with `--platform-limits`. */
  platformLimits?: boolean;
  /** Further environment variables of the process. */
  environment?: Record<string, string>;
  /** A command, with its arguments, that becomes the server: it gets the server's own command as further arguments. */
  launcher?: readonly string[];
}

/** A server in a child process. */
export interface ServerProcess {
  url: string;
  apiKey: string;
  pid: number;
  /** Id of the runtime's process now; null while it is down. */
  runtimePid(): number | null;
  /** What the server wrote, both streams. */
  output(): string;
  /** Stops it as Ctrl-C does and gives its exit code. */
  stop(): Promise<number | null>;
  /** `kill -9` of the server and its runtime together: nothing gets to say goodbye. Nothing happens if it has ended. */
  crash(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;
const OUTPUT_LIMIT = 200_000;

/** Starts a server and returns when it serves. Throws, with what it wrote, if it ends or does not get ready. */
export async function startServerProcess(options: ServerProcessOptions): Promise<ServerProcess> {
  const secrets = options.secrets ?? {};
  const args = ["--state", options.stateFolder, "--port", String(options.port ?? 0)];
  if (options.configPath !== undefined) {
    args.push("--config", options.configPath);
  }
  if (options.bundleFolder !== undefined) {
    args.push("--outdir", options.bundleFolder);
  }
  if (options.drainSeconds !== undefined) {
    args.push("--drain-seconds", String(options.drainSeconds));
  }
  if (options.platformLimits === true) {
    args.push("--platform-limits");
  }
  for (const name of Object.keys(secrets)) {
    args.push("--secret", name);
  }
  const environment: NodeJS.ProcessEnv = { ...process.env, ...secrets, ...options.environment };
  delete environment["JOBBERS_API_KEY"];
  if (options.apiKey !== undefined) {
    environment["JOBBERS_API_KEY"] = options.apiKey;
  }
  // A process group of its own: a terminal's Ctrl-C reaches the parent alone, which then stops this one in order.
  const command = [...(options.launcher ?? []), process.execPath, join(PROJECT_ROOT, "scripts", "start.ts"), ...args];
  const child = spawn(command[0] ?? process.execPath, command.slice(1), {
    cwd: PROJECT_ROOT,
    env: environment,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    detached: true,
  });
  const output = gather(child);
  const ready = await waitUntilReady(child, output);
  const pid = child.pid;
  if (pid === undefined) {
    throw new Error(`expected the server to have a process id, it has none: ${output()}`);
  }
  const exited = once(child, "exit");
  return {
    url: ready.url,
    apiKey: ready.apiKey,
    pid,
    runtimePid: () => findRuntime(pid),
    output,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGTERM");
        await exited;
      }
      return child.exitCode;
    },
    async crash() {
      if (child.exitCode !== null || child.signalCode !== null) {
        return;
      }
      const runtime = findRuntime(pid);
      process.kill(-pid, "SIGKILL");
      await exited;
      if (runtime !== null) {
        await killAndWait(runtime);
      }
    },
  };
}

/** Keeps the newest of what a process wrote. */
function gather(child: ChildProcess): () => string {
  let text = "";
  function append(chunk: Buffer): void {
    text = (text + chunk.toString("utf8")).slice(-OUTPUT_LIMIT);
  }
  child.stdout?.on("data", append);
  child.stderr?.on("data", append);
  return () => text;
}

async function waitUntilReady(child: ChildProcess, output: () => string): Promise<z.infer<typeof readySchema>> {
  const timeout = AbortSignal.timeout(START_TIMEOUT_MS);
  try {
    const first = await Promise.race([
      once(child, "message", { signal: timeout }),
      once(child, "exit", { signal: timeout }).then(([code, signal]) => {
        throw new Error(`the server ended with ${String(code ?? signal)} before it was ready:\n${output()}`);
      }),
    ]);
    return readySchema.parse(first[0]);
  } catch (error) {
    child.kill("SIGKILL");
    if (timeout.aborted) {
      throw new Error(`the server was not ready after ${START_TIMEOUT_MS} ms:\n${output()}`, { cause: error });
    }
    throw error;
  }
}
