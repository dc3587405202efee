import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "vitest";
import { makeClient } from "../../scripts/client.ts";
import { startServerProcess } from "../../scripts/server-process.ts";
import { eventually } from "../support/waiting.ts";

describe("npm start -- --platform-limits", () => {
  it("says that the limits hold, and runs tasks inside them", async ({ expect }) => {
    const stateFolder = mkdtempSync(join(tmpdir(), "jobbers-test-"));
    const server = await startServerProcess({ stateFolder, platformLimits: true, drainSeconds: 0 });
    const client = makeClient(server.url, server.apiKey);
    try {
      await eventually("the line about limits", async () =>
        server.output().includes("Cloudflare's limits hold: what exceeds one is an error") ? true : null,
      );
      const { dag_run_id: runId } = await client.triggerRun("flights_etl");
      const run = await eventually("the run to end", async () => {
        const found = await client.getRun("flights_etl", runId, 30);
        return found.state === "success" || found.state === "failed" ? found : null;
      });
      expect(run.state).toBe("success");
      expect(server.output()).not.toMatch(/event.{1,5}platform_limit/);
    } finally {
      client.close();
      expect(await server.stop()).toBe(0);
      rmSync(stateFolder, { recursive: true, force: true });
    }
  });
});
