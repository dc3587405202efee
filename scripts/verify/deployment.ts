/**
 * The Worker of the checks on the platform: deployed, called and deleted by wrangler and HTTP.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { makeClient, type Client } from "../client.ts";
import { PROJECT_ROOT, WRANGLER_COMMAND, WRANGLER_ENVIRONMENT } from "../project.ts";
import type { Deployed } from "./checks.ts";

/** Its configuration. */
export const VERIFY_CONFIG = join(PROJECT_ROOT, "test", "cloudflare", "wrangler.toml");
/** Name of the Worker. */
export const VERIFY_WORKER = "jobbers-verify";
const BUCKET = "jobbers-verify-payloads";
const QUEUES = ["jobbers-verify-tasks", "jobbers-verify-tasks-heavy"];

/** Longer than the longest long-poll that a check asks for. */
const ANSWER_TIMEOUT_MS = 90_000;
/** Between two looks whether a deployed Worker answers. */
const LOOK_MS = 2000;
const LOOKS = 60;

const deployedSchema = z.object({ type: z.literal("deploy"), targets: z.array(z.string()) });
const whoamiSchema = z.object({ loggedIn: z.boolean() });

interface Ended {
  code: number | null;
  output: string;
}

/** wrangler's commands that delete what a deployment makes, in their order. */
export const CLEAN_UP: readonly (readonly string[])[] = [
  ["delete", "--config", VERIFY_CONFIG, "--force"],
  ...QUEUES.map((queue) => ["queues", "delete", queue]),
  ["r2", "bucket", "delete", BUCKET],
];

/** Runs wrangler to its end. Its output goes nowhere, but for what it says of a failure. */
export function wrangler(args: readonly string[], environment: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [WRANGLER_COMMAND, ...args], {
      cwd: PROJECT_ROOT,
      // A question that wrangler might ask is answered by its default.
      stdio: ["ignore", "pipe", "pipe"],
      // A Ctrl-C reaches the whole group: what deletes must not end by it.
      detached: true,
      env: { ...process.env, ...WRANGLER_ENVIRONMENT, ...environment },
    });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output: Buffer.concat(chunks).toString("utf8") }));
  });
}

/** Says whether wrangler knows an account. */
export async function isLoggedIn(): Promise<boolean> {
  const { output } = await wrangler(["whoami", "--json"]);
  const json = /\{[\s\S]*\}/.exec(output)?.[0] ?? "{}";
  const parsed = whoamiSchema.safeParse(JSON.parse(json));
  return parsed.success && parsed.data.loggedIn;
}

/** The Worker of the checks. */
export class Deployment implements Deployed {
  readonly #folder = mkdtempSync(join(tmpdir(), "jobbers-verify-"));
  readonly #key = randomBytes(33).toString("base64url");
  #client: Client | undefined;
  #deploying: Promise<unknown> = Promise.resolve();

  /** Its API. */
  get client(): Client {
    if (this.#client === undefined) {
      throw new Error("expected the Worker to be deployed, it is not");
    }
    return this.#client;
  }

  /** Deploys it, with variables beside those of its configuration, and waits until it answers. */
  async deploy(variables: Record<string, string> = {}): Promise<void> {
    const secrets = join(this.#folder, "secrets.json");
    const output = join(this.#folder, "output.ndjson");
    writeFileSync(secrets, JSON.stringify({ JOBBERS_API_KEY: this.#key }), { mode: 0o600 });
    const given = Object.entries(variables).flatMap(([name, text]) => ["--var", `${name}:${text}`]);
    const args = ["deploy", "--config", VERIFY_CONFIG, "--secrets-file", secrets, ...given];
    const deploying = wrangler(args, { WRANGLER_OUTPUT_FILE_PATH: output });
    this.#deploying = deploying;
    const ended = await deploying;
    if (ended.code !== 0) {
      throw new Error(`wrangler deploy failed:\n${ended.output}`);
    }
    this.#client ??= makeClient(urlOf(readFileSync(output, "utf8")), this.#key, ANSWER_TIMEOUT_MS);
    await this.#answers();
  }

  /** Deletes all of it. Gives what could not be deleted, as sentences. */
  async remove(): Promise<string[]> {
    // One that was interrupted goes on, and would make again what is deleted now.
    await this.#deploying;
    const left: string[] = [];
    for (const args of CLEAN_UP) {
      // In their order: a queue that has a consumer is not deleted.
      // oxlint-disable-next-line no-await-in-loop
      const { code, output } = await wrangler(args);
      if (code !== 0 && !isGone(output)) {
        left.push(`wrangler ${args.join(" ")} failed: ${output.trim()}`);
      }
    }
    this.forget();
    return left;
  }

  /** Removes what it has on this machine. */
  forget(): void {
    this.#client?.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #answers(): Promise<void> {
    for (let look = 0; look < LOOKS; look += 1) {
      // oxlint-disable-next-line no-await-in-loop
      const status = await this.client.http.call("GET", "/api/v2/dags?limit=1").then((answer) => answer.status, String);
      if (status === 200) {
        return;
      }
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    throw new Error(
      `expected ${VERIFY_WORKER} to answer ${(LOOKS * LOOK_MS) / 1000} s after its deployment, it does not`,
    );
  }
}

/** Says whether wrangler failed because there is nothing to delete. */
function isGone(output: string): boolean {
  return /does not exist|not found|10007|10006|11000/i.test(output);
}

/** The address that wrangler notes for a deployment. */
export function urlOf(notes: string): string {
  const targets = notes
    .split("\n")
    .filter((line) => line !== "")
    .flatMap((line) => {
      const parsed = deployedSchema.safeParse(JSON.parse(line));
      return parsed.success ? parsed.data.targets : [];
    });
  const target = targets.find((one) => one.includes(".workers.dev"));
  if (target === undefined) {
    throw new Error(`expected wrangler to say the address on workers.dev, it says ${JSON.stringify(targets)}`);
  }
  return target.startsWith("https://") ? target : `https://${target}`;
}
