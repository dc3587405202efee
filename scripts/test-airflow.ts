/**
 * `npm run test:airflow`: Airflow's own Python client against the built bundle, as `npm start` serves it; then random DAGs on
 * Jobbers and on Airflow itself. Makes a virtual environment for itself; needs Python 3.10 or newer, and the network the first
 * time. Arguments go to pytest (`-- -k clear`), and the random DAGs are left out then; `-- --differential 1000` plays that many
 * of them alone, `AIRFLOW_SEED` says which.
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashPassword } from "../src/api/auth/passwords.ts";
import { parseArgs } from "node:util";
import { runDifferential } from "../test/airflow/differential/main.ts";
import { PROJECT_ROOT } from "./project.ts";
import { startServerProcess } from "./server-process.ts";

const TESTS = join(PROJECT_ROOT, "test", "airflow");
const REQUIREMENTS = join(TESTS, "requirements.txt");
/** Versions of everything that the requirements bring along. */
const CONSTRAINTS = join(TESTS, "constraints.txt");
const ENVIRONMENT = join(PROJECT_ROOT, ".jobbers", "airflow");
/** Says for which requirements the environment was made; written last. */
const STAMP = join(ENVIRONMENT, "requirements.txt");
const PYTHON_IN_IT =
  process.platform === "win32" ? join(ENVIRONMENT, "Scripts", "python.exe") : join(ENVIRONMENT, "bin", "python");
const USER = "ada";
const VIEWER = "vera";
const PASSWORD = "a password of the tests";
/** Random DAGs of a run, and what they are made from: the same each time, so that two runs are alike. */
const RANDOM_DAGS = 300;
const DEFAULT_SEED = 20_261_121;

/** Runs a command to its end. @throws Error with what it wrote if it fails or is not there. */
function run(what: string, command: string, args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (error !== undefined || status !== 0) {
    throw new Error(`${what}: ${[command, ...args].join(" ")} failed\n${error?.message ?? `${stdout}${stderr}`}`);
  }
  return stdout;
}

/** The Python to make the environment with. @throws Error if there is none, or it is too old. */
function findPython(): string {
  const python = process.env["PYTHON"] ?? "python3";
  const needed = "expected Python 3.10 or newer with its module venv (on Debian: apt install python3-venv)";
  try {
    run("python", python, ["-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))"]);
  } catch (error) {
    throw new Error(`${needed} as ${python}; another one can be named by the variable PYTHON`, { cause: error });
  }
  return python;
}

/** Makes the virtual environment unless the one there has the same requirements. */
function ensureEnvironment(): void {
  const requirements = readFileSync(REQUIREMENTS, "utf8") + readFileSync(CONSTRAINTS, "utf8");
  if (existsSync(PYTHON_IN_IT) && existsSync(STAMP) && readFileSync(STAMP, "utf8") === requirements) {
    return;
  }
  const python = findPython();
  console.log(`making a virtual environment in ${ENVIRONMENT}`);
  rmSync(ENVIRONMENT, { recursive: true, force: true });
  mkdirSync(ENVIRONMENT, { recursive: true });
  run("the virtual environment", python, ["-m", "venv", ENVIRONMENT]);
  const install = ["-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS, "--constraint", CONSTRAINTS];
  run("Airflow and its client", PYTHON_IN_IT, install);
  writeFileSync(STAMP, requirements);
}

/** Runs pytest with further arguments. Gives its exit code. */
async function runPytest(more: string[], variables: Record<string, string>): Promise<number> {
  const args = ["-m", "pytest", "-q", "-p", "no:cacheprovider", TESTS, ...more];
  const tests = spawn(PYTHON_IN_IT, args, {
    stdio: "inherit",
    env: { ...process.env, ...variables, PYTHONDONTWRITEBYTECODE: "1" },
  });
  const [code] = (await once(tests, "exit")) as unknown[];
  return typeof code === "number" ? code : 1;
}

/** Airflow's client on a server of its own. */
async function testClient(pytestArgs: string[]): Promise<number> {
  const stateFolder = mkdtempSync(join(tmpdir(), "jobbers-airflow-"));
  const password = await hashPassword(PASSWORD);
  const users = { [USER]: { password, role: "admin" }, [VIEWER]: { password, role: "viewer" } };
  const secrets = { JOBBERS_USERS: JSON.stringify(users), JOBBERS_JWT_SECRET: randomBytes(32).toString("hex") };
  try {
    const server = await startServerProcess({ stateFolder, secrets });
    try {
      return await runPytest(pytestArgs, {
        JOBBERS_URL: server.url,
        JOBBERS_KEY: server.apiKey,
        JOBBERS_TEST_USER: USER,
        JOBBERS_TEST_VIEWER: VIEWER,
        JOBBERS_TEST_PASSWORD: PASSWORD,
      });
    } finally {
      await server.stop();
    }
  } finally {
    rmSync(stateFolder, { recursive: true, force: true });
  }
}

/** A whole number that the user gave. @throws Error if it is none. */
function readNumber(name: string, given: string): number {
  const number = Number(given);
  if (!Number.isSafeInteger(number) || number < 1) {
    throw new Error(`expected a whole number from 1 as ${name}, got ${JSON.stringify(given)}`);
  }
  return number;
}

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const alone = args[0] === "--differential";
  const given = alone ? parseArgs({ args, options: { differential: { type: "string" } } }).values.differential : null;
  const count = readNumber("--differential", given ?? process.env["AIRFLOW_DAGS"] ?? String(RANDOM_DAGS));
  const seed = readNumber("AIRFLOW_SEED", process.env["AIRFLOW_SEED"] ?? String(DEFAULT_SEED));
  ensureEnvironment();
  const code = alone ? 0 : await testClient(args);
  if (!alone && args.length > 0) {
    return code;
  }
  const agree = await runDifferential({ python: PYTHON_IN_IT, count, seed });
  return agree ? code : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
