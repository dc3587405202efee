/**
 * `npm run verify:cloudflare`: deploys the product with probes to an account, looks how the platform treats them, and deletes all of it. See
 * docs/cloudflare.md.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureBundle } from "./bundle.ts";
import { HELP, parseVerifyArguments } from "./verify/arguments.ts";
import { CHECKS, type Check } from "./verify/checks.ts";
import { CLEAN_UP, Deployment, isLoggedIn, VERIFY_CONFIG, VERIFY_WORKER } from "./verify/deployment.ts";

function say(line: Record<string, unknown>): void {
  console.log(JSON.stringify(line));
}

/** Bundles, and says what would be done. */
function rehearse(checks: readonly Check[], keep: boolean): void {
  const folder = mkdtempSync(join(tmpdir(), "jobbers-verify-"));
  try {
    ensureBundle(VERIFY_CONFIG, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  say({ would: "deploy", worker: VERIFY_WORKER, config: VERIFY_CONFIG });
  for (const { number, asked, expected } of checks) {
    say({ would: "check", check: number, asked, expected });
  }
  for (const args of keep ? [] : CLEAN_UP) {
    say({ would: "delete", command: `wrangler ${args.join(" ")}` });
  }
}

/** Runs checks one after the other, until one is interrupted. Gives whether all saw what was expected. */
async function look(deployment: Deployment, checks: readonly Check[], hint: string): Promise<boolean> {
  let isWell = true;
  for (const check of checks) {
    const { number, asked, expected } = check;
    let line: { seen: unknown; as_expected: boolean | null };
    try {
      // One after the other: they would disturb each other.
      // oxlint-disable-next-line no-await-in-loop
      line = await check.run({ deployment, hint });
    } catch (error) {
      line = { seen: { error: String(error) }, as_expected: false };
    }
    say({ check: number, asked, ...line, expected });
    isWell &&= line.as_expected !== false;
  }
  return isWell;
}

/** Rejects at the first signal; later ones are for nothing, since what was made is being deleted. */
function interruption(): Promise<never> {
  return new Promise((_resolve, reject) => {
    let isFirst = true;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => {
        console.error(isFirst ? "interrupted" : "what was made is being deleted, which takes a minute");
        isFirst = false;
        reject(new Error(`ended by ${signal}`));
      });
    }
  });
}

async function deployAndLook(deployment: Deployment, checks: readonly Check[], hint: string): Promise<boolean> {
  await deployment.deploy();
  return look(deployment, checks, hint);
}

async function main(): Promise<number> {
  const known = CHECKS.map(({ number }) => number);
  const { help, checks: numbers, hint, keep, dryRun } = parseVerifyArguments(process.argv.slice(2), known);
  const checks = CHECKS.filter(({ number }) => numbers.includes(number));
  if (help) {
    console.log(HELP);
    return 0;
  }
  if (dryRun) {
    rehearse(checks, keep);
    return 0;
  }
  if (!(await isLoggedIn())) {
    console.error("wrangler knows no account: run npx wrangler login, or set CLOUDFLARE_API_TOKEN");
    return 1;
  }
  const deployment = new Deployment();
  let isWell = false;
  try {
    isWell = await Promise.race([deployAndLook(deployment, checks, hint), interruption()]);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
  }
  return (await leave(deployment, keep)) && isWell ? 0 : 1;
}

/** Deletes what was made, or says that it is kept. Gives whether nothing is left that should not be. */
async function leave(deployment: Deployment, keep: boolean): Promise<boolean> {
  if (keep) {
    deployment.forget();
    console.error(`${VERIFY_WORKER}, its queues and its bucket are kept; they are deleted by a run without --keep`);
    return true;
  }
  const left = await deployment.remove();
  for (const sentence of left) {
    console.error(sentence);
  }
  return left.length === 0;
}

try {
  // What still polls after an interruption must not hold the process.
  process.exit(await main());
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
