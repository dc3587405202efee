/**
 * The shell lines of the documents, in their order, in one shell, against a server that has what they name: each call must
 * succeed. A line that is to be refused says so in the comment above it, which begins with the status: `# 409: …`.
 */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, test } from "vitest";
import { PROJECT_ROOT } from "../../scripts/project.ts";
import { hashPassword } from "../../src/api/auth/passwords.ts";
import { startTestServer, WEBHOOK_SECRET } from "../support/server.ts";
import type { TestServer } from "../support/server.ts";
import { endOfJob, endOfRun, eventually } from "../support/waiting.ts";

const PASSWORD = "a password of the tests";
const DAG_ID = "greetings";
const DAG = {
  dag_id: DAG_ID,
  tags: ["docs"],
  tasks: [
    { task_id: "start", handler: "hello", input: { name: "Ada" } },
    {
      task_id: "greet",
      handler: "hello",
      upstream_task_ids: ["start"],
      input: { name: { $ref: "map", path: ["name"] } },
      expand: { type: "expand", kwargs: { name: { literal: ["Grace", "Edsger"] } } },
    },
  ],
};

let server: TestServer;
let folder: string;
let finishedRun: string;

beforeAll(async () => {
  const users = { ada: { password: await hashPassword(PASSWORD), role: "admin" } };
  server = await startTestServer({
    GITHUB_WEBHOOK_SECRET: WEBHOOK_SECRET,
    JOBBERS_USERS: JSON.stringify(users),
    JOBBERS_JWT_SECRET: "a secret of the tests that is long enough",
  });
  // Where `npm start` keeps the key, for documents that read it from there.
  folder = mkdtempSync(join(tmpdir(), "jobbers-docs-"));
  mkdirSync(join(folder, ".jobbers", "state"), { recursive: true });
  writeFileSync(join(folder, ".jobbers", "state", "api-key"), server.process.apiKey);
  await register(DAG_ID);
  finishedRun = await finishRun();
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await server.remove();
});

// ── what the lines name ───────────────────────────────────────────────────────────────────────────────────────────

async function register(dagId: string): Promise<string> {
  const { status, body } = await server.client.http.call("PUT", `/api/v2/dags/${dagId}`, { ...DAG, dag_id: dagId });
  if (status >= 300) {
    throw new Error(`expected ${dagId} to be registered, got ${status} ${JSON.stringify(body)}`);
  }
  return dagId;
}

async function finishRun(): Promise<string> {
  await server.client.http.call("PATCH", `/api/v2/dags/${DAG_ID}`, { is_paused: false });
  const { dag_run_id: runId } = await server.client.triggerRun(DAG_ID);
  await endOfRun(server.client, DAG_ID, runId);
  return runId;
}

async function runningJob(): Promise<string> {
  const { id } = await server.client.submitTask("countdown", { seconds: 600 });
  await eventually("the countdown to begin", async () => {
    const job = await server.client.getJob(id);
    return job.progress === null ? null : job;
  });
  return id;
}

async function endedJob(): Promise<string> {
  const { id } = await server.client.submitTask("hello", {});
  return (await endOfJob(server.client, id)).id;
}

/** Says whether a line changes something: then it gets a thing of its own, so that the next line finds the old one. */
function changes(line: string): boolean {
  return /-X (?:POST|PUT|PATCH|DELETE)| -d /.test(line);
}

/** What the variables stand for that a line uses and no line before it has set. */
const THINGS: Record<string, (line: string) => string | Promise<string>> = {
  JOBBERS: () => server.process.url,
  KEY: () => server.process.apiKey,
  USERNAME: () => "ada",
  PASSWORD: () => PASSWORD,
  WEBHOOK_SECRET: () => WEBHOOK_SECRET,
  DAG_ID: (line) =>
    line.includes("/webhooks/")
      ? "github_events"
      : /-X DELETE .*\/dags\/\$DAG_ID"/.test(line)
        ? register("soon_gone")
        : DAG_ID,
  RUN_ID: (line) => (changes(line) ? finishRun() : finishedRun),
  TASK_ID: () => "start",
  MAPPED_TASK_ID: () => "greet",
  // A log is followed to the end of its try, so that try must have one.
  JOB_ID: (line) => (line.includes("follow=true") ? endedJob() : runningJob()),
  BATCH_ID: async () => (await server.client.submitTasks([{ name: "hello", payload: {} }])).batch_id,
};

// ── what the documents say ────────────────────────────────────────────────────────────────────────────────────────

/** A command of a document; `line` counts from 1. */
interface Command {
  file: string;
  line: number;
  text: string;
  /** The status that the comment above it gives; null for success. */
  refusal: number | null;
}

/** Documents with lines that call the API. */
function documents(): string[] {
  const names = readdirSync(join(PROJECT_ROOT, "docs")).filter((name) => name.endsWith(".md"));
  return names.map((name) => join("docs", name)).filter((file) => commandsOf(file).length > 0);
}

/** The commands of a document's shell blocks that have calls in them. */
function commandsOf(file: string): Command[] {
  const lines = readFileSync(join(PROJECT_ROOT, file), "utf8").split("\n");
  const commands: Command[] = [];
  let inside = false;
  let refusal: number | null = null;
  for (let index = 0; index < lines.length; index += 1) {
    const [line = "", begin] = [lines[index], index];
    if (line.startsWith("```")) {
      inside = line === "```sh" && /\b(?:curl|call)\b/.test(lines.slice(index, lines.indexOf("```", index)).join("\n"));
    } else if (inside && line.startsWith("#")) {
      const status = /^# (4\d\d)\b/.exec(line)?.[1];
      refusal = status === undefined ? null : Number(status);
    } else if (inside && line !== "") {
      let text = line;
      while (!isComplete(text) && index + 1 < lines.length) {
        index += 1;
        text += `\n${lines[index]}`;
      }
      commands.push({ file, line: begin + 1, text, refusal });
      refusal = null;
    }
  }
  return commands;
}

/** Says whether bash would not wait for more. */
function isComplete(text: string): boolean {
  const { status, stderr } = spawnSync("bash", ["-n", "-c", text], { encoding: "utf8" });
  return status === 0 && !stderr.includes("here-document") && !text.endsWith("\\");
}

// ── the shell ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Tells the status of each call on the way past; a system without uuidgen has the kernel's ids. */
const PRELUDE = `
curl() { command curl --max-time 240 --write-out '%{stderr}\\nhttp-status %{http_code}\\n' "$@"; }
command -v uuidgen > /dev/null || uuidgen() { cat /proc/sys/kernel/random/uuid; }
`;

/** What a command came to. */
interface Done {
  exit: number;
  /** HTTP statuses of its calls. */
  statuses: number[];
  output: string;
}

/** One bash that keeps what its commands define. */
class Shell {
  readonly #bash: ChildProcessWithoutNullStreams;
  readonly #defined = new Set(["BODY"]);
  #output = "";
  #count = 0;

  constructor(cwd: string) {
    this.#bash = spawn("bash", ["--noprofile", "--norc"], { cwd });
    for (const stream of [this.#bash.stdout, this.#bash.stderr]) {
      stream.on("data", (chunk: Buffer) => (this.#output += chunk.toString("utf8")));
    }
    this.#bash.stdin.write(PRELUDE);
  }

  async run({ text, file, line }: Command): Promise<Done> {
    await this.#set(text, `${file}:${line}`);
    this.#count += 1;
    this.#output = "";
    const mark = `done-${this.#count}`;
    this.#bash.stdin.write(`${text}\nprintf '\\n${mark} %s\\n' "$?" >&2\n`);
    const end = await eventually(`${file}:${line} to end`, async () =>
      new RegExp(`^${mark} (\\d+)$`, "m").exec(this.#output),
    );
    for (const [, name = ""] of text.matchAll(/^(?:export )?([A-Z_]+)=/gm)) {
      this.#defined.add(name);
    }
    const statuses = [...this.#output.matchAll(/^http-status (\d+)$/gm)].map((match) => Number(match[1]));
    return { exit: Number(end[1]), statuses, output: this.#output };
  }

  /** Sets the variables that a command uses. @throws Error for one that nobody knows. */
  async #set(text: string, place: string): Promise<void> {
    for (const [, name = ""] of text.matchAll(/\$\{?([A-Z][A-Z_]*)/g)) {
      const thing = THINGS[name];
      if (thing !== undefined && (!this.#defined.has(name) || name === "KEY" || name === "JOBBERS")) {
        this.#bash.stdin.write(`export ${name}='${await thing(text)}'\n`);
      } else if (!this.#defined.has(name)) {
        throw new Error(`${place}: expected $${name} to be set by a line before, or to be a thing of this test`);
      }
    }
  }

  end(): void {
    this.#bash.kill();
  }
}

describe("the shell lines of the documents", () => {
  test.for(documents())("of %s do what they say", async (file, { expect }) => {
    const shell = new Shell(folder);
    const wrong: unknown[] = [];
    for (const command of commandsOf(file)) {
      const { exit, statuses, output } = await shell.run(command);
      const calls = /\b(?:curl|call) /.test(command.text.replace(/^call\(\).*/, ""));
      const fits = (status: number): boolean =>
        command.refusal === null ? status >= 200 && status < 300 : status === command.refusal;
      if (exit !== 0 || (calls && statuses.length === 0) || !statuses.every(fits)) {
        wrong.push({
          place: `${file}:${command.line}`,
          text: command.text,
          exit,
          statuses,
          output: output.slice(0, 600),
        });
      }
    }
    shell.end();
    expect(wrong).toEqual([]);
  });

  test("are found: many of them in the page on the API", ({ expect }) => {
    expect(commandsOf(join("docs", "api.md")).length).toBeGreaterThan(20);
  });
});
