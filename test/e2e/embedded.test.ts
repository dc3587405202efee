import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, onTestFinished, test } from "vitest";
import { ensureBundle } from "../../scripts/bundle.ts";
import { startEmbedded } from "../../scripts/embedded.ts";
import { killAndWait } from "../../scripts/processes.ts";
import { BUNDLE_FOLDER, WRANGLER_CONFIG } from "../../scripts/project.ts";
import { eventually } from "../support/waiting.ts";

describe("the embedded runtime", () => {
  test("ticks again after it crashed and was started again", async ({ expect }) => {
    const resources = mkdtempSync(join(tmpdir(), "jobbers-test-"));
    const restarted = Promise.withResolvers<void>();
    const server = await startEmbedded({
      configPath: WRANGLER_CONFIG,
      main: ensureBundle(WRANGLER_CONFIG, BUNDLE_FOLDER).main,
      resources,
      host: "127.0.0.1",
      port: 0,
      bindings: { JOBBERS_API_KEY: "a key of the tests", TASK_CONSUMER: "detach" },
      onRestart: () => restarted.resolve(),
    });
    onTestFinished(async () => {
      await server.stop(0);
      rmSync(resources, { recursive: true, force: true });
    });
    await server.tick();
    const crashed = server.runtimePid();
    await killAndWait(crashed ?? 0);
    await eventually("the runtime to answer again", async () => {
      const answer = await fetch(`${server.url}/api/v2/version`).catch(() => null);
      return answer?.ok === true ? true : null;
    });
    await restarted.promise;
    expect(server.runtimePid()).not.toBe(crashed);
    await expect(server.tick()).resolves.toBeUndefined();
  });
});
