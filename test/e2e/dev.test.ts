import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, test } from "vitest";
import { startDevServer } from "../../scripts/dev-server.ts";
import type { DevServer } from "../../scripts/dev-server.ts";
import { makeHttpClient } from "../../scripts/http.ts";
import { freePort } from "../../scripts/ports.ts";
import { PROJECT_ROOT, WRANGLER_CONFIG } from "../../scripts/project.ts";
import { hashPassword } from "../../src/api/auth/passwords.ts";

let folder: string;
let server: DevServer;

/** The product's configuration in a folder with secrets of its own. */
async function configure(secrets: string): Promise<string> {
  const configPath = join(folder, "wrangler.toml");
  const main = join(PROJECT_ROOT, "src", "index.ts");
  writeFileSync(configPath, readFileSync(WRANGLER_CONFIG, "utf8").replace('main = "src/index.ts"', `main = "${main}"`));
  writeFileSync(join(folder, ".dev.vars"), secrets);
  return configPath;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "jobbers-test-"));
  const users = { ada: { password: await hashPassword("a long password"), role: "op" } };
  const configPath = await configure(`JOBBERS_USERS='${JSON.stringify(users)}'\n`);
  server = startDevServer({
    configPath,
    stateFolder: join(folder, "state"),
    port: await freePort("127.0.0.1"),
    apiKey: 'a-key-with-$HOME-${PATH}-"quotes"-and-`more`-of-them',
    output: "ignore",
    more: [],
  });
  await server.ready();
});

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("npm run dev", () => {
  test("has no door without a key to what objects store", async ({ expect }) => {
    const http = makeHttpClient(server.url, null);
    const namespaces = "/cdn-cgi/local/explorer/api/workers/durable_objects/namespaces";
    const query = { durable_object_name: "catalog", queries: [{ sql: "SELECT 1" }] };
    const answers = await Promise.all([
      http.call("GET", "/cdn-cgi/local/explorer/"),
      http.call("GET", namespaces),
      http.call("POST", `${namespaces}/jobbers-Catalog/query`, query),
    ]);
    http.close();
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401]);
  });

  test("hands secrets on as they are, dollar signs and all", async ({ expect }) => {
    const http = makeHttpClient(server.url, null);
    const login = await http.call("POST", "/auth/token", { username: "ada", password: "a long password" });
    const read = await http.call("GET", "/api/v2/dags", undefined, { authorization: `Bearer ${server.apiKey}` });
    http.close();
    expect([login.status, read.status]).toEqual([201, 200]);
  });
});
