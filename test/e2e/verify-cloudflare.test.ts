import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, onTestFinished, test } from "vitest";
import { makeClient } from "../../scripts/client.ts";
import { PROJECT_ROOT } from "../../scripts/project.ts";
import { startServerProcess } from "../../scripts/server-process.ts";
import { CHECKS } from "../../scripts/verify/checks.ts";
import { VERIFY_CONFIG } from "../../scripts/verify/deployment.ts";

/** Runs the command on a machine that has never seen a login. */
function verify(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const home = mkdtempSync(join(tmpdir(), "jobbers-test-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const none = { CLOUDFLARE_API_TOKEN: undefined, CLOUDFLARE_API_KEY: undefined, CLOUDFLARE_EMAIL: undefined };
  const environment = { ...process.env, ...none, HOME: home, XDG_CONFIG_HOME: home };
  return spawnSync(process.execPath, [join(PROJECT_ROOT, "scripts", "verify-cloudflare.ts"), ...args], {
    cwd: PROJECT_ROOT,
    encoding: "utf8",
    env: environment,
  });
}

describe("npm run verify:cloudflare", () => {
  test("says in one sentence that it needs a login, and does nothing", ({ expect }) => {
    const { status, stdout, stderr } = verify();
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toBe("wrangler knows no account: run npx wrangler login, or set CLOUDFLARE_API_TOKEN\n");
  });

  test("bundles the probes and says what it would do, without a login", ({ expect }) => {
    const { status, stdout } = verify("--dry-run", "--only", "7,2");
    expect(status).toBe(0);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { would: string; check?: number });
    expect(lines.map(({ would, check }) => check ?? would)).toEqual(["deploy", 2, 7, ...Array(4).fill("delete")]);
  });

  test("says what it does not understand", ({ expect }) => {
    const { status, stderr } = verify("--only", "0");
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: '--only: expected numbers of checks (1,2,3,4,5,6,7), got "0"\n',
    });
  });
});

describe("the probes", () => {
  test("are served, and answer a check, whose second deployment is made in between", async ({ expect }) => {
    const folder = mkdtempSync(join(tmpdir(), "jobbers-test-"));
    const bundleFolder = join(folder, "bundle");
    const server = await startServerProcess({
      stateFolder: join(folder, "state"),
      configPath: VERIFY_CONFIG,
      bundleFolder,
    });
    const client = makeClient(server.url, server.apiKey);
    onTestFinished(async () => {
      client.close();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    const deployed: Record<string, string>[] = [];
    const deploy = async (variables: Record<string, string>): Promise<void> => void deployed.push(variables);
    const check = CHECKS.find(({ number }) => number === 6);
    const seen = await check?.run({ deployment: { client, deploy }, hint: "oc" });
    const figures = { hop_ms: expect.any(Number), turn_of_a_slot_ms: expect.any(Number) };
    expect(seen).toEqual({ seen: { without_hint: figures, "with oc": figures }, as_expected: null });
    expect(deployed).toEqual([{ LOCATION_HINT: "oc" }]);
  });
});
