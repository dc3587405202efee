/**
 * `npm run demo`: the real bundle on the embedded runtime, at work on real data. Exits 0 only if every result is right.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureBundle } from "./bundle.ts";
import { makeClient } from "./client.ts";
import { backfillYear } from "./demo/backfill.ts";
import { gatherChecks } from "./demo/checks.ts";
import type { Check } from "./demo/checks.ts";
import { runEtl } from "./demo/etl.ts";
import { coloured, openScreen } from "./demo/screen.ts";
import type { Stage } from "./demo/stage.ts";
import { countWords, retryAndBeat } from "./demo/tasks.ts";
import { deliverWebhooks } from "./demo/webhooks.ts";
import { killWorker } from "./demo/zombie.ts";
import { BUNDLE_FOLDER, WRANGLER_CONFIG } from "./project.ts";
import { startServerProcess } from "./server-process.ts";
import type { ServerProcess } from "./server-process.ts";

async function main(): Promise<boolean> {
  const screen = openScreen();
  const checks = gatherChecks();
  const started = performance.now();
  const bundle = ensureBundle(WRANGLER_CONFIG, BUNDLE_FOLDER);
  const webhookSecret = randomBytes(24).toString("hex");
  const stateFolder = mkdtempSync(join(tmpdir(), "jobbers-demo-"));
  const options = { stateFolder, secrets: { GITHUB_WEBHOOK_SECRET: webhookSecret } };

  let server: ServerProcess = await startServerProcess(options);
  process.once("SIGINT", () => void server.crash().finally(() => process.exit(130)));
  try {
    const size = Math.round(statSync(bundle.main).size / 1024);
    screen.line(`the bundle (${size} KB) serves on ${server.url}, state in ${stateFolder}`);
    let client = makeClient(server.url, server.apiKey);
    const stage: Stage = { client, screen, checks };
    await countWords(stage);
    await retryAndBeat(stage);
    await runEtl(stage);
    await deliverWebhooks(stage, webhookSecret);
    await backfillYear(stage);
    client = await killWorker(stage, async () => {
      await server.crash();
      stage.client.close();
      server = await startServerProcess(options);
      return makeClient(server.url, server.apiKey);
    });
    checks.equal("the runs of before the crash are still there", await client.countRuns("flights_etl"), 1);
    client.close();
  } finally {
    await server.stop();
    rmSync(stateFolder, { recursive: true, force: true });
  }
  return summarise(checks.all(), (performance.now() - started) / 1000);
}

function summarise(checks: readonly Check[], seconds: number): boolean {
  const failed = checks.filter(({ holds }) => !holds);
  console.log(coloured("bold", `\nChecked (${seconds.toFixed(1)} s)`));
  for (const { claim, holds, found } of checks) {
    console.log(`  ${holds ? coloured("green", "✔") : coloured("red", "✘")} ${claim}${holds ? "" : `: ${found}`}`);
  }
  const passed = `${checks.length - failed.length} of ${checks.length} checks hold`;
  console.log(`\n${failed.length === 0 ? coloured("green", passed) : coloured("red", passed)}`);
  return failed.length === 0 && checks.length > 0;
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
